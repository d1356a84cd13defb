#include "ekiden/spool/submission.hpp"

namespace ekiden::spool {
namespace {

/// At most what the fixed fields of any small part and its header take.
constexpr std::uint64_t kRecordRoom = kHeaderOctets + 64;
constexpr std::uint64_t kChangeRoom = 40;

}  // namespace

void Submission::measure() {
  octets = 0;
  updates = static_cast<std::uint32_t>(quarantined.size() + finished.size());
  const auto add_changes = [&](const std::vector<Progress>& changes) {
    octets += kRecordRoom;
    for (const Progress& change : changes) octets += kChangeRoom + change.reply.size();
    ++updates;
  };
  for (const NewMessage& message : transaction.messages) {
    octets +=
        kRecordRoom + message.meta.size() + message.body.file.size() + message.body.octets.size();
    if (!message.progress.empty()) add_changes(message.progress);
  }
  for (const Update& update : transaction.updates) add_changes(update.changes);
  if (!transaction.events.empty()) {
    octets += kRecordRoom;
    for (const std::string& event : transaction.events) octets += event.size() + 10;
    events = std::make_shared<const std::vector<std::string>>(std::move(transaction.events));
  }
  octets += (quarantined.size() + finished.size()) * kRecordRoom;
}

PortState::~PortState() {
  clear();
}

void PortState::clear() {
  // There is something only when the worker went down within one loop turn.
  while (first != nullptr) delete std::exchange(first, first->next);
}

Inbox::~Inbox() {
  for (Submission* s = take(); s != nullptr;) delete std::exchange(s, s->next);
}

void Inbox::push(Submission* first, Submission* last) {
  // Kept newest first while it waits; the chain is turned round here, off the committer.
  Submission* reversed = nullptr;
  Submission* const oldest = first;
  last->next = nullptr;
  while (first != nullptr) {
    Submission* const next = first->next;
    first->next = reversed;
    reversed = first;
    first = next;
  }
  oldest->next = head_.load(std::memory_order_relaxed);
  while (!head_.compare_exchange_weak(oldest->next, reversed, std::memory_order_seq_cst,
                                      std::memory_order_relaxed)) {
  }
}

Submission* Inbox::take() {
  Submission* newest = head_.exchange(nullptr, std::memory_order_acquire);
  Submission* oldest = nullptr;
  while (newest != nullptr) {
    Submission* const next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  return oldest;
}

}  // namespace ekiden::spool
