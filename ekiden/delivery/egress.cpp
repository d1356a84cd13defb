#include "ekiden/delivery/egress.hpp"

#include <algorithm>

#include "ekiden/delivery/reverse_watch.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::delivery {
namespace {

/// A rate that frees within this is waited for by a connection that is open already.
constexpr base::Duration kPatience = std::chrono::seconds(2);

/// What a file may say of a rest, however wrong.
constexpr base::Duration kStoredRestMax = std::chrono::hours(24 * 30);

bool is_earlier(const Egress::Stuck& a, const Egress::Stuck& b) {
  return a.held.until < b.held.until;
}

}  // namespace

void Egress::set_sources(std::shared_ptr<const SourceSet> sources) {
  sources_ = std::move(sources);
  shares_.clear();
  // Whoever is no source any more needs no rest.
  std::erase_if(rests_, [this](const auto& rest) {
    return sources_ == nullptr || sources_->find(rest.first) == nullptr;
  });
  std::erase_if(ipv6_, [this](const auto& known) {
    return sources_ == nullptr || sources_->find(known.first) == nullptr;
  });
}

void Egress::remember(std::shared_ptr<const std::vector<ChannelRecord>> records,
                      shaping::Moment now) {
  for (const ChannelRecord& record : *records) {
    if (!record.rest) {
      remembered_[{record.provider, record.source}] = record.state;
      continue;
    }
    const base::Duration left = std::min(base::from_unix_us(record.rest->until_us) - now.wall,
                                         base::Duration(record.rest->left_us));
    const base::Duration length = std::clamp(left, base::Duration::zero(), kStoredRestMax);
    rest(record.source, {now.steady + length, record.rest->why, true});
  }
}

std::string_view Egress::pool_for(const message::Details& details, std::string_view route) const {
  if (sources_ == nullptr) return {};
  return sources_->pool_for(details.tenant, details.stream, route, details.pool).name;
}

Egress::Provider* Egress::find(std::string_view key) const {
  const auto found = providers_.find(key);
  return found == providers_.end() ? nullptr : found->second.get();
}

Egress::Provider* Egress::provider(const Plan& plan, shaping::Moment now) {
  if (plan.profile == nullptr && sources_ == nullptr) return nullptr;
  std::string key(limit_key(plan));
  if (key.empty()) key = plan.site;
  const auto [place, is_new] = providers_.try_emplace(std::move(key));
  if (is_new) {
    place->second = std::make_unique<Provider>();
    place->second->key = place->first;
  }
  Provider& provider = *place->second;
  if (provider.profile != plan.profile) {
    provider.profile = plan.profile;
    // A route that loses its provider keeps connections that count under the old limits.
    if (plan.profile != nullptr) {
      for (auto& [name, channel] : provider.channels) {
        const SourceOptions* source = sources_ ? sources_->find(name) : &implicit_;
        channel->set_profile(plan.profile, source != nullptr && source->warms_up, now);
      }
    }
  }
  return &provider;
}

shaping::Channel* Egress::channel(Provider& provider, std::string_view source,
                                  shaping::Moment now) {
  if (provider.profile == nullptr) return nullptr;
  const auto found = provider.channels.find(source);
  if (found != provider.channels.end()) return found->second.get();
  shaping::Channel::State state;
  const auto known = remembered_.find({provider.key, std::string(source)});
  if (known != remembered_.end()) state = known->second;
  const SourceOptions* options = sources_ ? sources_->find(source) : &implicit_;
  auto made = std::make_unique<shaping::Channel>(
      provider.profile, options != nullptr && options->warms_up, state, now);
  if (known != remembered_.end()) remembered_.erase(known);
  return provider.channels.emplace(std::string(source), std::move(made)).first->second.get();
}

const std::vector<PoolOptions::Member>& Egress::members(std::string_view way) const {
  return sources_->pool(queue::pool_of_way(way)).members;
}

Shares& Egress::shares(std::string_view way) {
  const PoolOptions& pool = sources_->pool(queue::pool_of_way(way));
  const auto found = shares_.find(pool.name);
  if (found != shares_.end()) return found->second;
  return shares_.emplace(pool.name, Shares(pool)).first->second;
}

std::optional<Egress::Stuck> Egress::stopped(std::string_view source,
                                             const queue::Suspended& suspended,
                                             shaping::Moment now) const {
  if (suspended.contains(queue::Suspendable::Source, source))
    return Stuck{std::string(source),
                 {shaping::Hold::Suspended, base::Time::max()},
                 "an operator suspended it"};
  const auto rest = rests_.find(source);
  if (rest != rests_.end() && rest->second.until > now.steady)
    return Stuck{std::string(source),
                 {shaping::Hold::Suspended, now.wall + (rest->second.until - now.steady)},
                 rest->second.why};
  if (sources_ == nullptr) return std::nullopt;
  const SourceOptions* const options = sources_->find(source);
  std::string why;
  if (options == nullptr) {
    why = "it is no [[source]] any more";
  } else if (!options->has_ipv4()) {
    why = unusable_ipv6(*options).value_or(std::string());
  }
  if (why.empty()) return std::nullopt;
  return Stuck{std::string(source), {shaping::Hold::Suspended, base::Time::max()}, std::move(why)};
}

Egress::Stuck Egress::holds(Provider& provider, std::string_view source,
                            const queue::Suspended& suspended, shaping::Moment now) {
  if (std::optional<Stuck> stuck = stopped(source, suspended, now)) return *stuck;
  shaping::Channel* const towards = channel(provider, source, now);
  if (towards == nullptr) return {};
  return {std::string(source), towards->holds_connection(now, kPatience), {}};
}

std::optional<Egress::Way> Egress::choose(Provider& provider, std::string_view way,
                                          const queue::Suspended& suspended, shaping::Moment now,
                                          std::vector<Stuck>& stuck) {
  stuck.clear();
  if (sources_ == nullptr) {
    Stuck held = holds(provider, implicit_.name, suspended, now);
    if (held.held.is_free())
      return Way{nullptr, implicit_.name, 0, channel(provider, implicit_.name, now)};
    stuck.push_back(std::move(held));
    return std::nullopt;
  }
  const std::vector<PoolOptions::Member>& all = members(way);
  std::vector<bool> may(all.size(), false);
  const std::string_view kept = queue::kept_source_of_way(way);
  const std::string_view shunned = queue::shunned_source_of_way(way);
  std::optional<std::size_t> wished;
  std::size_t free = 0;
  bool may_wish = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Stuck held = holds(provider, all[i].source, suspended, now);
    may[i] = held.held.is_free();
    if (all[i].source == kept) {
      wished = i;
      // It is waited for unless it rests: the peer would begin its waiting anew for another.
      may_wish = may[i] || held.held.by == shaping::Hold::Connections ||
                 held.held.by == shaping::Hold::ConnectionRate ||
                 held.held.by == shaping::Hold::Rate || held.held.by == shaping::Hold::Learnt;
    }
    if (may[i]) ++free;
    if (!may[i]) stuck.push_back(std::move(held));
  }
  std::sort(stuck.begin(), stuck.end(), is_earlier);
  if (wished && may_wish) {
    if (!may[*wished]) {
      std::erase_if(stuck, [&](const Stuck& one) { return one.source != kept; });
      return std::nullopt;
    }
    may.assign(all.size(), false);
    may[*wished] = true;
  }
  if (!shunned.empty() && free > 1)
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].source == shunned) may[i] = false;
  const std::optional<std::size_t> next = shares(way).next(may);
  if (!next) return std::nullopt;
  const std::string& name = all[*next].source;
  const SourceOptions* const source = sources_->find(name);
  return Way{source, name, *next, channel(provider, name, now), !unusable_ipv6(*source)};
}

void Egress::count(std::string_view way, std::size_t member) {
  if (sources_ == nullptr) return;
  Shares& of_pool = shares(way);
  // A reload may have made the pool smaller since the connection was opened.
  if (member < of_pool.size()) of_pool.count(member);
}

bool Egress::may_be_ahead(std::string_view way, std::size_t member) {
  if (sources_ == nullptr || !queue::kept_source_of_way(way).empty()) return false;
  const Shares& of_pool = shares(way);
  return of_pool.size() > 1 && member < of_pool.size() && of_pool.is_ahead(member);
}

bool Egress::is_ahead(Provider& provider, std::string_view way, std::size_t member,
                      const std::vector<std::string_view>& idle, const queue::Suspended& suspended,
                      shaping::Moment now) {
  if (!may_be_ahead(way, member)) return false;
  const std::vector<PoolOptions::Member>& all = members(way);
  const Shares& of_pool = shares(way);
  std::vector<bool> may(all.size(), false);
  const std::string_view shunned = queue::shunned_source_of_way(way);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].source == shunned) continue;
    may[i] = holds(provider, all[i].source, suspended, now).held.is_free();
    if (may[i] || std::find(idle.begin(), idle.end(), all[i].source) == idle.end()) continue;
    shaping::Channel* const towards = channel(provider, all[i].source, now);
    may[i] = !stopped(all[i].source, suspended, now) &&
             (towards == nullptr || towards->holds_transaction(now).is_free());
  }
  return of_pool.is_ahead(member, may);
}

void Egress::rest(std::string_view source, SourceRest rest) {
  if (sources_ == nullptr || sources_->find(source) == nullptr) return;
  rests_[std::string(source)] = std::move(rest);
}

void Egress::set_ipv6(std::string_view source, std::string why) {
  // Of a source that this worker's reload brings in a moment: whatever is none goes with the next.
  ipv6_[std::string(source)] = std::move(why);
}

std::optional<std::string> Egress::unusable_ipv6(const SourceOptions& source) const {
  if (!source.needs_ptr || !source.ipv6) return std::nullopt;
  const auto known = ipv6_.find(source.name);
  if (known == ipv6_.end()) return kReverseNotLookedUp;
  if (known->second.empty()) return std::nullopt;
  return known->second;
}

void Egress::collect(std::vector<ChannelRecord>& into) const {
  for (const auto& [key, provider] : providers_)
    for (const auto& [source, channel] : provider->channels)
      if (channel->has_state()) into.push_back({key, source, channel->state()});
  // Of whom nothing was heard since the start: kept as it was.
  for (const auto& [key, state] : remembered_) into.push_back({key.first, key.second, state});
}

void Egress::collect_rests(std::vector<ChannelRecord>& into, shaping::Moment now) const {
  for (const auto& [source, rest] : rests_) {
    const base::Duration left = rest.until - now.steady;
    if (!rest.is_stored || left <= base::Duration::zero()) continue;
    ChannelRecord& record = into.emplace_back();
    record.source = source;
    record.rest = RestRecord{base::to_unix_us(now.wall + left), left.count(), rest.why};
  }
}

std::shared_ptr<const Plan> Egress::plan_for(const std::shared_ptr<const Plan>& plan,
                                             const Way& way) {
  const bool is_paced = way.channel != nullptr && way.channel->is_paced();
  if (way.source == nullptr && !is_paced) return plan;
  auto made = std::make_shared<Plan>(*plan);
  made->is_paced = is_paced;
  if (way.source == nullptr) return made;
  made->source_name = way.source->name;
  made->ehlo_name = way.source->ehlo_name;
  made->source4 = way.source->ipv4;
  if (way.may_use_ipv6) made->source6 = way.source->ipv6;
  made->hop = way.source->hop;
  // The provider says in which order, the source which of them it speaks.
  const bool has_order = plan->profile != nullptr && plan->profile->name != "default";
  const std::vector<shaping::Family>& order = has_order ? plan->families : way.source->families;
  const std::vector<shaping::Family>& among = has_order ? way.source->families : plan->families;
  made->families.clear();
  for (const shaping::Family family : order)
    if (among.empty() || std::find(among.begin(), among.end(), family) != among.end())
      made->families.push_back(family);
  if (made->families.empty()) made->families = way.source->families;
  return made;
}

}  // namespace ekiden::delivery
