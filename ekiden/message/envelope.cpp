#include "ekiden/message/envelope.hpp"

#include "ekiden/base/bytes.hpp"
#include "ekiden/message/error.hpp"

// The stored form (docs/SPOOL.md), integers little-endian:
//
//   u8 version (1), block envelope, block details
//
// A block is a u32 length and that many octets. A reader skips what it does not know at the end of
// a block, and finds nothing where an older writer ended, so that fields are only ever added at
// the end of one. The version changes when that is not enough.
//
//   envelope   text reverse_path, envid, auth; u8 ret, body, smtputf8;
//              varint count, then as many blocks: text address, orcpt; u8 notify; text next_hop,
//              if there is one
//   details    text tenant, stream, metadata; i64 received, send_at; text client_address,
//              client_name, identity, protocol, header_from, subject, message_id, next_hop (empty;
//              writers before recipients had next hops put that of all of them here);
//              varint size; u8 flags; varint count, then as many texts: tags; then, as far as
//              something is there: text listener, alignment, batch, pool

namespace ekiden::message {
namespace {

constexpr std::uint8_t kVersion = 1;

/// More recipients than any limit lets in: a larger count is damage.
constexpr std::uint64_t kRecipientsMax = 1'000'000;
constexpr std::uint64_t kTagsMax = 1'000;

enum Flag : std::uint8_t {
  kEightBit = 1,
  kUtf8Header = 2,
  kGenerated = 4,
  kOwn = 8,
  kAuthenticated = 16,
  kTlsRequired = 32,
  kTlsOptional = 64
};

class BlockWriter {
 public:
  explicit BlockWriter(std::string& out) : out_(out), start_(out.size()) { out.append(4, '\0'); }
  ~BlockWriter() {
    const auto length = static_cast<std::uint32_t>(out_.size() - start_ - 4);
    for (unsigned i = 0; i < 4; ++i) out_[start_ + i] = static_cast<char>(length >> (8 * i));
  }
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

 private:
  std::string& out_;
  std::size_t start_;
};

base::ByteReader read_block(base::ByteReader& in) {
  const std::uint32_t length = in.u32();
  return base::ByteReader(in.octets(length));
}

void write_envelope(std::string& out, const Envelope& envelope) {
  const BlockWriter block(out);
  base::ByteWriter w(out);
  w.text(envelope.reverse_path);
  w.text(envelope.envid);
  w.text(envelope.auth);
  w.u8(static_cast<std::uint8_t>(envelope.ret));
  w.u8(static_cast<std::uint8_t>(envelope.body));
  w.u8(envelope.smtputf8 ? 1 : 0);
  w.varint(envelope.recipients.size());
  for (const Recipient& recipient : envelope.recipients) {
    const BlockWriter inner(out);
    w.text(recipient.address);
    w.text(recipient.orcpt);
    w.u8(recipient.notify);
    if (!recipient.next_hop.empty()) w.text(recipient.next_hop);
  }
}

bool read_envelope(base::ByteReader r, Envelope& envelope) {
  envelope.reverse_path = r.text();
  envelope.envid = r.text();
  envelope.auth = r.text();
  const std::uint8_t ret = r.u8();
  const std::uint8_t body = r.u8();
  envelope.smtputf8 = r.u8() != 0;
  if (ret > static_cast<std::uint8_t>(Return::Headers) ||
      body > static_cast<std::uint8_t>(BodyType::BinaryMime)) {
    return false;
  }
  envelope.ret = static_cast<Return>(ret);
  envelope.body = static_cast<BodyType>(body);
  const std::uint64_t count = r.varint();
  if (!r.ok() || count > kRecipientsMax || count > r.rest().size()) return false;
  envelope.recipients.resize(count);
  for (Recipient& recipient : envelope.recipients) {
    base::ByteReader inner = read_block(r);
    recipient.address = inner.text();
    recipient.orcpt = inner.text();
    recipient.notify = inner.u8();
    if (!inner.at_end()) recipient.next_hop = inner.text();
    if (!r.ok() || !inner.ok()) return false;
  }
  return true;
}

void write_details(std::string& out, const Details& details) {
  const BlockWriter block(out);
  base::ByteWriter w(out);
  w.text(details.tenant);
  w.text(details.stream);
  w.text(details.metadata);
  w.i64(base::to_unix_us(details.received));
  w.i64(base::to_unix_us(details.send_at));
  w.text(details.client_address);
  w.text(details.client_name);
  w.text(details.identity);
  w.text(details.protocol);
  w.text(details.header_from);
  w.text(details.subject);
  w.text(details.message_id);
  w.text({});
  w.varint(details.size);
  w.u8(static_cast<std::uint8_t>(
      (details.is_eight_bit ? kEightBit : 0) | (details.has_utf8_header ? kUtf8Header : 0) |
      (details.is_generated ? kGenerated : 0) | (details.is_own ? kOwn : 0) |
      (details.is_authenticated ? kAuthenticated : 0) |
      (details.tls_demand == TlsDemand::Required ? kTlsRequired : 0) |
      (details.tls_demand == TlsDemand::Optional ? kTlsOptional : 0)));
  w.varint(details.tags.size());
  for (const std::string& tag : details.tags) w.text(tag);
  // What stands at the end is written as far as something is there.
  const bool has_pool = !details.pool.empty();
  const bool has_batch = has_pool || !details.batch.empty();
  const bool has_alignment = has_batch || !details.alignment.empty();
  if (has_alignment || !details.listener.empty()) w.text(details.listener);
  if (has_alignment) w.text(details.alignment);
  if (has_batch) w.text(details.batch);
  if (has_pool) w.text(details.pool);
}

/// `next_hop`: that of recipients without one of their own.
bool read_details(base::ByteReader r, Details& details, std::string_view& next_hop) {
  details.tenant = r.text();
  details.stream = r.text();
  details.metadata = r.text();
  details.received = base::from_unix_us(r.i64());
  details.send_at = base::from_unix_us(r.i64());
  details.client_address = r.text();
  details.client_name = r.text();
  details.identity = r.text();
  details.protocol = r.text();
  details.header_from = r.text();
  details.subject = r.text();
  details.message_id = r.text();
  next_hop = r.text();
  details.size = r.varint();
  const std::uint8_t flags = r.u8();
  details.is_eight_bit = (flags & kEightBit) != 0;
  details.has_utf8_header = (flags & kUtf8Header) != 0;
  details.is_generated = (flags & kGenerated) != 0;
  details.is_own = (flags & kOwn) != 0;
  details.is_authenticated = (flags & kAuthenticated) != 0;
  // The stricter of two, which nobody writes.
  if ((flags & kTlsOptional) != 0) details.tls_demand = TlsDemand::Optional;
  if ((flags & kTlsRequired) != 0) details.tls_demand = TlsDemand::Required;
  const std::uint64_t count = r.varint();
  if (!r.ok() || count > kTagsMax || count > r.rest().size()) return false;
  details.tags.resize(count);
  for (std::string& tag : details.tags) tag = r.text();
  if (!r.at_end()) details.listener = r.text();
  if (!r.at_end()) details.alignment = r.text();
  if (!r.at_end()) details.batch = r.text();
  if (!r.at_end()) details.pool = r.text();
  return r.ok();
}

}  // namespace

std::string encode_meta(const Meta& meta) {
  std::size_t octets = 256 + meta.details.metadata.size();
  for (const Recipient& recipient : meta.envelope.recipients) {
    octets += recipient.address.size() + recipient.orcpt.size() + 8;
  }
  std::string out;
  out.reserve(octets);
  out.push_back(static_cast<char>(kVersion));
  write_envelope(out, meta.envelope);
  write_details(out, meta.details);
  return out;
}

Result<Meta> decode_meta(std::string_view octets) {
  base::ByteReader in(octets);
  if (in.u8() != kVersion) return Errc::BadMeta;
  const base::ByteReader envelope = read_block(in);
  const base::ByteReader details = read_block(in);
  Meta meta;
  std::string_view next_hop;
  if (!in.ok() || !read_envelope(envelope, meta.envelope) ||
      !read_details(details, meta.details, next_hop)) {
    return Errc::BadMeta;
  }
  for (Recipient& recipient : meta.envelope.recipients)
    if (recipient.next_hop.empty()) recipient.next_hop = next_hop;
  return meta;
}

}  // namespace ekiden::message
