#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/delivery/source_set.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/queue/suspended.hpp"
#include "ekiden/shaping/channel.hpp"

namespace ekiden::delivery {

/// The rest of a source, as it is stored. Of its end and of what was left of it whatever comes
/// first counts at the next start: a clock that was set meanwhile makes no rest longer than it was.
struct RestRecord {
  std::int64_t until_us = 0, left_us = 0;
  std::string why;
};

/// What one source learnt of one provider, as it is stored.
struct ChannelRecord {
  std::string provider;  ///< limit_key; empty: of the source whatever the provider, its rest
  std::string source;
  shaping::Channel::State state;
  std::optional<RestRecord> rest = std::nullopt;
};

/// A source rests: nothing leaves from it.
struct SourceRest {
  base::Steady until{};
  std::string why;
  bool is_stored = false;  ///< over a restart: somebody said so, and nobody can look for himself
};

/// Where one worker's mail leaves from: sources, their shares, and the channels to the providers
/// whose mail this worker owns. Decides only; times are handed in.
///
/// Sharing: its worker only.
class Egress {
 public:
  /// A provider, or a site of which no provider is known.
  struct Provider {
    std::string key;
    std::shared_ptr<const shaping::Profile> profile;  ///< null: no limits but the sources' rests
    std::map<std::string, std::unique_ptr<shaping::Channel>, std::less<>> channels;  ///< by source
    std::deque<std::uint32_t> parked;  ///< lanes that a limit holds, first come, first served
    std::vector<std::uint32_t> idle;   ///< lanes with idle connections, and some that had
    bool is_due = false;               ///< something may have been freed
    base::TimerId timer = base::TimerId::None;
    base::Steady timer_at = base::Steady::max();
  };

  /// A source for one connection.
  struct Way {
    const SourceOptions* source = nullptr;  ///< null: as the machine chooses
    std::string name;
    std::size_t member = 0;               ///< of the pool
    shaping::Channel* channel = nullptr;  ///< null: nobody's limits hold
    bool may_use_ipv6 = true;             ///< its PTR record is right, or need not be
  };
  /// Nothing may leave now: what holds each source, the first to be freed first.
  struct Stuck {
    std::string source;
    shaping::Held held;
    std::string why;  ///< of a source that rests
  };

  /// `name` is what mail leaves under without any [[source]].
  explicit Egress(std::string name = "default") : implicit_{.name = std::move(name)} {}

  /// A reload's. Null: no [[source]] is configured.
  void set_sources(std::shared_ptr<const SourceSet> sources);
  const SourceSet* sources() const { return sources_.get(); }
  /// What was stored. Before any channel exists.
  void remember(std::shared_ptr<const std::vector<ChannelRecord>> records, shaping::Moment now);

  /// Empty without sources.
  std::string_view pool_for(const message::Details& details, std::string_view route) const;
  /// Null when neither limits nor sources have a say: the plan is used as it is.
  Provider* provider(const Plan& plan, shaping::Moment now);
  const std::map<std::string, std::unique_ptr<Provider>, std::less<>>& providers() const {
    return providers_;
  }
  Provider* find(std::string_view key) const;
  /// Null when the provider has no profile.
  shaping::Channel* channel(Provider& provider, std::string_view source, shaping::Moment now);

  /// The source for a connection, the choice made anew; or what holds all of them.
  std::optional<Way> choose(Provider& provider, std::string_view way,
                            const queue::Suspended& suspended, shaping::Moment now,
                            std::vector<Stuck>& stuck);
  /// A transaction goes over this member.
  void count(std::string_view way, std::size_t member);
  /// False: it is nobody else's turn, whoever may. Asked for every transaction.
  bool may_be_ahead(std::string_view way, std::size_t member);
  /// Whether it is another source's turn, which could open a connection or has one of `idle`.
  bool is_ahead(Provider& provider, std::string_view way, std::size_t member,
                const std::vector<std::string_view>& idle, const queue::Suspended& suspended,
                shaping::Moment now);
  /// Of whom nothing may leave at all: suspended by an operator, at rest, or gone by a reload.
  std::optional<Stuck> stopped(std::string_view source, const queue::Suspended& suspended,
                               shaping::Moment now) const;

  void rest(std::string_view source, SourceRest rest);
  const std::map<std::string, SourceRest, std::less<>>& rests() const { return rests_; }

  /// What the PTR record of a source's IPv6 address says: empty, it may be used; else why not. A
  /// source that needs one has none until this was called.
  void set_ipv6(std::string_view source, std::string why);
  /// Nothing: it may be used.
  std::optional<std::string> unusable_ipv6(const SourceOptions& source) const;

  /// Everything that channels learnt and is worth storing.
  void collect(std::vector<ChannelRecord>& into) const;
  /// Rests worth storing. Every worker has the same.
  void collect_rests(std::vector<ChannelRecord>& into, shaping::Moment now) const;

  /// The plan with the source's addresses and name.
  static std::shared_ptr<const Plan> plan_for(const std::shared_ptr<const Plan>& plan,
                                              const Way& way);

 private:
  const std::vector<PoolOptions::Member>& members(std::string_view way) const;
  Shares& shares(std::string_view way);
  /// What keeps this member from opening a connection.
  Stuck holds(Provider& provider, std::string_view source, const queue::Suspended& suspended,
              shaping::Moment now);

  std::shared_ptr<const SourceSet> sources_;
  SourceOptions implicit_;
  PoolOptions implicit_pool_;
  std::map<std::string, Shares, std::less<>> shares_;  ///< by pool
  std::map<std::string, std::unique_ptr<Provider>, std::less<>> providers_;
  std::map<std::string, SourceRest, std::less<>> rests_;
  std::map<std::string, std::string, std::less<>> ipv6_;  ///< by source, set_ipv6's
  std::map<std::pair<std::string, std::string>, shaping::Channel::State> remembered_;
};

}  // namespace ekiden::delivery
