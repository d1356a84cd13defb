#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/policy/mta_sts_book.hpp"
#include "ekiden/policy/tls_report.hpp"

namespace ekiden::tlsreport {

/// Midnight UTC before `time`.
base::Time day_of(base::Time time);
/// "2026-11-22" as its day; nothing when it is none.
std::optional<base::Time> parse_day(std::string_view text);

/// One address that a report goes to, and how that went.
struct Delivery {
  policy::TlsReportAddress to;
  bool is_sent = false;
  std::string problem;  ///< of the last try
  base::Time last{};
};

enum class State : std::uint8_t {
  Collecting,  ///< its day goes on
  Waiting,     ///< for its time, or for the next try
  Sent,        ///< to each address, or to all but those that did not take it within a day
  Failed,      ///< to none
  Unwanted,    ///< the domain publishes no address
};
/// "collecting", "waiting", "sent", "failed", "unwanted".
std::string_view state_name(State state);

/// What one domain's mail of one UTC day met, and what became of the report on it.
struct Report {
  std::string domain;
  base::Time day{};
  std::string id;  ///< Report-ID, without brackets; empty while it is collected
  State state = State::Collecting;
  policy::TlsTally tally;
  bool is_known_wanted = false;  ///< the domain's record was seen
  base::Time due{};              ///< of the next try
  base::Time first_try{};
  std::uint32_t tries = 0;
  std::vector<Delivery> deliveries;
};

/// Every report that is collected or was sent lately, kept in one file over restarts.
///
/// Limits: `kReportsMax` in all: past it the mail of further domains is not counted until a day has
/// ended. What was sent is shown for `kKeptFor`.
/// Sharing: any thread; the lock is held for the length of one entry.
class Book {
 public:
  static constexpr std::size_t kReportsMax = 20'000;
  static constexpr std::size_t kFileOctetsMax = 256 * 1024 * 1024;
  static constexpr base::Duration kKeptFor = std::chrono::hours(24 * 7);

  /// `policies` gives the MTA-STS policies' texts; null: none.
  explicit Book(policy::MtaStsBook* policies = nullptr) : policies_(policies) {}

  /// The file's contents; empty is an empty book. False when it cannot be read.
  bool load(std::string_view octets);
  std::string encode() const;
  /// Called, on whichever thread, after each change that belongs into the file. Set before use.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }
  /// Called, on whichever thread, when a domain's day begins. Set before use.
  void on_new(std::function<void()> is_new) { new_ = std::move(is_new); }

  void add(const std::string& domain, policy::TlsSession session, base::Time now);

  /// Domains of the current days of which it is not known whether they want reports.
  std::vector<std::string> unknown(std::size_t max) const;
  /// What its record says, for all its days that are collected. Unwanted ones are counted no more
  /// until the day ends.
  void set_wanted(const std::string& domain, bool is_wanted);

  /// Ends the days before today: each report is due at a random time within `delay_max`.
  void end_days(base::Time now, base::Duration delay_max, base::Random& random,
                const std::string& submitter);
  /// Ends one day at once, and makes it due; also one that goes on: what follows is counted anew.
  /// How many reports there are.
  std::size_t end_day(base::Time day, base::Time now, base::Random& random,
                      const std::string& submitter);
  /// Due by now, at most `max`.
  std::vector<Report> due(base::Time now, std::size_t max) const;
  /// When the next one is; nothing while none waits.
  std::optional<base::Time> next_due() const;
  /// Writes back what became of one that was due.
  void update(const Report& report);

  /// Newest day first, then by domain. Empty filters match all.
  std::vector<Report> find(std::string_view domain, std::optional<base::Time> day) const;
  std::size_t size() const;

 private:
  using Key = std::pair<base::Time, std::string>;
  void end(const Key& key, base::Time due, base::Random& random, const std::string& submitter);
  void changed() const {
    if (changed_) changed_();
  }

  policy::MtaStsBook* policies_;
  mutable std::mutex mutex_;
  std::map<Key, Report> collecting_;       ///< by day and domain
  std::map<std::string, Report> reports_;  ///< those whose counting has ended, by id
  bool is_full_said_ = false;
  std::function<void()> changed_, new_;
};

}  // namespace ekiden::tlsreport
