#pragma once

#include <cstdint>

#include "ekiden/base/time.hpp"

namespace ekiden::config {

/// So many in so long: "100/min". A count of zero means no limit: "off".
struct Rate {
  std::uint32_t count = 0;
  base::Duration per{};

  bool is_off() const { return count == 0; }
  friend bool operator==(const Rate&, const Rate&) = default;
};

}  // namespace ekiden::config
