#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::inbound {

/// The header by which SendGrid's SMTP clients say what its API has fields for.
inline constexpr std::string_view kSmtpApiField = "x-smtpapi";
/// Addresses in its `to`.
inline constexpr std::size_t kSmtpApiRecipientsMax = 1000;

struct SmtpApi {
  std::vector<smtp::Address> to;  ///< in the place of the envelope's recipients; empty: those stay
  std::vector<std::string> categories;
  std::string unique_args;  ///< a JSON object, or empty
  std::optional<base::Time> send_at;
  std::string stream;  ///< of the unsubscribe group; empty: the key's
};

/// Reads its value, unfolded. `filters` and what is unknown is passed over, as SendGrid does with
/// settings that an account does not have. Nothing, and `problem` says why, for what is no JSON
/// object, or asks for what this server would do otherwise than SendGrid: `sub` and `section`,
/// which make each recipient's message another one, and `send_each_at`.
std::optional<SmtpApi> parse_smtpapi(std::string_view value, std::string& problem);

}  // namespace ekiden::inbound
