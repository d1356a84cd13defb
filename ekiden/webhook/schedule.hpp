#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::webhook {

/// Nothing was taken for so long: the webhook disables itself.
inline constexpr base::Duration kGiveUpAfter = std::chrono::hours(24);
/// The longest wait that an endpoint may ask for with Retry-After.
inline constexpr base::Duration kRetryAfterMax = std::chrono::hours(24);

/// The wait after so many failures in a row (one at least): 5 s, 15 s, 45 s, … an hour at most,
/// each a fifth shorter or longer by chance, so that endpoints that fell together are not met
/// together.
base::Duration retry_wait(std::uint32_t failures, base::Random& random);

/// RFC 9110 §10.2.3: seconds, or a date. Nothing when it is neither; never past kRetryAfterMax.
std::optional<base::Duration> parse_retry_after(std::string_view text, base::Time now);

}  // namespace ekiden::webhook
