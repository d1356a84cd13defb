#include "ekiden/control/balance.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace ekiden::control {
namespace {

constexpr std::array<std::string_view, 5> kCame{
    "ekiden_inbound_recipients_total", "ekiden_recipients_generated_total",
    "ekiden_recipients_added_total", "ekiden_recipients_recovered_total",
    "ekiden_recipients_unquarantined_total"};
constexpr std::array<std::string_view, 8> kWent{
    "ekiden_recipients_delivered_total",   "ekiden_recipients_bounced_total",
    "ekiden_recipients_expired_total",     "ekiden_recipients_suppressed_total",
    "ekiden_recipients_cancelled_total",   "ekiden_recipients_expanded_total",
    "ekiden_recipients_quarantined_total", "ekiden_recipients_queued"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Balance::Balance(base::Metrics& metrics)
    : metrics_(metrics),
      unaccounted_(metrics.gauge("ekiden_recipients_unaccounted",
                                 "Recipients that came, less those that went or are queued: 0 "
                                 "unless mail is lost or doubled")) {}

std::int64_t Balance::refresh() {
  std::int64_t difference = 0;
  metrics_.visit([&](const base::Metrics::Entry& entry) {
    const auto value = entry.kind == base::Metrics::Kind::Counter
                           ? static_cast<std::int64_t>(entry.counter.value())
                           : entry.gauge.value();
    if (is_one_of(kCame, entry.name)) difference += value;
    if (is_one_of(kWent, entry.name)) difference -= value;
  });
  unaccounted_.set(difference);
  return difference;
}

}  // namespace ekiden::control
