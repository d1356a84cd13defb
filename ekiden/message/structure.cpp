#include "ekiden/message/structure.hpp"

#include <algorithm>
#include <string>

#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"

// Invariants: each level looks at each of its octets once, so the work is at most
// kStructureDepthMax times the message.

namespace ekiden::message {
namespace {

class Reader {
 public:
  Result<Structure> read(std::string_view octets, bool is_in_digest, unsigned depth);

 private:
  void read_multipart(Structure& part, unsigned depth);
  void add(Structure& part, std::string_view octets, unsigned depth);

  std::size_t parts_ = 0;
};

/// The line at `start` without its end; `next` is where the following one starts.
std::string_view line_at(std::string_view octets, std::size_t start, std::size_t& next) {
  const std::size_t end = octets.find('\n', start);
  next = end == std::string_view::npos ? octets.size() : end + 1;
  std::string_view line = octets.substr(start, next - start);
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// RFC 2046 §5.1.1: "--", the boundary, for the last one "--", and white space.
bool is_delimiter(std::string_view line, std::string_view boundary, bool& is_last) {
  if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return false;
  line.remove_prefix(2 + boundary.size());
  is_last = line.starts_with("--");
  if (is_last) line.remove_prefix(2);
  return base::trimmed(line).empty();
}

Result<Structure> Reader::read(std::string_view octets, bool is_in_digest, unsigned depth) {
  Structure part;
  // RFC 2046 §5.1.5: what stands in a digest is a message unless it says otherwise.
  if (is_in_digest) part.type.type = "message", part.type.subtype = "rfc822";
  HeaderScanner scanner(octets);
  Field field;
  Result<bool> more = scanner.next(field);
  bool has_type = false, has_encoding = false;
  for (; more && *more; more = scanner.next(field)) {
    if (!has_type && base::equals_ignoring_case(field.name, "Content-Type")) {
      part.type = parse_content_type(field.value);
      has_type = true;
    } else if (!has_encoding &&
               base::equals_ignoring_case(field.name, "Content-Transfer-Encoding")) {
      part.encoding = parse_transfer_encoding(field.value);
      has_encoding = true;
    }
  }
  if (!more) return more.error();
  part.header = octets.substr(0, scanner.consumed());
  part.body = octets.substr(scanner.consumed());

  const bool is_encoded = part.encoding == TransferEncoding::Base64 ||
                          part.encoding == TransferEncoding::QuotedPrintable ||
                          part.encoding == TransferEncoding::Other;
  const bool is_message = part.type.is("message", "rfc822") || part.type.is("message", "global");
  if (is_encoded || (!part.type.is_multipart() && !is_message)) return part;
  if (depth == kStructureDepthMax) {
    part.is_cut = true;
  } else if (is_message) {
    add(part, part.body, depth);
  } else {
    read_multipart(part, depth);
  }
  return part;
}

void Reader::add(Structure& part, std::string_view octets, unsigned depth) {
  if (parts_ == kStructurePartsMax) {
    part.is_cut = true;
    return;
  }
  ++parts_;
  Result<Structure> inner = read(octets, part.type.is("multipart", "digest"), depth + 1);
  // A header without bounds: the part is shown as octets.
  if (!inner) {
    Structure leaf;
    leaf.body = octets;
    leaf.is_cut = true;
    inner = std::move(leaf);
  }
  part.parts.push_back(std::move(*inner));
}

void Reader::read_multipart(Structure& part, unsigned depth) {
  constexpr std::size_t kNone = std::string_view::npos;
  const std::string_view body = part.body;
  std::size_t start = kNone;  // of the part that is open
  for (std::size_t at = 0, next = 0; at < body.size() && !part.is_cut; at = next) {
    const std::string_view line = line_at(body, at, next);
    bool is_last = false;
    if (!is_delimiter(line, part.type.boundary, is_last)) continue;
    if (start != kNone) {
      // The line end in front of the boundary is the boundary's.
      std::size_t end = at;
      if (end > start && body[end - 1] == '\n') --end;
      if (end > start && body[end - 1] == '\r') --end;
      add(part, body.substr(start, end - start), depth);
    }
    start = is_last ? kNone : next;
    if (is_last) return;
  }
  // Without a last boundary the part reaches to the end.
  if (start != kNone && !part.is_cut) add(part, body.substr(start), depth);
}

}  // namespace

Result<Structure> read_structure(std::string_view message) {
  Reader reader;
  return reader.read(message, false, 0);
}

}  // namespace ekiden::message
