#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/spool/journal.hpp"
#include "ekiden/spool/testing/manual_time.hpp"
#include "ekiden/spool/testing/simulated_disk.hpp"

namespace ekiden::spool::testing {

/// A journal on one thread, with its executors and its clock in the test's hand.
class Rig {
 public:
  struct Found {
    std::uint32_t recipients = 0;
    std::uint64_t size = 0;
    std::string meta;
    std::vector<Progress> progress;
  };

  Rig(Disk& disk, std::uint64_t seed, JournalOptions options)
      : disk_(disk), options_(options), random_(seed) {}
  ~Rig() { drop(); }

  /// Starts a journal; what it found is in `found()`.
  Result<void> start() {
    journal_ = std::make_unique<Journal>(options_, disk_, committer, clock, pool, random_);
    found_.clear();
    visits_ = 0;
    const Result<void> recovered = journal_->recover([this](const Recovered& r) {
      ++visits_;
      found_[r.id] = {r.recipients, r.size, std::string(r.meta), r.progress};
    });
    if (recovered) port_ = journal_->attach(home);
    return recovered;
  }

  /// The process is gone: nothing it had in memory runs any more.
  void drop() {
    committer.clear();
    pool.clear();
    home.clear();
    clock.clear();
    port_.reset();
    journal_.reset();
    committer.clear();
    pool.clear();
    home.clear();
  }

  /// Closes in order, then drops.
  void stop() {
    bool is_closed = false;
    journal_->close([&is_closed] { is_closed = true; });
    for (int i = 0; i < 1000 && !is_closed; ++i) {
      run();
      if (!is_closed) clock.run_next();
    }
    drop();
  }

  /// Runs everything that is ready; time stands still.
  void run() {
    while (home.run_one() || committer.run_one() || pool.run_one()) {
    }
  }
  /// Runs everything, in an order that the seed gives.
  void run_mixed(base::Random& random, std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      ManualExecutor* const all[] = {&home, &committer, &pool};
      (void)all[random.below(3)]->run_one();
    }
  }
  void run_for(base::Duration time) {
    const base::Steady until = clock.steady() + time;
    do run();
    while (clock.run_next(until));
    clock.advance(until - clock.steady());
    run();
  }

  /// Submits and runs until there is an answer; Closed when none comes in a while.
  Result<void> submit(Transaction transaction) {
    auto answer = std::make_shared<std::optional<Result<void>>>();
    port_->submit(std::move(transaction), [answer](Result<void> r) { *answer = r; });
    run();
    for (int i = 0; i < 100 && !*answer; ++i) {
      clock.run_next();
      run();
    }
    return *answer ? **answer : Result<void>(Errc::Closed);
  }
  Result<Loaded> load(base::MessageId id) {
    auto answer = std::make_shared<std::optional<Result<Loaded>>>();
    port_->load(id, [answer](Result<Loaded> r) { *answer = std::move(r); });
    run();
    return *answer ? std::move(**answer) : Result<Loaded>(Errc::Closed);
  }
  Result<std::vector<Progress>> load_progress(base::MessageId id) {
    auto answer = std::make_shared<std::optional<Result<std::vector<Progress>>>>();
    port_->load_progress(id, [answer](Result<std::vector<Progress>> r) { *answer = std::move(r); });
    run();
    return *answer ? std::move(**answer) : Result<std::vector<Progress>>(Errc::Closed);
  }

  Journal& journal() { return *journal_; }
  Port& port() { return *port_; }
  const std::map<base::MessageId, Found>& found() const { return found_; }
  std::size_t visits() const { return visits_; }

  ManualClock clock;
  ManualExecutor committer, pool, home;

 private:
  Disk& disk_;
  JournalOptions options_;
  base::SeededRandom random_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Port> port_;
  std::map<base::MessageId, Found> found_;
  std::size_t visits_ = 0;
};

/// A message of `size` octets whose content says what it is.
inline NewMessage make_message(std::uint64_t number, std::size_t size,
                               std::uint32_t recipients = 1) {
  NewMessage message;
  message.id = {1'800'000'000'000ULL << 16, number};
  message.recipients = recipients;
  message.meta = "meta of " + std::to_string(number);
  std::string octets = "body of " + std::to_string(number) + "\r\n";
  while (octets.size() < size) octets += octets.substr(0, size - octets.size());
  message.body.size = octets.size();
  message.body.octets = base::Octets(std::move(octets));
  return message;
}

inline Progress make_progress(std::uint32_t recipient, State state, std::uint16_t attempts,
                              std::string reply = "250 ok") {
  Progress progress;
  progress.recipient = recipient;
  progress.state = state;
  progress.attempts = attempts;
  progress.due = base::from_unix_us(1'800'000'000'000'000 + attempts);
  progress.reply = std::move(reply);
  return progress;
}

inline base::MessageId id_of(std::uint64_t number) {
  return make_message(number, 1).id;
}

inline Transaction storing(NewMessage message) {
  Transaction t;
  t.messages.push_back(std::move(message));
  return t;
}

inline Transaction updating(base::MessageId id, std::vector<Progress> changes) {
  Transaction t;
  t.updates.push_back({id, std::move(changes)});
  return t;
}

/// Options small enough that segments come and go within a test.
inline JournalOptions small_options() {
  JournalOptions options;
  options.segment_octets = 64 << 10;
  options.disk_reserve = 128 << 10;
  options.drain_after = base::Duration(0);
  options.copy_step_octets = 16 << 10;
  return options;
}

}  // namespace ekiden::spool::testing
