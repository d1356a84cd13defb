#include "ekiden/delivery/preparation.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::uint16_t kBadSequence = 503;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// Nothing that could end a command or begin another.
bool is_safe(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

/// A parameter's value (RFC 3461 §4): printable ASCII without space.
bool is_xtext(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

struct WireAddress {
  std::string_view text;
  bool needs_smtputf8 = false;
  bool is_usable = true;
};

/// RFC 6531 §3.2 needs SMTPUTF8 for the local part only: a domain goes as A-labels.
WireAddress wire_address(const std::string& address, std::deque<std::string>& texts) {
  WireAddress wire;
  wire.text = address;
  wire.is_usable = is_safe(address);
  if (is_ascii(address) || !wire.is_usable) return wire;
  const std::size_t at = address.rfind('@');
  const std::string_view local = std::string_view(address).substr(0, at);
  wire.needs_smtputf8 = !is_ascii(local);
  if (at == std::string::npos) return wire;
  const std::string_view domain = std::string_view(address).substr(at + 1);
  if (is_ascii(domain)) return wire;
  const auto canonical = smtp::canonical_domain(domain);
  if (!canonical) {
    wire.is_usable = false;
    return wire;
  }
  std::string text(local);
  text.append("@").append(*canonical);
  texts.push_back(std::move(text));
  wire.text = texts.back();
  return wire;
}

std::string_view notify_text(std::uint8_t notify) {
  using namespace message;
  if ((notify & kNotifyNever) != 0) return "NEVER";
  static constexpr std::string_view kTexts[] = {
      "",      "SUCCESS",       "FAILURE",       "SUCCESS,FAILURE",
      "DELAY", "SUCCESS,DELAY", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"};
  return kTexts[((notify & kNotifySuccess) != 0 ? 1 : 0) +
                ((notify & kNotifyFailure) != 0 ? 2 : 0) + ((notify & kNotifyDelay) != 0 ? 4 : 0)];
}

void refuse(Preparation& out, std::uint32_t recipient, smtp::Reply reply) {
  RecipientResult result;
  result.recipient = recipient;
  result.outcome = Outcome::Bounced;
  result.phase = Phase::Mail;
  result.reply = std::move(reply);
  result.is_local = true;
  out.refused.push_back(std::move(result));
}

/// What no recipient can get past; nothing when the message may go.
std::optional<smtp::Reply> refusal_of_all(const message::Meta& meta, std::uint64_t size,
                                          const WireAddress& sender,
                                          const smtp::PeerExtensions& peer) {
  if (!sender.is_usable) {
    return local_reply(553, {5, 1, 7}, "the reverse-path cannot be sent over SMTP");
  }
  // Without SMTPUTF8 on the envelope, raw octets in a header are an old habit that travels on.
  const bool has_utf8_header = meta.envelope.smtputf8 && meta.details.has_utf8_header;
  if ((sender.needs_smtputf8 || has_utf8_header) && !peer.smtputf8) {
    // RFC 6531 §3.6.
    return local_reply(550, {5, 6, 7}, "the next hop does not take internationalized mail");
  }
  if (peer.size_max != 0 && size > peer.size_max) {
    // RFC 1870 §6.
    return local_reply(552, {5, 3, 4},
                       "the message has " + std::to_string(size) + " octets, the next hop takes " +
                           std::to_string(peer.size_max));
  }
  return std::nullopt;
}

}  // namespace

void prepare(const Job& job, const smtp::PeerExtensions& peer, bool prefers_bdat, Preparation& out,
             const FormOfAddress& form_of) {
  const message::Meta& meta = *job.meta;
  const message::Envelope& envelope = meta.envelope;
  smtp::ClientTransaction& transaction = out.transaction;

  const WireAddress sender =
      wire_address(out.reverse_path ? *out.reverse_path : envelope.reverse_path, out.texts);
  const std::uint64_t size =
      job.body.size - out.header_octets + (out.header ? out.header->size() : 0);
  if (const auto refusal = refusal_of_all(meta, size, sender, peer)) {
    for (const std::uint32_t recipient : job.recipients) refuse(out, recipient, *refusal);
    return;
  }
  transaction.reverse_path = sender.text;
  transaction.smtputf8 = peer.smtputf8 && (sender.needs_smtputf8 ||
                                           (envelope.smtputf8 && meta.details.has_utf8_header));

  transaction.recipients.reserve(job.recipients.size());
  out.recipients.reserve(job.recipients.size());
  for (const std::uint32_t index : job.recipients) {
    const message::Recipient& recipient = envelope.recipients[index];
    const std::string* address = &recipient.address;
    if (form_of) {
      std::string form = form_of(recipient.address);
      if (form != recipient.address) address = &out.texts.emplace_back(std::move(form));
    }
    const WireAddress wire = wire_address(*address, out.texts);
    if (!wire.is_usable || wire.text.empty()) {
      refuse(out, index, local_reply(553, {5, 1, 3}, "the address cannot be sent over SMTP"));
      continue;
    }
    if (wire.needs_smtputf8 && !peer.smtputf8) {
      refuse(out, index,
             local_reply(550, {5, 6, 7}, "the next hop does not take internationalized addresses"));
      continue;
    }
    transaction.smtputf8 = transaction.smtputf8 || wire.needs_smtputf8;
    smtp::ClientRecipient asked;
    asked.address = wire.text;
    asked.notify = notify_text(recipient.notify);
    if (is_xtext(recipient.orcpt)) asked.orcpt = recipient.orcpt;
    transaction.recipients.push_back(asked);
    out.recipients.push_back(index);
  }
  if (envelope.ret == message::Return::Full) transaction.ret = "FULL";
  if (envelope.ret == message::Return::Headers) transaction.ret = "HDRS";
  if (is_xtext(envelope.envid)) transaction.envid = envelope.envid;

  transaction.size = size;
  transaction.is_probe = job.is_probe;
  if (envelope.body == message::BodyType::BinaryMime) {
    if (peer.chunking && peer.binary_mime) {
      transaction.body = "BINARYMIME";
      transaction.uses_bdat = true;
    } else {
      // What comes out is pure 7-bit, wherever it goes.
      out.needs_seven_bit = true;
    }
  } else if (meta.details.is_eight_bit) {
    if (peer.eight_bit_mime || transaction.smtputf8) {
      transaction.body = "8BITMIME";
    } else {
      out.needs_seven_bit = true;
    }
  }
  // An empty chunk list is legal, but "BDAT 0 LAST" trips some servers.
  if (prefers_bdat && peer.chunking && !out.needs_seven_bit && job.body.size > 0) {
    transaction.uses_bdat = true;
  }
  // The converted size is not known before its end; SIZE may be left out (RFC 1870 §4).
  if (out.needs_seven_bit) transaction.size = 0;
}

RecipientResult result_of(std::uint32_t recipient, smtp::ClientVerdict verdict,
                          const message::Recipient& asked, const smtp::PeerExtensions& peer) {
  RecipientResult result;
  result.recipient = recipient;
  result.phase = static_cast<Phase>(verdict.phase);
  result.reply = std::move(verdict.reply);
  result.is_local = verdict.is_local;
  result.may_be_duplicate = verdict.may_be_duplicate;
  switch (verdict.kind) {
    case smtp::ClientVerdict::Kind::NotTried:
      result.outcome = Outcome::NotTried;
      break;
    case smtp::ClientVerdict::Kind::Accepted:
      result.outcome = Outcome::Delivered;
      // RFC 3461 §6.2.
      result.needs_relayed_dsn = !peer.dsn && (asked.notify & message::kNotifySuccess) != 0;
      break;
    case smtp::ClientVerdict::Kind::Refused:
      // RFC 5321 §4.2.4: 503 says that the two ends are out of step. That is no word about the
      // recipient, so it is tried again.
      result.outcome = result.reply.is_permanent() && result.reply.code != kBadSequence
                           ? Outcome::Bounced
                           : Outcome::Deferred;
      break;
    case smtp::ClientVerdict::Kind::Lost:
      result.outcome = Outcome::Deferred;
      break;
  }
  return result;
}

static_assert(static_cast<int>(Phase::Connect) == static_cast<int>(smtp::ClientPhase::Connect) &&
              static_cast<int>(Phase::StartTls) == static_cast<int>(smtp::ClientPhase::StartTls) &&
              static_cast<int>(Phase::Mail) == static_cast<int>(smtp::ClientPhase::Mail) &&
              static_cast<int>(Phase::Eod) == static_cast<int>(smtp::ClientPhase::Eod));

}  // namespace ekiden::delivery
