#include "ekiden/spool/quarantine.hpp"

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/error.hpp"
#include "ekiden/spool/large_file.hpp"

namespace ekiden::spool {
namespace {

constexpr std::uint32_t kMagic = 0x31514b45;  // "EKQ1"

bool is_safe(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name[0] != '.';
}

}  // namespace

Result<void> keep_quarantined(Disk& disk, const Quarantined& item) {
  std::string rest;
  base::ByteWriter writer(rest);
  writer.u64(item.id.high);
  writer.u64(item.id.low);
  writer.u32(item.recipients);
  writer.text(item.reason);
  writer.text(item.meta);
  writer.text(item.file);
  writer.octets(item.octets);
  std::string head;
  base::ByteWriter sealed(head);
  sealed.u32(kMagic);
  sealed.u32(base::crc32c(rest));
  const std::string path = "quarantine/" + item.name;
  base::log::error("spool_quarantined", {{"name", item.name}, {"reason", item.reason}});
  Result<std::unique_ptr<File>> file = disk.open(path, Open::Create);
  if (!file) return file.error();
  const std::string_view pieces[] = {head, rest};
  Result<void> result = (*file)->truncate(0);
  if (result) result = (*file)->write_at(0, pieces);
  if (result) result = (*file)->sync();
  if (result) result = disk.sync_directory("quarantine");
  return result;
}

Result<Quarantined> read_quarantined(Disk& disk, const std::string& name) {
  if (!is_safe(name)) return Errc::NotFound;
  Result<std::unique_ptr<File>> file = disk.open("quarantine/" + name, Open::Existing);
  if (!file) return file.error();
  const Result<std::uint64_t> size = (*file)->size();
  if (!size) return size.error();
  std::string octets(*size, '\0');
  const Result<std::size_t> got = (*file)->read_at(0, octets);
  if (!got) return got.error();
  base::ByteReader reader(octets);
  const bool is_magic = reader.u32() == kMagic;
  const std::uint32_t crc = reader.u32();
  if (!is_magic || crc != base::crc32c(reader.rest())) return Errc::Corrupt;
  Quarantined item;
  item.name = name;
  item.id.high = reader.u64();
  item.id.low = reader.u64();
  item.recipients = reader.u32();
  item.reason = reader.text();
  item.meta = reader.text();
  item.file = reader.text();
  if (!reader.ok()) return Errc::Corrupt;
  item.octets = reader.rest();
  return item;
}

Result<std::vector<std::string>> list_quarantined(Disk& disk) {
  return disk.list("quarantine");
}

Result<void> delete_quarantined(Disk& disk, const std::string& name) {
  if (!is_safe(name)) return Errc::NotFound;
  const Result<Quarantined> item = read_quarantined(disk, name);
  const Result<void> removed = disk.remove("quarantine/" + name);
  if (!removed) return removed;
  if (item && is_large_path(item->file)) (void)disk.remove(item->file);
  return disk.sync_directory("quarantine");
}

}  // namespace ekiden::spool
