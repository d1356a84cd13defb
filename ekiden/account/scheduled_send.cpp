#include "ekiden/account/scheduled_send.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "ekiden/base/checksum.hpp"

namespace ekiden::account {
namespace {

constexpr std::size_t kBatchDigits = 40, kCheckedDigits = 32, kTimeDigits = 16;

std::string key_of(std::string_view tenant, std::string_view batch) {
  std::string key(tenant);
  key += '\0';
  key += batch;
  return key;
}

std::string digits(std::uint64_t number, int count) {
  char text[kTimeDigits + 1];
  std::snprintf(text, sizeof text, "%0*llx", count, static_cast<unsigned long long>(number));
  return text;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string_view name_of(SendStop stop) {
  switch (stop) {
    case SendStop::Pause:
      return "pause";
    case SendStop::Cancel:
      return "cancel";
    case SendStop::Resuming:
      break;
  }
  return "resuming";
}

std::optional<SendStop> parse_send_stop(std::string_view name) {
  for (const SendStop stop : {SendStop::Pause, SendStop::Cancel, SendStop::Resuming})
    if (name == name_of(stop)) return stop;
  return std::nullopt;
}

std::string make_send_batch(base::Time now, base::Random& random) {
  std::string batch = digits(static_cast<std::uint64_t>(base::to_unix_us(now)), 16);
  batch += digits(random.next(), 16);
  return batch + digits(base::crc32c(batch), 8);
}

std::optional<base::Time> send_batch_time(std::string_view batch) {
  if (batch.size() != kBatchDigits || !is_hex(batch)) return std::nullopt;
  const std::string_view checked = batch.substr(0, kCheckedDigits);
  if (batch.substr(kCheckedDigits) != digits(base::crc32c(checked), 8)) return std::nullopt;
  std::uint64_t us = 0;
  std::from_chars(checked.data(), checked.data() + kTimeDigits, us, 16);
  if (us > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return base::from_unix_us(static_cast<std::int64_t>(us));
}

bool is_live_send_batch(std::string_view batch, base::Time now) {
  const auto given = send_batch_time(batch);
  // A clock that was set back does not make it a stranger's.
  return given && now - *given <= kSendBatchLives;
}

ScheduledSends::ScheduledSends(const std::vector<ScheduledSend>& all) {
  for (const ScheduledSend& one : all) stops_.emplace(key_of(one.tenant, one.batch), one.stop);
}

std::optional<SendStop> ScheduledSends::find(std::string_view tenant,
                                             std::string_view batch) const {
  if (stops_.empty()) return std::nullopt;
  const auto found = stops_.find(key_of(tenant, batch));
  if (found == stops_.end()) return std::nullopt;
  return found->second;
}

}  // namespace ekiden::account
