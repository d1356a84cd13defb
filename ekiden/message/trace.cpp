#include "ekiden/message/trace.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/message/error.hpp"

namespace ekiden::message {
namespace {

constexpr std::size_t kHeloOctetsMax = 255;

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > kHeloOctetsMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_';
  });
}

bool is_literal(std::string_view text) {
  if (text.size() < 3 || text.size() > 64 || text.front() != '[' || text.back() != ']')
    return false;
  return is_domain(text.substr(1, 3)) && std::all_of(text.begin() + 1, text.end() - 1, [](char c) {
           return base::is_alpha(c) || base::is_digit(c) || c == ':' || c == '.';
         });
}

/// RFC 5321 §4.1.3.
void append_literal(std::string& out, std::string_view address) {
  out += '[';
  if (address.find(':') != std::string_view::npos) out += "IPv6:";
  out += address;
  out += ']';
}

/// What may stand in a comment: no parentheses, backslashes, controls or octets above 126.
void append_comment_text(std::string& out, std::string_view text) {
  constexpr std::size_t kMax = 64;
  for (const char c : text.substr(0, kMax)) {
    const bool is_safe = c > ' ' && c < '\x7f' && c != '(' && c != ')' && c != '\\';
    out += is_safe ? c : '?';
  }
}

void append_from(std::string& out, const Trace& trace) {
  // RFC 5321 §4.4: the FROM clause must be there. With the submitter hidden it names ourselves.
  if (trace.hides_submitter || trace.client_address.empty()) {
    out += trace.host;
    if (trace.hides_submitter) out += " (submitter hidden)";
    return;
  }
  const bool is_usable = is_domain(trace.helo) || is_literal(trace.helo);
  if (is_usable) {
    out += trace.helo;
  } else {
    append_literal(out, trace.client_address);
  }
  out += " (";
  if (!is_usable && !trace.helo.empty()) {
    out += "helo=";
    append_comment_text(out, trace.helo);
    out += ' ';
  }
  if (is_domain(trace.client_name)) {
    out += trace.client_name;
    out += ' ';
  }
  append_literal(out, trace.client_address);
  out += ')';
}

/// A recipient that keeps the line a line; others are not told.
bool is_tellable(std::string_view recipient) {
  return !recipient.empty() && recipient.size() <= 320 &&
         std::none_of(recipient.begin(), recipient.end(), [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return u < 0x20 || u == 0x7f || c == '<' || c == '>';
         });
}

Error bad(const std::string& name, std::string* bad_name) {
  if (bad_name != nullptr) *bad_name = name;
  return Errc::BadEkidenHeader;
}

}  // namespace

std::string_view smtp_protocol(bool is_esmtp, bool has_tls, bool is_authenticated,
                               bool is_smtputf8) {
  static constexpr std::string_view kNames[2][4] = {
      {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"},
      {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"}};
  if (!is_esmtp) return "SMTP";
  return kNames[is_smtputf8 ? 1 : 0][(has_tls ? 1 : 0) + (is_authenticated ? 2 : 0)];
}

std::string make_message_id(base::MessageId id, std::string_view host) {
  std::string text = "<" + base::format_message_id(id) + "@";
  text += host;
  text += '>';
  return text;
}

std::string format_received(const Trace& trace) {
  std::string out;
  out.reserve(320);
  out += "Received: from ";
  append_from(out, trace);
  out += "\r\n\tby ";
  out += trace.host;
  out += " (ekiden) with ";
  out += trace.protocol;
  out += "\r\n\tid ";
  out += base::format_message_id(trace.id);
  if (is_tellable(trace.recipient)) {
    out += "\r\n\tfor <";
    out += trace.recipient;
    out += '>';
  }
  if (!trace.tls_cipher.empty()) {
    out += "\r\n\ttls ";
    out += trace.tls_cipher;
    if (!trace.tls_version.empty()) {
      out += " (";
      out += trace.tls_version;
      out += ')';
    }
  }
  out += ";\r\n\t";
  out += base::format_rfc5322(trace.now);
  out += "\r\n";
  return out;
}

Result<EkidenHeaders> parse_ekiden_headers(
    const std::vector<std::pair<std::string, std::string>>& headers, std::string* bad_name) {
  const auto has_control = [](std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
  };
  EkidenHeaders out;
  for (const auto& [name, value] : headers) {
    if (name == "x-ekiden-stream") {
      if (out.stream || value.empty() || value.size() > kTagOctetsMax || has_control(value)) {
        return bad(name, bad_name);
      }
      out.stream = value;
    } else if (name == "x-ekiden-tag") {
      if (value.empty() || value.size() > kTagOctetsMax || out.tags.size() >= kTagsMax ||
          has_control(value)) {
        return bad(name, bad_name);
      }
      out.tags.push_back(value);
    } else if (name == "x-ekiden-metadata") {
      if (!out.metadata.empty() || value.size() > kMetadataOctetsMax || value.size() < 2 ||
          value.front() != '{' || value.back() != '}') {
        return bad(name, bad_name);
      }
      out.metadata = value;
    } else if (name == "x-ekiden-send-at") {
      const std::optional<base::Time> time = parse_date(value);
      if (out.send_at || !time) return bad(name, bad_name);
      out.send_at = time;
    } else if (out.unknown.size() < kTagsMax) {
      out.unknown.push_back(name);
    }
  }
  return out;
}

}  // namespace ekiden::message
