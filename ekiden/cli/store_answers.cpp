#include "ekiden/cli/store_answers.hpp"

#include <ostream>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

int refuse(UserContext& context, std::string_view what, std::string_view why, int status) {
  context.err << "ekiden: " << base::printable(what) << ": " << why << '\n';
  return status;
}

int report(UserContext& context, std::string_view what, const Error& error) {
  using account::Errc;
  const bool is_word_of_store =
      error.category() == account::make_error_code(Errc::NotFound).category();
  const bool has_failed = error == Errc::Unavailable || error == Errc::Busy ||
                          error == Errc::Corrupt || error == Errc::NewerSchema ||
                          error == Errc::OutOfMemory || error == Errc::BadSecretKey;
  return refuse(context, what, error.message(),
                is_word_of_store && !has_failed ? kRefused : kFailed);
}

std::optional<int> read_restrictions(const std::vector<std::string>& sender_domains,
                                     const std::vector<std::string>& networks, UserContext& context,
                                     account::Credential& credential) {
  for (const std::string& given : sender_domains) {
    auto domain = smtp::canonical_domain(given);
    if (!domain) return refuse(context, given, "is no domain", kUsage);
    credential.sender_domains.push_back(std::move(*domain));
  }
  for (const std::string& given : networks) {
    const auto block = net::parse_address_block(given);
    if (!block) {
      return refuse(context, given,
                    "is no network: give an address, or a block such as 192.0.2.0/24 whose host "
                    "bits are zero",
                    kUsage);
    }
    credential.networks.push_back(*block);
  }
  return std::nullopt;
}

}  // namespace ekiden::cli
