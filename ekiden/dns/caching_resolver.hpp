#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/dns/cache.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::dns {

/// Puts a cache in front of another resolver, and asks an equal question only once at a time.
///
/// A name that cannot exist is answered NoDomain without asking anybody.
///
/// Sharing: one worker owns one; it may end before the resolver behind it answers.
class CachingResolver final : public Resolver {
 public:
  struct Options {
    Cache::Options cache;
    /// Callers waiting at once; one more is answered Failed.
    std::size_t waiting_max = 100'000;
  };
  /// Counted when given; they outlive the resolver.
  struct Counters {
    base::Counter* questions = nullptr;
    base::Counter* hits = nullptr;
    base::Counter* failures = nullptr;
  };

  CachingResolver(Resolver& behind, base::Clock& clock, base::Executor& home, Options options,
                  Counters counters);
  CachingResolver(Resolver& behind, base::Clock& clock, base::Executor& home)
      : CachingResolver(behind, clock, home, Options{}, Counters{}) {}
  ~CachingResolver() override;

  void resolve(std::string name, Type type, base::Completion<Answer> done) override;
  void abandon() override;

  /// Forgets every answer: the network changed, or the operator asked.
  void clear();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::dns
