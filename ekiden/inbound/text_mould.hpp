#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ekiden::inbound {

/// What the words in a mould become, in this order, for one recipient.
using Casting = std::vector<std::pair<std::string, std::string>>;

/// A message in whose subject and texts some words stand for what each recipient gets there. Texts
/// are compared decoded, so that a word is found in base64 as in plain text; what is changed is
/// encoded anew as UTF-8, and everything else keeps its octets. Attachments, and messages within
/// the message, are left alone.
///
/// Sharing: immutable; any thread.
class TextMould {
 public:
  /// Larger messages are none: they are decoded whole.
  static constexpr std::size_t kOctetsMax = 1 << 20;

  /// `tags`: the words. The field X-SMTPAPI is left out of what is cast. Nothing, and why, for a
  /// message that cannot be read.
  static std::optional<TextMould> read(std::string octets, const std::vector<std::string>& tags,
                                       std::string& problem);

  /// The message with the words replaced, and `to` as its To unless it is empty. Nothing, and why,
  /// where a subject would get a line end, or more than `octets_max` would come of it.
  std::optional<std::string> cast(const Casting& casting, std::string_view to,
                                  std::size_t octets_max, std::string& problem) const;

 private:
  struct Range {
    std::size_t at = 0, octets = 0;
  };
  /// A text that has some of the words in it.
  struct Part {
    std::string text;          ///< UTF-8, LF
    std::string content_type;  ///< without its charset
    Range body, type_field;    ///< the latter of zero octets where there is none
    std::optional<Range> encoding_field;
    bool needs_version = false;  ///< RFC 2045 §4: the message has no MIME-Version
  };
  class Reader;

  std::string octets_;
  std::string subject_;  ///< decoded
  std::optional<Range> subject_field_;
  std::vector<Range> to_fields_, dropped_;
  std::vector<Part> parts_;
};

}  // namespace ekiden::inbound
