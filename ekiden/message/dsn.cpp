#include "ekiden/message/dsn.hpp"

#include <algorithm>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/dsn_text.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/line_length.hpp"
#include "ekiden/message/trace.hpp"
#include "ekiden/smtp/xtext.hpp"

namespace ekiden::message {
namespace {

constexpr std::size_t kFieldColumnsMax = 76;
/// RFC 5322 §2.1.1 ends lines at 998 octets.
constexpr std::size_t kWordColumnsMax = 900;
constexpr std::size_t kAddressOctetsMax = 900;
constexpr std::size_t kReplyOctetsMax = 4096;

std::string_view action_name(DsnKind kind) {
  switch (kind) {
    case DsnKind::Failed:
      return "failed";
    case DsnKind::Delayed:
      return "delayed";
    case DsnKind::Relayed:
      return "relayed";
    case DsnKind::Delivered:
      return "delivered";
    case DsnKind::Expanded:
      return "expanded";
  }
  return "failed";
}

std::string_view subject_of(DsnKind kind) {
  switch (kind) {
    case DsnKind::Failed:
      return "Undelivered mail: returned to sender";
    case DsnKind::Delayed:
      return "Delayed mail: still being tried";
    default:
      return "Delivery report";
  }
}

/// One line's worth of what somebody else said: no controls, and ASCII only unless the part may
/// hold UTF-8 (RFC 6533 §4).
std::string tame(std::string_view text, bool may_be_utf8, std::size_t octets_max = 1000) {
  std::string out = base::printable(text, octets_max);
  if (may_be_utf8 || !has_eight_bit(out)) return out;
  std::string ascii;
  for (const char c : out) {
    if (static_cast<signed char>(c) >= 0) {
      ascii += c;
    } else {
      ascii += "\\x" + base::encode_hex(std::string_view(&c, 1));
    }
  }
  return ascii;
}

/// RFC 6533 §3: "\x{HEX}" for what is not ASCII, backslash and controls.
std::string utf8_address_xtext(std::string_view address) {
  std::string out;
  for (std::size_t i = 0; i < address.size();) {
    const auto c = static_cast<unsigned char>(address[i]);
    if (c > 0x20 && c < 0x7f && c != '\\' && c != '+' && c != '=') {
      out += static_cast<char>(c);
      ++i;
      continue;
    }
    std::size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    n = std::min(n, address.size() - i);
    std::uint32_t point = n == 1 ? c : c & (0xffu >> (n + 1));
    for (std::size_t k = 1; k < n; ++k) {
      point = (point << 6) | (static_cast<unsigned char>(address[i + k]) & 0x3f);
    }
    std::string hex;
    for (; point != 0 || hex.size() < 2; point >>= 4)
      hex.insert(0, 1, "0123456789ABCDEF"[point & 15]);
    out += "\\x{" + hex + "}";
    i += n;
  }
  return out;
}

class Composer {
 public:
  explicit Composer(const DsnRequest& request)
      : request_(request),
        meta_(*request.meta),
        header_(request.original.substr(0, header_octets())),
        is_global_(meta_.envelope.smtputf8 || has_eight_bit_address()) {}

  Dsn run() {
    const std::string status = format_status();
    choose_original();
    choose_boundary(status);
    Dsn dsn;
    std::string& out = dsn.octets;
    out.reserve(original_.size() + status.size() + 4096);
    append_header(out);
    out += "This is a MIME-encapsulated message.\r\n\r\n--" + boundary_ + "\r\n";
    out +=
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\nContent-Description: Notification\r\n\r\n";
    out += format_dsn_text(request_);
    out += "\r\n--" + boundary_ + "\r\n";
    out += is_global_ ? "Content-Type: message/global-delivery-status; charset=utf-8\r\n"
                      : "Content-Type: message/delivery-status\r\n";
    if (has_eight_bit(status)) out += "Content-Transfer-Encoding: 8bit\r\n";
    out += "Content-Description: Delivery report\r\n\r\n" + status;
    append_original(out);
    out += "\r\n--" + boundary_ + "--\r\n";
    dsn.needs_smtputf8 = has_eight_bit(meta_.envelope.reverse_path);
    return dsn;
  }

 private:
  std::size_t header_octets() const {
    HeaderScanner scanner(request_.original);
    Field field;
    for (;;) {
      const Result<bool> more = scanner.next(field);
      if (!more || !*more) break;
    }
    return std::min(scanner.consumed(), request_.original.size());
  }

  bool has_eight_bit_address() const {
    return has_eight_bit(meta_.envelope.reverse_path) ||
           std::any_of(request_.recipients.begin(), request_.recipients.end(),
                       [](const DsnRecipient& r) { return has_eight_bit(r.address); });
  }

  void append_header(std::string& out) {
    const std::string host = tame(request_.host, false, 255);
    out += "From: Mail Delivery System <MAILER-DAEMON@" + host + ">\r\n";
    out += "To: <" + tame(meta_.envelope.reverse_path, true, kAddressOctetsMax) + ">\r\n";
    out += "Subject: ";
    out += subject_of(request_.kind);
    out += "\r\nDate: " + base::format_rfc5322(request_.now) + "\r\n";
    out += "Message-ID: " + make_message_id(request_.id, host) + "\r\n";
    const std::string& about = meta_.details.message_id;
    if (about.starts_with('<') && about.size() < 500 && tame(about, false) == about) {
      out += "References: " + about + "\r\n";
    }
    // RFC 8689 §6: what the sender wished for the message holds for what is said of it.
    if (meta_.details.tls_demand == TlsDemand::Optional) out += "TLS-Required: No\r\n";
    // RFC 3834 §5; RFC 3798 and vacation programs look for it.
    out +=
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"";
    out += boundary_ + "\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
  }

  /// Folded where there are spaces, so that a long reply stays readable (RFC 3464 §2.1). A word
  /// that no line could hold is cut: nobody relays a line without an end.
  static void append_field(std::string& out, std::string_view name, std::string_view value) {
    std::size_t column = name.size() + 2;
    out += name;
    out += ": ";
    bool is_first = true;
    while (true) {
      // A word and the spaces before it, of which a fold begins with the first.
      const std::size_t word = value.find_first_not_of(' ');
      if (word == std::string_view::npos) break;
      const std::size_t end = std::min(value.find(' ', word), value.size());
      std::string_view unit = value.substr(0, end);
      value.remove_prefix(end);
      if (word > kFieldColumnsMax) unit.remove_prefix(word - 1);
      if (!is_first && column + unit.size() > kFieldColumnsMax) {
        out += "\r\n";
        column = 0;
      }
      while (column + unit.size() > kWordColumnsMax) {
        std::size_t cut = kWordColumnsMax - column;
        while (cut > 1 && (static_cast<unsigned char>(unit[cut]) & 0xc0) == 0x80) --cut;
        out += unit.substr(0, cut);
        out += "\r\n ";
        unit.remove_prefix(cut);
        column = 1;
      }
      out += unit;
      column += unit.size();
      is_first = false;
    }
    out += "\r\n";
  }

  std::string typed_address(std::string_view address) const {
    if (!has_eight_bit(address)) return "rfc822; " + tame(address, false);
    return "utf-8; " + (is_global_ ? tame(address, true) : utf8_address_xtext(address));
  }

  /// RFC 3461 §4.2, §6.3: the type as given, the address decoded.
  std::string original_recipient(std::string_view orcpt) const {
    const std::size_t semicolon = orcpt.find(';');
    if (semicolon == std::string_view::npos) return {};
    const std::string type = base::lowered(orcpt.substr(0, semicolon));
    const std::string_view given = orcpt.substr(semicolon + 1);
    if (type == "utf-8" && has_eight_bit(given)) {
      return "utf-8; " + (is_global_ ? tame(given, true) : utf8_address_xtext(given));
    }
    const std::string decoded = smtp::decode_xtext(given).value_or(std::string(given));
    return tame(type, false) + "; " + tame(decoded, is_global_);
  }

  std::string format_status() const {
    std::string out;
    append_field(out, "Reporting-MTA", "dns; " + tame(request_.host, false, 255));
    if (!meta_.envelope.envid.empty()) {
      const std::string& envid = meta_.envelope.envid;
      append_field(out, "Original-Envelope-Id",
                   tame(smtp::decode_xtext(envid).value_or(envid), is_global_));
    }
    append_field(out, "X-Ekiden-Message", base::format_message_id(request_.original_id));
    append_field(out, "Arrival-Date", base::format_rfc5322(meta_.details.received));
    const std::size_t shown = std::min(request_.recipients.size(), kDsnRecipientsMax);
    for (std::size_t i = 0; i < shown; ++i) append_recipient(out, request_.recipients[i]);
    return out;
  }

  void append_recipient(std::string& out, const DsnRecipient& recipient) const {
    out += "\r\n";
    if (const std::string original = original_recipient(recipient.orcpt); !original.empty()) {
      append_field(out, "Original-Recipient", original);
    }
    append_field(out, "Final-Recipient", typed_address(recipient.address));
    append_field(out, "Action", action_name(request_.kind));
    append_field(out, "Status", smtp::format_enhanced_code(dsn_status(recipient, request_.kind)));
    const bool is_remote = !recipient.is_local && recipient.reply.code != 0;
    if (is_remote && !recipient.remote_host.empty()) {
      append_field(out, "Remote-MTA", "dns; " + tame(recipient.remote_host, is_global_, 255));
    }
    if (recipient.reply.code != 0) {
      append_field(out, "Diagnostic-Code",
                   (is_remote ? "smtp; " : "x-ekiden; ") +
                       tame(recipient.reply.text(), is_global_, kReplyOctetsMax));
    }
    if (recipient.last_attempt != base::Time{}) {
      append_field(out, "Last-Attempt-Date", base::format_rfc5322(recipient.last_attempt));
    }
    if (request_.kind == DsnKind::Delayed && request_.will_retry_until != base::Time{}) {
      append_field(out, "Will-Retry-Until", base::format_rfc5322(request_.will_retry_until));
    }
  }

  void choose_original() {
    // RFC 3461 §4.3: RET is about failures; other reports carry the header only. What cannot
    // stand in an 8-bit part does not come back whole either.
    const Scan scan = scan_lines(request_.original);
    // RFC 8689 §5: of mail that came with REQUIRETLS only the header, whatever RET says.
    is_whole_ = request_.kind == DsnKind::Failed && meta_.envelope.ret != Return::Headers &&
                meta_.details.tls_demand != TlsDemand::Required && request_.is_original_whole &&
                request_.original.size() <= kDsnOriginalOctetsMax && !scan.has_nul &&
                !scan.has_bare_newline && !scan.has_long_line();
    if (is_whole_) {
      original_ = request_.original;
      return;
    }
    std::string_view header = header_;
    if (header.ends_with("\r\n\r\n")) header.remove_suffix(2);
    if (header.size() > kDsnOriginalOctetsMax) {
      const std::size_t cut = header.rfind("\r\n", kDsnOriginalOctetsMax);
      header = header.substr(0, cut == std::string_view::npos ? 0 : cut + 2);
    }
    original_ = refold_long_lines(header);
    for (std::size_t i = 0; i < original_.size(); ++i) {
      const char c = original_[i];
      const bool is_crlf = (c == '\r' && i + 1 < original_.size() && original_[i + 1] == '\n') ||
                           (c == '\n' && i > 0 && original_[i - 1] == '\r');
      if (c == '\0' || ((c == '\r' || c == '\n') && !is_crlf)) original_[i] = '?';
    }
  }

  void append_original(std::string& out) const {
    const bool is_eight_bit = has_eight_bit(original_);
    // RFC 6532 §3.7: a header with UTF-8 makes it message/global.
    const bool is_global = has_eight_bit(header_) && base::is_valid_utf8(header_);
    out += "\r\n--" + boundary_ + "\r\nContent-Type: ";
    if (is_whole_) {
      out += is_global ? "message/global" : "message/rfc822";
    } else {
      out += is_global ? "message/global-headers" : "text/rfc822-headers";
    }
    if (is_eight_bit) out += "\r\nContent-Transfer-Encoding: 8bit";
    out += is_whole_ ? "\r\nContent-Description: Undelivered message\r\n\r\n"
                     : "\r\nContent-Description: Message header\r\n\r\n";
    out += original_;
    if (!original_.empty() && !original_.ends_with("\r\n")) out += "\r\n";
  }

  void choose_boundary(std::string_view status) {
    boundary_ = "ekiden-" + base::format_message_id(request_.id);
    const auto occurs = [&](std::string_view text) {
      return text.find("--" + boundary_) != std::string_view::npos;
    };
    while (occurs(original_) || occurs(status)) boundary_ += '=';
  }

  const DsnRequest& request_;
  const Meta& meta_;
  std::string_view header_;
  bool is_global_;
  bool is_whole_ = false;
  std::string original_;
  std::string boundary_;
};

}  // namespace

bool asks_for_notice(const Recipient& recipient, DsnKind kind, std::string_view reverse_path) {
  // RFC 5321 §4.5.5: nothing is ever reported to the null reverse-path.
  if (reverse_path.empty() || (recipient.notify & kNotifyNever) != 0) return false;
  switch (kind) {
    case DsnKind::Failed:
      return (recipient.notify & kNotifyFailure) != 0;
    case DsnKind::Delayed:
      return (recipient.notify & kNotifyDelay) != 0;
    default:
      return (recipient.notify & kNotifySuccess) != 0;
  }
}

bool may_notify(const Recipient& recipient, DsnKind kind, std::string_view reverse_path) {
  // RFC 3461 §4.1: without NOTIFY, failures are reported and delays may be.
  const bool is_default = recipient.notify == kNotifyDefault && !reverse_path.empty() &&
                          (kind == DsnKind::Failed || kind == DsnKind::Delayed);
  return is_default || asks_for_notice(recipient, kind, reverse_path);
}

Dsn compose_dsn(const DsnRequest& request) {
  EKIDEN_ASSERT(request.meta != nullptr, "a report is about a message");
  return Composer(request).run();
}

}  // namespace ekiden::message
