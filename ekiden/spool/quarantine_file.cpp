#include "ekiden/spool/quarantine_file.hpp"

#include <algorithm>
#include <optional>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/error.hpp"
#include "ekiden/spool/large_file.hpp"

namespace ekiden::spool {
namespace {

constexpr std::uint32_t kMagic = 0x32514b45;  // "EKQ2"
constexpr std::size_t kFixedOctets = 12;
/// A head holds one record's small part at most, and a segment is 64 MiB.
constexpr std::uint32_t kHeadOctetsMax = 65u << 20;
constexpr std::string_view kReleasing = ".release-";

std::string path_of(const std::string& name) {
  return "quarantine/" + name;
}

bool is_safe(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name[0] != '.' &&
         name.find('\0') == std::string::npos;
}

std::string releasing(const std::string& name, base::MessageId as) {
  return name + std::string(kReleasing) + base::format_message_id(as);
}

Result<void> rename_synced(Disk& disk, const std::string& from, const std::string& to) {
  if (const auto renamed = disk.rename(path_of(from), path_of(to)); !renamed) return renamed;
  return disk.sync_directory("quarantine");
}

std::string encode_head(const Quarantined& item) {
  std::string head;
  base::ByteWriter writer(head);
  writer.u64(item.id.high);
  writer.u64(item.id.low);
  writer.u32(item.recipients);
  writer.u32(static_cast<std::uint32_t>(item.settled.size()));
  for (const std::uint32_t recipient : item.settled) writer.u32(recipient);
  writer.text(item.reason);
  writer.text(item.meta);
  writer.text(item.file);
  writer.u64(item.octets.size());
  writer.u32(base::crc32c(item.octets));
  return head;
}

/// An open file of the quarantine, and where its octets begin.
struct Opened {
  std::unique_ptr<File> file;
  Quarantined item;
  std::uint64_t octets_at = 0;
  std::uint32_t octets_crc = 0;
};

/// Errors: Corrupt, with the file in `opened` all the same.
Result<void> open_item(Disk& disk, const std::string& name, Opened& opened) {
  if (!is_safe(name)) return Errc::NotFound;
  Result<std::unique_ptr<File>> file = disk.open(path_of(name), Open::Existing);
  if (!file) return file.error();
  opened.file = std::move(*file);
  std::string fixed(kFixedOctets, '\0');
  const Result<std::size_t> got = opened.file->read_at(0, fixed);
  if (!got) return got.error();
  base::ByteReader prefix(fixed);
  const bool is_magic = prefix.u32() == kMagic;
  const std::uint32_t crc = prefix.u32();
  const std::uint32_t length = prefix.u32();
  if (*got != kFixedOctets || !is_magic || length > kHeadOctetsMax) return Errc::Corrupt;
  std::string head(length, '\0');
  const Result<std::size_t> head_got = opened.file->read_at(kFixedOctets, head);
  if (!head_got) return head_got.error();
  if (*head_got != length || base::crc32c(head) != crc) return Errc::Corrupt;
  base::ByteReader reader(head);
  Quarantined& item = opened.item;
  item.name = name;
  item.id.high = reader.u64();
  item.id.low = reader.u64();
  item.recipients = reader.u32();
  const std::uint32_t settled = reader.u32();
  for (std::uint32_t i = 0; i < settled && reader.ok(); ++i) item.settled.push_back(reader.u32());
  item.reason = reader.text();
  item.meta = reader.text();
  item.file = reader.text();
  item.size = reader.u64();
  opened.octets_crc = reader.u32();
  opened.octets_at = kFixedOctets + length;
  if (!reader.ok() || !reader.at_end() || item.settled.size() > item.recipients)
    return Errc::Corrupt;
  return {};
}

Result<std::string> read_slice(File& file, std::uint64_t offset, std::size_t length) {
  std::string octets(length, '\0');
  const Result<std::size_t> got = file.read_at(offset, octets);
  if (!got) return got.error();
  octets.resize(*got);
  return octets;
}

}  // namespace

Result<void> keep_quarantined(Disk& disk, const Quarantined& item) {
  const std::string head = encode_head(item);
  std::string fixed;
  base::ByteWriter writer(fixed);
  writer.u32(kMagic);
  writer.u32(base::crc32c(head));
  writer.u32(static_cast<std::uint32_t>(head.size()));
  base::log::error("spool_quarantined", {{"name", item.name}, {"reason", item.reason}});
  Result<std::unique_ptr<File>> file = disk.open(path_of(item.name), Open::Create);
  if (!file) return file.error();
  const std::string_view pieces[] = {fixed, head, item.octets};
  Result<void> result = (*file)->truncate(0);
  if (result) result = (*file)->write_at(0, pieces);
  if (result) result = (*file)->sync();
  if (result) result = disk.sync_directory("quarantine");
  return result;
}

Result<Quarantined> peek_quarantined(Disk& disk, const std::string& name) {
  Opened opened;
  const Result<void> read = open_item(disk, name, opened);
  if (!read) return read.error();
  return std::move(opened.item);
}

Result<Quarantined> read_quarantined(Disk& disk, const std::string& name) {
  Opened opened;
  const Result<void> read = open_item(disk, name, opened);
  if (!read) return read.error();
  const Result<std::uint64_t> size = opened.file->size();
  if (!size) return size.error();
  if (*size - opened.octets_at != opened.item.size) return Errc::Corrupt;
  Result<std::string> octets = read_slice(*opened.file, opened.octets_at, opened.item.size);
  if (!octets) return octets.error();
  if (base::crc32c(*octets) != opened.octets_crc) return Errc::Corrupt;
  opened.item.octets = std::move(*octets);
  return std::move(opened.item);
}

Result<std::string> read_quarantined_octets(Disk& disk, const std::string& name,
                                            std::uint64_t offset, std::size_t length) {
  Opened opened;
  const Result<void> read = open_item(disk, name, opened);
  if (!read && !opened.file) return read.error();
  if (!read) return read_slice(*opened.file, offset, length);
  if (opened.item.file.empty()) return read_slice(*opened.file, opened.octets_at + offset, length);
  Result<std::unique_ptr<File>> body = disk.open(opened.item.file, Open::Existing);
  if (!body) return body.error();
  return read_slice(**body, offset, length);
}

Result<std::vector<std::string>> list_quarantined(Disk& disk) {
  Result<std::vector<std::string>> names = disk.list("quarantine");
  if (names)
    std::erase_if(
        *names, [](const std::string& name) { return name.find(kReleasing) != std::string::npos; });
  return names;
}

Result<void> delete_quarantined(Disk& disk, const std::string& name) {
  if (!is_safe(name)) return Errc::NotFound;
  const Result<Quarantined> item = peek_quarantined(disk, name);
  const Result<void> removed = disk.remove(path_of(name));
  if (!removed) return removed;
  if (item && is_large_path(item->file)) (void)disk.remove(item->file);
  return disk.sync_directory("quarantine");
}

Result<void> begin_release(Disk& disk, const std::string& name, base::MessageId as) {
  if (!is_safe(name)) return Errc::NotFound;
  return rename_synced(disk, name, releasing(name, as));
}

Result<void> finish_release(Disk& disk, const std::string& name, base::MessageId as) {
  const Result<void> removed = disk.remove(path_of(releasing(name, as)));
  if (!removed) return removed;
  return disk.sync_directory("quarantine");
}

Result<void> undo_release(Disk& disk, const std::string& name, base::MessageId as) {
  return rename_synced(disk, releasing(name, as), name);
}

void settle_releases(Disk& disk, const std::function<bool(base::MessageId)>& is_live) {
  const Result<std::vector<std::string>> names = disk.list("quarantine");
  if (!names) return;
  for (const std::string& full : *names) {
    const std::size_t at = full.find(kReleasing);
    if (at == std::string::npos) continue;
    const std::optional<base::MessageId> as =
        base::parse_message_id(std::string_view(full).substr(at + kReleasing.size()));
    if (!as) continue;
    const std::string name = full.substr(0, at);
    const bool is_done = is_live(*as);
    (void)(is_done ? finish_release(disk, name, *as) : undo_release(disk, name, *as));
    base::log::warning(
        "spool_release_settled",
        {{"name", name}, {"message", base::format_message_id(*as)}, {"is_released", is_done}});
  }
}

}  // namespace ekiden::spool
