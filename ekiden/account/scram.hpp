#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/account/password.hpp"

namespace ekiden::account {

/// The server's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), without
/// knowing where keys live. Any malformed, repeated or forged message gives nothing, and ends it.
///
/// Sharing: one exchange owns it.
class ScramExchange {
 public:
  struct Options {
    bool is_plus = false;           ///< the mechanism's name ended in -PLUS
    bool plus_was_offered = false;  ///< a client that saw it and says "y" was lied to
    std::string nonce;              ///< our part: printable ASCII without ","
    /// Raw octets of a channel binding, or nothing for a type we have not.
    std::function<std::optional<std::string>(std::string_view type)> channel_binding;
  };
  explicit ScramExchange(Options options) : options_(std::move(options)) {}

  /// Reads client-first-message; afterwards `name` is known.
  [[nodiscard]] bool read_first(std::string_view message);
  /// The user name, decoded.
  const std::string& name() const { return name_; }

  /// server-first-message. For a name that does not exist give keys that are always the same for
  /// that name and that nobody has the password of.
  std::string challenge(const ScramKeys& keys);

  /// Reads client-final-message and checks binding, nonce and proof. Gives server-final-message.
  [[nodiscard]] std::optional<std::string> read_final(std::string_view message);

 private:
  bool read_gs2_header(std::string_view& rest, std::string& authzid);

  Options options_;
  std::string name_;
  std::string binding_;  ///< gs2-header and channel binding data: what "c=" must say
  std::string client_first_bare_, server_first_, nonce_;
  ScramKeys keys_;
};

}  // namespace ekiden::account
