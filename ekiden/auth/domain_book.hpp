#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ekiden/auth/domain_facts.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::auth {

/// What is known of senders' domains, so that a message is judged without asking the DNS.
///
/// Facts are used while they are young, and longer while the DNS does not answer; who finds them
/// old is told to look again, one at a time.
///
/// Limits: kDomainsMax; past it an entry that nobody asked for lately goes.
/// Sharing: any thread; a call takes a lock for the length of a lookup.
class DomainBook {
 public:
  static constexpr std::size_t kDomainsMax = 20'000;
  /// Older facts are used and looked up again. Resolvers keep answers for their time to live.
  static constexpr base::Duration kFreshFor = std::chrono::minutes(1);
  /// Older ones are not used: the DNS has not answered for that long.
  static constexpr base::Duration kUsableFor = std::chrono::hours(24);
  /// A look that failed is not repeated sooner, unless somebody waits for it.
  static constexpr base::Duration kRetryPause = std::chrono::seconds(30);

  /// Null: unknown.
  std::shared_ptr<const DomainFacts> find(std::string_view domain, base::Steady now) const;
  /// Whether the caller shall look the domain up now: what is known is old, and nobody is at it.
  /// Then it must end in `put`.
  bool begin_look(const std::string& domain, base::Steady now);
  /// Facts with trouble do not replace others that are still usable.
  void put(DomainFacts facts, base::Steady now);
  /// Our addresses changed, or an operator asked: nothing is known any more.
  void clear();
  std::size_t size() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Entry {
    std::shared_ptr<const DomainFacts> facts;  ///< null until the first look has ended
    base::Steady found{};                      ///< when they were
    base::Steady looked{-kUsableFor};          ///< when a look last ended
    bool is_under_way = false;
  };
  void make_room();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace ekiden::auth
