#include "ekiden/delivery/channel_records.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ekiden::delivery {

namespace json = boost::json;

namespace {

constexpr std::int64_t kVersion = 1;
/// Nothing that is stored is later than the year 5000.
constexpr std::int64_t kTimeMaxUs = 100'000'000'000'000'000;

double number(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_double()) return value->get_double();
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  if (value->is_uint64()) return static_cast<double>(value->get_uint64());
  return 0;
}

std::int64_t whole(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

std::uint32_t count(const json::object& from, std::string_view key) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(whole(from, key), 0, UINT32_MAX));
}

bool truth(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string text(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

json::object encode(const ChannelRecord& record) {
  json::object to{{"provider", record.provider}, {"source", record.source}};
  if (record.state.rate) {
    const shaping::AdaptiveRate::State& rate = *record.state.rate;
    to["rate"] =
        json::object{{"rate", rate.rate},          {"held", rate.held},
                     {"progress", rate.progress},  {"strikes", rate.strikes},
                     {"wary", rate.is_wary},       {"paused_until_us", rate.paused_until_us},
                     {"cut_at_us", rate.cut_at_us}};
  }
  const shaping::WarmUp::State& warm = record.state.warm_up;
  if (warm.day_us != 0 || warm.is_paused) {
    to["warm_up"] = json::object{{"stage", warm.stage},         {"day_us", warm.day_us},
                                 {"last_us", warm.last_us},     {"sent", warm.sent},
                                 {"bounced", warm.bounced},     {"complained", warm.complained},
                                 {"throttled", warm.throttled}, {"stopped", warm.is_stopped},
                                 {"paused", warm.is_paused}};
  }
  if (record.rest) {
    to["rest"] = json::object{{"until_us", record.rest->until_us},
                              {"left_us", record.rest->left_us},
                              {"why", record.rest->why}};
  }
  return to;
}

ChannelRecord decode(const json::object& from) {
  ChannelRecord record;
  record.provider = text(from, "provider");
  record.source = text(from, "source");
  if (const json::value* value = from.if_contains("rate"); value != nullptr && value->is_object()) {
    const json::object& rate = value->get_object();
    shaping::AdaptiveRate::State state;
    state.rate = number(rate, "rate");
    state.held = number(rate, "held");
    state.progress = number(rate, "progress");
    state.strikes = count(rate, "strikes");
    state.is_wary = truth(rate, "wary");
    state.paused_until_us = whole(rate, "paused_until_us");
    state.cut_at_us = whole(rate, "cut_at_us");
    record.state.rate = state;
  }
  if (const json::value* value = from.if_contains("warm_up");
      value != nullptr && value->is_object()) {
    const json::object& warm = value->get_object();
    shaping::WarmUp::State& state = record.state.warm_up;
    state.stage = count(warm, "stage");
    state.day_us = whole(warm, "day_us");
    state.last_us = whole(warm, "last_us");
    state.sent = count(warm, "sent");
    state.bounced = count(warm, "bounced");
    state.complained = count(warm, "complained");
    state.throttled = count(warm, "throttled");
    state.is_stopped = truth(warm, "stopped");
    state.is_paused = truth(warm, "paused");
  }
  if (const json::value* value = from.if_contains("rest"); value != nullptr && value->is_object()) {
    const json::object& rest = value->get_object();
    const auto time = [&rest](std::string_view key) {
      return std::clamp<std::int64_t>(whole(rest, key), 0, kTimeMaxUs);
    };
    record.rest = RestRecord{time("until_us"), time("left_us"), text(rest, "why")};
  }
  return record;
}

/// Sites are many and forgotten at little cost; a warm-up is weeks of work.
bool matters_more(const ChannelRecord& a, const ChannelRecord& b) {
  const auto rank = [](const ChannelRecord& record) {
    return (record.state.warm_up.day_us != 0 ? 2 : 0) +
           (record.provider.find(':') == std::string::npos ? 1 : 0);
  };
  return rank(a) > rank(b);
}

}  // namespace

std::string encode_channels(std::vector<ChannelRecord> records) {
  if (records.size() > kChannelRecordsMax) {
    std::stable_sort(records.begin(), records.end(), matters_more);
    records.resize(kChannelRecordsMax);
  }
  json::array all;
  for (const ChannelRecord& record : records) all.push_back(encode(record));
  return json::serialize(json::object{{"version", kVersion}, {"channels", std::move(all)}});
}

std::optional<std::vector<ChannelRecord>> decode_channels(std::string_view octets) {
  std::vector<ChannelRecord> records;
  if (octets.empty()) return records;
  boost::system::error_code error;
  const json::value parsed = json::parse(octets, error);
  if (error || !parsed.is_object() || whole(parsed.get_object(), "version") != kVersion)
    return std::nullopt;
  const json::value* all = parsed.get_object().if_contains("channels");
  if (all == nullptr || !all->is_array()) return std::nullopt;
  for (const json::value& one : all->get_array()) {
    if (!one.is_object() || records.size() >= kChannelRecordsMax) return std::nullopt;
    records.push_back(decode(one.get_object()));
  }
  return records;
}

}  // namespace ekiden::delivery
