#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::policy {

/// RFC 8461 §3.3: a larger one is refused, so that it costs no memory.
inline constexpr std::size_t kMtaStsPolicyOctetsMax = 64 * 1024;
/// RFC 8461 §3.2: about a year. What claims more is held to this.
inline constexpr std::uint64_t kMtaStsMaxAge_s = 31'557'600;
/// Patterns of one policy; more make it malformed. Real ones have a handful.
inline constexpr std::size_t kMtaStsPatternsMax = 1000;

enum class MtaStsMode : std::uint8_t { None, Testing, Enforce };
/// "none", "testing", "enforce".
std::string_view mta_sts_mode_name(MtaStsMode mode);
std::optional<MtaStsMode> parse_mta_sts_mode(std::string_view name);

/// A domain's wishes about the TLS of its hosts (RFC 8461 §3.2).
struct MtaStsPolicy {
  MtaStsMode mode = MtaStsMode::None;
  std::vector<std::string> mx;  ///< lower case: "mx.example.jp" or "*.example.jp"
  base::Duration max_age{};

  friend bool operator==(const MtaStsPolicy&, const MtaStsPolicy&) = default;
};

/// RFC 8461 §3.1: the id that the TXT records at "_mta-sts.DOMAIN" announce. Nothing when there is
/// not exactly one such record, or it is malformed; `why` then says so, and stays empty where none
/// is meant to be one.
std::optional<std::string> find_mta_sts_id(const std::vector<std::string>& texts, std::string& why);

/// Reads the file. Unknown fields are ignored, and of a field given twice the first counts (but
/// for mx). Nothing when it is malformed; `why` says where.
std::optional<MtaStsPolicy> parse_mta_sts_policy(std::string_view text, std::string& why);

/// "mode: enforce" and so on: what parse_mta_sts_policy reads as the same policy.
std::string format_mta_sts_policy(const MtaStsPolicy& policy);

/// RFC 8461 §4.1: whether the policy names the host. "*." stands for one label.
bool is_named(const MtaStsPolicy& policy, std::string_view host);

}  // namespace ekiden::policy
