#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/cli/exit_code.hpp"
#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

/// Says why something is not done; gives `status`.
int refuse(UserContext& context, std::string_view what, std::string_view why,
           int status = kRefused);

/// Says what the control store said: kRefused when it would not, kFailed when it could not.
int report(UserContext& context, std::string_view what, const Error& error);

/// Reads what --sender-domain and --network gave into a credential. An exit status when one of them
/// makes no sense, which is said.
std::optional<int> read_restrictions(const std::vector<std::string>& sender_domains,
                                     const std::vector<std::string>& networks, UserContext& context,
                                     account::Credential& credential);

}  // namespace ekiden::cli
