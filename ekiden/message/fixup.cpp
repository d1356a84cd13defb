#include "ekiden/message/fixup.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mailbox.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::message {
namespace {

constexpr std::size_t kSubjectOctetsMax = 200;
constexpr std::string_view kEkidenPrefix = "x-ekiden-";

/// Cut to the limit without splitting a UTF-8 sequence.
void shorten_subject(std::string& subject) {
  if (subject.size() <= kSubjectOctetsMax) return;
  std::size_t n = kSubjectOctetsMax;
  while (n > kSubjectOctetsMax - 4 && (static_cast<unsigned char>(subject[n]) & 0xc0) == 0x80) --n;
  subject.resize(n);
}

/// "<id>" as it stands in the value, or the value when it has no brackets.
std::string message_id_of(std::string_view value) {
  const std::size_t open = value.find('<');
  const std::size_t close = value.find('>', open == std::string_view::npos ? 0 : open);
  if (open != std::string_view::npos && close != std::string_view::npos) {
    return unfolded(value.substr(open, close - open + 1));
  }
  return unfolded(value);
}

/// Copies what is kept in runs as long as possible and notes what it passes.
class Fixer {
 public:
  Fixer(std::string_view octets, const FixupOptions& options)
      : octets_(octets), options_(options) {}

  Result<FixupResult> run() {
    result_.header.reserve(options_.received_field.size() + 256 +
                           std::min(octets_.size(), std::size_t{8192}));
    result_.header = options_.received_field;
    const std::size_t skipped = take_mailbox_line();
    run_start_ = skipped;

    HeaderScanner scanner(octets_.substr(skipped));
    Field field;
    for (;;) {
      const Result<bool> more = scanner.next(field);
      if (!more) return more.error();
      if (!*more) break;
      if (!keeps(field)) drop(field);
    }
    result_.header_octets = skipped + scanner.consumed();
    finish(scanner.has_blank_line());
    return std::move(result_);
  }

 private:
  /// Mailbox files start each message with "From sender date"; some clients send it.
  std::size_t take_mailbox_line() {
    if (!octets_.starts_with("From ") && !octets_.starts_with(">From ")) return 0;
    const std::size_t end = octets_.find("\r\n");
    if (end == std::string_view::npos || field_name_octets(octets_) != 0) return 0;
    result_.header += "X-Mailbox-Line: ";
    const std::string_view line = octets_.substr(0, end + 2);
    result_.header += line;
    result_.has_eight_bit_header = has_eight_bit(line);
    return line.size();
  }

  /// Notes the field. False: it is not wanted in the message.
  bool keeps(const Field& field) {
    const auto is = [&](std::string_view name) {
      return base::equals_ignoring_case(field.name, name);
    };
    switch (base::to_lower(field.name.front())) {
      case 'b':
        return !(options_.remove_bcc && is("Bcc"));
      case 'd':
        has_date_ = has_date_ || is("Date");
        return true;
      case 'f':
        if (is("From")) note_from(field.value);
        return true;
      case 'm':
        if (!has_message_id_ && is("Message-ID")) {
          has_message_id_ = true;
          result_.message_id = message_id_of(field.value);
        }
        return true;
      case 'r':
        if (is("Received")) ++result_.received_count;
        if (options_.remove_bcc && is("Resent-Bcc")) return false;
        return !(options_.remove_return_path && is("Return-Path"));
      case 's':
        if (result_.subject.empty() && is("Subject")) {
          result_.subject = unfolded(field.value);
          shorten_subject(result_.subject);
        }
        return true;
      case 't':
        // RFC 8689 §3: "No" is the only value there is; another one asks for nothing.
        if (is("TLS-Required") &&
            base::equals_ignoring_case(base::trimmed(unfolded(field.value)), "No")) {
          result_.is_tls_optional = true;
        }
        return true;
      case 'x':
        if (options_.remove_smtpapi && is("X-SMTPAPI")) {
          if (result_.smtpapi.empty()) result_.smtpapi = unfolded(field.value);
          if (result_.smtpapi.empty()) result_.smtpapi = " ";  // it was there, and says nothing
          return false;
        }
        if (!base::starts_with_ignoring_case(field.name, kEkidenPrefix)) return true;
        result_.ekiden_headers.emplace_back(base::lowered(field.name), unfolded(field.value));
        return !options_.remove_ekiden_headers;
      default:
        return true;
    }
  }

  void note_from(std::string_view value) {
    ++result_.from_fields;
    Mailboxes found = parse_mailboxes(value);
    result_.from_count += found.count;
    if (result_.header_from.empty() && !found.addresses.empty()) {
      result_.header_from = found.addresses.front();
    }
    for (std::string& address : found.addresses) {
      if (result_.from_all.size() >= kMailboxesMax) break;
      result_.from_all.push_back(std::move(address));
    }
  }

  void drop(const Field& field) {
    const auto start = static_cast<std::size_t>(field.octets.data() - octets_.data());
    keep_run(start);
    run_start_ = start + field.octets.size();
  }

  void keep_run(std::size_t end) {
    const std::string_view run = octets_.substr(run_start_, end - run_start_);
    result_.header += run;
    result_.has_eight_bit_header = result_.has_eight_bit_header || has_eight_bit(run);
  }

  void finish(bool has_blank_line) {
    const std::size_t end = result_.header_octets - (has_blank_line ? 2 : 0);
    keep_run(end);
    std::string& header = result_.header;
    const bool adds_date = options_.add_missing_date && !has_date_;
    const bool adds_message_id = options_.add_missing_message_id && !has_message_id_;
    if (adds_date || adds_message_id) {
      // BDAT can end a message in the middle of a line.
      if (!header.empty() && !header.ends_with("\r\n")) header += "\r\n";
    }
    if (adds_date) header += "Date: " + base::format_rfc5322(options_.now) + "\r\n";
    if (adds_message_id) {
      result_.message_id = make_message_id(options_.id, options_.message_id_host);
      header += "Message-ID: " + result_.message_id + "\r\n";
    }
    // Without a blank line and without a body the message is whole as it is (RFC 5322 §3.5).
    if (has_blank_line || result_.header_octets < octets_.size()) header += "\r\n";
  }

  std::string_view octets_;
  const FixupOptions& options_;
  FixupResult result_;
  std::size_t run_start_ = 0;
  bool has_date_ = false;
  bool has_message_id_ = false;
};

}  // namespace

Result<FixupResult> fix_header(std::string_view octets, const FixupOptions& options) {
  return Fixer(octets, options).run();
}

}  // namespace ekiden::message
