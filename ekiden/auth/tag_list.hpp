#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::auth {

/// Past them a list is refused: real signatures and key records have a dozen tags and 2 KiB.
inline constexpr std::size_t kTagsMax = 64;
inline constexpr std::size_t kTagListOctetsMax = 64 * 1024;

/// One "name=value" of a tag list, as views into its text.
struct Tag {
  std::string_view name;
  std::string_view value;  ///< without white space and folds at both ends
  std::string_view raw;    ///< everything between '=' and ';': what is cut out of b= for hashing
};

/// The tag list of signatures and key records (RFC 6376 §3.2).
///
/// Sharing: views into the text it was parsed from, which must outlive it.
class TagList {
 public:
  /// Nothing when the whole list is void: a tag twice, a name or a value that the syntax does not
  /// allow, too many. `why` then says which, in words.
  static std::optional<TagList> parse(std::string_view text, std::string_view& why);

  /// Names are case-sensitive.
  const Tag* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Empty for a tag that is not there, too.
  std::string_view value(std::string_view name) const;
  const std::vector<Tag>& tags() const { return tags_; }

 private:
  std::vector<Tag> tags_;
};

/// Without spaces, tabs, CR and LF at both ends.
std::string_view trimmed_fws(std::string_view text);

/// The parts between `separator`, each without white space at both ends; empty ones are kept.
std::vector<std::string_view> split_trimmed(std::string_view text, char separator);

/// The octets of a base64 value: white space and folds between its letters mean nothing, and the
/// padding may be missing (RFC 6376 §2.10).
std::optional<std::string> decode_base64_value(std::string_view value);

/// A domain as d= and i= carry it, in lower case, U-labels as A-labels (RFC 8616 §5). Nothing when
/// it is none: NUL, quotes and other characters, an empty or long label, no dot.
std::optional<std::string> parse_sdid(std::string_view text);

/// A selector: labels, one is enough (RFC 6376 §3.1).
std::optional<std::string> parse_selector(std::string_view text);

}  // namespace ekiden::auth
