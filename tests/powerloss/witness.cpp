#include "tests/powerloss/witness.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/verify.hpp"

namespace ekiden::powerloss {
namespace {

using faultdisk::Kind;

/// A delivery's outcome waits for company, at most a commit interval; so many syncs later it is on
/// the disk, or something forgot it.
constexpr std::uint64_t kLongAgoSyncs = 500;
constexpr std::size_t kFindingsMax = 100;
/// Bodies read back after each cut: the newest, which are at risk, and some others.
constexpr std::size_t kNewestRead = 20, kOthersRead = 10;
/// Reading everything takes long; one cut in so many is enough to see that both readers agree.
constexpr std::uint64_t kVerifyOneIn = 10;

/// "TAG.NofM@domain": M.
std::uint64_t recipients_of(std::string_view recipient) {
  const std::size_t at = recipient.find('@');
  const std::size_t of = recipient.substr(0, at).rfind("of");
  if (at == std::string_view::npos || of == std::string_view::npos) return 0;
  return base::parse_u64(recipient.substr(of + 2, at - of - 2)).value_or(0);
}

std::string tag_of(std::string_view sender) {
  return std::string(sender.substr(0, sender.find('@')));
}

}  // namespace

void Witness::follow(const Record& record) {
  switch (record.kind) {
    case Kind::Reply:
      if (const auto id = base::parse_message_id(record.data)) {
        acked_.push_back(*id);
        ++acked_count_;
      }
      break;
    case Kind::Note:
      noted(record.data);
      break;
    case Kind::SyncEnd:
      if (record.path.starts_with("journal/") && ++syncs_ % kLongAgoSyncs == 0) forget_finished();
      break;
    case Kind::Start:
      // What was on its way to the disk when the process was killed will be tried again.
      for (auto& [id, deliveries] : delivered_)
        for (auto& [recipient, delivery] : deliveries.by_recipient)
          if (!is_long_ago(delivery)) delivery.is_certain = false;
      break;
    default:
      break;
  }
}

void Witness::noted(std::string_view words) {
  const std::size_t first = words.find(' ');
  const std::string_view verb = words.substr(0, first);
  const std::string_view rest =
      first == std::string_view::npos ? std::string_view() : words.substr(first + 1);
  if (verb == "refused") {
    refused_.insert(std::string(rest));
  } else if (verb == "delivered") {
    const std::size_t space = rest.find(' ');
    const auto id = base::parse_message_id(rest.substr(0, space));
    if (!id || space == std::string_view::npos) return;
    const std::string recipient(rest.substr(space + 1));
    Deliveries& deliveries = delivered_[*id];
    deliveries.recipients = recipients_of(recipient);
    deliveries.by_recipient[recipient] = {syncs_};
  }
}

bool Witness::is_long_ago(const Delivery& delivery) const {
  return delivery.is_certain && syncs_ - delivery.at_sync > kLongAgoSyncs;
}

void Witness::forget_finished() {
  std::erase_if(acked_, [this](base::MessageId id) {
    const auto found = delivered_.find(id);
    if (found == delivered_.end()) return false;
    const Deliveries& all = found->second;
    return all.by_recipient.size() == all.recipients &&
           std::all_of(all.by_recipient.begin(), all.by_recipient.end(),
                       [this](const auto& one) { return is_long_ago(one.second); });
  });
}

void Witness::find(std::uint64_t& count, std::string sentence) {
  ++count;
  if (findings_.size() < kFindingsMax)
    findings_.push_back("cut " + std::to_string(counts_.cuts) + ": " + std::move(sentence));
}

void Witness::check(spool::Disk& disk, std::uint64_t seed) {
  ++counts_.cuts;
  spool::testing::Rig rig(disk, seed, spool::JournalOptions{});
  const Result<void> started = rig.start();
  if (!started) {
    find(counts_.unopened, "the spool does not open: " + started.error().message());
    return;
  }
  if (rig.visits() != rig.found().size()) find(counts_.doubled, "a message was shown twice");
  if (const std::uint64_t aside = rig.journal().status().quarantined; aside > 0)
    find(counts_.damaged, std::to_string(aside) + " records were set aside");
  check_found(rig, disk, seed);
  for (const base::MessageId id : acked_) {
    if (rig.found().contains(id)) continue;
    const auto deliveries = delivered_.find(id);
    if (deliveries != delivered_.end() &&
        deliveries->second.by_recipient.size() >= deliveries->second.recipients)
      continue;
    find(counts_.lost, base::format_message_id(id) + " was answered 250 and is lost");
  }
  if (counts_.cuts % kVerifyOneIn != 0) return;
  const std::size_t messages = rig.found().size();
  rig.drop();
  verify(disk, messages);
}

/// What `ekiden spool verify` says after the start that followed the cut.
void Witness::verify(spool::Disk& disk, std::size_t messages) {
  ++counts_.verified;
  const Result<spool::Verification> seen = spool::verify_spool(disk);
  if (!seen) {
    find(counts_.disagreed, "spool verify fails: " + seen.error().message());
    return;
  }
  if (!seen->findings.empty()) find(counts_.disagreed, "spool verify: " + seen->findings.front());
  if (seen->messages != messages)
    find(counts_.disagreed, "spool verify counts " + std::to_string(seen->messages) +
                                " messages, the start " + std::to_string(messages));
}

void Witness::check_found(spool::testing::Rig& rig, spool::Disk& disk, std::uint64_t seed) {
  base::SeededRandom random(seed);
  // Ids grow with time: the newest come last.
  std::size_t older = rig.found().size() - std::min(rig.found().size(), kNewestRead);
  const std::uint64_t one_in = older / kOthersRead + 1;
  for (const auto& [id, found] : rig.found()) {
    ++counts_.found;
    const std::string name = base::format_message_id(id);
    const Result<message::Meta> meta = message::decode_meta(found.meta);
    if (!meta) {
      find(counts_.damaged, name + " has an envelope that cannot be read");
      continue;
    }
    const std::string tag = tag_of(meta->envelope.reverse_path);
    if (refused_.contains(tag)) find(counts_.refused, tag + " was refused and is there");
    if (const auto deliveries = delivered_.find(id); deliveries != delivered_.end()) {
      for (std::uint32_t i = 0; i < meta->envelope.recipients.size(); ++i) {
        const std::string& recipient = meta->envelope.recipients[i].address;
        const auto delivery = deliveries->second.by_recipient.find(recipient);
        if (delivery == deliveries->second.by_recipient.end() || !is_long_ago(delivery->second))
          continue;
        const bool is_final = std::any_of(
            found.progress.begin(), found.progress.end(), [i](const spool::Progress& p) {
              return p.recipient == i && p.state != spool::State::Queued;
            });
        if (!is_final) find(counts_.again, recipient + " had it long ago and would get it again");
      }
    }
    const bool is_newest = older == 0;
    if (older > 0) --older;
    if (!is_newest && random.below(one_in) != 0) continue;
    Result<spool::Loaded> loaded = rig.load(id);
    if (!loaded) {
      find(counts_.damaged, name + " cannot be read back: " + loaded.error().message());
      continue;
    }
    ++counts_.read;
    const std::string end = "end " + tag + "\r\n";
    if (!loaded->body.is_in_memory()) {
      if (!spool::check_large(disk, loaded->body.file))
        find(counts_.damaged, name + ": " + loaded->body.file + " is not whole");
    } else if (!loaded->body.octets.view().ends_with(end)) {
      find(counts_.damaged, name + " does not end as it was sent");
    }
  }
}

}  // namespace ekiden::powerloss
