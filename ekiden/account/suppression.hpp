#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// Why an address gets no more mail. The names are a contract (docs/SUPPRESSION.md).
enum class SuppressionReason : std::uint8_t {
  Bounce,       ///< nobody has the address, a provider said
  Soft,         ///< it failed again and again, by the tenant's setting
  Complaint,    ///< its owner called a message unwanted
  Unsubscribe,  ///< its owner wants no more of a stream
  Manual,
  Import,
};
inline constexpr std::size_t kSuppressionReasons = 6;
std::string_view name_of(SuppressionReason reason);
std::optional<SuppressionReason> parse_suppression_reason(std::string_view name);

/// What of the suppression list one message passes over, because its sender says so.
struct SuppressionBypass {
  std::uint8_t reasons = 0;  ///< a bit for each reason
  /// With Unsubscribe: only of those who left everything; who left this one stream stays out.
  bool keeps_left_streams = false;

  static constexpr std::uint8_t kAll = (1U << kSuppressionReasons) - 1;
  bool is_any() const { return reasons != 0; }
  void add(SuppressionReason reason) {
    reasons = static_cast<std::uint8_t>(reasons | 1U << static_cast<unsigned>(reason));
  }
  bool passes(SuppressionReason reason, bool is_of_one_stream) const {
    if ((reasons >> static_cast<unsigned>(reason) & 1U) == 0) return false;
    return !(keeps_left_streams && is_of_one_stream && reason == SuppressionReason::Unsubscribe);
  }
};

/// The scope of an entry beside the name of one stream, which never begins with a "+".
inline constexpr std::string_view kAllStreams;
inline constexpr std::string_view kBulkStreams = "+bulk";  ///< all but transactional ones

/// The scope of an entry as people and programs write it: "all", "bulk-streams" or a stream's name.
std::string suppression_stream_word(std::string_view stream);
/// Reads such a word; an empty one is "all". Nothing when it is no stream's name.
std::optional<std::string> parse_suppression_stream(std::string_view word);

/// One address that a tenant sends nothing to.
struct Suppression {
  std::int64_t id = 0;
  std::string tenant = "default";
  std::string address;  ///< suppression_address() of it
  std::string stream;   ///< kAllStreams, kBulkStreams or one stream's name
  SuppressionReason reason = SuppressionReason::Manual;
  base::Time created{};
  base::Time expires{};  ///< the epoch: never
  std::string note;
  std::string source;  ///< the id of the event that it follows from

  bool is_expired(base::Time now) const { return expires != base::Time{} && expires <= now; }
};

/// The form of an address that is stored and compared: canonical domain, everything in lower case.
/// RFC 5321 §2.4 lets the local part's case count, but no provider has two mailboxes that differ
/// in it, and whoever left a list as Info@ is not to hear from it as info@. Nothing: no address.
std::optional<std::string> suppression_address(std::string_view address);

/// What a caller wants to see or to remove; everything given must hold.
struct SuppressionFilter {
  std::string tenant;   ///< empty: all
  std::string address;  ///< in its stored form
  std::string domain;   ///< of the address, canonical
  std::optional<std::string> stream;
  std::optional<SuppressionReason> reason;
  std::optional<base::Time> created_before, created_since;

  /// Nothing but a tenant is given: a removal by it would release everybody.
  bool is_everything() const {
    return address.empty() && domain.empty() && !stream && !reason && !created_before &&
           !created_since;
  }
};

}  // namespace ekiden::account
