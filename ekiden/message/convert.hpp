#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/message/encoders.hpp"
#include "ekiden/message/line_length.hpp"
#include "ekiden/message/mime.hpp"

namespace ekiden::message {

enum class Conversion {
  /// For a next hop without 8BITMIME (RFC 6152 §3). Of the headers, 8-bit octets stay: that is
  /// SMTPUTF8's matter.
  SevenBit,
  /// For a next hop with 8BITMIME and without BINARYMIME (RFC 3030 §3).
  EightBit,
  /// Lines over kLineOctetsMax only; 8-bit octets stay.
  ShortLines,
};

/// Re-encodes the MIME parts that cannot travel as they are and leaves every other octet alone.
///
/// Feed the whole message, header first, split anywhere: the output is the same. Text becomes
/// quoted-printable, everything else, and text with NUL or bare newlines, base64; decoding gives
/// the same octets back. A part that is encoded already keeps its encoding, only its lines are
/// broken. Multiparts and message/rfc822 are followed, never encoded (RFC 2045 §6.4). A message
/// that is not MIME becomes MIME, its charset unknown-8bit (RFC 1428). Overlong header lines are
/// folded where white space allows.
///
/// Whether a part needs it is known at its end, so a part is held back up to `hold_octets_max`;
/// a longer one that is not encoded yet is encoded unseen.
///
/// Errors: Unalterable (multipart/signed and message/partial would have to change), TooDeep,
///         HeaderTooLarge; afterwards the converter is spent and what it wrote is void.
/// Sharing: one message, one converter.
class Converter {
 public:
  static constexpr std::size_t kHoldOctetsMax = 1024 * 1024;
  static constexpr unsigned kDepthMax = 32;

  explicit Converter(Conversion conversion, std::size_t hold_octets_max = kHoldOctetsMax)
      : conversion_(conversion), hold_octets_max_(hold_octets_max) {}

  /// Consumes `octets`, appends to `out`.
  Result<void> feed(std::string_view octets, std::string& out);
  /// The message has ended.
  Result<void> finish(std::string& out);

 private:
  enum class State { Header, Leaf, Between };
  /// What happens to the octets of a leaf.
  enum class LeafMode { Hold, Encode, Watch };

  /// A multipart that is open.
  struct Level {
    std::string boundary;
    bool is_digest;
    unsigned depth;
  };
  struct Header {
    std::string octets;
    std::size_t line_start = 0;
    bool is_message = true;  ///< of a message, not of a part
    bool is_in_digest = false;
    bool has_blank_line = false;
    bool has_mime_version = false;
    ContentType type;
    std::optional<TransferEncoding> encoding;
  };
  struct Boundary {
    std::size_t level;
    bool is_close;
  };

  void take_header_line(std::string& out);
  void take_line(std::string_view line, std::string& out);
  void take_body(std::string_view octets, std::string& out);
  std::optional<Boundary> match_boundary(std::string_view line) const;
  void pass_boundary(std::string_view line, Boundary boundary, std::string& out);

  void begin_header(bool is_message, bool is_in_digest);
  void end_header(std::string& out);
  void read_header_fields();
  void write_header(std::optional<TransferEncoding> encoding, bool has_eight_bit, std::string& out);

  void begin_leaf(std::string& out);
  void take_leaf(std::string_view octets, std::string& out);
  void decide_leaf(bool is_whole, std::string_view held, std::string& out);
  void feed_encoder(std::string_view octets, std::string& out);
  void encode_leaf(std::string_view octets, std::string& out);
  void end_leaf(bool at_boundary, std::string& out);
  void end_part(bool at_boundary, std::string& out);
  void take_between(std::string_view octets, std::string& out);
  bool violates(const Scan& scan) const;

  using Encoder = std::variant<std::monostate, QuotedPrintableEncoder, Base64Encoder,
                               QuotedPrintableWrapper, Base64Wrapper>;

  const Conversion conversion_;
  const std::size_t hold_octets_max_;
  std::optional<Error> error_;

  State state_ = State::Header;
  std::vector<Level> levels_;
  unsigned depth_ = 0;
  Header header_;
  std::string line_;  ///< a line that may be a boundary, not whole yet
  bool is_line_start_ = true;
  bool ends_in_cr_ = false;

  LeafMode leaf_mode_ = LeafMode::Hold;
  std::string hold_;
  std::string tail_;  ///< a CRLF that belongs to the boundary if one follows
  Encoder encoder_;
  LineScanner watched_;

  std::size_t between_column_ = 0;
  bool between_held_cr_ = false;
};

struct SevenBitConverter : Converter {
  SevenBitConverter() : Converter(Conversion::SevenBit) {}
};

/// A whole message at once.
Result<std::string> convert(std::string_view message, Conversion conversion);

}  // namespace ekiden::message
