// A transaction with a peer: MAIL to the reply to the message, and the next one riding behind it.
#include <algorithm>
#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/smtp/client_dialogue.hpp"

namespace ekiden::smtp {
namespace {

using Kind = ClientAction::Kind;

/// RFC 5321 §4.5.3.1.10: 452, or 552 from older servers, after some recipients means "enough of
/// them". An enhanced code that speaks of a mailbox or a policy means what it says.
bool means_too_many_recipients(const Reply& reply) {
  if (reply.code != 452 && reply.code != 552) return false;
  if (!reply.enhanced) return true;
  if (reply.enhanced.subject == 5) return reply.enhanced.detail == 3;
  return reply.code == 452 && reply.enhanced.subject == 3;
}

}  // namespace

void ClientDialogue::append_mail(std::string& out, const ClientTransaction& transaction) const {
  out.append("MAIL FROM:<").append(transaction.reverse_path).append(">");
  if (peer_.has_size && transaction.size != 0) {
    out.append(" SIZE=").append(std::to_string(transaction.size));
  }
  if (!transaction.body.empty()) out.append(" BODY=").append(transaction.body);
  if (transaction.smtputf8) out.append(" SMTPUTF8");
  if (transaction.requiretls) out.append(" REQUIRETLS");
  if (peer_.dsn) {
    if (!transaction.ret.empty()) out.append(" RET=").append(transaction.ret);
    if (!transaction.envid.empty()) out.append(" ENVID=").append(transaction.envid);
  }
  out.append("\r\n");
}

void ClientDialogue::append_rcpt(std::string& out, const ClientRecipient& recipient) const {
  out.append("RCPT TO:<").append(recipient.address).append(">");
  if (peer_.dsn) {
    if (!recipient.notify.empty()) out.append(" NOTIFY=").append(recipient.notify);
    if (!recipient.orcpt.empty()) out.append(" ORCPT=").append(recipient.orcpt);
  }
  out.append("\r\n");
}

void ClientDialogue::prepare(Running& running, const ClientTransaction& transaction) {
  EKIDEN_ASSERT(!transaction.recipients.empty(), "a transaction has a recipient");
  ++begun_;
  running.transaction = &transaction;
  running.count = transaction.recipients.size();
  if (peer_.recipients_max != 0) {
    running.count = std::min<std::size_t>(running.count, peer_.recipients_max);
  }
  running.verdicts.resize(transaction.recipients.size());
  running.step = std::exchange(needs_rset_, false) ? Step::Rset : Step::Mail;
}

/// Appends what may be said now: with PIPELINING a whole group, otherwise one command.
void ClientDialogue::write_group(Running& running, std::string& out) {
  const ClientTransaction& transaction = *running.transaction;
  std::size_t room = peer_.pipelining ? options_.group_commands_max : 1;
  if (running.step == Step::Rset && !running.is_rset_written) {
    running.is_rset_written = true;
    out.append("RSET\r\n");
    --room;
  }
  if (room > 0 && !running.is_mail_written) {
    running.is_mail_written = true;
    append_mail(out, transaction);
    --room;
  }
  for (; room > 0 && running.written < running.count; --room, ++running.written) {
    append_rcpt(out, transaction.recipients[running.written]);
  }
  // RFC 2920 §3.1: DATA only as the last of its group. BDAT waits for the verdict on RCPT, lest a
  // large body travel for nobody.
  const bool has_data_command = !transaction.uses_bdat && !transaction.is_probe;
  if (room > 0 && has_data_command && running.written == running.count) {
    running.is_data_written = true;
    out.append("DATA\r\n");
  }
}

bool ClientDialogue::may_ride() const {
  return state_ == State::Transaction && current_.step == Step::Body && peer_.pipelining &&
         !current_.transaction->uses_bdat && behind_.transaction == nullptr && may_begin();
}

std::string_view ClientDialogue::ride(const ClientTransaction& transaction) {
  EKIDEN_ASSERT(may_ride(), "one transaction rides behind a body, with PIPELINING");
  behind_ = Running{};
  prepare(behind_, transaction);
  ride_out_.clear();
  write_group(behind_, ride_out_);
  return ride_out_;
}

ClientAction ClientDialogue::on_transaction(Reply reply) {
  switch (current_.step) {
    case Step::Rset:
      if (reply.code == 421) return end_transaction(std::move(reply), false);
      if (!reply.is_completion()) return break_off("code " + std::to_string(reply.code));
      current_.step = Step::Mail;
      current_.has_any_reply = false;
      if (!current_.is_mail_written) write_group(current_, out_);
      return read();
    case Step::Mail:
      return on_mail(std::move(reply));
    case Step::Rcpt:
      return on_rcpt(std::move(reply));
    case Step::Data:
      return on_data(std::move(reply));
    case Step::Body:
      // Refused before its end; the rest of the octets was never sent, so the connection is done.
      if (reply.is_transient() || reply.is_permanent()) {
        failure_ = ClientFailure{ClientPhase::Eod, reply, false};
        return on_eod(std::move(reply));
      }
      return break_off("code " + std::to_string(reply.code) + " before the end of the message");
    case Step::Eod:
      return on_eod(std::move(reply));
    case Step::LoneDot:
      // Nobody was accepted, so nothing was sent, whatever the peer now thinks of it.
      needs_rset_ = true;
      if (reply.code == 421) failure_ = ClientFailure{ClientPhase::Eod, std::move(reply), false};
      return finish();
  }
  return break_off("a reply before its command");
}

ClientAction ClientDialogue::on_mail(Reply reply) {
  if (reply.code == 421) return end_transaction(std::move(reply), false);
  if (reply.code >= 300 && reply.code < 400) return break_off("code " + std::to_string(reply.code));
  current_.step = Step::Rcpt;
  current_.has_mail = reply.is_completion();
  if (!current_.has_mail) {
    for (ClientVerdict& verdict : current_.verdicts) {
      verdict.kind = ClientVerdict::Kind::Refused;
      verdict.phase = ClientPhase::Mail;
      verdict.reply = reply;
    }
  }
  if (options_.keeps_transcript) current_.mail_reply = std::move(reply);
  return current_.answered < current_.written ? read() : go_on();
}

ClientAction ClientDialogue::on_rcpt(Reply reply) {
  if (reply.code == 421) return end_transaction(std::move(reply), false);
  if (current_.has_mail) {
    if (reply.code >= 300 && reply.code < 400) {
      return break_off("code " + std::to_string(reply.code));
    }
    ClientVerdict& verdict = current_.verdicts[current_.answered];
    verdict.phase = ClientPhase::Rcpt;
    if (reply.is_completion()) {
      verdict.kind = ClientVerdict::Kind::Accepted;
      ++current_.accepted;
    } else if (current_.accepted > 0 && means_too_many_recipients(reply)) {
      verdict.kind = ClientVerdict::Kind::NotTried;
      current_.is_full = true;
    } else {
      verdict.kind = ClientVerdict::Kind::Refused;
    }
    verdict.reply = std::move(reply);
  }
  ++current_.answered;
  if (current_.answered < current_.written) return read();
  if (current_.is_data_written) {
    current_.step = Step::Data;
    return read();
  }
  return go_on();
}

/// No reply is due: says the next command of the transaction.
ClientAction ClientDialogue::go_on() {
  if (current_.has_mail && current_.written < current_.count && !current_.is_full) {
    write_group(current_, out_);
    return read();
  }
  if (current_.accepted == 0 || current_.transaction->is_probe) {
    needs_rset_ = current_.has_mail;
    return finish();
  }
  if (current_.transaction->uses_bdat) {
    out_ = "BDAT " + std::to_string(current_.transaction->size) + " LAST\r\n";
    current_.step = Step::Body;
    return act(Kind::SendBody);
  }
  out_ = "DATA\r\n";
  current_.is_data_written = true;
  current_.step = Step::Data;
  return read();
}

ClientAction ClientDialogue::on_data(Reply reply) {
  if (reply.code == 421) return end_transaction(std::move(reply), false);
  if (reply.code == 354) {
    if (options_.keeps_transcript) current_.data_reply = std::move(reply);
    if (current_.accepted > 0) {
      current_.step = Step::Body;
      return act(Kind::SendBody);
    }
    // RFC 2920 §3.1: DATA was taken although nobody was accepted; a lone dot gets us out.
    out_ = ".\r\n";
    current_.step = Step::LoneDot;
    return read();
  }
  // After 250 to DATA nobody knows what the peer takes our next line for.
  if (reply.is_positive()) return break_off("code " + std::to_string(reply.code));
  for (std::size_t i = 0; i < current_.verdicts.size(); ++i) {
    ClientVerdict& verdict = current_.verdicts[i];
    if (verdict.kind != ClientVerdict::Kind::Accepted) continue;
    keep_rcpt_reply(current_, i);
    verdict.kind = ClientVerdict::Kind::Refused;
    verdict.phase = ClientPhase::Data;
    verdict.reply = reply;
  }
  needs_rset_ = current_.has_mail;
  return finish();
}

ClientAction ClientDialogue::on_eod(Reply reply) {
  if (reply.code >= 300 && reply.code < 400) return break_off("code " + std::to_string(reply.code));
  if (reply.code == 421) failure_ = ClientFailure{ClientPhase::Eod, reply, false};
  const bool is_taken = reply.is_completion();
  for (std::size_t i = 0; i < current_.verdicts.size(); ++i) {
    ClientVerdict& verdict = current_.verdicts[i];
    if (verdict.kind != ClientVerdict::Kind::Accepted) continue;
    keep_rcpt_reply(current_, i);
    if (!is_taken) verdict.kind = ClientVerdict::Kind::Refused;
    verdict.phase = ClientPhase::Eod;
    verdict.reply = reply;
  }
  // RFC 3030 §2: after a failed BDAT the transaction is left open until RSET.
  needs_rset_ = !is_taken && current_.transaction->uses_bdat;
  return finish();
}

/// The connection is over while a transaction runs: whoever has no final verdict gets this one.
ClientAction ClientDialogue::end_transaction(Reply reply, bool is_local) {
  const ClientPhase at = phase();
  // A peer may end a reused connection between two transactions; the first command of the next
  // one only learns of it. On a fresh connection it counts as an attempt, or it would never end.
  const bool is_untouched =
      transactions_ > 0 && (current_.step == Step::Rset || current_.step == Step::Mail);
  const bool may_be_duplicate = current_.step == Step::Eod && is_local;
  for (std::size_t i = 0; i < current_.count && !is_untouched; ++i) {
    ClientVerdict& verdict = current_.verdicts[i];
    if (verdict.kind == ClientVerdict::Kind::Refused) continue;
    const bool is_left_over =
        verdict.kind == ClientVerdict::Kind::NotTried && verdict.reply.code != 0;
    if (is_left_over) continue;
    if (verdict.kind == ClientVerdict::Kind::Accepted) keep_rcpt_reply(current_, i);
    verdict.may_be_duplicate = may_be_duplicate;
    verdict.kind = ClientVerdict::Kind::Lost;
    verdict.phase = at;
    verdict.is_local = is_local;
    verdict.reply = reply;
  }
  failure_ = ClientFailure{at, std::move(reply), is_local};
  return finish();
}

/// The peer broke the protocol: nothing it says from here on can be trusted.
}  // namespace ekiden::smtp
