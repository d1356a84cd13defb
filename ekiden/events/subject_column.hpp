#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::events {

/// The subjects of a run of events, as they are looked through for a part of them: each different
/// text once, decoded and with its ASCII in lower case, and which events have it.
///
/// A list of all texts, and no index of their parts: mail to many has one subject for thousands of
/// events, and what is left is read faster than an index of every pair of characters is written
/// (docs/decisions/0003). It works for any language, from one character on.
///
/// On disk: for each text, as varints, the number of events, their offsets (each less the one
/// before), the length of the text; then the text.
class SubjectColumn {
 public:
  /// Longer ones are cut there, between two characters.
  static constexpr std::size_t kTextOctetsMax = 1000;

  /// `subject` is the header field as it came; offsets ascend. Empty ones are left out.
  void add(std::string_view subject, std::uint32_t offset);
  std::string pack() const;
  void clear() { offsets_.clear(); }

 private:
  std::map<std::string, std::vector<std::uint32_t>, std::less<>> offsets_;  ///< by the field
};

/// A subject, or a part of one that is looked for, as they are compared.
std::string subject_key(std::string_view subject);
/// Appends the offsets of events whose subject has `part`, a subject_key, in it; ascending.
void find_in_subjects(std::string_view packed, std::string_view part,
                      std::vector<std::uint32_t>& offsets);
/// The same without these events; texts that nobody has any more go.
std::string without_events(std::string_view packed, const std::vector<std::uint32_t>& offsets);

}  // namespace ekiden::events
