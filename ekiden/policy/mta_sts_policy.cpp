#include "ekiden/policy/mta_sts_policy.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/text.hpp"

namespace ekiden::policy {
namespace {

constexpr std::string_view kVersion = "STSv1";
constexpr std::size_t kIdOctetsMax = 32;
constexpr std::size_t kMaxAgeDigitsMax = 10;
constexpr std::size_t kNameOctetsMax = 253;
constexpr std::size_t kLabelOctetsMax = 63;

bool is_alphanumeric(char c) {
  return base::is_alpha(c) || base::is_digit(c);
}

std::string named(std::string_view what, std::string_view value) {
  return std::string(what) + " \"" + base::printable(value, 100) + "\"";
}

/// RFC 8461 §3.1: 1*32(ALPHA / DIGIT).
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdOctetsMax &&
         std::all_of(text.begin(), text.end(), is_alphanumeric);
}

/// RFC 8461 §3.1, sts-ext-name and sts-ext-value.
bool is_extension(std::string_view name, std::string_view value) {
  constexpr std::size_t kNameMax = 32;
  if (name.empty() || name.size() > kNameMax || !is_alphanumeric(name.front())) return false;
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return is_alphanumeric(c) || c == '_' || c == '-' || c == '.';
  });
  return is_name && !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
           return c > 0x20 && c < 0x7f && c != ';' && c != '=';
         });
}

/// Whether the record means to be one of ours: "v=STSv1" and then a delimiter.
bool is_meant(std::string_view text) {
  constexpr std::string_view kStart = "v=STSv1";
  if (!text.starts_with(kStart)) return false;
  const std::string_view rest = base::trimmed(text.substr(kStart.size()));
  return !rest.empty() && rest.front() == ';';
}

std::optional<std::string> parse_record(std::string_view text, std::string& why) {
  std::optional<std::string> id;
  std::string_view rest = text.substr(text.find(';') + 1);
  while (!base::trimmed(rest).empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view field = base::trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) {
      why = named("the TXT record has a field without a value,", field);
      return std::nullopt;
    }
    const std::string_view name = field.substr(0, equals), value = field.substr(equals + 1);
    if (name == "id" && !id) {
      if (!is_id(value)) {
        why = named("the TXT record has an id that is none,", value);
        return std::nullopt;
      }
      id = std::string(value);
    } else if (!is_extension(name, value)) {
      why = named("the TXT record has a field that is none,", field);
      return std::nullopt;
    }
  }
  if (!id) why = "the TXT record has no id";
  return id;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelOctetsMax) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
}

/// RFC 8461 §3.2: ["*."] Domain.
bool is_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  if (text.empty() || text.size() > kNameOctetsMax) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// Reads the fields of one policy.
class Reader {
 public:
  explicit Reader(std::string& why) : why_(why) {}

  bool read_line(std::string_view line) {
    line = base::trimmed(line);
    if (line.empty()) return true;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(named("no field:", line));
    const std::string_view name = base::trimmed(line.substr(0, colon));
    const std::string_view value = base::trimmed(line.substr(colon + 1));
    if (name == "version") return read_version(value);
    if (name == "mode") return read_mode(value);
    if (name == "max_age") return read_max_age(value);
    if (name == "mx") return read_mx(value);
    return true;  // RFC 8461 §3.2: fields to come are ignored.
  }

  std::optional<MtaStsPolicy> finish() {
    if (!has_version_) return fail("the policy has no version"), std::nullopt;
    if (!mode_) return fail("the policy has no mode"), std::nullopt;
    if (!max_age_s_) return fail("the policy has no max_age"), std::nullopt;
    if (policy_.mx.empty() && *mode_ != MtaStsMode::None) {
      return fail("the policy names no mx"), std::nullopt;
    }
    policy_.mode = *mode_;
    policy_.max_age = std::chrono::seconds(*max_age_s_);
    return std::move(policy_);
  }

 private:
  bool fail(std::string why) {
    why_ = std::move(why);
    return false;
  }

  bool read_version(std::string_view value) {
    if (std::exchange(has_version_, true)) return true;
    return value == kVersion || fail(named("an unknown version,", value));
  }

  bool read_mode(std::string_view value) {
    if (mode_) return true;
    mode_ = parse_mta_sts_mode(value);
    return mode_ || fail(named("an unknown mode,", value));
  }

  bool read_max_age(std::string_view value) {
    if (max_age_s_) return true;
    const auto seconds = base::parse_u64(value);
    if (!seconds || value.size() > kMaxAgeDigitsMax) {
      return fail(named("a max_age that is no number of seconds,", value));
    }
    max_age_s_ = std::min(*seconds, kMtaStsMaxAge_s);
    return true;
  }

  bool read_mx(std::string_view value) {
    if (!is_pattern(value)) return fail(named("an mx that is no host name,", value));
    if (policy_.mx.size() == kMtaStsPatternsMax) return fail("the policy names too many hosts");
    policy_.mx.push_back(base::lowered(value));
    return true;
  }

  std::string& why_;
  MtaStsPolicy policy_;
  bool has_version_ = false;
  std::optional<MtaStsMode> mode_;
  std::optional<std::uint64_t> max_age_s_;
};

}  // namespace

std::string_view mta_sts_mode_name(MtaStsMode mode) {
  switch (mode) {
    case MtaStsMode::None:
      return "none";
    case MtaStsMode::Testing:
      return "testing";
    case MtaStsMode::Enforce:
      return "enforce";
  }
  return "";
}

std::optional<MtaStsMode> parse_mta_sts_mode(std::string_view name) {
  for (const MtaStsMode mode : {MtaStsMode::None, MtaStsMode::Testing, MtaStsMode::Enforce}) {
    if (mta_sts_mode_name(mode) == name) return mode;
  }
  return std::nullopt;
}

std::optional<std::string> find_mta_sts_id(const std::vector<std::string>& texts,
                                           std::string& why) {
  const std::string* only = nullptr;
  for (const std::string& text : texts) {
    if (!is_meant(text)) continue;
    if (only != nullptr) {
      // RFC 8461 §3.1: more than one is as good as none.
      why = "there are several TXT records";
      return std::nullopt;
    }
    only = &text;
  }
  if (only == nullptr) return std::nullopt;
  return parse_record(*only, why);
}

std::optional<MtaStsPolicy> parse_mta_sts_policy(std::string_view text, std::string& why) {
  if (text.size() > kMtaStsPolicyOctetsMax) {
    why = "the policy is over 64 KiB";
    return std::nullopt;
  }
  Reader reader(why);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!reader.read_line(line)) return std::nullopt;
  }
  return reader.finish();
}

std::string format_mta_sts_policy(const MtaStsPolicy& policy) {
  std::string text("version: STSv1\r\nmode: ");
  text.append(mta_sts_mode_name(policy.mode)).append("\r\n");
  for (const std::string& mx : policy.mx) text.append("mx: ").append(mx).append("\r\n");
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(policy.max_age).count();
  return text.append("max_age: ").append(std::to_string(seconds)).append("\r\n");
}

bool is_named(const MtaStsPolicy& policy, std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::size_t dot = host.find('.');
  const std::string_view parent =
      dot == std::string_view::npos || dot == 0 ? std::string_view() : host.substr(dot + 1);
  return std::any_of(policy.mx.begin(), policy.mx.end(), [&](std::string_view pattern) {
    if (!pattern.starts_with("*.")) return base::equals_ignoring_case(pattern, host);
    return !parent.empty() && base::equals_ignoring_case(pattern.substr(2), parent);
  });
}

}  // namespace ekiden::policy
