#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/authenticator.hpp"
#include "ekiden/smtp/sasl.hpp"

namespace ekiden::account {

/// AUTH against the control store: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, EXTERNAL, PLAIN, LOGIN.
///
/// PLAIN and LOGIN are offered only under TLS, EXTERNAL only to a certificate that belongs to a
/// user, SCRAM only when some user has keys for it (`ekiden user add --scram`).
///
/// Sharing: one worker owns one; it outlives its sessions.
class SaslServer final : public smtp::SaslServer {
 public:
  explicit SaslServer(Authenticator& authenticator) : authenticator_(authenticator) {}

  std::vector<std::string> mechanisms(const smtp::SaslContext& context) override;
  std::unique_ptr<smtp::SaslSession> begin(std::string_view mechanism,
                                           const smtp::SaslContext& context) override;

 private:
  Authenticator& authenticator_;
};

}  // namespace ekiden::account
