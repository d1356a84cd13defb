#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::rewrite {

/// What a token names: one recipient of one message.
struct TokenContent {
  base::MessageId id;
  std::uint32_t recipient = 0;  ///< index into the envelope, below 2^23
  bool asks_failure = false;    ///< the client asked for NOTIFY=FAILURE

  friend bool operator==(const TokenContent&, const TokenContent&) = default;
};

/// Keeps the tokens of return paths and of links apart: one is never taken for the other.
enum class TokenUse : std::uint8_t { ReturnPath, Unsubscribe };

inline constexpr std::size_t kTokenCharacters = 50;

/// 50 characters of base 32 (RFC 4648 §6, lower case): 16 octets of message id, 3 of recipient
/// (their highest bit says asks_failure), 12 of a keyed hash over them, the use and the domain. It
/// depends on nothing else, so every attempt makes the same one; case does not matter when it is
/// read.
std::string make_token(const account::HashKey& key, TokenUse use, std::string_view domain,
                       const TokenContent& content);

/// `age_max` counts from the time in the message id.
/// Errors: NotOurs (not 50 characters of base 32), Forged, Expired.
Result<TokenContent> read_token(const account::HashKey& key, TokenUse use, std::string_view domain,
                                std::string_view token, base::Time now, base::Duration age_max);

/// The local part of a VERP return path: "bounce-" and a token, 57 octets.
inline constexpr std::string_view kVerpPrefix = "bounce-";

/// RFC 4648 §6 without padding, in lower case; and back from any case. The unused bits of the last
/// character must be zero, so that one token has one spelling.
std::string encode_base32(std::string_view octets);
bool decode_base32(std::string_view text, std::string& octets);

}  // namespace ekiden::rewrite
