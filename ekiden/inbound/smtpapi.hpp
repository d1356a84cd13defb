#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/account/suppression.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::inbound {

/// The header by which SendGrid's SMTP clients say what its API has fields for.
inline constexpr std::string_view kSmtpApiField = "x-smtpapi";
/// Addresses in its `to`.
inline constexpr std::size_t kSmtpApiRecipientsMax = 1000;

/// Words that are replaced in its message, and what one of them is replaced by.
inline constexpr std::size_t kSmtpApiTagsMax = 200;
inline constexpr std::size_t kSmtpApiTagOctetsMax = 255;

struct SmtpApi {
  std::vector<smtp::Address> to;  ///< in the place of the envelope's recipients; empty: those stay
  std::vector<std::string> to_names;  ///< the same as they were written
  std::vector<std::string> categories;
  std::string unique_args;  ///< a JSON object, or empty
  std::optional<base::Time> send_at;
  std::string stream;  ///< of the unsubscribe group; empty: the key's
  std::string batch;   ///< of scheduled mail; empty: none
  account::SuppressionBypass bypass;
  // What makes each recipient's message one of its own.
  struct Substitution {
    std::string tag;
    std::vector<std::string> values;  ///< one for each recipient
  };
  std::vector<Substitution> substitutions;
  std::vector<std::pair<std::string, std::string>> sections;  ///< tag and text
  std::vector<base::Time> send_each_at;                       ///< one for each recipient

  bool is_personal() const {
    return !substitutions.empty() || !sections.empty() || !send_each_at.empty();
  }
};

/// Reads its value, unfolded. Of `filters` those count that pass the suppression list over; others,
/// and what is unknown, are passed over, as SendGrid does with settings that an account does not
/// have. Nothing, and `problem` says why, for what is no JSON object or makes no sense.
std::optional<SmtpApi> parse_smtpapi(std::string_view value, std::string& problem);

}  // namespace ekiden::inbound
