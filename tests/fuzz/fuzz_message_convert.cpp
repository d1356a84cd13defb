// Re-encoding for next hops that take less: the same at every split, within the limits of the wire
// and, decoded, the octets that came.
//
// Odd first octets: the input is a message. Even ones: it is the parts of one whose shape is known,
// so that a decoder of a few lines can compare.
#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/message/header_scan.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::message;

struct Converted {
  std::string octets;
  std::string error;
  friend bool operator==(const Converted&, const Converted&) = default;
};

Converted run(std::string_view message, Conversion conversion, std::size_t hold,
              std::uint8_t split) {
  Converter converter(conversion, hold);
  Converted out;
  fuzz::cut(message, split, [&](std::string_view piece) {
    if (const auto fed = converter.feed(piece, out.octets); !fed) out.error = fed.error().message();
    return out.error.empty();
  });
  if (out.error.empty()) {
    if (const auto done = converter.finish(out.octets); !done) out.error = done.error().message();
  }
  if (!out.error.empty()) out.octets.clear();
  return out;
}

void check_bounds(std::string_view out, Conversion conversion) {
  // Headers keep their octets, and may have lines that cannot be folded.
  const std::size_t end = find_header_end(out);
  if (end == std::string_view::npos) return;
  const std::string top = base::lowered(out.substr(0, end));
  if (top.find("multipart") != std::string::npos || top.find("message") != std::string::npos)
    return;
  const Scan scan = scan_lines(out.substr(end));
  FUZZ_CHECK(!scan.has_long_line(), "no line is too long");
  if (conversion == Conversion::ShortLines) return;
  FUZZ_CHECK(!scan.has_nul && !scan.has_bare_newline, "nothing that DATA cannot carry");
  FUZZ_CHECK(conversion != Conversion::SevenBit || !scan.has_eight_bit, "seven bits");
}

void check_any(std::string_view message, std::uint8_t hold, std::uint8_t split) {
  for (const Conversion conversion :
       {Conversion::SevenBit, Conversion::EightBit, Conversion::ShortLines}) {
    const Converted whole = run(message, conversion, Converter::kHoldOctetsMax, 0);
    FUZZ_CHECK(run(message, conversion, Converter::kHoldOctetsMax, split) == whole,
               "the split does not matter");
    const Converted held = run(message, conversion, hold, 0);
    FUZZ_CHECK(run(message, conversion, hold, split) == held, "nor with little held back");
    if (!whole.error.empty()) continue;
    check_bounds(whole.octets, conversion);
    if (held.error.empty()) check_bounds(held.octets, conversion);
    const Converted again = run(whole.octets, conversion, Converter::kHoldOctetsMax, 0);
    FUZZ_CHECK(again == whole, "what was converted needs no conversion");
  }
}

// ---- parts of a known shape

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' && text.substr(i + 1, 2) == "\r\n") {
      i += 2;
      continue;
    }
    const auto hex = text[i] == '=' && i + 2 < text.size() ? base::decode_hex(text.substr(i + 1, 2))
                                                           : std::nullopt;
    if (hex) {
      out += *hex;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The digits that count (RFC 2045 §6.8: others are ignored).
std::string digits_of_base64(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (base::is_alpha(c) || base::is_digit(c) || c == '+' || c == '/' || c == '=') digits += c;
  }
  return digits;
}

std::string decode(std::string_view encoding, std::string_view body) {
  if (encoding == "quoted-printable") return decode_quoted_printable(body);
  if (encoding == "base64") return digits_of_base64(body);
  return std::string(body);
}

struct Part {
  std::string_view type, encoding;
  std::string body;
};

constexpr std::string_view kTypes[] = {"text/plain; charset=utf-8", "image/png", "text/html",
                                       "application/octet-stream"};
constexpr std::string_view kEncodings[] = {"8bit", "7bit", "binary", "quoted-printable", "base64"};
constexpr std::string_view kBoundary = "=_boundary_=";

std::string header_of(const Part& part) {
  return "Content-Type: " + std::string(part.type) +
         "\r\nContent-Transfer-Encoding: " + std::string(part.encoding) + "\r\n";
}

/// Header and body of one part of the output, decoded; compared with what went in.
void check_part(const Part& part, std::string_view octets) {
  const std::size_t end = find_header_end(octets);
  FUZZ_CHECK(end != std::string_view::npos, "a part keeps its header");
  const std::string_view header = octets.substr(0, end);
  const std::string_view body = octets.substr(end);
  constexpr std::string_view kLabel = "Content-Transfer-Encoding: ";
  const std::size_t label = header.find(kLabel);
  FUZZ_CHECK(label != std::string_view::npos, "a part keeps its label");
  const std::string_view encoding =
      header.substr(label + kLabel.size(), header.find("\r\n", label) - label - kLabel.size());
  const bool was_encoded = part.encoding == "base64" || part.encoding == "quoted-printable";
  FUZZ_CHECK(!was_encoded || encoding == part.encoding, "what is encoded stays so");
  if (was_encoded) {
    FUZZ_CHECK(decode(encoding, body) == decode(part.encoding, part.body), "the same octets");
    return;
  }
  if (encoding == "base64") {
    std::string digits = digits_of_base64(body);
    const auto decoded = base::decode_base64(digits);
    FUZZ_CHECK(decoded && *decoded == part.body, "base64 gives the octets back");
  } else {
    FUZZ_CHECK(decode(encoding, body) == part.body, "the octets come back");
  }
}

void check_shape(fuzz::Input& input) {
  const std::uint8_t shape = input.octet();
  const std::uint8_t hold = input.octet();
  const std::uint8_t split = input.octet();
  const bool is_multipart = (shape & 1) != 0;
  std::vector<Part> parts;
  do {
    const std::uint8_t kind = input.octet();
    Part part;
    part.type = kTypes[kind & 3];
    part.encoding = kEncodings[(kind >> 2) % std::size(kEncodings)];
    // A part of a multipart says "repeat" to reach lengths that a fuzzer does not type.
    const unsigned repeat = (kind & 0x80) != 0 ? 120 : 1;
    const std::string_view text = is_multipart ? input.text() : input.rest();
    for (unsigned i = 0; i < repeat; ++i) part.body += text;
    if (part.body.find(kBoundary) != std::string::npos) return;
    parts.push_back(std::move(part));
  } while (is_multipart && !input.is_empty() && parts.size() < 5);

  std::string message = "MIME-Version: 1.0\r\n";
  if (is_multipart) {
    message += "Content-Type: multipart/mixed; boundary=\"" + std::string(kBoundary) + "\"\r\n\r\n";
    for (const Part& part : parts) {
      message +=
          "--" + std::string(kBoundary) + "\r\n" + header_of(part) + "\r\n" + part.body + "\r\n";
    }
    message += "--" + std::string(kBoundary) + "--\r\n";
  } else {
    message += header_of(parts[0]) + "\r\n" + parts[0].body;
  }

  for (const Conversion conversion :
       {Conversion::SevenBit, Conversion::EightBit, Conversion::ShortLines}) {
    const std::size_t held = (shape & 2) != 0 ? hold : Converter::kHoldOctetsMax;
    const Converted out = run(message, conversion, held, split);
    FUZZ_CHECK(out.error.empty(), "these can always be converted");
    if (!is_multipart) {
      check_bounds(out.octets, conversion);
      check_part(parts[0], out.octets);
      continue;
    }
    const Scan scan = scan_lines(out.octets);
    FUZZ_CHECK(!scan.has_long_line(), "no line is too long");
    if (conversion != Conversion::ShortLines) {
      FUZZ_CHECK(!scan.has_nul && !scan.has_bare_newline, "nothing that DATA cannot carry");
    }
    FUZZ_CHECK(conversion != Conversion::SevenBit || !scan.has_eight_bit, "seven bits");
    const std::string line = "\r\n--" + std::string(kBoundary);
    std::size_t at = out.octets.find(line);
    for (const Part& part : parts) {
      FUZZ_CHECK(at != std::string::npos, "a boundary for each part");
      const std::size_t begin = at + line.size() + 2;
      at = out.octets.find(line, begin);
      FUZZ_CHECK(at != std::string::npos, "and one behind the last");
      check_part(part, std::string_view(out.octets).substr(begin, at - begin));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  if ((input.octet() & 1) == 0) {
    check_shape(input);
    return 0;
  }
  const std::uint8_t hold = input.octet();
  const std::uint8_t split = input.octet();
  check_any(input.rest(), hold, split);
  return 0;
}
