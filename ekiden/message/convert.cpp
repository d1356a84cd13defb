// Invariants:
// - octets leave in the order they came; nothing of a part leaves before its header;
// - header_ and hold_ hold octets of the current part only, hold_ only in LeafMode::Hold;
// - a decision depends on octets, never on how they were split: limits are applied at an exact
//   octet, lines are looked at when whole;
// - after an error nothing is consumed any more.
#include "ekiden/message/convert.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/message/error.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::message {
namespace {

/// A boundary line is shorter (RFC 2046 §5.1.1: 70 octets, and white space that relays add).
constexpr std::size_t kBoundaryLineOctetsMax = 1100;

/// Octets of the front of `octets` up to its first LF, at most `max`.
std::size_t line_octets(std::string_view octets, std::size_t max = std::string_view::npos) {
  octets = octets.substr(0, max);
  const std::size_t lf = octets.find('\n');
  return lf == std::string_view::npos ? octets.size() : lf + 1;
}

std::string_view encoding_name(TransferEncoding encoding) {
  switch (encoding) {
    case TransferEncoding::EightBit:
      return "8bit";
    case TransferEncoding::QuotedPrintable:
      return "quoted-printable";
    case TransferEncoding::Base64:
      return "base64";
    default:
      return "7bit";
  }
}

/// Content that people may read encoded. message/* that is followed never comes here.
bool is_text(const ContentType& type) {
  return type.type == "text" || (type.type == "message" && !type.subtype.starts_with("global"));
}

bool is_identity(std::optional<TransferEncoding> encoding) {
  return !encoding || *encoding == TransferEncoding::SevenBit ||
         *encoding == TransferEncoding::EightBit || *encoding == TransferEncoding::Binary;
}

}  // namespace

Result<void> Converter::feed(std::string_view octets, std::string& out) {
  while (!octets.empty() && !error_) {
    std::size_t n = 0;
    if (state_ == State::Header) {
      n = line_octets(octets);
      header_.octets += octets.substr(0, n);
      if (header_.octets.size() > kHeaderOctetsMax) {
        error_ = Errc::HeaderTooLarge;
      } else if (std::string_view(header_.octets).substr(header_.line_start).ends_with("\r\n")) {
        take_header_line(out);
      }
    } else if (!line_.empty() || (is_line_start_ && !levels_.empty() && octets.front() == '-')) {
      n = line_octets(octets, kBoundaryLineOctetsMax - line_.size());
      line_ += octets.substr(0, n);
      if (line_.ends_with("\r\n") || line_.size() == kBoundaryLineOctetsMax) {
        const std::string line = std::move(line_);
        line_.clear();
        take_line(line, out);
      }
    } else {
      n = line_octets(octets);
      take_body(octets.substr(0, n), out);
    }
    octets.remove_prefix(n);
  }
  if (error_) return *error_;
  return {};
}

Result<void> Converter::finish(std::string& out) {
  if (state_ == State::Header && header_.line_start < header_.octets.size() && !error_) {
    take_header_line(out);
  }
  if (!line_.empty() && !error_) {
    const std::string line = std::move(line_);
    line_.clear();
    take_line(line, out);
  }
  if (!error_) end_part(false, out);
  if (error_) return *error_;
  if (between_held_cr_) out += conversion_ == Conversion::ShortLines ? "\r" : "\r\n";
  return {};
}

/// The newest line of the header is whole: a field goes on, or the header ends.
void Converter::take_header_line(std::string& out) {
  const std::string_view line = std::string_view(header_.octets).substr(header_.line_start);
  if (line == "\r\n") {
    header_.has_blank_line = true;
    end_header(out);
    return;
  }
  const bool is_first = header_.line_start == 0;
  const bool is_fold = !is_first && (line.front() == ' ' || line.front() == '\t');
  const bool is_field = is_fold || field_name_octets(line) != 0;
  if (is_field && !match_boundary(line)) {
    header_.line_start = header_.octets.size();
    return;
  }
  // The blank line is missing: what is no field is the body's, or the end of the part.
  const std::string own(line);
  header_.octets.resize(header_.line_start);
  end_header(out);
  if (!error_) take_line(own, out);
}

/// A whole line after a header, or one too long to be a boundary.
void Converter::take_line(std::string_view line, std::string& out) {
  if (const std::optional<Boundary> boundary = match_boundary(line)) {
    pass_boundary(line, *boundary, out);
  } else if (state_ == State::Header) {
    header_.octets += line;
    take_header_line(out);
  } else {
    take_body(line, out);
  }
}

void Converter::take_body(std::string_view octets, std::string& out) {
  is_line_start_ = octets.ends_with("\r\n") || (octets == "\n" && ends_in_cr_);
  ends_in_cr_ = octets.ends_with('\r');
  if (state_ == State::Leaf) {
    take_leaf(octets, out);
  } else {
    take_between(octets, out);
  }
}

std::optional<Converter::Boundary> Converter::match_boundary(std::string_view line) const {
  if (!line.starts_with("--")) return std::nullopt;
  line.remove_prefix(2);
  if (line.ends_with("\r\n")) line.remove_suffix(2);
  for (std::size_t i = levels_.size(); i-- > 0;) {
    if (!line.starts_with(levels_[i].boundary)) continue;
    std::string_view rest = line.substr(levels_[i].boundary.size());
    const bool is_close = rest.starts_with("--");
    if (is_close) rest.remove_prefix(2);
    if (base::trimmed(rest).empty()) return Boundary{i, is_close};
  }
  return std::nullopt;
}

void Converter::pass_boundary(std::string_view line, Boundary boundary, std::string& out) {
  end_part(true, out);
  if (error_) return;
  out += line;
  is_line_start_ = true;
  ends_in_cr_ = false;
  levels_.resize(boundary.level + 1);
  depth_ = levels_.back().depth;
  if (boundary.is_close) {
    levels_.pop_back();
    state_ = State::Between;
    between_column_ = 0;
    return;
  }
  begin_header(false, levels_.back().is_digest);
}

/// Ends whatever part is open, at a boundary or at the end of the message.
void Converter::end_part(bool at_boundary, std::string& out) {
  // An empty message/rfc822 opens the header of the message in it.
  while (state_ == State::Header && !error_) end_header(out);
  if (error_) return;
  if (state_ == State::Leaf) end_leaf(at_boundary, out);
}

void Converter::begin_header(bool is_message, bool is_in_digest) {
  state_ = State::Header;
  header_ = Header{};
  header_.is_message = is_message;
  header_.is_in_digest = is_in_digest;
}

void Converter::read_header_fields() {
  HeaderScanner scanner(header_.octets);
  Field field;
  for (;;) {
    const Result<bool> more = scanner.next(field);
    if (!more) {
      error_ = more.error();
      return;
    }
    if (!*more) break;
    if (base::equals_ignoring_case(field.name, "Content-Type")) {
      if (!header_.type.is_given) header_.type = parse_content_type(field.value);
    } else if (base::equals_ignoring_case(field.name, "Content-Transfer-Encoding")) {
      if (!header_.encoding) header_.encoding = parse_transfer_encoding(field.value);
    } else if (base::equals_ignoring_case(field.name, "MIME-Version")) {
      header_.has_mime_version = true;
    }
  }
  if (!header_.type.is_given && header_.is_in_digest) {
    // RFC 2046 §5.1.5.
    header_.type.type = "message";
    header_.type.subtype = "rfc822";
  }
}

void Converter::end_header(std::string& out) {
  read_header_fields();
  if (error_) return;
  const ContentType& type = header_.type;
  const bool is_followed_multipart = type.is_multipart() && type.subtype != "signed";
  const bool is_followed_message = type.type == "message" &&
                                   (type.subtype == "rfc822" || type.subtype == "news") &&
                                   is_identity(header_.encoding);
  if (!is_followed_multipart && !is_followed_message) {
    begin_leaf(out);
    return;
  }
  if (++depth_ > kDepthMax) {
    error_ = Errc::TooDeep;
    return;
  }
  // What is inside will fit the label.
  std::optional<TransferEncoding> label;
  if (header_.encoding && is_identity(header_.encoding)) {
    if (conversion_ == Conversion::SevenBit && *header_.encoding != TransferEncoding::SevenBit) {
      label = TransferEncoding::SevenBit;
    } else if (conversion_ == Conversion::EightBit &&
               *header_.encoding == TransferEncoding::Binary) {
      label = TransferEncoding::EightBit;
    }
  }
  write_header(label, false, out);
  is_line_start_ = true;
  ends_in_cr_ = false;
  if (is_followed_message) {
    begin_header(true, false);
    return;
  }
  levels_.push_back({type.boundary, type.subtype == "digest", depth_});
  state_ = State::Between;
  between_column_ = 0;
}

/// Writes the header, with `encoding` as its new label when there is one.
void Converter::write_header(std::optional<TransferEncoding> encoding, bool has_eight_bit,
                             std::string& out) {
  std::string_view fields = header_.octets;
  if (header_.has_blank_line) fields.remove_suffix(2);
  std::string changed;
  if (encoding) {
    const std::string label =
        std::string("Content-Transfer-Encoding: ").append(encoding_name(*encoding)).append("\r\n");
    HeaderScanner scanner(fields);
    Field field;
    bool is_written = false;
    for (;;) {
      const Result<bool> more = scanner.next(field);
      if (!more || !*more) break;
      if (!base::equals_ignoring_case(field.name, "Content-Transfer-Encoding")) {
        changed += field.octets;
      } else if (!is_written) {
        changed += label;
        is_written = true;
      }
    }
    if (!changed.empty() && !changed.ends_with("\r\n")) changed += "\r\n";
    if (header_.is_message && !header_.has_mime_version) changed += "MIME-Version: 1.0\r\n";
    if (header_.is_message && !header_.has_mime_version && !header_.type.is_given) {
      // RFC 1428 §3: nobody said which charset it is.
      changed += "Content-Type: text/plain; charset=";
      changed += has_eight_bit ? "unknown-8bit\r\n" : "us-ascii\r\n";
    }
    if (!is_written) changed += label;
    fields = changed;
  }
  if (scan_lines(fields).has_long_line()) {
    out += refold_long_lines(fields);
  } else {
    out += fields;
  }
  if (header_.has_blank_line || encoding) out += "\r\n";
}

void Converter::begin_leaf(std::string& out) {
  state_ = State::Leaf;
  is_line_start_ = true;
  ends_in_cr_ = false;
  hold_.clear();
  tail_.clear();
  encoder_ = std::monostate{};
  const ContentType& type = header_.type;
  const bool is_strict = conversion_ != Conversion::ShortLines;
  const bool is_unalterable = type.type == "multipart" || type.is("message", "partial") ||
                              header_.encoding == TransferEncoding::Other;
  if (is_unalterable) {
    std::optional<TransferEncoding> label;
    if (conversion_ == Conversion::SevenBit && header_.encoding && is_identity(header_.encoding) &&
        *header_.encoding != TransferEncoding::SevenBit) {
      label = TransferEncoding::SevenBit;  // Or else it is an error in the end.
    }
    write_header(label, false, out);
    leaf_mode_ = LeafMode::Watch;
    watched_ = LineScanner();
  } else if (header_.encoding == TransferEncoding::Base64) {
    write_header(std::nullopt, false, out);
    leaf_mode_ = LeafMode::Encode;
    encoder_ = Base64Wrapper(is_strict);
  } else if (header_.encoding == TransferEncoding::QuotedPrintable) {
    write_header(std::nullopt, false, out);
    leaf_mode_ = LeafMode::Encode;
    encoder_ = QuotedPrintableWrapper(is_strict);
  } else {
    leaf_mode_ = LeafMode::Hold;
  }
}

bool Converter::violates(const Scan& scan) const {
  if (scan.has_long_line()) return true;
  if (conversion_ == Conversion::ShortLines) return false;
  if (scan.has_nul || scan.has_bare_newline) return true;
  return conversion_ == Conversion::SevenBit && scan.has_eight_bit;
}

void Converter::take_leaf(std::string_view octets, std::string& out) {
  switch (leaf_mode_) {
    case LeafMode::Watch:
      watched_.feed(octets);
      out += octets;
      return;
    case LeafMode::Encode:
      encode_leaf(octets, out);
      return;
    case LeafMode::Hold: {
      const std::size_t room = hold_octets_max_ - hold_.size();
      hold_ += octets.substr(0, room);
      if (octets.size() <= room) return;
      decide_leaf(false, hold_, out);
      encode_leaf(hold_, out);
      hold_.clear();
      encode_leaf(octets.substr(room), out);
      return;
    }
  }
}

/// Chooses the encoding from what was held and writes the header. When the leaf needs none and is
/// whole, encoder_ stays empty.
void Converter::decide_leaf(bool is_whole, std::string_view held, std::string& out) {
  const Scan scan = scan_lines(held);
  leaf_mode_ = LeafMode::Encode;
  if (is_whole && !violates(scan)) {
    std::optional<TransferEncoding> label;
    const bool is_labelled_above =
        (conversion_ == Conversion::SevenBit && header_.encoding == TransferEncoding::EightBit) ||
        (conversion_ != Conversion::ShortLines && header_.encoding == TransferEncoding::Binary);
    if (is_labelled_above) {
      label = scan.has_eight_bit ? TransferEncoding::EightBit : TransferEncoding::SevenBit;
    }
    write_header(label, scan.has_eight_bit, out);
    return;
  }
  const bool has_line_structure = !scan.has_nul && (!scan.has_bare_newline || !is_whole ||
                                                    conversion_ == Conversion::ShortLines);
  if (is_text(header_.type) && has_line_structure) {
    write_header(TransferEncoding::QuotedPrintable, scan.has_eight_bit, out);
    encoder_ = QuotedPrintableEncoder();
  } else {
    write_header(TransferEncoding::Base64, scan.has_eight_bit, out);
    encoder_ = Base64Encoder();
  }
}

void Converter::feed_encoder(std::string_view octets, std::string& out) {
  std::visit(
      [&](auto& encoder) {
        if constexpr (std::is_same_v<std::decay_t<decltype(encoder)>, std::monostate>) {
          out += octets;
        } else {
          encoder.feed(octets, out);
        }
      },
      encoder_);
}

/// Hands octets to the encoder, keeping back a CRLF at the end.
void Converter::encode_leaf(std::string_view octets, std::string& out) {
  if (octets.empty()) return;
  if (tail_ == "\r" && octets.front() == '\n') {
    tail_ = "\r\n";
    octets.remove_prefix(1);
    if (octets.empty()) return;
  }
  feed_encoder(tail_, out);
  const std::size_t kept = octets.ends_with("\r\n") ? 2 : octets.ends_with('\r') ? 1 : 0;
  tail_ = octets.substr(octets.size() - kept);
  feed_encoder(octets.substr(0, octets.size() - kept), out);
}

void Converter::end_leaf(bool at_boundary, std::string& out) {
  if (leaf_mode_ == LeafMode::Watch) {
    if (violates(watched_.result())) error_ = Errc::Unalterable;
    return;
  }
  if (leaf_mode_ == LeafMode::Hold) {
    std::string_view held = hold_;
    if (at_boundary && held.ends_with("\r\n")) held.remove_suffix(2);
    decide_leaf(true, held, out);
    encode_leaf(hold_, out);
    hold_.clear();
  }
  // The CRLF before a boundary is the boundary's (RFC 2046 §5.1.1); at the end of the message it
  // belongs to the leaf.
  const std::string last = std::move(tail_);
  tail_.clear();
  if (!at_boundary) feed_encoder(last, out);
  std::visit(
      [&](auto& encoder) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(encoder)>, std::monostate>) {
          encoder.finish(out);
        }
      },
      encoder_);
  if (at_boundary) {
    // What is base64 was not empty, and ends its last line itself.
    if (!std::holds_alternative<Base64Encoder>(encoder_)) out += last;
  } else if (std::holds_alternative<QuotedPrintableEncoder>(encoder_) && last != "\r\n") {
    // A message ends with CRLF; this one means nothing (RFC 2045 §6.7, rule 5).
    out += "=\r\n";
  }
}

/// Preambles and epilogues, which nobody reads: made to fit by the shortest way.
void Converter::take_between(std::string_view octets, std::string& out) {
  const bool is_strict = conversion_ != Conversion::ShortLines;
  for (const char c : octets) {
    if (between_held_cr_ && c != '\n') {
      out += is_strict ? ' ' : '\r';
      ++between_column_;
    }
    const bool had_cr = between_held_cr_;
    between_held_cr_ = c == '\r';
    if (c == '\r') continue;
    if (c == '\n') {
      out += had_cr || is_strict ? "\r\n" : "\n";
      between_column_ = 0;
      continue;
    }
    if (between_column_ >= kLineOctetsMax) {
      out += "\r\n ";
      between_column_ = 1;
    }
    const bool is_high = static_cast<signed char>(c) < 0;
    out += (is_high && conversion_ == Conversion::SevenBit) || (c == '\0' && is_strict) ? '?' : c;
    ++between_column_;
  }
}

Result<std::string> convert(std::string_view message, Conversion conversion) {
  std::string out;
  out.reserve(message.size() + message.size() / 8 + 256);
  Converter converter(conversion);
  if (const Result<void> fed = converter.feed(message, out); !fed) return fed.error();
  if (const Result<void> done = converter.finish(out); !done) return done.error();
  return out;
}

}  // namespace ekiden::message
