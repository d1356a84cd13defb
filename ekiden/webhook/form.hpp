#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/webhook.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/net/address_block.hpp"

/// What somebody asks of a webhook, checked and taken into it: the same for commands and the API.
namespace ekiden::webhook {

/// What is wrong with what was asked.
struct FormProblem {
  std::string_view field;  ///< "url", "kinds", "streams", "batch", "secret"
  std::string english, japanese;
  bool is_policy = false;  ///< well formed, but not allowed here
};
using FormResult = std::optional<FormProblem>;

class Form {
 public:
  Form(account::Webhook& webhook, const account::HashKey& node_key, base::Random& random)
      : webhook_(webhook), node_key_(node_key), random_(random) {}

  /// Seals the URL into it. Names are judged when they are looked up, each time; addresses now.
  FormResult take_url(const std::string& url, const std::vector<net::AddressBlock>& allowed);
  /// Empty: unchanged; "all" alone: no filter.
  FormResult take_filters(const std::vector<std::string>& kinds,
                          const std::vector<std::string>& streams);
  /// Zero: the format's usual.
  FormResult take_batch(std::uint32_t batch);
  /// Gives it a secret as its format has one: `given`, or one that is made here. The one before it
  /// is forgotten.
  FormResult take_secret(std::optional<std::string> given);
  /// The same, while the one before it stays valid until then.
  FormResult rotate_secret(std::optional<std::string> given, base::Time until);

  /// What receivers verify with, to be shown this once: a secret, or a public key that may be shown
  /// again. Empty where there is nothing to show.
  const std::string& shown() const { return shown_; }
  /// "secret" or "public_key".
  std::string_view shown_as() const;

 private:
  account::Webhook& webhook_;
  const account::HashKey& node_key_;
  base::Random& random_;
  std::string shown_;
};

bool has_secret(account::WebhookFormat format);

}  // namespace ekiden::webhook
