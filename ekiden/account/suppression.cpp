#include "ekiden/account/suppression.hpp"

#include <algorithm>
#include <array>

#include "ekiden/account/store.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::account {
namespace {

constexpr std::array<std::string_view, kSuppressionReasons> kNames = {
    "bounce", "soft", "complaint", "unsubscribe", "manual", "import"};

constexpr std::string_view kAllWord = "all", kBulkWord = "bulk-streams";

/// A host name of ASCII letters needs no IDNA to be canonical.
bool is_plain_domain(std::string_view domain) {
  return !domain.empty() && domain.front() != '.' && domain.back() != '.' &&
         std::all_of(domain.begin(), domain.end(), [](char c) {
           return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_';
         });
}

}  // namespace

std::string_view name_of(SuppressionReason reason) {
  return kNames[static_cast<std::size_t>(reason)];
}

std::optional<SuppressionReason> parse_suppression_reason(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<SuppressionReason>(found - kNames.begin());
}

std::string suppression_stream_word(std::string_view stream) {
  if (stream == kAllStreams) return std::string(kAllWord);
  if (stream == kBulkStreams) return std::string(kBulkWord);
  return std::string(stream);
}

std::optional<std::string> parse_suppression_stream(std::string_view word) {
  if (word.empty() || word == kAllWord) return std::string(kAllStreams);
  if (word == kBulkWord) return std::string(kBulkStreams);
  if (!check_label(word)) return std::nullopt;
  return std::string(word);
}

std::optional<std::string> suppression_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  // The form that nearly every address has; the parser decides about the others.
  const bool is_simple =
      std::all_of(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(at), [](char c) {
        return base::is_alpha(c) || base::is_digit(c) || c == '.' || c == '-' || c == '_' ||
               c == '+' || c == '=';
      });
  if (is_simple && is_plain_domain(address.substr(at + 1))) return base::lowered(address);
  const auto parsed = smtp::parse_address(address);
  if (!parsed || !smtp::canonical_domain(parsed->domain)) return std::nullopt;
  return base::lowered(smtp::comparison_key(*parsed));
}

}  // namespace ekiden::account
