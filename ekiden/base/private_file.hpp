#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"

namespace ekiden::base {

/// Creates `path` empty with mode 0600 unless it exists; a file that others may read loses their
/// permissions. Run by root, the file goes to the owner of its folder: a command that root types
/// must not lock the node out.
/// Errors: errno, as an error of the system's category.
Result<void> ensure_private_file(const std::string& path);

/// The contents of `path`; when it does not exist it is first made of `contents()`, mode 0600,
/// synced, and never seen half written. Two processes that create it at once get the same octets.
/// Errors: errno; EFBIG past `size_max`.
Result<std::string> load_or_create_private_file(const std::string& path,
                                                const std::function<std::string()>& contents,
                                                std::size_t size_max = 4096);

/// Puts `octets` in the place of the file's contents, mode 0600: after a crash the file has the old
/// ones or the new ones, and after this has returned the new ones.
/// Errors: errno.
Result<void> replace_private_file(const std::string& path, std::string_view octets);

}  // namespace ekiden::base
