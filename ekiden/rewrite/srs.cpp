#include "ekiden/rewrite/srs.hpp"

#include "ekiden/base/text.hpp"
#include "ekiden/rewrite/error.hpp"
#include "ekiden/rewrite/token.hpp"

namespace ekiden::rewrite {
namespace {

constexpr std::size_t kHashCharacters = 8;
constexpr std::size_t kLocalOctetsMax = 64;
constexpr std::int64_t kDays = 1024;
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

std::int64_t day_number(base::Time time) {
  return base::to_unix_us(time) / 1'000'000 / 86'400;
}

std::string format_day(std::int64_t day) {
  const auto n = static_cast<std::size_t>(day % kDays);
  return {kAlphabet[n >> 5], kAlphabet[n & 31]};
}

std::optional<std::int64_t> parse_day(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  const std::size_t high = kAlphabet.find(base::to_lower(text[0]));
  const std::size_t low = kAlphabet.find(base::to_lower(text[1]));
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return static_cast<std::int64_t>(high * 32 + low);
}

std::string hash(const account::HashKey& key, std::string_view kind, std::string_view text) {
  return encode_base32(key.hash(kind, base::lowered(text))).substr(0, kHashCharacters);
}

bool is_separator(char c) {
  return c == '=' || c == '+' || c == '-';
}

bool has_tag(std::string_view local, std::string_view tag) {
  return local.size() > 5 && base::starts_with_ignoring_case(local, tag) && is_separator(local[4]);
}

/// Takes what stands before the next '='; nothing when there is none.
std::optional<std::string_view> take(std::string_view& text) {
  const std::size_t end = text.find('=');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end + 1);
  return taken;
}

}  // namespace

std::optional<smtp::Address> make_srs(const account::HashKey& key, std::string_view ours,
                                      const smtp::Address& sender, base::Time day) {
  if (sender.local.starts_with('"') || sender.is_literal()) return std::nullopt;
  const Result<std::string> domain = smtp::canonical_domain(sender.domain);
  if (!domain || *domain == ours) return std::nullopt;
  std::string local;
  if (has_tag(sender.local, "SRS0")) {
    const std::string rest = *domain + "=" + sender.local.substr(4);
    local = "SRS1=" + hash(key, "srs1", rest) + "=" + rest;
  } else if (std::string_view rest = std::string_view(sender.local).substr(0);
             has_tag(sender.local, "SRS1")) {
    // The hop between is left out: bounces go straight to the first.
    rest.remove_prefix(5);
    if (!take(rest)) return std::nullopt;
    // What claims to be one and leads nowhere is an ordinary sender that bounces cannot reach.
    std::string_view inner = rest;
    const auto first = take(inner);
    if (!first || !smtp::parse_address("SRS0" + std::string(inner) + "@" + std::string(*first)))
      return std::nullopt;
    local = "SRS1=" + hash(key, "srs1", rest) + "=" + std::string(rest);
  } else {
    const std::string text = format_day(day_number(day)) + "=" + *domain + "=" + sender.local;
    local = "SRS0=" + hash(key, "srs0", text) + "=" + text;
  }
  if (local.size() > kLocalOctetsMax) return std::nullopt;
  return smtp::Address{std::move(local), std::string(ours)};
}

Result<smtp::Address> read_srs(const account::HashKey& key, const smtp::Address& address,
                               base::Time now, base::Duration age_max) {
  const bool is_first = has_tag(address.local, "SRS0");
  if (!is_first && !has_tag(address.local, "SRS1")) return Errc::NotOurs;
  std::string_view rest = std::string_view(address.local).substr(5);
  const auto signature = take(rest);
  if (!signature || !account::equals_in_constant_time(base::lowered(*signature),
                                                      hash(key, is_first ? "srs0" : "srs1", rest)))
    return Errc::Forged;
  std::string text;
  if (is_first) {
    const auto day = take(rest);
    const auto domain = take(rest);
    const auto number = day ? parse_day(*day) : std::nullopt;
    if (!number || !domain) return Errc::Forged;
    const std::int64_t age = ((day_number(now) - *number) % kDays + kDays) % kDays;
    // A clock that is behind by a day makes tomorrow's address.
    if (age != kDays - 1 && std::chrono::hours(24 * age) > age_max) return Errc::Expired;
    text.append(rest).append("@").append(*domain);
  } else {
    const auto domain = take(rest);
    if (!domain) return Errc::Forged;
    text.append("SRS0").append(rest).append("@").append(*domain);
  }
  Result<smtp::Address> original = smtp::parse_address(text);
  if (!original) return Errc::Forged;
  return original;
}

}  // namespace ekiden::rewrite
