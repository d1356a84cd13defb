#include "ekiden/cli/sink_rule.hpp"

#include <array>
#include <cstdlib>

#include "ekiden/base/text.hpp"
#include "ekiden/base/wildcard.hpp"

namespace ekiden::cli {
namespace {

struct StageName {
  std::string_view name;
  SinkStage stage;
};
constexpr std::array<StageName, 6> kStages{{{"connect", SinkStage::Connect},
                                            {"mail", SinkStage::Mail},
                                            {"rcpt", SinkStage::Rcpt},
                                            {"data", SinkStage::Data},
                                            {"eod", SinkStage::Eod},
                                            {"stored", SinkStage::Stored}}};

/// Takes "stage:" or a lone "stage" off the front.
std::optional<SinkStage> take_stage(std::string_view& text) {
  for (const StageName& s : kStages) {
    if (!text.starts_with(s.name)) continue;
    std::string_view rest = text.substr(s.name.size());
    if (rest.starts_with(':')) {
      text = base::trimmed(rest.substr(1));
      return s.stage;
    }
    if (rest.empty() || rest.front() == '=') {
      text = rest;
      return s.stage;
    }
  }
  return std::nullopt;
}

std::optional<double> parse_number(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || end != copy.c_str() + copy.size() || !(value >= 0)) return std::nullopt;
  return value;
}

std::optional<smtp::Reply> parse_reply(std::string_view text) {
  smtp::Reply reply;
  const auto code = base::parse_u64(text.substr(0, 3));
  if (!code || *code < 200 || *code > 599 || (text.size() > 3 && text[3] != ' ')) {
    return std::nullopt;
  }
  reply.code = static_cast<std::uint16_t>(*code);
  text = text.size() > 3 ? base::trimmed(text.substr(4)) : std::string_view{};
  const std::size_t space = text.find(' ');
  if (const auto enhanced = smtp::parse_enhanced_code(text.substr(0, space))) {
    reply.enhanced = *enhanced;
    text = space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
  }
  reply.lines.emplace_back(text);
  return reply;
}

}  // namespace

bool fits_pattern(std::string_view text, std::string_view pattern) {
  return base::fits_wildcards(text, pattern);
}

bool SinkRule::fits(std::string_view address, base::Random& random) const {
  return fits_pattern(address, pattern) && (share >= 1 || random.unit() < share);
}

std::optional<SinkRule> parse_sink_rule(std::string_view text, const SinkRule& defaults,
                                        std::string& why) {
  SinkRule rule = defaults;
  text = base::trimmed(text);
  if (const auto stage = take_stage(text)) rule.stage = *stage;
  if (const std::size_t equals = text.find('='); equals != std::string_view::npos) {
    if (rule.drops) {
      why = "a dropped connection has no reply";
      return std::nullopt;
    }
    const auto reply = parse_reply(base::trimmed(text.substr(equals + 1)));
    if (!reply) {
      why = "after '=' stands a reply: 550 5.1.1 No such user";
      return std::nullopt;
    }
    rule.reply = *reply;
    text = base::trimmed(text.substr(0, equals));
  }
  if (text.ends_with('%')) {
    const std::size_t space = text.rfind(' ');
    const std::size_t start = space == std::string_view::npos ? 0 : space + 1;
    const auto percent = parse_number(text.substr(start, text.size() - 1 - start));
    if (!percent || *percent > 100) {
      why = "a percentage lies between 0% and 100%";
      return std::nullopt;
    }
    rule.share = *percent / 100;
    text = base::trimmed(text.substr(0, start));
  }
  if (text.find(' ') != std::string_view::npos) {
    why = "a rule is [STAGE:][PATTERN][ N%][=REPLY]";
    return std::nullopt;
  }
  if (!text.empty()) rule.pattern = text;
  return rule;
}

std::optional<SinkLatency> parse_sink_latency(std::string_view text, std::string& why) {
  struct Unit {
    std::string_view name;
    double us;
  };
  static constexpr std::array<Unit, 4> kUnits{{{"ms", 1e3}, {"us", 1}, {"s", 1e6}, {"m", 60e6}}};
  SinkLatency latency;
  text = base::trimmed(text);
  if (const auto stage = take_stage(text)) latency.stage = *stage;
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.name)) continue;
    const auto number = parse_number(text.substr(0, text.size() - unit.name.size()));
    if (!number || *number * unit.us > 3600e6) break;
    latency.delay = base::Duration(static_cast<std::int64_t>(*number * unit.us));
    return latency;
  }
  why = "a latency is [STAGE:]DURATION, at most an hour: 50ms, rcpt:2s";
  return std::nullopt;
}

}  // namespace ekiden::cli
