// MAIL to the last octet of a message: transactions, DATA and BDAT.
#include <algorithm>

#include "ekiden/base/assert.hpp"
#include "ekiden/smtp/server_dialogue.hpp"

namespace ekiden::smtp {
namespace {

// A message over its limit is read on up to so many times the limit, to refuse it in order.
constexpr std::uint64_t kDroppedFactor = 4;
// The first room for a body whose size nobody declared.
constexpr std::size_t kBodyRoom = 16 * 1024;
// A chunk that is smaller and not the last does not bring its message forward: BDAT 0 for ever
// would never meet a limit.
constexpr std::uint64_t kChunkOctetsMin = 512;

}  // namespace

// --- transaction ---

std::optional<Action> ServerDialogue::on_mail(const Command& command) {
  if (helo_.empty()) {
    refuse(503, {5, 5, 1}, "Send EHLO first");
    return std::nullopt;
  }
  // RFC 5321 §3.3, §4.1.4 (conflict): may MAIL restart a transaction? We follow §4.1.4.
  if (in_transaction_) {
    refuse(503, {5, 5, 1}, "A transaction is open; RSET ends it");
    return std::nullopt;
  }
  if (needs_tls_first()) return std::nullopt;
  if (options_.requires_auth && identity_.empty()) {
    refuse(530, {5, 7, 0},
           mechanisms_.empty() && options_.offers_starttls && !is_tls_
               ? "Must issue a STARTTLS command first"
               : "Authentication required");
    return std::nullopt;
  }
  if (options_.messages_max != 0 && messages_ >= options_.messages_max) {
    // RFC 9422 §4.1.
    reply(421, {4, 7, 0}, options_.hostname + " Enough messages on this connection");
    return close("message limit");
  }
  ParsedMail parsed = parse_mail(command.argument, offered(), options_.syntax);
  if (const Reply* refusal = std::get_if<Reply>(&parsed)) {
    ++errors_;
    reply(*refusal);
    return std::nullopt;
  }
  MailCommand& mail = std::get<MailCommand>(parsed);
  // RFC 1870 §6.1. A size declared too small is no error: clients count without the last CRLF.
  if (options_.size_max != 0 && mail.size > options_.size_max) {
    reply(552, {5, 3, 4},
          "Message too big; at most " + std::to_string(options_.size_max) + " octets");
    return std::nullopt;
  }
  smtputf8_ = mail.smtputf8;
  body_kind_ = mail.body;
  declared_size_ = mail.size;
  state_ = State::AwaitVerdict;
  awaited_ = Verb::Mail;
  return AdmitMail{std::move(mail)};
}

std::optional<Action> ServerDialogue::on_rcpt(const Command& command) {
  if (!in_transaction_) {
    refuse(503, {5, 5, 1}, "Send MAIL first");
    return std::nullopt;
  }
  if (bdat_has_begun_) {
    refuse(503, {5, 5, 1}, "The message has begun");
    return std::nullopt;
  }
  // RFC 5321 §4.5.3.1.10: 452 for those past the limit; the client sends them again.
  if (recipients_ >= options_.recipients_max) {
    reply(452, {4, 5, 3}, "Too many recipients; send the rest in another transaction");
    return std::nullopt;
  }
  ParsedRcpt parsed = parse_rcpt(command.argument, offered(), smtputf8_, options_.syntax,
                                 options_.takes_odd_local_parts);
  if (const Reply* refusal = std::get_if<Reply>(&parsed)) {
    if (!is_trusted_) ++errors_;
    reply(*refusal);
    return std::nullopt;
  }
  state_ = State::AwaitVerdict;
  awaited_ = Verb::Rcpt;
  return AdmitRcpt{std::move(std::get<RcptCommand>(parsed))};
}

std::optional<Action> ServerDialogue::on_data(const Command& command) {
  if (!view_.empty()) {
    // RFC 2920 §3.1: DATA is the last of its group. What follows was meant as a message and would
    // be obeyed as commands.
    reply(554, {5, 5, 1}, "Wait for 354 before sending the message");
    return close("octets before 354");
  }
  if (!command.argument.empty()) {
    refuse(501, {5, 5, 4}, "Syntax: DATA");
    return std::nullopt;
  }
  if (!in_transaction_) {
    refuse(503, {5, 5, 1}, "Send MAIL first");
    return std::nullopt;
  }
  if (bdat_has_begun_) {
    // RFC 3030 §2: BDAT and DATA do not mix.
    refuse(503, {5, 5, 1}, "The message came in part by BDAT");
    return std::nullopt;
  }
  if (recipients_ == 0) {
    refuse(554, {5, 5, 1}, "No valid recipients");
    return std::nullopt;
  }
  if (body_kind_ == BodyKind::BinaryMime) {
    // RFC 3030 §3.
    refuse(503, {5, 5, 1}, "BINARYMIME needs BDAT");
    return std::nullopt;
  }
  state_ = State::AwaitVerdict;
  awaited_ = Verb::Data;
  return AdmitData{};
}

std::optional<Action> ServerDialogue::on_verdict(Verdict verdict) {
  EKIDEN_ASSERT(state_ == State::AwaitVerdict, "a verdict answers an Admit action");
  const Verb verb = awaited_;
  state_ = State::Command;
  if (verdict.counts_as_error && !verdict.reply.is_positive()) ++errors_;
  if (verb == Verb::Bdat) {
    // The chunk is on its way already: there is no 354, and a refusal comes behind it.
    state_ = State::Bdat;
    bdat_has_begun_ = true;
    message_octets_ = 0;
    reader_ = DataReader(options_.bare_newlines, Framing::Raw);
    if (!verdict.reply.is_positive())
      refusal_ = std::move(verdict.reply);
    else
      note_progress();
    return std::nullopt;
  }
  reply(verdict.reply);
  if (verdict.reply.code == 421) return close("told 421");
  if (!verdict.reply.is_positive()) {
    if (verb == Verb::Data) reset_transaction();
    return std::nullopt;
  }
  note_progress();
  if (verb == Verb::Mail) {
    in_transaction_ = true;
    recipients_ = 0;
  } else if (verb == Verb::Rcpt) {
    ++recipients_;
  } else {
    state_ = State::Data;
    message_octets_ = 0;
    reader_ = DataReader(options_.bare_newlines);
  }
  return std::nullopt;
}

// --- the message ---

std::optional<Action> ServerDialogue::read_data() {
  if (view_.empty()) return NeedInput{Wait::Data};
  if (body_.capacity() < kBodyRoom && !refusal_) {
    const std::uint64_t room = std::max<std::uint64_t>(declared_size_ + 64, kBodyRoom);
    body_.reserve(std::min<std::uint64_t>(room, options_.chunk_octets));
  }
  const std::size_t before = body_.size();
  const Result<DataProgress> progress = reader_.feed(view_, body_);
  if (!progress) {
    // RFC 5321 §2.3.8. Where the message ends is in doubt now, so nothing more is read.
    refuse(554, {5, 5, 2}, "Bare CR or LF in the message; lines end with CR LF");
    return close("bare newline");
  }
  consume(progress->octets);
  message_octets_ += body_.size() - before;
  if (!refusal_ && options_.size_max != 0 && message_octets_ > options_.size_max) {
    refusal_ = Reply{552,
                     {5, 3, 4},
                     {"Message too big; at most " + std::to_string(options_.size_max) + " octets"}};
  }
  if (refusal_) {
    body_.clear();
    if (progress->is_complete) return complete_body();
    if (options_.size_max != 0 && message_octets_ > kDroppedFactor * options_.size_max) {
      reply(*refusal_);
      return close("message far too big");
    }
    return std::nullopt;
  }
  if (progress->is_complete) return complete_body();
  if (body_.size() >= options_.chunk_octets) return BodyPart{};
  return std::nullopt;
}

std::optional<Action> ServerDialogue::complete_body() {
  state_ = State::Command;
  if (refusal_) {
    const Reply refusal = std::move(*refusal_);
    refusal_.reset();
    reset_transaction();
    reply(refusal);
    return std::nullopt;
  }
  state_ = State::AwaitStore;
  return BodyComplete{};
}

void ServerDialogue::on_stored(const Reply& stored) {
  if (state_ == State::Data || state_ == State::Bdat) {
    // A part was refused while more is coming.
    refusal_ = stored;
    std::string().swap(body_);
    return;
  }
  EKIDEN_ASSERT(state_ == State::AwaitStore, "Stored answers BodyComplete or BodyPart");
  state_ = State::Command;
  if (stored.is_positive()) {
    ++messages_;
    pending_commands_ = 0;
  }
  reset_transaction();
  reply(stored);
}

std::optional<Action> ServerDialogue::on_bdat(const Command& command) {
  const std::optional<BdatCommand> bdat = parse_bdat(command.argument);
  if (!bdat) {
    // RFC 3030 §2: without a size nobody knows where the chunk ends.
    reply(501, {5, 5, 4}, "Syntax: BDAT octets [LAST]");
    return close("bad BDAT");
  }
  const std::uint64_t size_max = options_.size_max == 0 ? UINT64_MAX : options_.size_max;
  bdat_left_ = bdat->octets;
  bdat_is_last_ = bdat->is_last;
  refusal_.reset();
  state_ = State::Bdat;
  if (bdat->octets > size_max && bdat->octets / kDroppedFactor > size_max) {
    reply(552, {5, 3, 4}, "Chunk too big; at most " + std::to_string(size_max) + " octets");
    return close("chunk far too big");
  }
  if (!in_transaction_) {
    refusal_ = Reply{503, {5, 5, 1}, {"Send MAIL first"}};
  } else if (recipients_ == 0) {
    refusal_ = Reply{554, {5, 5, 1}, {"No valid recipients"}};
  } else if (bdat->octets > size_max - std::min(size_max, message_octets_)) {
    refusal_ =
        Reply{552, {5, 3, 4}, {"Message too big; at most " + std::to_string(size_max) + " octets"}};
  }
  if (refusal_) {
    ++errors_;
    return std::nullopt;
  }
  if (!bdat_has_begun_) {
    state_ = State::AwaitVerdict;
    awaited_ = Verb::Bdat;
    return AdmitData{};
  }
  if (bdat->is_last || bdat->octets >= kChunkOctetsMin) note_progress();
  return std::nullopt;
}

std::optional<Action> ServerDialogue::read_bdat() {
  if (bdat_left_ != 0) {
    if (view_.empty()) return NeedInput{Wait::Data};
    const std::size_t octets =
        static_cast<std::size_t>(std::min<std::uint64_t>(bdat_left_, view_.size()));
    const std::string_view piece = view_.substr(0, octets);
    consume(octets);
    bdat_left_ -= octets;
    if (!refusal_) {
      if (body_.capacity() < kBodyRoom) {
        const std::uint64_t room = std::max<std::uint64_t>(bdat_left_ + octets, declared_size_);
        body_.reserve(std::min<std::uint64_t>(room, options_.chunk_octets));
      }
      const std::size_t before = body_.size();
      if (body_kind_ == BodyKind::BinaryMime) {
        body_.append(piece);
      } else if (!reader_.feed(piece, body_)) {
        // RFC 3030 §2: text in chunks has the same line ends; it may leave us by DATA.
        ++errors_;
        refusal_ = Reply{554, {5, 5, 2}, {"Bare CR or LF in the message; lines end with CR LF"}};
      }
      message_octets_ += body_.size() - before;
      if (!refusal_ && body_.size() >= options_.chunk_octets) return BodyPart{};
    }
    if (bdat_left_ != 0) return std::nullopt;
  }
  // The chunk is whole.
  if (!refusal_ && bdat_is_last_ && body_kind_ != BodyKind::BinaryMime &&
      reader_.ends_in_bare_cr()) {
    ++errors_;
    refusal_ = Reply{554, {5, 5, 2}, {"Bare CR or LF in the message; lines end with CR LF"}};
  }
  if (refusal_ || bdat_is_last_) return complete_body();
  state_ = State::Command;
  reply(250, {2, 0, 0}, "Chunk taken; " + std::to_string(message_octets_) + " octets so far");
  return std::nullopt;
}

}  // namespace ekiden::smtp
