#include "ekiden/spool/testing/model.hpp"

#include <algorithm>

#include "ekiden/spool/format.hpp"

namespace ekiden::spool::testing {

void Model::act(Rig& rig, SimulatedDisk& disk, std::size_t body_max) {
  const std::uint64_t number = next_transaction_++;
  Transaction t;
  Flight flight;
  const std::uint64_t kind = random_.below(10);
  const std::uint64_t new_messages = kind < 4 ? 1 : kind == 4 ? 1 + random_.below(4) : 0;
  for (std::uint64_t i = 0; i < new_messages; ++i) {
    const auto recipients =
        static_cast<std::uint32_t>(random_.below(3) == 0 ? 2 + random_.below(4) : 1);
    NewMessage message = make_message(next_message_++, 1 + random_.below(body_max), recipients);
    Message& expected = messages_[message.id];
    expected.transaction = number;
    expected.size = message.body.size;
    expected.recipients.resize(recipients);
    flight.messages.push_back(message.id);
    t.messages.push_back(std::move(message));
  }
  if (kind >= 4) {
    // One message among those that are stored and have nothing on its way for some recipient.
    std::vector<base::MessageId> candidates;
    for (const auto& [id, message] : messages_)
      if (message.stored == Answer::Yes) candidates.push_back(id);
    const std::size_t wanted = candidates.empty() ? 0 : 1 + random_.below(3);
    for (std::size_t k = 0; k < wanted; ++k) {
      // The oldest mostly, as a queue drains.
      const std::size_t pick = random_.below(4) == 0
                                   ? random_.below(candidates.size())
                                   : random_.below(std::min<std::size_t>(4, candidates.size()));
      const base::MessageId id = candidates[pick];
      Message& message = messages_[id];
      Update update;
      update.id = id;
      for (std::uint32_t r = 0; r < message.recipients.size(); ++r) {
        Recipient& recipient = message.recipients[r];
        if (recipient.flying || random_.below(4) == 0) continue;
        if (recipient.newest && is_final(recipient.newest->state)) continue;
        const State state = random_.below(4) == 0   ? State::Queued
                            : random_.below(2) == 0 ? State::Delivered
                                                    : State::Bounced;
        const std::uint16_t attempts = ++attempts_;
        recipient.flying = make_progress(r, state, attempts, "reply " + std::to_string(attempts));
        update.changes.push_back(*recipient.flying);
        flight.updates.emplace_back(id, r);
      }
      if (!update.changes.empty()) t.updates.push_back(std::move(update));
    }
    t.may_wait = random_.below(3) == 0;
  }
  const std::uint64_t event_count = random_.below(3);
  for (std::uint64_t i = 0; i < event_count; ++i) {
    std::string event = "event " + std::to_string(number) + "." + std::to_string(i);
    event.resize(20 + random_.below(200), '.');
    events_[event] = Answer::None;
    flight.events.push_back(event);
    t.events.push_back(std::move(event));
  }
  if (t.messages.empty() && t.updates.empty() && t.events.empty()) return;
  flight.is_new_mail = !t.messages.empty() && t.updates.empty();
  flights_.emplace(number, std::move(flight));
  rig.port().submit(std::move(t), [this, &rig, &disk, number](Result<void> result) {
    answered(rig, disk, number, result);
  });
}

void Model::answered(Rig& rig, SimulatedDisk& disk, std::uint64_t number,
                     const Result<void>& result) {
  // After the cut nobody hears anything.
  if (disk.is_cut()) return;
  const Flight flight = std::move(flights_.at(number));
  flights_.erase(number);
  if (result) {
    for (const base::MessageId id : flight.messages) {
      messages_[id].stored = Answer::Yes;
      ++stored_;
    }
    for (const auto& [id, r] : flight.updates) {
      const auto found = messages_.find(id);
      if (found == messages_.end()) continue;
      Message& message = found->second;
      message.recipients[r].newest = message.recipients[r].flying;
      message.recipients[r].flying.reset();
      const bool is_done =
          std::all_of(message.recipients.begin(), message.recipients.end(),
                      [](const Recipient& x) { return x.newest && is_final(x.newest->state); });
      if (!is_done) continue;
      dead_.insert(id);
      messages_.erase(found);
      ++finished_;
    }
    for (const std::string& event : flight.events) events_[event] = Answer::Yes;
    return;
  }
  ++refused_;
  // Only a healthy journal can promise that a refusal lasts.
  const bool binds = rig.journal().status().accepts_updates;
  if (!binds) {
    // As if there had been no answer.
    flights_.emplace(number, flight);
    return;
  }
  for (const base::MessageId id : flight.messages) {
    messages_.erase(id);
    dead_.insert(id);
  }
  for (const auto& [id, r] : flight.updates)
    if (const auto found = messages_.find(id); found != messages_.end())
      found->second.recipients[r].flying.reset();
  for (const std::string& event : flight.events) events_.erase(event);
}

void Model::check(Rig& rig) {
  const auto& found = rig.found();
  if (rig.visits() != found.size()) fault("a message was visited twice");
  for (const auto& [id, f] : found) {
    const std::string name = base::format_message_id(id);
    if (dead_.contains(id)) {
      fault("came back: " + name);
      continue;
    }
    const auto known = messages_.find(id);
    if (known == messages_.end()) {
      fault("never heard of: " + name);
      continue;
    }
    Message& message = known->second;
    if (f.size != message.size || f.meta != "meta of " + std::to_string(id.low) ||
        f.recipients != message.recipients.size())
      fault("not as stored: " + name);
    std::vector<std::optional<Progress>> newest(message.recipients.size());
    for (const Progress& p : f.progress) newest.at(p.recipient) = p;
    bool has_open = false;
    for (std::size_t r = 0; r < newest.size(); ++r) {
      Recipient& recipient = message.recipients[r];
      if (newest[r] != recipient.newest && !(recipient.flying && newest[r] == recipient.flying))
        fault("progress differs: " + name);
      recipient.newest = newest[r];
      recipient.flying.reset();
      has_open = has_open || !newest[r] || !is_final(newest[r]->state);
    }
    if (!has_open) fault("finished but shown: " + name);
    message.stored = Answer::Yes;
    const Result<Loaded> loaded = rig.load(id);
    if (!loaded || loaded->meta != f.meta ||
        loaded->body.octets.view() != make_message(id.low, message.size).body.octets.view())
      fault("cannot be read back: " + name);
  }
  // All or nothing of what had no answer.
  for (const auto& [number, flight] : flights_) {
    std::size_t there = 0;
    for (const base::MessageId id : flight.messages) there += found.contains(id) ? 1 : 0;
    if (there != 0 && there != flight.messages.size())
      fault("torn transaction " + std::to_string(number));
  }
  flights_.clear();
  for (auto i = messages_.begin(); i != messages_.end();) {
    Message& message = i->second;
    if (found.contains(i->first)) {
      ++i;
      continue;
    }
    bool may_be_done = true;
    for (const Recipient& recipient : message.recipients) {
      const bool is_done = recipient.newest && is_final(recipient.newest->state);
      const bool may_be = recipient.flying && is_final(recipient.flying->state);
      may_be_done = may_be_done && (is_done || may_be);
    }
    if (message.stored == Answer::Yes && !may_be_done)
      fault("lost: " + base::format_message_id(i->first));
    dead_.insert(i->first);
    i = messages_.erase(i);
  }
  if (rig.journal().status().messages != messages_.size()) fault("status counts wrongly");
  check_events(rig);
}

void Model::check_events(Rig& rig) {
  std::set<std::string> seen;
  std::uint64_t cursor = 0;
  for (;;) {
    const Result<EventBatch> batch = rig.journal().next_events(7);
    if (!batch) {
      fault("events cannot be read");
      return;
    }
    if (batch->events.empty() && batch->cursor == 0) break;
    if (batch->cursor <= cursor) {
      fault("events go backwards");
      return;
    }
    cursor = batch->cursor;
    for (const std::string& event : batch->events) {
      // Reading twice is allowed across restarts, but nothing unknown may show up.
      if (!events_.contains(event) && !stored_events_.contains(event))
        fault("unknown or refused event: " + event.substr(0, 20));
      seen.insert(event);
    }
    rig.journal().events_stored(cursor);
  }
  for (const auto& [event, answer] : events_)
    if (answer == Answer::Yes && !seen.contains(event)) fault("lost event: " + event.substr(0, 20));
  for (const auto& [event, answer] : events_) stored_events_.insert(event);
  events_.clear();
}

}  // namespace ekiden::spool::testing
