#include "ekiden/events/key.hpp"

#include <cstring>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::events {
namespace {

// Longer domains do not exist (RFC 1035 §2.3.4); what is longer takes a slower way.
constexpr std::size_t kDomainOctetsMax = 255;

std::string_view without_dot(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return domain;
}

std::int64_t hash_lowered(KeyKind kind, std::string_view domain) {
  char lower[kDomainOctetsMax];
  if (domain.size() > sizeof lower) return key_hash(kind, domain_key(domain));
  for (std::size_t i = 0; i < domain.size(); ++i) lower[i] = base::to_lower(domain[i]);
  return key_hash(kind, {lower, domain.size()});
}

/// Of recipient_key(), without making it where the address has a usual size.
std::int64_t address_hash(KeyKind kind, std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return key_hash(kind, address);
  const std::string_view domain = without_dot(address.substr(at + 1));
  char key[512];
  const std::size_t size = at + 1 + domain.size();
  if (domain.size() > kDomainOctetsMax || size > sizeof key) {
    return key_hash(kind, recipient_key(address));
  }
  std::memcpy(key, address.data(), at + 1);
  for (std::size_t i = 0; i < domain.size(); ++i) key[at + 1 + i] = base::to_lower(domain[i]);
  return key_hash(kind, {key, size});
}

}  // namespace

std::int64_t key_hash(KeyKind kind, std::string_view text) {
  return static_cast<std::int64_t>(base::hash64(text, static_cast<std::uint64_t>(kind)));
}

std::int64_t message_hash(base::MessageId message) {
  char octets[16];
  std::memcpy(octets, &message.high, 8);
  std::memcpy(octets + 8, &message.low, 8);
  return key_hash(KeyKind::Message, {octets, sizeof octets});
}

std::int64_t kind_hash(Kind kind) {
  const char octet = static_cast<char>(kind);
  return key_hash(KeyKind::Kind, {&octet, 1});
}

bool is_kind_indexed(Kind kind) {
  return kind != Kind::Accepted && kind != Kind::Delivered;
}

std::int64_t reply_code_hash(std::uint16_t code) {
  const char octets[2] = {static_cast<char>(code & 0xff), static_cast<char>(code >> 8)};
  return key_hash(KeyKind::ReplyCode, {octets, sizeof octets});
}

bool is_reply_code_indexed(std::uint16_t code) {
  return code >= 300;
}

std::string recipient_key(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return std::string(address);
  return std::string(address.substr(0, at + 1)) + domain_key(address.substr(at + 1));
}

std::string domain_key(std::string_view domain) {
  return base::lowered(without_dot(domain));
}

bool is_same_domain(std::string_view a, std::string_view b) {
  return base::equals_ignoring_case(without_dot(a), without_dot(b));
}

bool is_same_recipient(std::string_view a, std::string_view b) {
  const std::size_t at = a.rfind('@');
  if (at != b.rfind('@')) return false;
  if (at == std::string_view::npos) return a == b;
  return a.substr(0, at) == b.substr(0, at) && is_same_domain(a.substr(at + 1), b.substr(at + 1));
}

std::int64_t id_hash(const KeyView& keys) {
  if (!keys.id.empty()) return key_hash(KeyKind::Id, keys.id);
  char octets[25];
  std::memcpy(octets, &keys.message.high, 8);
  std::memcpy(octets + 8, &keys.message.low, 8);
  std::memcpy(octets + 16, &keys.recipient_index, 4);
  std::memcpy(octets + 20, &keys.attempt, 4);
  octets[24] = static_cast<char>(keys.kind);
  return key_hash(KeyKind::Id, {octets, sizeof octets});
}

bool have_same_id(const KeyView& a, const KeyView& b) {
  if (!a.id.empty() || !b.id.empty()) return a.id == b.id;
  return a.message == b.message && a.recipient_index == b.recipient_index &&
         a.attempt == b.attempt && a.kind == b.kind;
}

void append_entries(const KeyView& keys, std::uint32_t offset, std::int64_t layout,
                    std::vector<Entry>& entries) {
  entries.push_back({id_hash(keys), offset});
  entries.push_back({message_hash(keys.message), offset});
  if (const std::string_view recipient = keys.recipient; !recipient.empty()) {
    const std::size_t at = recipient.rfind('@');
    if (at != std::string_view::npos) {
      entries.push_back(
          {hash_lowered(KeyKind::Domain, without_dot(recipient.substr(at + 1))), offset});
    }
    entries.push_back({address_hash(KeyKind::Recipient, recipient), offset});
  }
  if (!keys.internet_message_id.empty()) {
    entries.push_back({key_hash(KeyKind::InternetMessageId, keys.internet_message_id), offset});
  }
  if (!keys.tenant.empty()) entries.push_back({key_hash(KeyKind::Tenant, keys.tenant), offset});
  if (is_kind_indexed(keys.kind)) entries.push_back({kind_hash(keys.kind), offset});
  if (layout < kLayoutSender) return;
  if (!keys.sender.empty()) entries.push_back({address_hash(KeyKind::Sender, keys.sender), offset});
  for (std::size_t i = 0; i < keys.tag_count; ++i) {
    entries.push_back({key_hash(KeyKind::Tag, keys.tags[i]), offset});
  }
  if (is_reply_code_indexed(keys.reply_code)) {
    entries.push_back({reply_code_hash(keys.reply_code), offset});
  }
  if (layout < kLayoutCounts) return;
  if (!keys.header_from.empty() && !is_same_recipient(keys.header_from, keys.sender)) {
    entries.push_back({address_hash(KeyKind::Sender, keys.header_from), offset});
  }
  if (is_reply_code_indexed(keys.reply_code)) {
    const auto reply_class = static_cast<std::uint16_t>(keys.reply_code / 100);
    entries.push_back({reply_code_hash(reply_class), offset});
    if (!keys.enhanced_code.empty()) {
      entries.push_back({key_hash(KeyKind::EnhancedCode, keys.enhanced_code), offset});
    }
  }
}

void collect_run_hashes(const KeyView& keys, std::unordered_set<std::int64_t>& hashes) {
  if (!keys.stream.empty()) hashes.insert(key_hash(KeyKind::Stream, keys.stream));
  if (!keys.source.empty()) hashes.insert(key_hash(KeyKind::Source, keys.source));
  if (!keys.provider.empty()) hashes.insert(key_hash(KeyKind::Provider, keys.provider));
}

void pack_entry(const Entry& entry, std::string& out) {
  base::ByteWriter writer(out);
  writer.i64(entry.hash);
  writer.u32(entry.offset);
}

Entry entry_at(std::string_view packed, std::size_t index) {
  base::ByteReader reader(packed.substr(index * kEntryOctets));
  Entry entry;
  entry.hash = reader.i64();
  entry.offset = reader.u32();
  return entry;
}

void find_in_packed(std::string_view packed, std::int64_t hash,
                    std::vector<std::uint32_t>& offsets) {
  const std::size_t count = packed.size() / kEntryOctets;
  std::size_t low = 0, high = count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (entry_at(packed, middle).hash < hash) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < count; ++low) {
    const Entry entry = entry_at(packed, low);
    if (entry.hash != hash) break;
    offsets.push_back(entry.offset);
  }
}

}  // namespace ekiden::events
