#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/database.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::webhook {

/// How far a webhook is, or a replay of it.
struct Progress {
  events::Cursor cursor;
  /// The end of the batch that failed: it is posted again as it was, whatever has come since.
  std::optional<events::Cursor> pending;
  std::uint32_t failures = 0;  ///< in a row
  base::Time failing_since{};
  base::Time next{};  ///< not before
  std::uint64_t delivered = 0;
  base::Time last_success{};

  friend bool operator==(const Progress&, const Progress&) = default;
};

/// One post, as the attempt log keeps it: never what was posted.
struct Attempt {
  std::int64_t id = 0;
  std::int64_t webhook = 0;
  base::Time time{};
  std::string kind;  ///< "live", "replay", "test"
  std::string batch_id;
  std::string first_event;
  std::uint64_t events = 0;
  std::uint32_t number = 1;  ///< of the batch: 1, 2, …
  unsigned status = 0;       ///< 0: no answer
  bool is_success = false;
  base::Duration duration{};
  std::string outcome;  ///< in words
};

/// Cursors and attempts of webhooks, in data_dir/webhooks.db. A power cut may take the last of them
/// back, and then events are posted again, with the same ids.
///
/// Sharing: any thread, any process; calls block.
class Ledger {
 public:
  /// Attempts of each webhook that are kept, the newest.
  static constexpr std::int64_t kAttemptsMax = 200;
  /// The live progress of a webhook stands beside those of its replays, which have ids.
  static constexpr std::int64_t kLive = 0;

  static Result<std::unique_ptr<Ledger>> open(const std::string& data_dir,
                                              std::string* problem = nullptr);

  /// Nothing when there is none yet.
  Result<std::optional<Progress>> load(std::int64_t webhook, std::int64_t order);
  Result<void> save(std::int64_t webhook, std::int64_t order, const Progress& progress);
  /// Both at once.
  Result<void> record(std::int64_t order, const Progress& progress, const Attempt& attempt);
  Result<void> record_attempt(const Attempt& attempt);
  Result<void> forget_order(std::int64_t webhook, std::int64_t order);
  /// Everything of webhooks that are not among these.
  Result<void> forget_others(const std::vector<std::int64_t>& webhooks);
  /// Attempts older than this go, those of each webhook with its next one, and all of them now.
  Result<void> keep_attempts(base::Duration kept, base::Time now);
  /// Newest first.
  Result<std::vector<Attempt>> attempts(std::int64_t webhook, std::size_t count);

 private:
  explicit Ledger(account::Database database) : database_(std::move(database)) {}
  Result<void> put(std::int64_t webhook, std::int64_t order, const Progress& progress);
  Result<void> put(const Attempt& attempt);

  base::Duration attempts_kept_ = base::Duration::max();
  std::mutex mutex_;
  account::Database database_;
};

}  // namespace ekiden::webhook
