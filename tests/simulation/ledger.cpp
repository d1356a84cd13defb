#include "tests/simulation/ledger.hpp"

#include <algorithm>
#include <set>

namespace ekiden::simulation {
namespace {

/// An explicit instantiation may name a private member: so the octets' owner is watched without
/// giving release code a function that only tests call.
template <std::shared_ptr<const std::string> base::Octets::*Owner>
struct Watch {
  friend std::weak_ptr<const std::string> watch(const base::Octets& octets) {
    return octets.*Owner;
  }
};
std::weak_ptr<const std::string> watch(const base::Octets& octets);
template struct Watch<&base::Octets::owner_>;

/// Octets that may come before those that live are counted anew.
constexpr std::uint64_t kCountEvery = 64 * 1024;
constexpr base::Duration kBrief = std::chrono::seconds(5);

class LedgerPort final : public PassingPort {
 public:
  LedgerPort(std::unique_ptr<spool::Port> behind, Ledger& ledger)
      : PassingPort(std::move(behind)), ledger_(ledger) {}

  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    for (const spool::NewMessage& message : transaction.messages) ledger_.saw(message.body.octets);
    behind().submit(std::move(transaction), std::move(done));
  }
  void load(base::MessageId id, base::Completion<Result<spool::Loaded>> done) override {
    behind().load(
        id, [&ledger = ledger_, done = std::move(done)](Result<spool::Loaded> loaded) mutable {
          if (loaded) ledger.saw(loaded->body.octets);
          done(std::move(loaded));
        });
  }

 private:
  Ledger& ledger_;
};

class LedgerSpool final : public PassingSpool {
 public:
  LedgerSpool(spool::Spool& behind, Ledger& ledger) : PassingSpool(behind), ledger_(ledger) {}
  std::unique_ptr<spool::Port> attach(base::Executor& home) override {
    return std::make_unique<LedgerPort>(behind_.attach(home), ledger_);
  }

 private:
  Ledger& ledger_;
};

}  // namespace

Wrappers::Wrap<spool::Spool> Ledger::wrap() {
  return [this](spool::Spool& real) -> std::unique_ptr<spool::Spool> {
    return std::make_unique<LedgerSpool>(real, *this);
  };
}

void Ledger::saw(const base::Octets& octets) {
  if (octets.empty()) return;
  seen_.push_back({watch(octets), world_.steady()});
  since_count_ += octets.size();
  if (since_count_ > kCountEvery) count();
}

void Ledger::count() {
  since_count_ = 0;
  std::uint64_t sum = 0;
  std::set<const std::string*> counted;  // a body may come by several times
  std::erase_if(seen_, [&](const Seen& seen) {
    const std::shared_ptr<const std::string> octets = seen.octets.lock();
    // What is seen again keeps the time at which it came first.
    if (!octets || !counted.insert(octets.get()).second) return true;
    if (seen.when + kBrief < world_.steady()) sum += octets->size();
    return false;
  });
  most_ = std::max(most_, sum - std::min(sum, excused_()));
}

std::uint64_t Ledger::take_most() {
  count();
  return std::exchange(most_, 0);
}

}  // namespace ekiden::simulation
