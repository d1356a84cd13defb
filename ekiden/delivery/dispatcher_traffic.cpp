// What the dispatcher writes down of mail that left, and what it is told of mail long after.
#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::delivery {

void Dispatcher::tally(const Link& link, const Settlement::Context& context,
                       const std::vector<Verdict>& verdicts) {
  using By = TrafficBook::By;
  const base::Time now = parts_.worker.clock.now();
  Traffic traffic;
  traffic.touched = now;
  traffic.throttled = link.has_obeyed ? 1 : 0;
  for (const Verdict& verdict : verdicts) {
    if (verdict.state == spool::State::Delivered) {
      ++traffic.delivered;
      continue;
    }
    ++(verdict.state == spool::State::Bounced ? traffic.bounced : traffic.deferred);
    traffic.last_reply = verdict.reply.text().substr(0, TrafficBook::kReplyOctetsMax);
    traffic.last_reply_at = now;
  }
  const LaneInfo& info = lanes_[link.lane];
  traffic_.count(By::Site, info.plan->site, traffic);
  if (info.plan->profile != nullptr) traffic_.count(By::Provider, owner_key(*info.plan), traffic);
  traffic_.count(By::Source, context.source, traffic);
  if (context.meta != nullptr) traffic_.count(By::Tenant, context.meta->details.tenant, traffic);
}

void Dispatcher::tally_failure(const Link& link, const ConnectionEnd& end, bool is_sources) {
  using By = TrafficBook::By;
  Traffic traffic;
  traffic.touched = traffic.last_reply_at = parts_.worker.clock.now();
  traffic.last_reply = end.reply.text().substr(0, TrafficBook::kReplyOctetsMax);
  traffic.throttled = is_sources && !end.is_local ? 1 : 0;
  const LaneInfo& info = lanes_[link.lane];
  traffic_.count(By::Site, info.plan->site, traffic);
  if (info.plan->profile != nullptr) traffic_.count(By::Provider, owner_key(*info.plan), traffic);
  traffic_.count(By::Source, info.provider != nullptr ? link.source : info.plan->source_name,
                 traffic);
}

void Dispatcher::complained(std::string_view source, std::string_view provider,
                            std::string_view host) {
  for (const auto& [key, known] : egress_.providers()) {
    if (known->profile == nullptr || known->profile->name != provider) continue;
    // Sites without a provider of their own have a channel each.
    const bool is_named = known->key == provider;
    if (!is_named && !has_host(known->key, host)) continue;
    const auto channel = known->channels.find(source);
    if (channel == known->channels.end() || !channel->second->is_warming()) continue;
    channel->second->on_complaint(moment());
    note_learnt();
    make_due(*known);
    wake();
  }
}

}  // namespace ekiden::delivery
