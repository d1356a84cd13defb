#pragma once

#include <cstddef>
#include <functional>
#include <string>

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

}  // namespace ekiden::base
