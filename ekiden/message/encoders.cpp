#include "ekiden/message/encoders.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/text.hpp"

namespace ekiden::message {
namespace {

/// RFC 2045 §6.7, §6.8: lines of at most 76 octets.
constexpr std::size_t kColumnsMax = 76;
/// Lines of parts that came encoded are only broken where they may not travel (RFC 5322 §2.1.1);
/// quoted-printable needs one octet of it for the "=" that breaks.
constexpr std::size_t kWrapColumnsMax = 998;
constexpr std::string_view kHex = "0123456789ABCDEF";

bool is_literal(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 33 && u <= 126 && c != '=';
}

}  // namespace

void QuotedPrintableEncoder::make_room(std::size_t octets, std::string& out) {
  if (column_ + octets <= kColumnsMax - 1) return;
  out += "=\r\n";
  column_ = 0;
}

void QuotedPrintableEncoder::put(char c, std::string& out) {
  // A lone dot, or "From " at the start of a line, is what careless relays alter.
  if ((column_ == 0 || column_ == kColumnsMax - 1) && (c == '.' || c == 'F')) {
    put_escaped(c, out);
    return;
  }
  make_room(1, out);
  out += c;
  ++column_;
}

void QuotedPrintableEncoder::put_escaped(char c, std::string& out) {
  make_room(3, out);
  const auto u = static_cast<unsigned char>(c);
  out += '=';
  out += kHex[u >> 4];
  out += kHex[u & 15];
  column_ += 3;
}

void QuotedPrintableEncoder::flush_held(std::string& out) {
  if (held_ == 0) return;
  if (held_ == '\r') {
    put_escaped(held_, out);
  } else {
    put(held_, out);
  }
  held_ = 0;
}

void QuotedPrintableEncoder::feed(std::string_view octets, std::string& out) {
  for (const char c : octets) {
    if (c == '\n' && held_ == '\r') {
      held_ = 0;
      out += "\r\n";
      column_ = 0;
      continue;
    }
    if (c == '\r' && held_ != 0 && held_ != '\r') {
      // White space before a CR may end the line, where transports drop it.
      put_escaped(held_, out);
      held_ = c;
      continue;
    }
    flush_held(out);
    if (c == ' ' || c == '\t' || c == '\r') {
      held_ = c;
    } else if (is_literal(c)) {
      put(c, out);
    } else {
      put_escaped(c, out);
    }
  }
}

void QuotedPrintableEncoder::finish(std::string& out) {
  if (held_ != 0) put_escaped(held_, out);
  held_ = 0;
}

void Base64Encoder::put_group(std::string_view octets, std::string& out) {
  out += base::encode_base64(octets);
  column_ += 4;
  if (column_ == kColumnsMax) {
    out += "\r\n";
    column_ = 0;
  }
}

void Base64Encoder::feed(std::string_view octets, std::string& out) {
  while (!held_.empty() && held_.size() < 3 && !octets.empty()) {
    held_ += octets.front();
    octets.remove_prefix(1);
  }
  if (held_.size() == 3) {
    put_group(held_, out);
    held_.clear();
  }
  while (octets.size() >= 3) {
    // Whole lines at once; the rest of a line by groups.
    const std::size_t line = (kColumnsMax - column_) / 4 * 3;
    const std::size_t take = std::min(line, octets.size() / 3 * 3);
    out += base::encode_base64(octets.substr(0, take));
    column_ += take / 3 * 4;
    octets.remove_prefix(take);
    if (column_ == kColumnsMax) {
      out += "\r\n";
      column_ = 0;
    }
  }
  held_ += octets;
}

void Base64Encoder::finish(std::string& out) {
  if (!held_.empty()) put_group(held_, out);
  held_.clear();
  if (column_ > 0) out += "\r\n";
  column_ = 0;
}

void Base64Wrapper::feed(std::string_view octets, std::string& out) {
  for (const char c : octets) {
    const auto u = static_cast<unsigned char>(c);
    if (is_strict_ && (c == '\r' || c == '\n')) {
      const bool had_cr = std::exchange(held_cr_, c == '\r');
      if (c == '\r') continue;
      // A bare LF is no line end for DATA (RFC 5321 §2.3.8), and means nothing here.
      if (!had_cr) continue;
      out += "\r\n";
      column_ = 0;
      continue;
    }
    held_cr_ = false;
    if (c == '\n') {
      column_ = 0;
    } else if (is_strict_ && (u >= 127 || u == 0)) {
      continue;
    } else if (c != '\r' && ++column_ > kWrapColumnsMax) {
      out += "\r\n";
      column_ = 1;
    }
    out += c;
  }
}

void QuotedPrintableWrapper::put(std::string_view unit, std::string& out) {
  if (column_ + unit.size() > kWrapColumnsMax - 1) {
    out += "=\r\n";
    column_ = 0;
  }
  out += unit;
  column_ += unit.size();
}

void QuotedPrintableWrapper::feed(std::string_view octets, std::string& out) {
  for (const char c : octets) {
    if (held_ == "=\r") {
      if (c == '\n') {
        // A soft line break, for which there is always room.
        out += "=\r\n";
        held_.clear();
        column_ = 0;
        continue;
      }
      put("=", out);
      held_ = "\r";
    }
    if (held_ == "\r" && c == '\n') {
      out += "\r\n";
      held_.clear();
      column_ = 0;
      continue;
    }
    if (held_ == "\r") {
      put(is_strict_ ? "=0D" : "\r", out);
      held_.clear();
    }
    const bool continues = !held_.empty() && base::decode_hex(std::string("0") + c).has_value();
    if (continues) {
      held_ += c;
      if (held_.size() == 3) {
        put(held_, out);
        held_.clear();
      }
      continue;
    }
    if (held_ == "=" && c == '\r') {
      held_ += c;
      continue;
    }
    if (!held_.empty()) put(held_, out);
    held_.clear();
    const auto u = static_cast<unsigned char>(c);
    if (c == '\n' && !is_strict_) {
      out += c;
      column_ = 0;
    } else if (c == '=' || c == '\r') {
      held_ = c;
    } else if (is_strict_ && (u >= 127 || (u < 32 && c != '\t'))) {
      const char escaped[3] = {'=', kHex[u >> 4], kHex[u & 15]};
      put(std::string_view(escaped, 3), out);
    } else {
      put(std::string_view(&c, 1), out);
    }
  }
}

void QuotedPrintableWrapper::finish(std::string& out) {
  if (held_ == "=\r") {
    put("=", out);
    held_ = "\r";
  }
  if (held_ == "\r" && is_strict_) {
    put("=0D", out);
  } else {
    put(held_, out);
  }
  held_.clear();
}

}  // namespace ekiden::message
