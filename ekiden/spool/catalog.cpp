#include "ekiden/spool/catalog.hpp"

#include <algorithm>
#include <cstdio>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"

namespace ekiden::spool {
namespace {

constexpr std::uint32_t kSidecarMagic = 0x31584b45;  // "EKX1"
constexpr std::size_t kFooterOctets = 4 + 4 + 4 + 6 * 8 + 4 + Catalog::kSections * 12;

}  // namespace

std::string sidecar_path(SegmentLife life) {
  char name[64];
  std::snprintf(name, sizeof name, "sidecar/%08u-%016llx.idx", life.slot,
                static_cast<unsigned long long>(life.epoch));
  return name;
}

void Catalog::note_batch(const BatchHeader& batch) {
  batch_number = std::max(batch_number, batch.number);
  events_cursor = std::max(events_cursor, batch.events_cursor);
  valid_octets = std::max(valid_octets, batch.page * kPage + round_to_page(batch.length));
}

void Catalog::add(const RecordHeader& record, std::uint32_t header, std::string_view small) {
  switch (record.type) {
    case RecordType::Done: {
      base::ByteWriter writer(sections_[Dones]);
      writer.u64(record.id.high);
      writer.u64(record.id.low);
      writer.text(small);
      return;
    }
    case RecordType::Limit: {
      base::ByteWriter writer(sections_[Limits]);
      writer.text(small);
      return;
    }
    case RecordType::Progress: {
      base::ByteWriter writer(sections_[Progresses]);
      writer.u64(record.id.high);
      writer.u64(record.id.low);
      writer.u32(header);
      writer.text(small);
      base::ByteReader reader(small);
      progress_sequence_max = std::max(progress_sequence_max, reader.u64());
      return;
    }
    case RecordType::Event: {
      base::ByteWriter writer(sections_[Events]);
      writer.u64(record.id.high);
      writer.u32(header);
      writer.u32(record_octets(record));
      event_sequence_max = std::max(event_sequence_max, record.id.high);
      return;
    }
    case RecordType::Message: {
      const auto part = decode_message(small);
      if (!part) return;
      base::ByteWriter writer(sections_[Heads]);
      writer.u64(record.id.high);
      writer.u64(record.id.low);
      writer.u32(header);
      writer.u32(part->recipients);
      writer.u32(record_octets(record));
      writer.u8(record.flags);
      writer.u8(part->file.empty() ? 0 : 1);
      writer.u64(part->body_size);
      base::ByteWriter metas(sections_[Metas]);
      metas.text(small);
      return;
    }
  }
}

void Catalog::each_done(const std::function<void(base::MessageId, const DonePart&)>& see) const {
  base::ByteReader reader(sections_[Dones]);
  while (reader.ok() && !reader.at_end()) {
    base::MessageId id;
    id.high = reader.u64();
    id.low = reader.u64();
    if (const auto done = decode_done(reader.text())) see(id, *done);
  }
}

void Catalog::each_limit(const std::function<void(const LimitPart&)>& see) const {
  base::ByteReader reader(sections_[Limits]);
  while (reader.ok() && !reader.at_end())
    if (const auto limit = decode_limit(reader.text())) see(*limit);
}

void Catalog::each_progress(
    const std::function<void(base::MessageId, std::uint32_t, const ProgressPart&)>& see) const {
  base::ByteReader reader(sections_[Progresses]);
  while (reader.ok() && !reader.at_end()) {
    base::MessageId id;
    id.high = reader.u64();
    id.low = reader.u64();
    const std::uint32_t header = reader.u32();
    if (const auto part = decode_progress(reader.text())) see(id, header, *part);
  }
}

void Catalog::each_event(const std::function<void(const Event&)>& see) const {
  base::ByteReader reader(sections_[Events]);
  while (reader.ok() && !reader.at_end()) {
    Event event;
    event.sequence = reader.u64();
    event.header = reader.u32();
    event.octets = reader.u32();
    if (reader.ok()) see(event);
  }
}

void Catalog::each_head(const std::function<void(const Head&)>& see) const {
  base::ByteReader reader(sections_[Heads]);
  while (reader.ok() && !reader.at_end()) {
    Head head;
    head.id.high = reader.u64();
    head.id.low = reader.u64();
    head.header = reader.u32();
    head.recipients = reader.u32();
    head.octets = reader.u32();
    head.flags = reader.u8();
    head.has_file = reader.u8() != 0;
    head.body_size = reader.u64();
    if (reader.ok()) see(head);
  }
}

void Catalog::each_message(const std::function<void(const Head&, const MessagePart&)>& see) const {
  base::ByteReader metas(sections_[Metas]);
  each_head([&](const Head& head) {
    if (const auto part = decode_message(metas.text())) see(head, *part);
  });
}

std::size_t Catalog::octets() const {
  std::size_t sum = 0;
  for (const std::string& section : sections_) sum += section.size();
  return sum;
}

void Catalog::clear() {
  *this = Catalog{};
}

std::string Catalog::encode_footer() const {
  std::string rest;
  base::ByteWriter writer(rest);
  writer.u32(life.slot);
  writer.u64(life.epoch);
  writer.u64(sequence);
  writer.u64(batch_number);
  writer.u64(events_cursor);
  writer.u64(progress_sequence_max);
  writer.u64(event_sequence_max);
  writer.u32(valid_octets);
  for (const std::string& section : sections_) {
    writer.u64(section.size());
    writer.u32(base::crc32c(section));
  }
  std::string footer;
  base::ByteWriter sealed(footer);
  sealed.u32(kSidecarMagic);
  sealed.u32(base::crc32c(rest));
  sealed.octets(rest);
  return footer;
}

Result<void> Catalog::write_sidecar(Disk& disk) const {
  Result<std::unique_ptr<File>> file = disk.open(sidecar_path(life), Open::Create);
  if (!file) return file.error();
  const std::string footer = encode_footer();
  std::vector<std::string_view> pieces(sections_.begin(), sections_.end());
  pieces.push_back(footer);
  Result<void> result = (*file)->truncate(0);
  if (result) result = (*file)->write_at(0, pieces);
  if (result) result = (*file)->sync();
  if (result) result = disk.sync_directory("sidecar");
  return result;
}

Result<Catalog> Catalog::read_sidecar(Disk& disk, SegmentLife life,
                                      std::initializer_list<Section> wanted) {
  Result<std::unique_ptr<File>> file = disk.open(sidecar_path(life), Open::Existing);
  if (!file) return file.error();
  const Result<std::uint64_t> size = (*file)->size();
  if (!size) return size.error();
  if (*size < kFooterOctets) return Errc::Corrupt;
  std::string footer(kFooterOctets, '\0');
  const Result<std::size_t> got = (*file)->read_at(*size - kFooterOctets, footer);
  if (!got) return got.error();
  base::ByteReader reader(footer);
  const bool is_magic = reader.u32() == kSidecarMagic;
  const std::uint32_t crc = reader.u32();
  if (*got != footer.size() || !is_magic || crc != base::crc32c(reader.rest()))
    return Errc::Corrupt;
  Catalog catalog;
  catalog.life.slot = reader.u32();
  catalog.life.epoch = reader.u64();
  catalog.sequence = reader.u64();
  catalog.batch_number = reader.u64();
  catalog.events_cursor = reader.u64();
  catalog.progress_sequence_max = reader.u64();
  catalog.event_sequence_max = reader.u64();
  catalog.valid_octets = reader.u32();
  if (catalog.life != life) return Errc::Corrupt;
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < kSections; ++i) {
    const std::uint64_t length = reader.u64();
    const std::uint32_t section_crc = reader.u32();
    if (length > *size - kFooterOctets - offset) return Errc::Corrupt;
    if (std::find(wanted.begin(), wanted.end(), static_cast<Section>(i)) != wanted.end()) {
      std::string& section = catalog.sections_[i];
      section.resize(length);
      const Result<std::size_t> read = (*file)->read_at(offset, section);
      if (!read) return read.error();
      if (*read != length || base::crc32c(section) != section_crc) return Errc::Corrupt;
    }
    offset += length;
  }
  if (offset + kFooterOctets != *size) return Errc::Corrupt;
  return catalog;
}

}  // namespace ekiden::spool
