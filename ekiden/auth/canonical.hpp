#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/message/header_scan.hpp"

namespace ekiden::auth {

/// RFC 6376 §3.4: how header and body are written before they are hashed.
enum class Canonicalization : std::uint8_t { Simple, Relaxed };

std::string_view canonicalization_name(Canonicalization canonicalization);
std::optional<Canonicalization> parse_canonicalization(std::string_view name);

/// Takes octets as they come out, in order; the views live as long as the call.
class OctetSink {
 public:
  virtual ~OctetSink() = default;
  virtual void take(std::string_view octets) = 0;
};

/// Appends a header field in its canonical form, CRLF at its end (RFC 6376 §3.4.1, §3.4.2).
void append_canonical_field(Canonicalization canonicalization, const message::Field& field,
                            std::string& out);

/// The same for the signature field itself: with the raw value of its b= tag cut out, and without
/// the last CRLF (RFC 6376 §3.7). `b_raw` is a view into `field`.
void append_canonical_signature(Canonicalization canonicalization, const message::Field& field,
                                std::string_view b_raw, std::string& out);

/// Writes a body in its canonical form (RFC 6376 §3.4.3, §3.4.4).
///
/// Feed it the body split anywhere: what comes out is the same. Octets that need no change go to
/// the sink as views of those that came in; only what relaxed form rewrites goes through a small
/// buffer. A CR or LF alone is an octet like others.
///
/// Sharing: one body, one object.
class BodyCanonicalizer {
 public:
  BodyCanonicalizer(Canonicalization canonicalization, OctetSink& sink)
      : canonicalization_(canonicalization), sink_(sink) {}
  BodyCanonicalizer(const BodyCanonicalizer&) = delete;
  BodyCanonicalizer& operator=(const BodyCanonicalizer&) = delete;

  void update(std::string_view octets);
  /// The body has ended.
  void finish();

 private:
  static constexpr std::size_t kWorkOctets = 8 * 1024;

  void relax(std::string_view octets);
  const char* settle_held(const char* p, const char* end);
  void add_clean(const char* begin, const char* end);
  void compact(const char* begin, const char* end);
  bool compact_block(const char* block);
  void put(std::string_view octets);
  void flush_work();
  void pass(std::string_view octets);
  void emit_held_lines();

  const Canonicalization canonicalization_;
  OctetSink& sink_;

  // Relaxed form, first step: white space.
  bool holds_blank_ = false;  ///< white space that counts unless its line ends here
  bool holds_cr_ = false;     ///< a CR right behind it
  std::size_t work_octets_ = 0;
  std::array<char, kWorkOctets> work_;

  // Both forms, second step: empty lines at the end.
  std::uint64_t held_lines_ = 0;  ///< CRLFs that count unless the body ends here
  bool held_cr_ = false;
  bool has_content_ = false;
};

}  // namespace ekiden::auth
