#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/account/snapshot.hpp"
#include "ekiden/account/tenant.hpp"
#include "ekiden/inbound/options.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::inbound {

/// Who is asking: the connection's address and, after AUTH, its credential. The picture of the
/// control store that the credential lies in lives as long.
struct Client {
  net::Address address;
  std::shared_ptr<const account::Snapshot> accounts;
  const account::Credential* credential = nullptr;
  const account::TenantRules* tenant = nullptr;      ///< null: nothing is set of it
  const account::CredentialRules* limits = nullptr;  ///< null: none
};

/// Sets `tenant` and `limits` by the client's own picture of the control store; `tenant` is whose
/// mail it is without a credential.
void find_rules(Client& client, const std::string& tenant);

/// 250, or why not. A recipient that must be asked for carries where.
struct RecipientVerdict {
  smtp::Reply reply;
  bool needs_verification = false;
  std::string next_hop;  ///< of an inbound domain; empty: routed like any mail
};

/// Whether an address of an own domain is known to exist, as aliases and return paths are.
enum class Existence : std::uint8_t { Unknown, Known };

/// Decides from memory who may send what to whom, without DNS and without waiting.
///
/// Relaying needs a credential, or a Relay listener and an address in its trusted networks. There
/// is no third way, and no setting adds one.
///
/// Sharing: immutable; any thread.
class Admission {
 public:
  explicit Admission(const ListenerOptions& options) : options_(options) {}

  /// May relay: the mail is one of our own clients'.
  bool is_own(const Client& client) const;

  smtp::Reply admit_mail(const Client& client, const smtp::MailCommand& mail) const;
  RecipientVerdict admit_rcpt(const Client& client, const smtp::RcptCommand& rcpt,
                              Existence existence = Existence::Unknown) const;

  /// Whether the client's tenant or credential may send one more message now. The limits count
  /// when it is taken: see Arrival.
  smtp::Reply admit_volume(const Client& client, base::Time now, base::Steady steady) const;

  /// Whether the client may pass the suppression list over for a message: who may take an address
  /// off the list may leave it there and send all the same.
  smtp::Reply admit_bypass(const Client& client) const;

  /// The addresses in From, against the credential's and the tenant's sender domains. Positive when
  /// they may.
  smtp::Reply admit_header_from(const Client& client, const std::vector<std::string>& from) const;
  /// X-Ekiden-Stream against the credential's and the tenant's streams.
  smtp::Reply admit_stream(const Client& client, const std::string& stream) const;

  /// Whether mail of this tenant and stream may name the pool that it leaves from.
  smtp::Reply admit_pool(std::string_view tenant, std::string_view stream,
                         std::string_view pool) const;

  /// A credential may be used from this address.
  static bool may_log_in(const account::Credential& credential, const net::Address& address);

 private:
  RecipientVerdict admit_own_domain(const smtp::RcptCommand& rcpt, Existence existence) const;
  const ListenerOptions& options_;
};

/// What a client is told whose limit is reached: 450 for a rate, 452 for a quota.
smtp::Reply reply_for(const account::LimitVerdict& verdict);

bool contains(const std::vector<net::AddressBlock>& blocks, const net::Address& address);

enum class Errc {
  /// Admission let a stranger relay, or a trusted network holds public addresses. The relay does
  /// not start.
  OpenRelay = 1,
};
Error make_error_code(Errc value);

/// Asks the listener's admission, as strangers would (192.0.2.1, 2001:db8::1), to relay to a
/// foreign domain, straight and by every trick of addressing; each must be refused. Trusted
/// networks of public addresses or of everybody are refused as well.
///
/// Errors: Errc::OpenRelay; `what` says by which way, for the operator.
Result<void> prove_no_open_relay(const ListenerOptions& options, std::string* what = nullptr);

}  // namespace ekiden::inbound

template <>
struct boost::system::is_error_code_enum<ekiden::inbound::Errc> : std::true_type {};
