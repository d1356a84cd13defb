#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ekiden/inbound/arrival.hpp"
#include "ekiden/inbound/smtpapi.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::inbound {

/// All messages that one message becomes.
inline constexpr std::size_t kPersonalOctetsMax = 32 << 20;

/// A message whose X-SMTPAPI makes each recipient's another one: `sub`, `section`, `send_each_at`.
struct PersonalMail {
  SmtpApi api;
  smtp::MailCommand mail;
  std::vector<smtp::RcptCommand> recipients;  ///< of the envelope
  std::string octets;                         ///< with the field
  Client client;
  Origin origin;
};

/// Whether a message of this origin says so: then what it says. A field that makes no sense, or
/// says nothing of the kind, is left to whoever takes the message as one.
std::optional<SmtpApi> find_personal(const Origin& origin, std::string_view octets);

/// Makes the messages and takes all of them in one transaction, or none: 250, or the first refusal.
base::Task<smtp::Reply> submit_personal(Services& services,
                                        std::shared_ptr<const ListenerOptions> options,
                                        PersonalMail personal);

}  // namespace ekiden::inbound
