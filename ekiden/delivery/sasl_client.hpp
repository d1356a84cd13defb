#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ekiden::delivery {

/// Our side of one AUTH exchange with a next hop: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256
/// (RFC 5802, RFC 7677, without channel binding).
///
/// SCRAM's password hash takes milliseconds, so it is asked for instead of computed: answer
/// NeedsKey with `derive_key` off the worker and `set_key`.
///
/// Sharing: one connection, one exchange.
class SaslClient {
 public:
  /// A server that asks for more only wants to burn our processor (RFC 7677 §4 asks for 4096).
  static constexpr std::uint32_t kIterationsMax = 200'000;
  /// Below it the exchange would give the password away to a patient listener.
  static constexpr std::uint32_t kIterationsMin = 4'096;

  struct Step {
    enum class Kind : std::uint8_t { Respond, NeedsKey, Fail };
    Kind kind = Kind::Fail;
    std::string octets;        ///< Respond: before base 64; Fail: why
    bool is_complete = false;  ///< nothing but success is expected now
  };

  /// `nonce`: printable without comma, of 18 random octets or more.
  SaslClient(std::string_view mechanism, std::string username, std::string password,
             std::string nonce);

  /// Takes the peer's challenge; the first one is empty.
  Step step(std::string_view challenge);

  /// After NeedsKey: what `derive_key` needs.
  struct KeyRequest {
    std::string password, salt;
    std::uint32_t iterations = 0;
  };
  const KeyRequest& key_request() const { return key_request_; }
  Step set_key(std::string salted_password);

  /// PBKDF2-HMAC-SHA-256. Slow on purpose; any thread.
  static std::string derive_key(const KeyRequest& request);

 private:
  Step step_scram(std::string_view challenge);

  enum class Mechanism : std::uint8_t { Plain, Login, Scram };
  Mechanism mechanism_;
  std::string username_, password_, nonce_;
  unsigned steps_ = 0;
  std::string client_first_bare_, server_first_, server_nonce_, server_signature_;
  KeyRequest key_request_;
};

}  // namespace ekiden::delivery
