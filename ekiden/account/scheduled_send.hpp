#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// What a sender has said about the scheduled mail of one batch.
enum class SendStop : std::uint8_t {
  Pause,     ///< held when its time comes
  Cancel,    ///< cancelled when its time comes
  Resuming,  ///< what was held is being released; then the entry goes
};
std::string_view name_of(SendStop stop);  ///< "pause", "cancel", "resuming"
std::optional<SendStop> parse_send_stop(std::string_view name);

/// A batch that is paused or cancelled.
struct ScheduledSend {
  std::string tenant;
  std::string batch;
  SendStop stop = SendStop::Pause;
  base::Time created{};

  friend bool operator==(const ScheduledSend&, const ScheduledSend&) = default;
};

/// Of one tenant.
inline constexpr std::size_t kScheduledSendsMax = 1000;
/// An entry is forgotten after so long: mail waits at most 30 days for its time, and its batch is
/// named within 10 of the batch's own beginning.
inline constexpr base::Duration kScheduledSendKept = std::chrono::hours(24 * 90);
/// Mail may name a batch for so long after its id was given.
inline constexpr base::Duration kSendBatchLives = std::chrono::hours(24 * 10);

/// A name for mail that is scheduled together: 40 hexadecimal digits, of which 16 say when it was
/// given and 8 are a checksum. Nothing is kept of it: it counts within its tenant only, so nobody
/// gains anything by making one up.
std::string make_send_batch(base::Time now, base::Random& random);
/// When it was given; nothing: it is none.
std::optional<base::Time> send_batch_time(std::string_view batch);
/// Mail may name it now.
bool is_live_send_batch(std::string_view batch, base::Time now);

/// All batches that are stopped, as the dispatcher asks for them. Sharing: immutable; any thread.
class ScheduledSends {
 public:
  ScheduledSends() = default;
  explicit ScheduledSends(const std::vector<ScheduledSend>& all);

  std::optional<SendStop> find(std::string_view tenant, std::string_view batch) const;
  std::size_t size() const { return stops_.size(); }

  friend bool operator==(const ScheduledSends&, const ScheduledSends&) = default;

 private:
  std::map<std::string, SendStop, std::less<>> stops_;  ///< by tenant, NUL, batch
};

}  // namespace ekiden::account
