#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ekiden/events/codec.hpp"

namespace ekiden::events {

/// What an event can be found by. The numbers are on disk, inside hashes.
enum class KeyKind : std::uint8_t {
  Id = 1,
  Message = 2,
  Recipient = 3,
  Domain = 4,
  InternetMessageId = 5,
  Tenant = 6,
  Kind = 7,  ///< not for accepted and delivered, which most events are
  // From layout 2 on:
  Sender = 8,
  Tag = 9,
  ReplyCode = 10,  ///< not for 2xx
  // From layout 3 on; then Sender is the header's From too, and ReplyCode the class, 4 or 5, too:
  EnhancedCode = 11,  ///< not for 2xx
  // With one entry for all events of a run of kSliceEvents: a name is rare, or a page is full soon.
  Stream = 12,
  Source = 13,
  Provider = 14,
};
constexpr bool is_of_runs(KeyKind kind) {
  return kind >= KeyKind::Stream;
}

/// The first layout with subjects, counts and transcripts, and entries for the kinds past it.
inline constexpr std::int64_t kLayoutCounts = 3;
/// The first layout of a day's file (day_file.hpp) with entries for sender, tags and reply code.
inline constexpr std::int64_t kLayoutSender = 2;

/// One line of a slice's index: the hash of a key, and which event of the slice has it. Two keys
/// may share a hash: whoever finds an event compares it.
struct Entry {
  std::int64_t hash = 0;
  std::uint32_t offset = 0;

  friend auto operator<=>(const Entry&, const Entry&) = default;
};

std::int64_t key_hash(KeyKind kind, std::string_view text);
std::int64_t message_hash(base::MessageId message);
std::int64_t kind_hash(Kind kind);
std::int64_t reply_code_hash(std::uint16_t code);

/// The text behind KeyKind::Recipient: the local part exactly, the domain in lower case and
/// without a trailing dot (RFC 5321 §2.4).
std::string recipient_key(std::string_view address);
/// The text behind KeyKind::Domain.
std::string domain_key(std::string_view domain);
/// Whether two addresses have the same recipient_key, and two domains the same domain_key.
bool is_same_recipient(std::string_view a, std::string_view b);
bool is_same_domain(std::string_view a, std::string_view b);
/// Whether the kind has entries of its own.
bool is_kind_indexed(Kind kind);
bool is_reply_code_indexed(std::uint16_t code);

std::int64_t id_hash(const KeyView& keys);
bool have_same_id(const KeyView& a, const KeyView& b);

/// Appends the entries of one event, as a file of this layout has them.
inline constexpr std::size_t kEntriesMax = 12 + KeyView::kTagsMax;
void append_entries(const KeyView& keys, std::uint32_t offset, std::int64_t layout,
                    std::vector<Entry>& entries);

/// The hashes of the kinds that have one entry for a whole run.
void collect_run_hashes(const KeyView& keys, std::unordered_set<std::int64_t>& hashes);

/// On disk an entry is 12 octets: hash, then offset, little-endian.
inline constexpr std::size_t kEntryOctets = 12;
void pack_entry(const Entry& entry, std::string& out);
/// The entry at `index` of packed ones.
Entry entry_at(std::string_view packed, std::size_t index);
/// The offsets of all entries with this hash, in order, appended to `offsets`.
void find_in_packed(std::string_view packed, std::int64_t hash,
                    std::vector<std::uint32_t>& offsets);

}  // namespace ekiden::events
