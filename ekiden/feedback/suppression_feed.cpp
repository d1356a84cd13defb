#include "ekiden/feedback/suppression_feed.hpp"

#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/feedback/judgement.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::feedback {
namespace {

constexpr std::string_view kReader = "suppressions";
/// Where nothing follows from events their cursor is written down so often: what is read again
/// after a crash costs time only.
constexpr base::Duration kSaveEvery = std::chrono::minutes(1);
constexpr std::size_t kOctetsAtOnce = 4 << 20;
constexpr base::Duration kSweepEvery = std::chrono::hours(1);

}  // namespace

OutcomeReader::OutcomeReader(account::Store& store, std::string events_directory,
                             std::shared_ptr<const shaping::Providers> providers)
    : store_(store), reader_(std::move(events_directory)), providers_(std::move(providers)) {}

Result<OutcomeReader::Step> OutcomeReader::step(base::Time now) {
  if (!has_begun_) {
    const Result<std::string> position = store_.reader_position(kReader);
    if (!position) return position.error();
    const auto cursor = events::parse_cursor(*position);
    if (!cursor) base::log::error("suppression_cursor_unreadable", {{"position", *position}});
    cursor_ = cursor.value_or(events::Cursor());
    has_begun_ = true;
    saved_ = swept_ = now;
  }
  if (now - swept_ >= kSweepEvery) {
    swept_ = now;
    const Result<std::uint64_t> dropped = store_.drop_expired_suppressions(now);
    if (!dropped) return dropped.error();
  }
  events::Cursor cursor = cursor_;
  events::Following following;
  following.events_max = kEventsAtOnce;
  following.octets_max = kOctetsAtOnce;
  // Most events say nothing of an address: they are not even decoded.
  following.wants = [counts_successes = store_.current()->has_rules()](const events::KeyView& key) {
    return may_count(key.kind, counts_successes);
  };
  const Result<events::Followed> followed = reader_.follow(cursor, following);
  if (!followed) return followed.error();
  if (cursor == cursor_) return Step::CaughtUp;
  account::Outcomes outcomes;
  std::vector<Complaint> complaints;
  for (const events::Stored& stored : followed->events) {
    take(stored.event, outcomes);
    if (stored.event.kind != events::Kind::Complained) continue;
    const Result<void> found = find_complaint(stored.event, complaints);
    if (!found) return found.error();
  }
  const bool is_nothing = complaints.empty() && outcomes.suppressed.empty() &&
                          outcomes.failed.empty() && outcomes.delivered.empty();
  if (!is_nothing || now - saved_ >= kSaveEvery) {
    const Result<void> taken =
        store_.take_outcomes(outcomes, kReader, events::format_cursor(cursor));
    if (!taken) return taken.error();
    saved_ = now;
    suppressed_ += outcomes.suppressed.size();
  }
  cursor_ = std::move(cursor);
  for (Complaint& complaint : complaints) complaints_.push_back(std::move(complaint));
  return followed->has_more ? Step::More : Step::CaughtUp;
}

/// Which source delivered it, to whom: the event of its delivery says so, while it is kept.
Result<void> OutcomeReader::find_complaint(const events::Event& event,
                                           std::vector<Complaint>& into) {
  events::Query query;
  query.message = event.message;
  query.kind = events::Kind::Delivered;
  query.limit = events::Reader::kLimitMax;
  const Result<events::Page> page = reader_.find(query);
  if (!page) return page.error();
  for (const events::Stored& stored : page->events) {
    const events::Event& delivered = stored.event;
    if (delivered.recipient_index != event.recipient_index || delivered.source.empty()) continue;
    const shaping::Profile& profile =
        providers_->find(delivered.remote_host, smtp::domain_of(delivered.recipient));
    into.push_back({delivered.source, profile.name, delivered.remote_host});
    break;
  }
  return {};
}

void OutcomeReader::take(const events::Event& event, account::Outcomes& outcomes) const {
  const auto snapshot = store_.current();
  const account::TenantRules* const rules = snapshot->find_tenant(event.tenant);
  const bool counts_soft = rules != nullptr && rules->settings.soft_failures > 0;
  if (event.kind == events::Kind::Delivered && !counts_soft) return;
  const Judgement judgement = judge(event, *providers_);
  if (judgement.kind == Judgement::Kind::Nothing) return;
  const auto address = account::suppression_address(event.recipient);
  if (!address || event.tenant.empty()) return;
  switch (judgement.kind) {
    case Judgement::Kind::Nothing:
      return;
    case Judgement::Kind::Delivered:
      outcomes.delivered.emplace_back(event.tenant, *address);
      return;
    case Judgement::Kind::SoftFailure:
      if (counts_soft) outcomes.failed.push_back({event.tenant, *address, event.id, event.time});
      return;
    case Judgement::Kind::Suppress:
      break;
  }
  account::Suppression entry;
  entry.tenant = event.tenant;
  entry.address = *address;
  entry.stream = judgement.stream;
  entry.reason = judgement.reason;
  entry.created = event.time;
  if (judgement.reason == account::SuppressionReason::Bounce && rules != nullptr &&
      rules->settings.suppression_days != 0) {
    entry.expires = event.time + std::chrono::days(rules->settings.suppression_days);
  }
  entry.source = event.id;
  constexpr std::size_t kNoteOctetsMax = 200;
  entry.note = event.reply.substr(0, kNoteOctetsMax);
  outcomes.suppressed.push_back(std::move(entry));
}

struct SuppressionFeed::State : std::enable_shared_from_this<State> {
  State(base::Worker& w, base::Executor& b, account::Store& store, std::string directory,
        std::shared_ptr<const shaping::Providers> providers, base::Metrics& metrics,
        HearComplaints h, base::Duration i)
      : worker(w),
        blocking(b),
        reader(store, std::move(directory), std::move(providers)),
        hear(std::move(h)),
        interval(i),
        added(metrics.counter("ekiden_suppressions_added_total",
                              "Bounces, complaints and unsubscribes that suppress their address")) {
  }

  base::Worker& worker;
  base::Executor& blocking;
  OutcomeReader reader;  ///< the pool's, while a step is under way
  const HearComplaints hear;
  const base::Duration interval;
  base::Counter& added;
  base::TimerId timer = base::TimerId::None;
  bool is_stopped = false;
  bool has_failed = false;  ///< said once

  void arm() {
    timer = worker.clock.call_after(interval, [self = shared_from_this()] {
      self->timer = base::TimerId::None;
      self->look();
    });
  }

  void look() {
    blocking.post([self = shared_from_this(), now = worker.clock.now()]() mutable {
      const std::uint64_t before = self->reader.suppressed();
      const Result<OutcomeReader::Step> more = self->reader.step(now);
      self->added.add(self->reader.suppressed() - before);
      base::Executor& home = self->worker.executor;
      home.post([self = std::move(self), more] { self->looked(more); });
    });
  }

  void looked(const Result<OutcomeReader::Step>& more) {
    if (is_stopped) return;
    const std::vector<Complaint> complaints = reader.take_complaints();
    if (hear && !complaints.empty()) hear(complaints);
    if (!more && !std::exchange(has_failed, true)) {
      base::log::error("suppressions_not_fed", {{"reason", more.error().message()}});
    }
    if (more) has_failed = false;
    if (more && *more == OutcomeReader::Step::More) {
      look();
    } else {
      arm();
    }
  }
};

SuppressionFeed::SuppressionFeed(base::Worker& worker, base::Executor& blocking,
                                 account::Store& store, std::string events_directory,
                                 std::shared_ptr<const shaping::Providers> providers,
                                 base::Metrics& metrics, HearComplaints hear,
                                 base::Duration interval)
    : state_(std::make_shared<State>(worker, blocking, store, std::move(events_directory),
                                     std::move(providers), metrics, std::move(hear), interval)) {
  state_->arm();
}

SuppressionFeed::~SuppressionFeed() {
  state_->is_stopped = true;
  if (state_->timer != base::TimerId::None) state_->worker.clock.cancel(state_->timer);
}

}  // namespace ekiden::feedback
