#pragma once

#include <string>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::api {

/// A file in an archive. `name` is UTF-8 and has no folder.
struct ZipEntry {
  std::string name;
  std::string content;
  base::Time modified{};  ///< the epoch is told as 1980, where zip's time begins
};

/// A zip archive of these files, deflated. Empty when it cannot be made: no memory, or a name
/// twice. On the pool when the content is large.
std::string zip_of(const std::vector<ZipEntry>& entries);

}  // namespace ekiden::api
