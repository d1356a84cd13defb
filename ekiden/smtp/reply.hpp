#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::smtp {

/// RFC 3463 §2: class.subject.detail.
struct EnhancedCode {
  std::uint8_t klass = 0;  ///< 2, 4 or 5; 0: none
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  explicit operator bool() const { return klass != 0; }
  friend bool operator==(const EnhancedCode&, const EnhancedCode&) = default;
};

std::string format_enhanced_code(EnhancedCode code);
/// "5.1.1" and nothing after it.
std::optional<EnhancedCode> parse_enhanced_code(std::string_view text);

/// RFC 5321 §4.2: a reply, ours or a peer's. Lines are without code, enhanced code and CRLF.
struct Reply {
  std::uint16_t code = 0;
  EnhancedCode enhanced;
  std::vector<std::string> lines;

  bool is_positive() const { return code >= 200 && code < 400; }
  /// 2xx: what was asked has been done (RFC 5321 §4.2.1).
  bool is_completion() const { return code >= 200 && code < 300; }
  bool is_transient() const { return code >= 400 && code < 500; }
  bool is_permanent() const { return code >= 500 && code < 600; }
  /// "450 4.2.1 first line / second line": for logs, events, DSNs. Control characters escaped.
  std::string text() const;
};

/// Reads what Reply::text wrote; code 0 when it is no such text.
Reply parse_reply_text(std::string_view text);

/// Appends the reply as it goes on the wire, the enhanced code on every line (RFC 2034 §4).
void append_reply(std::string& out, const Reply& reply);

}  // namespace ekiden::smtp
