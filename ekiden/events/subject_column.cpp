#include "ekiden/events/subject_column.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/header_text.hpp"

namespace ekiden::events {
namespace {

/// Shows each text with its events; ends at octets that are none of ours.
template <class See>
void walk(std::string_view packed, See see) {
  base::ByteReader in(packed);
  std::vector<std::uint32_t> offsets;
  while (!in.at_end()) {
    const std::uint64_t count = in.varint();
    if (!in.ok() || count > packed.size()) return;
    offsets.clear();
    std::uint64_t offset = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      offset += in.varint();
      offsets.push_back(static_cast<std::uint32_t>(offset));
    }
    const std::string_view text = in.octets(in.varint());
    if (!in.ok()) return;
    see(text, offsets);
  }
}

void append(std::string& packed, std::string_view text, const std::vector<std::uint32_t>& offsets) {
  base::ByteWriter out(packed);
  out.varint(offsets.size());
  std::uint32_t before = 0;
  for (const std::uint32_t offset : offsets) {
    out.varint(offset - before);
    before = offset;
  }
  out.text(text);
}

}  // namespace

std::string subject_key(std::string_view subject) {
  std::string text = base::lowered(message::decode_header_text(subject));
  if (text.size() <= SubjectColumn::kTextOctetsMax) return text;
  std::size_t end = SubjectColumn::kTextOctetsMax;
  // Octets 10xxxxxx go on with a character of UTF-8.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

void SubjectColumn::add(std::string_view subject, std::uint32_t offset) {
  if (subject.empty()) return;
  auto found = offsets_.find(subject);
  if (found == offsets_.end()) found = offsets_.try_emplace(std::string(subject)).first;
  found->second.push_back(offset);
}

std::string SubjectColumn::pack() const {
  std::string packed;
  for (const auto& [subject, offsets] : offsets_) append(packed, subject_key(subject), offsets);
  return packed;
}

void find_in_subjects(std::string_view packed, std::string_view part,
                      std::vector<std::uint32_t>& offsets) {
  // Most runs have it nowhere, and one look at all of their octets says so.
  if (::memmem(packed.data(), packed.size(), part.data(), part.size()) == nullptr) return;
  const std::size_t before = offsets.size();
  walk(packed, [&](std::string_view text, const std::vector<std::uint32_t>& events) {
    if (text.find(part) == std::string_view::npos) return;
    offsets.insert(offsets.end(), events.begin(), events.end());
  });
  std::sort(offsets.begin() + static_cast<std::ptrdiff_t>(before), offsets.end());
}

std::string without_events(std::string_view packed, const std::vector<std::uint32_t>& offsets) {
  std::string kept;
  walk(packed, [&](std::string_view text, const std::vector<std::uint32_t>& events) {
    std::vector<std::uint32_t> others;
    std::copy_if(events.begin(), events.end(), std::back_inserter(others), [&](std::uint32_t one) {
      return std::find(offsets.begin(), offsets.end(), one) == offsets.end();
    });
    if (!others.empty()) append(kept, text, others);
  });
  return kept;
}

}  // namespace ekiden::events
