#include "ekiden/auth/dmarc_record.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

constexpr std::string_view kVersion = "DMARC1";
constexpr std::size_t kReportsMax = 20;

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

struct Tag {
  std::string name;  ///< lower case
  std::string_view value;
};

/// One tag without the white space around its parts; nothing when it has no "=" or no name.
std::optional<Tag> parse_tag(std::string_view text) {
  const std::size_t sign = text.find('=');
  if (sign == std::string_view::npos) return std::nullopt;
  const std::string_view name = base::trimmed(text.substr(0, sign));
  if (name.empty() || !std::all_of(name.begin(), name.end(), base::is_alpha)) return std::nullopt;
  return Tag{base::lowered(name), base::trimmed(text.substr(sign + 1))};
}

std::optional<DmarcPolicy> parse_policy(std::string_view value) {
  for (const auto policy : {DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject}) {
    if (base::equals_ignoring_case(value, policy_name(policy))) return policy;
  }
  return std::nullopt;
}

bool is_report_uri(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  if (colon == 0 || colon == std::string_view::npos || !base::is_alpha(uri.front())) return false;
  const std::string_view rest = uri.substr(colon + 1);
  const bool is_visible =
      std::all_of(uri.begin(), uri.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!is_visible || rest.empty()) return false;
  if (!base::equals_ignoring_case(uri.substr(0, colon), "mailto")) return true;
  const std::size_t at = rest.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < rest.size();
}

std::vector<std::string> parse_reports(std::string_view value) {
  std::vector<std::string> uris;
  while (!value.empty() && uris.size() < kReportsMax) {
    std::string_view uri = base::trimmed(take_until(value, ','));
    uri = uri.substr(0, uri.find('!'));
    if (is_report_uri(uri)) uris.emplace_back(uri);
  }
  return uris;
}

void apply(const Tag& tag, DmarcRecord& record) {
  const auto is = [&tag](std::string_view value) {
    return base::equals_ignoring_case(tag.value, value);
  };
  if (tag.name == "p") record.policy = parse_policy(tag.value);
  if (tag.name == "sp") {
    record.subdomain_policy = parse_policy(tag.value);
    record.has_bad_subdomain_policy = !record.subdomain_policy;
  }
  if (tag.name == "np") {
    record.nonexistent_policy = parse_policy(tag.value);
    record.has_bad_nonexistent_policy = !record.nonexistent_policy;
  }
  if (tag.name == "aspf") record.is_spf_strict = is("s");
  if (tag.name == "adkim") record.is_dkim_strict = is("s");
  if (tag.name == "t") record.is_test = is("y");
  if (tag.name == "psd" && is("y")) record.psd = DmarcPsd::Yes;
  if (tag.name == "psd" && is("n")) record.psd = DmarcPsd::No;
  if (tag.name == "pct" && tag.value.size() <= 3) {
    const auto percent = base::parse_u64(tag.value);
    if (percent && *percent <= 100) record.percent = static_cast<unsigned>(*percent);
  }
  if (tag.name == "rua") record.aggregate_reports = parse_reports(tag.value);
}

}  // namespace

std::string_view policy_name(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::None:
      return "none";
    case DmarcPolicy::Quarantine:
      return "quarantine";
    case DmarcPolicy::Reject:
      return "reject";
  }
  return "none";
}

bool is_dmarc_record(std::string_view text) {
  const std::optional<Tag> first = parse_tag(take_until(text, ';'));
  return first && first->name == "v" && first->value == kVersion;
}

Result<DmarcRecord> parse_dmarc_record(std::string_view text) {
  DmarcRecord record;
  std::vector<std::string> seen;
  for (std::size_t count = 0; !text.empty(); ++count) {
    if (count == kDmarcTagsMax) return Errc::BadRecord;
    std::optional<Tag> tag = parse_tag(take_until(text, ';'));
    // RFC 7489 §6.4 (lenient): tags may stand in any order behind v; what cannot be read is left
    // out (§6.3).
    if (!tag) continue;
    if (std::find(seen.begin(), seen.end(), tag->name) != seen.end()) return Errc::BadRecord;
    apply(*tag, record);
    seen.push_back(std::move(tag->name));
  }
  return record;
}

}  // namespace ekiden::auth
