#include "ekiden/feedback/bounce.hpp"

#include <algorithm>
#include <optional>

#include "ekiden/base/text.hpp"
#include "ekiden/feedback/bounce_text.hpp"
#include "ekiden/feedback/delivery_status.hpp"
#include "ekiden/feedback/part_text.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mailbox.hpp"
#include "ekiden/message/structure.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::feedback {
namespace {

std::string_view domain_part(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string first_address(std::string_view value) {
  message::Mailboxes found = message::parse_mailboxes(value);
  return found.addresses.empty() ? std::string() : std::move(found.addresses.front());
}

BounceKind kind_of_action(std::string_view action) {
  if (action.starts_with("delay")) return BounceKind::Delayed;
  if (action.starts_with("deliver")) return BounceKind::Delivered;
  if (action.starts_with("relay")) return BounceKind::Relayed;
  if (action.starts_with("expand")) return BounceKind::Expanded;
  return BounceKind::Failed;
}

/// The parts of a bounce that matter, wherever they stand in its tree.
struct Parts {
  std::string text;  ///< for people, of all parts together
  std::optional<DeliveryStatus> status;
  std::optional<std::string> feedback;  ///< of message/feedback-report
  std::string original;                 ///< the header section of the mail that it is about
};

void gather(const message::Structure& part, Parts& out) {
  const message::ContentType& type = part.type;
  if (type.type == "message") {
    if (type.subtype == "delivery-status" || type.subtype == "global-delivery-status") {
      DeliveryStatus status = read_delivery_status(decoded_octets(part));
      if (!out.status || out.status->recipients.empty()) {
        out.status = std::move(status);
      } else {
        // Some write one part for each recipient.
        for (StatusBlock& block : status.recipients) {
          if (out.status->recipients.size() >= kBounceRecipientsMax) break;
          out.status->recipients.push_back(std::move(block));
        }
      }
      return;
    }
    if (type.subtype == "feedback-report") {
      out.feedback = decoded_octets(part);
      return;
    }
    // What comes back: a bounce inside a bounce is the mail that it is about.
    if (out.original.empty()) out.original = decoded_octets(part, 64 * 1024);
    return;
  }
  if (type.is("text", "rfc822-headers")) {
    if (out.original.empty()) out.original = decoded_octets(part, 64 * 1024);
    return;
  }
  if (type.type == "text" && out.text.size() < kPartOctetsMax) {
    std::string text = decoded_text(part);
    if (type.subtype == "html") text = text_of_html(text);
    out.text.append(out.text.empty() ? "" : "\n").append(text);
    return;
  }
  for (const message::Structure& inner : part.parts) gather(inner, out);
  // A multipart whose boundary was lost is read as the text that it is.
  const bool is_broken = type.type == "multipart" && part.parts.empty();
  if (is_broken && out.text.size() < kPartOctetsMax)
    out.text.append(decoded_octets(part, kPartOctetsMax));
}

/// Without an attachment the mail that it is about stands behind the text.
void find_original_in_text(Parts& parts) {
  const std::string_view said = without_original(parts.text);
  if (parts.original.empty() && said.size() < parts.text.size())
    parts.original = parts.text.substr(said.size());
  parts.text.resize(said.size());
}

/// "Message-ID: <…>" anywhere in what is left of the original; its header may be cut or indented.
std::string find_in_original(const std::string& original, std::string_view name) {
  std::string_view rest = original;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = base::trimmed(rest.substr(0, end));
    if (line.size() > name.size() && base::starts_with_ignoring_case(line, name) &&
        line[name.size()] == ':') {
      std::string value(line.substr(name.size() + 1));
      // Its folds.
      for (std::size_t at = end + 1; at < rest.size() && (rest[at] == ' ' || rest[at] == '\t');) {
        const std::size_t stop = std::min(rest.find('\n', at), rest.size());
        value.append(" ").append(base::trimmed(rest.substr(at, stop - at)));
        at = stop + 1;
      }
      value.erase(std::remove(value.begin(), value.end(), '\r'), value.end());
      return std::string(base::trimmed(value));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

class Reading {
 public:
  Reading(std::string_view mail, const shaping::Providers& providers)
      : mail_(mail), providers_(providers) {}

  Bounce run();

 private:
  void take_complaint();
  void take_status();
  void take_text();
  bool is_auto_reply() const;
  void classify(BouncedRecipient& who) const;
  shaping::Classification ask(std::string_view text, std::uint16_t code, std::string_view enhanced,
                              const BouncedRecipient& who) const;
  std::string own_address(std::string_view name) const {
    return base::lowered(first_address(find_field(header_, name)));
  }

  std::string_view mail_, header_;
  const shaping::Providers& providers_;
  Parts parts_;
  Bounce bounce_;
};

Bounce Reading::run() {
  // What mailbox files have in front of each mail would hide its header.
  if (mail_.starts_with("From ") || mail_.starts_with(">From "))
    mail_.remove_prefix(std::min(mail_.find('\n') + 1, mail_.size()));
  const Result<message::Structure> tree = message::read_structure(mail_);
  if (!tree) return std::move(bounce_);
  header_ = tree->header;
  gather(*tree, parts_);
  find_original_in_text(parts_);
  bounce_.message_id = find_in_original(parts_.original, "Message-ID");
  // Outlook's junk mail reports have no machine's part (JMRP); its own field names whose they are.
  const std::string reporter = find_in_original(parts_.original, "X-HmXmrOriginalRecipient");
  if (!parts_.feedback && !reporter.empty()) {
    parts_.feedback = "Feedback-Type: abuse\nOriginal-Rcpt-To: " + reporter + "\n";
  }
  if (parts_.feedback) {
    take_complaint();
  } else if (parts_.status && !parts_.status->recipients.empty()) {
    take_status();
  } else if (is_auto_reply()) {
    BouncedRecipient who;
    who.kind = BounceKind::AutoReply;
    who.recipient = first_address(find_field(header_, "From"));
    bounce_.recipients.push_back(std::move(who));
  } else {
    take_text();
  }
  for (BouncedRecipient& who : bounce_.recipients) {
    if (who.kind == BounceKind::Failed || who.kind == BounceKind::Delayed) classify(who);
  }
  if (!bounce_.recipients.empty()) bounce_.kind = bounce_.recipients.front().kind;
  return std::move(bounce_);
}

/// RFC 5965 §3.1, §3.2: recipients may be redacted, or missing.
void Reading::take_complaint() {
  const std::string& report = *parts_.feedback;
  bounce_.feedback_type = base::lowered(find_in_original(report, "Feedback-Type"));
  std::string_view rest = report;
  std::vector<std::string> recipients;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    for (const std::string_view name :
         {"Original-Rcpt-To:", "Redacted-Address:", "Removal-Recipient:"}) {
      if (!base::starts_with_ignoring_case(line, name)) continue;
      std::string address = first_address(line.substr(name.size()));
      if (!address.empty() && recipients.size() < kBounceRecipientsMax)
        recipients.push_back(std::move(address));
    }
  }
  if (recipients.empty())
    recipients.push_back(first_address(find_in_original(parts_.original, "To")));
  for (std::string& address : recipients) {
    BouncedRecipient who;
    who.kind = BounceKind::Complaint;
    who.recipient = std::move(address);
    bounce_.recipients.push_back(std::move(who));
  }
}

void Reading::take_status() {
  const std::vector<Told> told = find_told(parts_.text);
  for (StatusBlock& block : parts_.status->recipients) {
    BouncedRecipient who;
    who.kind = kind_of_action(block.action);
    who.recipient =
        block.final_recipient.empty() ? block.original_recipient : std::move(block.final_recipient);
    who.original_recipient = std::move(block.original_recipient);
    who.action = std::move(block.action);
    who.status = std::move(block.status);
    who.remote_host = std::move(block.remote_host);
    const QuotedReply quoted = find_reply(block.diagnostic);
    who.reply = base::trimmed(block.diagnostic);
    who.code = quoted.code;
    const auto mine = std::find_if(told.begin(), told.end(), [&](const Told& t) {
      return base::equals_ignoring_case(t.address, who.recipient);
    });
    const std::string about = mine == told.end() ? parts_.text : mine->about;
    // What the report does not say, its text for people may.
    const QuotedReply spoken = find_reply(about);
    const bool is_better = spoken.code != 0 && quoted.code == 0;
    if (who.reply.empty() || is_better) {
      who.reply = spoken.text;
      if (is_better) who.code = spoken.code;
    }
    if (who.remote_host.empty()) who.remote_host = spoken.host;
    who.phase = find_phase(about);
    if (who.reply.size() > kBounceReplyMax) who.reply.resize(kBounceReplyMax);
    bounce_.recipients.push_back(std::move(who));
  }
}

/// RFC 3834 §5: told by its fields; bounces have most of them too, but say what failed.
bool Reading::is_auto_reply() const {
  const std::string submitted = base::lowered(find_field(header_, "Auto-Submitted"));
  const std::string precedence = base::lowered(find_field(header_, "Precedence"));
  const std::string from = base::lowered(find_field(header_, "From"));
  const std::string subject = base::lowered(find_field(header_, "Subject"));
  const bool is_machine = from.find("mailer-daemon") != std::string::npos ||
                          from.find("postmaster") != std::string::npos ||
                          from.find("mail delivery") != std::string::npos;
  if (is_machine || !find_field(header_, "X-Failed-Recipients").empty()) return false;
  const bool is_away = subject.starts_with("auto:") || subject.starts_with("auto reply") ||
                       subject.starts_with("automatic reply") || subject.starts_with("vacation") ||
                       subject.starts_with("out of office") || subject.starts_with("out of the") ||
                       !find_field(header_, "X-Autoreply").empty() ||
                       !find_field(header_, "X-Autoresponse").empty();
  const bool is_replied = submitted.starts_with("auto-replied") || precedence == "auto_reply";
  const QuotedReply reply = find_reply(parts_.text);
  return is_away || (is_replied && reply.code == 0 && reply.enhanced.empty());
}

void Reading::take_text() {
  const std::string sender = own_address("To"), from = own_address("From");
  std::vector<Told> told = find_told(parts_.text);
  // Whoever wrote the bounce, and whoever gets it, are seldom whom it is about.
  std::erase_if(told, [&](const Told& t) {
    const std::string address = base::lowered(t.address);
    return address == sender || address == from || address.starts_with("postmaster@") ||
           address.starts_with("mailer-daemon@");
  });
  const std::string failed = find_field(header_, "X-Failed-Recipients");
  if (!failed.empty()) {
    std::vector<Told> named;
    for (const std::string& address : message::parse_mailboxes(failed).addresses) {
      const auto at = std::find_if(told.begin(), told.end(), [&](const Told& t) {
        return base::equals_ignoring_case(t.address, address);
      });
      named.push_back({address, at == told.end() ? parts_.text : at->about});
    }
    if (!named.empty()) told = std::move(named);
  }
  const QuotedReply whole = find_reply(parts_.text);
  const std::string submitted = base::lowered(find_field(header_, "Auto-Submitted"));
  const std::string return_path = find_field(header_, "Return-Path");
  const bool is_machine =
      !failed.empty() || return_path == "<>" || from.find("daemon") != std::string::npos ||
      from.find("postmaster") != std::string::npos || submitted.starts_with("auto-") ||
      !parts_.original.empty() || whole.code != 0;
  if (!is_machine) return;
  if (told.empty()) {
    std::string address = first_address(find_in_original(parts_.original, "To"));
    told.push_back({std::move(address), parts_.text});
  }
  if (told.size() == 1) told.front().about = parts_.text;
  const std::string subject = base::lowered(find_field(header_, "Subject"));
  const bool is_late = subject.find("delay") != std::string::npos ||
                       subject.find("warning: could not send") != std::string::npos;
  for (Told& one : told) {
    QuotedReply reply = find_reply(one.about);
    if (reply.code == 0 && reply.enhanced.empty() && whole.code != 0) reply = whole;
    BouncedRecipient who;
    who.kind = is_late ? BounceKind::Delayed : BounceKind::Failed;
    who.recipient = std::move(one.address);
    who.action = is_late ? "delayed" : "failed";
    who.status = reply.enhanced;
    who.reply = std::move(reply.text);
    who.code = reply.code;
    who.remote_host = std::move(reply.host);
    who.phase = reply.phase;
    bounce_.recipients.push_back(std::move(who));
  }
}

shaping::Classification Reading::ask(std::string_view text, std::uint16_t code,
                                     std::string_view enhanced, const BouncedRecipient& who) const {
  shaping::ReplyFacts facts;
  facts.phase = who.phase;
  facts.code = code;
  if (const auto parsed = smtp::parse_enhanced_code(enhanced)) facts.enhanced = *parsed;
  facts.text = text;
  return providers_.classify(facts, who.remote_host, domain_part(who.recipient));
}

/// By the reply, and where that says nothing by the whole text.
void Reading::classify(BouncedRecipient& who) const {
  std::uint16_t code = who.code;
  std::string status = find_enhanced_code(who.reply);
  if (status.empty()) status = who.status;
  // X.0.0 says no more than the code.
  if (status.ends_with(".0.0")) status.clear();
  const char klass = !status.empty()      ? status.front()
                     : who.status.empty() ? '5'
                                          : who.status.front();
  if (code == 0) code = klass == '4' || who.kind == BounceKind::Delayed ? 450 : 550;
  who.why = ask(who.reply, code, status, who);
  const auto is_vague = [](const shaping::Classification& why) {
    return why.rule.empty() || why.reason == shaping::Reason::Undefined;
  };
  if (is_vague(who.why)) {
    const shaping::Classification second = ask(parts_.text, code, status, who);
    if (!is_vague(second)) who.why = second;
  }
  if (is_vague(who.why)) {
    std::optional<shaping::Reason> reason = reason_of_sentence(who.reply);
    if (!reason) reason = reason_of_sentence(parts_.text);
    if (reason) {
      const shaping::Meaning meaning = shaping::meaning_of(*reason);
      who.why.reason = *reason;
      who.why.klass = meaning.klass;
      who.why.is_hard = meaning.is_hard && code >= 500;
      who.why.fault = meaning.fault;
    }
  }
  if (who.status.empty()) who.status = find_enhanced_code(who.reply);
}

}  // namespace

std::string_view bounce_kind_name(BounceKind kind) {
  switch (kind) {
    case BounceKind::None:
      return "none";
    case BounceKind::Failed:
      return "failed";
    case BounceKind::Delayed:
      return "delayed";
    case BounceKind::Delivered:
      return "delivered";
    case BounceKind::Relayed:
      return "relayed";
    case BounceKind::Expanded:
      return "expanded";
    case BounceKind::Complaint:
      return "complaint";
    case BounceKind::AutoReply:
      return "auto-reply";
  }
  return "none";
}

Bounce parse_bounce(std::string_view mail, const shaping::Providers& providers) {
  return Reading(mail, providers).run();
}

}  // namespace ekiden::feedback
