#include "tests/simulation/oracle.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// From the reading of a 250 to the hand-over of its record to the committer, plus a batch under
/// way and its sync: what comes on top of spool.commit_interval.
constexpr base::Duration kCommitSlack = milliseconds(60);
/// The spool tries a new segment at the latest this long after its disk has healed.
constexpr base::Duration kDiskHeals = seconds(20);
/// RFC 5321 §4.5.3.2: what one transaction may take with a peer that answers at the last moment.
constexpr base::Duration kTransactionMax = minutes(40);
/// A site that failed rests, up to 15 minutes and a quarter.
constexpr base::Duration kRestMax = minutes(20);

std::string field(std::string_view octets, std::string_view name, std::size_t from = 0) {
  const std::string start = "\r\n" + std::string(name) + ":";
  std::size_t at = octets.find(start, from);
  if (at == std::string_view::npos) return {};
  at += start.size();
  std::string_view value = octets.substr(at, octets.find("\r\n", at) - at);
  return std::string(base::trimmed(value));
}

std::string_view body_of(std::string_view octets) {
  const std::size_t end = octets.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view() : octets.substr(end + 4);
}

}  // namespace

std::string domain_of(const std::string& address) {
  return address.substr(address.find('@') + 1);
}

std::string token_in(const std::string& octets) {
  const std::size_t at = octets.find("token-");
  if (at == std::string::npos) return {};
  const std::size_t end = octets.find("-end", at);
  return end == std::string::npos ? std::string() : octets.substr(at, end + 4 - at);
}

const std::map<std::string, std::set<std::string>>& sites_of_domains() {
  static const std::map<std::string, std::set<std::string>> kSites = {
      {"one.example", {"mx.one.example"}},
      {"alias.example", {"mx.one.example"}},
      {"two.example", {"mx.two.example", "mx2.two.example", "mx.three.example"}},
      {"many.example", {"mx.two.example", "mx2.two.example", "mx.three.example"}},
      {"six.example", {"mx.six.example"}},
      {"home.example", {"mx.home.example"}},
      {"[20.0.0.5]", {"mx.three.example"}},
      {"sender.example", {"mx.sender.example"}}};
  return kSites;
}

Oracle::Oracle(const History& history, const Submissions& submissions,
               const std::map<std::string, Site>& sites, const MemorySink& sink)
    : history_(history), submissions_(submissions), sites_(sites), sink_(sink) {}

Verdicts Oracle::judge() {
  for (const auto& mail : submissions_) by_token_[mail->token] = mail.get();
  read_receipts();
  read_events();
  for (const auto& mail : submissions_) {
    // Without a 250 it may have been taken, or in part.
    for (const std::string& recipient : mail->recipients) check_recipient(*mail, recipient);
  }
  for (const auto& [message_id, copies] : report_copies_) {
    bool is_certain = false;
    check_copies("report " + message_id, copies, &is_certain);
  }
  check_tenant();
  check_deletions();
  check_urgency();
  check_limits();
  if (history_.is_paced) check_pace();
  check_events();
  return std::move(verdicts_);
}

// --- what arrived

void Oracle::read_receipts() {
  for (const auto& [name, site] : sites_) {
    for (const Receipt& receipt : site.receipts) {
      if (receipt.reverse_path.empty()) {
        // What came back to a return path of ours, and is passed on.
        if (name == "mx.home.example") continue;
        read_report(receipt);
        report_copies_[field(receipt.octets, "Message-ID")].push_back({&receipt, &site});
        continue;
      }
      check_content(site, receipt);
      const std::string token = token_in(receipt.octets);
      for (const std::string& recipient : receipt.recipients)
        copies_[{token, recipient}].push_back({&receipt, &site});
    }
  }
  for (auto& [who, copies] : copies_)
    std::stable_sort(copies.begin(), copies.end(), [](const Copy& a, const Copy& b) {
      return a.receipt->instant < b.receipt->instant;
    });
}

void Oracle::read_report(const Receipt& receipt) {
  const std::string& octets = receipt.octets;
  const std::string message_id = field(octets, "Message-ID");
  // The original's subject stands in the part behind the fields for each recipient.
  const std::string token = token_in(octets);
  if (token.empty()) return;
  constexpr std::string_view kRecipient = "Final-Recipient: rfc822; ";
  for (std::size_t at = octets.find(kRecipient); at != std::string::npos;
       at = octets.find(kRecipient, at + 1)) {
    const std::size_t from = at + kRecipient.size();
    const std::string recipient = octets.substr(from, octets.find("\r\n", from) - from);
    reports_[{token, recipient}].push_back(
        {field(octets, "Action", at), field(octets, "Status", at), message_id, &receipt});
  }
}

/// Nothing is delivered that was not accepted, and nothing else, and nowhere else.
void Oracle::check_content(const Site& site, const Receipt& receipt) {
  const std::string token = token_in(receipt.octets);
  const std::string what = "at " + site.name + ", " + (token.empty() ? "something" : token);
  const auto known = by_token_.find(token);
  if (known == by_token_.end()) {
    find(what + " arrived that nobody sent");
    return;
  }
  const Submission& mail = *known->second;
  if (!mail.was_sent_whole) find(what + " arrived and was never handed over");
  const bool is_ours = history_.has_rewriting && domain_of(receipt.reverse_path) == kReturnsDomain;
  if (receipt.reverse_path != mail.reverse_path && !is_ours)
    find(what + " came from " + receipt.reverse_path);
  check_veil(site, receipt, mail);
  for (const std::string& recipient : receipt.recipients) {
    if (std::find(mail.recipients.begin(), mail.recipients.end(), recipient) ==
        mail.recipients.end())
      find(what + " arrived for " + recipient + ", for whom it was not accepted");
    const auto places = sites_of_domains().find(domain_of(recipient));
    const bool is_right = places != sites_of_domains().end() && places->second.count(site.name) > 0;
    // An operator may send it to that one.
    if (!is_right && !(history_.has_operators && site.name == "mx2.two.example"))
      find(what + " for " + recipient + " arrived at the wrong host");
  }
  // Nobody reads what was written to another.
  for (const auto& [recipient, word] : mail.words) {
    const bool is_theirs = receipt.recipients == std::vector<std::string>{recipient};
    if (is_theirs != (receipt.octets.find(word) != std::string::npos))
      find(what + " arrived with the words for " + recipient + " in the wrong place");
  }
  // Octets that a 7-bit host cannot take are encoded on the way.
  if (!mail.is_eight_bit && !mail.is_changed && body_of(receipt.octets) != mail.body)
    find(what + " arrived with another body");
}

/// What a sender or a recipient domain asked of the connection that a message goes over.
void Oracle::check_veil(const Site& site, const Receipt& receipt, const Submission& mail) {
  const std::string what = "at " + site.name + ", " + mail.token;
  // RFC 8689 §4.2.1: TLS, a certificate that fits, and a peer that promises the same.
  if (mail.needs_tls && receipt.veil != Veil::Proven)
    find(what + " needs TLS and came without any that proves the host");
  if (mail.needs_tls && !receipt.has_requiretls)
    find(what + " needs TLS and the next host was not told");
  // RFC 7672: its TLSA record is there from first to last.
  const bool is_held = history_.has_protection && site.name == "mx.six.example";
  if (is_held && !mail.is_tls_optional && receipt.veil != Veil::Proven)
    find(what + " came over a connection that DANE forbids");
}

void Oracle::read_events() {
  for (const MemorySink::Kept& kept : sink_.events()) {
    const events::Event& event = kept.event;
    const std::string token = token_in(event.subject);
    const bool is_lost = event.kind == events::Kind::Cancelled ||
                         event.kind == events::Kind::Expired || event.kind == events::Kind::Bounced;
    if (is_lost && event.sender.empty()) unreported_.insert(event.recipient);
    if (token.empty()) continue;
    Ends& ends = ends_[{token, event.recipient}];
    switch (event.kind) {
      case events::Kind::Accepted:
        ends.begun = std::min(ends.begun, kept.instant);
        continue;
      case events::Kind::Rejected:
        // A job's row that admission refuses has no other word.
        if (bulk::is_of_job(event.message)) ++ends.cancelled;
        break;
      case events::Kind::Delivered:
        ++ends.delivered;
        break;
      case events::Kind::Bounced:
        ++ends.failed;
        break;
      case events::Kind::Expired:
        ++ends.failed;
        ++ends.expired;
        break;
      case events::Kind::Cancelled:
      case events::Kind::Suppressed:
        ++ends.cancelled;
        break;
      default:
        continue;
    }
    ends.last = std::max(ends.last, kept.instant);
  }
  for (auto& [who, ends] : ends_) ends.failed -= ends.expired;
}

// --- promises

void Oracle::check_recipient(const Submission& mail, const std::string& recipient) {
  const Who who{mail.token, recipient};
  const std::string what = mail.token + " to " + recipient;
  const std::vector<Copy>& copies = copies_[who];
  const Ends& ends = ends_[who];
  bool is_certain = false;
  check_copies(what, copies, &is_certain);

  const bool is_queued = history_.queued_by_name.count(who) > 0;
  const bool is_disposed = !copies.empty() || ends.failed + ends.expired + ends.cancelled > 0;
  if (!mail.is_strangers && !mail.is_row && history_.suppressed.count(recipient) > 0 &&
      !copies.empty())
    find(what + " arrived where no mail is wanted");
  if (recipient.starts_with("bad") && !copies.empty()) find(what + " arrived where it was refused");
  if (ends.delivered > 0 && copies.empty())
    find(what + " is said to be delivered and did not arrive");
  if (is_certain && ends.failed + ends.expired > 0 && !was_lying())
    find(what + " arrived and is said to have failed");
  if (is_queued && ends.all() > 0 && !was_lying())
    find(what + " has its disposition and is still queued on the disk");

  if (!mail.is_accepted) {
    if (!mail.was_sent_whole && ends.all() > 0) find(what + " was never handed over and has ends");
    return;
  }
  ++verdicts_.accepted;
  const bool was_given_up = mail.is_row && mail.taken <= history_.jobs_cancelled;
  if (!is_disposed && !is_queued && !was_lying() && !was_given_up)
    find(what + " was answered 250 and is lost");
  if (is_queued && ends.all() == 0) find(what + " is still queued past its time");
  check_reports(mail, recipient, ends);
  check_time(mail, recipient, ends);
}

/// All but the last copy need an excuse: a 250 that was not read, or a crash before its record
/// was durable.
void Oracle::check_copies(const std::string& what, const std::vector<Copy>& copies,
                          bool* is_certain) {
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const bool is_excused = is_excusable(*copies[i].receipt);
    if (!is_excused) *is_certain = true;
    if (i + 1 == copies.size()) break;
    if (is_excused) {
      ++verdicts_.duplicates;
    } else {
      find(what + " arrived again after its 250 was read and recorded");
    }
  }
}

bool Oracle::was_lying() const {
  return history_.has_rot || std::any_of(history_.crashes.begin(), history_.crashes.end(),
                                         [&](const History::Crash& crash) {
                                           return crash.is_power_cut && !history_.lying.empty() &&
                                                  history_.lying.front().from <= crash.when;
                                         });
}

bool Oracle::is_excusable(const Receipt& receipt) const {
  if (!receipt.confirmed) return true;
  const base::Steady read = *receipt.confirmed;
  base::Duration interval{};
  for (const config::Settings& settings : history_.settings)
    interval = std::max(interval, settings.spool.commit_interval);
  for (const History::Crash& crash : history_.crashes) {
    if (crash.when < read) continue;
    if (!crash.is_clean && crash.when <= read + interval + kCommitSlack) return true;
    for (const Span& span : history_.disk_trouble)
      if (span.from <= read + interval + kCommitSlack && span.until >= read &&
          crash.when <= span.until + kDiskHeals)
        return true;
    // What was durable may have been copied and freed by what was not.
    if (crash.is_power_cut && was_lying()) return true;
  }
  return false;
}

/// A failing recipient is reported once to a sender who wants to know, and to nobody else.
void Oracle::check_reports(const Submission& mail, const std::string& recipient, const Ends& ends) {
  std::set<std::string> failed;
  const auto found = reports_.find({mail.token, recipient});
  if (found != reports_.end())
    for (const Report& report : found->second)
      if (report.action == "failed") failed.insert(report.message_id);
  const bool has_come_back = history_.returned.count({mail.token, recipient}) > 0;
  const std::string what = mail.token + " to " + recipient;
  if (failed.size() > 1 && !was_lying() && !has_come_back)
    find(what + " is reported to have failed twice");
  const bool has_failed = ends.failed + ends.expired > 0;
  // Recipients that X-SMTPAPI names come without a NOTIFY of their own.
  const std::string notify = mail.named_instead.empty() ? mail.notify : std::string();
  const bool is_wanted = !mail.is_http && !mail.reverse_path.empty() && notify != "NEVER" &&
                         (notify.empty() || notify.find("FAILURE") != std::string::npos);
  if (!failed.empty() && !has_failed && !was_lying() && !has_come_back)
    find(what + " is reported to have failed and has not");
  if (!failed.empty() && !is_wanted && !has_come_back)
    find(what + " is reported to have failed, unasked");
  // A report with an address that it has to encode is encoded as a whole, on its way to old peers.
  const bool is_plain =
      std::all_of(mail.recipients.begin(), mail.recipients.end(), [](const std::string& address) {
        return std::all_of(address.begin(), address.end(),
                           [](unsigned char octet) { return octet < 128 && octet != '"'; });
      });
  const bool may_be_silent = std::any_of(
      history_.settings.begin(), history_.settings.end(),
      [](const auto& settings) { return settings.dsn.failure == config::DsnFailure::EventsOnly; });
  if (failed.empty() && has_failed && is_wanted && is_plain && !may_be_silent && !was_lying() &&
      !mail.needs_tls && domain_of(mail.reverse_path) == "sender.example" &&
      !mail.reverse_path.starts_with("bad") && unreported_.count(mail.reverse_path) == 0)
    find(what + " failed without a report");
}

base::Duration Oracle::expire_least() const {
  base::Duration least = history_.settings.front().retry.expire_after;
  for (const config::Settings& settings : history_.settings)
    least = std::min(least, settings.retry.expire_after);
  return least;
}

base::Duration Oracle::expire_most() const {
  base::Duration most{};
  for (const config::Settings& settings : history_.settings)
    most = std::max(most, settings.retry.expire_after);
  return most;
}

void Oracle::check_time(const Submission& mail, const std::string& recipient, const Ends& ends) {
  if (ends.all() == 0) return;
  const std::string what = mail.token + " to " + recipient;
  base::Duration excused = history_.jumped + kTransactionMax + mail.delay;
  for (const auto* spans : {&history_.down, &history_.disk_trouble, &history_.events_trouble})
    for (const Span& span : *spans) excused += span.until - span.from + kDiskHeals;
  // A row waits for its turn before its time begins.
  const base::Steady taken = mail.is_row ? std::max(mail.taken, ends.begun) : mail.taken;
  const base::Duration lasted = ends.last - taken;
  // Its time begins with its header, which a slow client may have sent long before its dot.
  if (ends.expired > 0 && ends.last - mail.begun + history_.jumped + seconds(5) < expire_least())
    find(what + " was given up after " + base::format_duration(lasted) + ", too early");
  if (lasted > expire_most() + excused)
    find(what + " had its end after " + base::format_duration(lasted) + ", past its time");

  // Once all is well what can be delivered is delivered by its next retry.
  const config::Settings& last = history_.settings.back();
  base::Duration soon = last.retry.max_interval * 5 / 4 + kRestMax + kTransactionMax;
  // It leaves when the wall clock says so.
  if (mail.delay.count() > 0) soon += history_.jumped;
  // A slow client may have come to its dot much later.
  const auto since = std::max(history_.calm, taken + mail.delay);
  // Whom nothing vouches for gets no mail that needs TLS.
  const bool is_fine = recipient.starts_with("good") && !mail.needs_tls &&
                       mail.header_from.empty() &&
                       sites_of_domains().count(domain_of(recipient)) > 0;
  if (is_fine && ends.cancelled == 0 &&
      taken + expire_least() > history_.calm + soon + history_.jumped &&
      ends.last > history_.calm) {
    // What an operator wants of a recipient in a transaction is done when that is over.
    const bool was_ordered =
        history_.has_operators && ends.failed > 0 && ends.last <= history_.calm + kTransactionMax;
    if (ends.delivered == 0 && !was_ordered)
      find(what + " was not delivered though all was well");
    else if (ends.last > since + soon)
      find(what + " was delivered " + base::format_duration(ends.last - since) +
           " after all was well");
  }
}

/// Exactly one final event for each recipient, and none without a beginning.
void Oracle::check_events() {
  std::map<std::pair<base::MessageId, std::uint32_t>, int> ends;
  std::set<std::pair<base::MessageId, std::uint32_t>> expanded;
  for (const MemorySink::Kept& kept : sink_.events()) {
    const events::Event& event = kept.event;
    const std::pair<base::MessageId, std::uint32_t> key{event.message, event.recipient_index};
    switch (event.kind) {
      case events::Kind::Delivered:
      case events::Kind::Bounced:
      case events::Kind::Expired:
      case events::Kind::Suppressed:
      case events::Kind::Cancelled:
        if (++ends[key] == 2 && !was_lying())
          find(event.recipient + " of " + base::format_message_id(event.message) +
               " has two final events");
        break;
      case events::Kind::Released:
        if (event.detail.find(", as message ") != std::string::npos) expanded.insert(key);
        break;
      default:
        break;
    }
  }
  if (was_lying()) return;
  for (const MemorySink::Kept& kept : sink_.events()) {
    const events::Event& event = kept.event;
    const std::pair<base::MessageId, std::uint32_t> key{event.message, event.recipient_index};
    if (event.kind != events::Kind::Accepted || event.recipient.empty()) continue;
    if (ends[key] == 0 && expanded.count(key) == 0 && history_.queued.count(key) == 0)
      find(event.recipient + " of " + base::format_message_id(event.message) +
           " was accepted and has no final event");
    if (history_.queued.count(key) > 0 && ends[key] > 0)
      find(event.recipient + " of " + base::format_message_id(event.message) +
           " has its end and is queued");
  }
  for (const auto& key : history_.queued) {
    const bool is_known = std::any_of(
        sink_.events().begin(), sink_.events().end(), [&](const MemorySink::Kept& kept) {
          return kept.event.message == key.first && kept.event.kind == events::Kind::Accepted;
        });
    if (!is_known)
      find(base::format_message_id(key.first) + " lies in the queue and nobody sent it");
  }
}

}  // namespace ekiden::simulation
