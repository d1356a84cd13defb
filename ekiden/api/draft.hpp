#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/account/suppression.hpp"
#include "ekiden/api/problem.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::api {

struct Mailbox {
  std::string address;
  std::string name;  ///< UTF-8, or empty
};

struct Attachment {
  std::string filename;  ///< UTF-8, no path; may be empty for inline ones
  std::string content_type = "application/octet-stream";
  std::string content;     ///< decoded
  std::string content_id;  ///< without angle brackets
  bool is_inline = false;
};

enum class Charset : std::uint8_t { Utf8, Iso2022Jp };
/// What becomes of characters that the charset does not have.
enum class Unmappable : std::uint8_t {
  Refuse,   ///< the message is refused, and they are named
  Replace,  ///< each becomes "〓", and the answer names them
};

/// One message as somebody wants it sent, before it is MIME. Texts are UTF-8.
struct Draft {
  Mailbox from;
  std::vector<Mailbox> to, cc, bcc, reply_to;
  std::string subject;
  std::optional<std::string> text, html;
  std::vector<Attachment> attachments;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> tags;
  std::string metadata;     ///< a JSON object, or empty
  std::string stream;       ///< empty: the key's
  std::string return_path;  ///< empty: the address of `from`
  std::optional<base::Time> send_at;
  Charset charset = Charset::Utf8;
  Unmappable unmappable = Unmappable::Refuse;
  std::string batch;  ///< account::make_send_batch(), or empty
  std::string pool;   ///< to leave from; empty: as the rules say
  account::SuppressionBypass bypass;
};

// What one message may hold. What is over is refused.
inline constexpr std::size_t kRecipientsMax = 1000;  ///< to, cc and bcc together
inline constexpr std::size_t kAttachmentsMax = 100;
inline constexpr std::size_t kHeadersMax = 50;
inline constexpr std::size_t kHeaderValueOctetsMax = 4000;
inline constexpr std::size_t kNameOctetsMax = 320;
inline constexpr std::size_t kSubjectOctetsMax = 2000;
inline constexpr std::size_t kFilenameOctetsMax = 255;
inline constexpr base::Duration kSendAtMax = std::chrono::hours(24 * 30);  ///< ahead

/// Names the problems of a request, up to kFieldProblemsMax.
class Findings {
 public:
  /// Every pointer gets `base` in front: "/messages/3" in a batch.
  explicit Findings(std::string base = {}) : base_(std::move(base)) {}
  void add(std::string pointer, std::string code, Text text);
  bool is_empty() const { return fields_.empty(); }
  std::vector<FieldProblem> take() { return std::move(fields_); }

 private:
  std::string base_;
  std::vector<FieldProblem> fields_;
};

/// Checks everything that becomes part of a header or the envelope, and the limits, whatever API
/// the draft came by.
void check_draft(const Draft& draft, base::Time now, Findings& findings);

/// No control character: nothing in it can end a header line.
bool is_header_safe(std::string_view text);

/// "Taro <taro@example.jp>", "taro@example.jp", "\"Yamada, Taro\" <t@example.jp>". Nothing when
/// there is no address, or text around it that is no name.
std::optional<Mailbox> parse_mailbox(std::string_view text);
/// Several of them with commas between, as Postmark's To has it.
std::optional<std::vector<Mailbox>> parse_mailbox_list(std::string_view text);

}  // namespace ekiden::api
