#include "ekiden/cli/user_commands.hpp"

#include <algorithm>
#include <cstdio>
#include <istream>
#include <optional>
#include <ostream>
#include <utility>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {
namespace {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

template <class Items, class Text>
std::string json_list(const Items& items, Text text) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += json_string(text(item));
  }
  return out + ']';
}

std::string same(const std::string& text) {
  return text;
}
std::string text_of(const net::AddressBlock& block) {
  return block.text();
}

template <class Items, class Text>
std::string words(const Items& items, Text text) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + text(item);
  return out.empty() ? "any" : out;
}

/// The first line of the input without its line end. Nothing past the longest password is read.
std::optional<account::Secret> read_password(std::istream& in) {
  std::string line;
  line.reserve(account::kPasswordOctetsMax + 2);
  char c = 0;
  while (line.size() < account::kPasswordOctetsMax + 2 && in.get(c) && c != '\n') line += c;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return std::nullopt;
  return account::Secret(std::move(line));
}

struct MadeSecrets {
  account::Secrets kept;
  std::string api_key;  ///< shown once
};

/// Nothing after saying why not; `status` then says how to end.
std::optional<MadeSecrets> make_secrets(const UserSecretOptions& options, std::string_view name,
                                        UserContext& context, int& status) {
  MadeSecrets made;
  if (options.scram && !options.password_stdin) {
    status = refuse(context, "--scram", "needs --password-stdin", kUsage);
    return std::nullopt;
  }
  if (options.password_stdin) {
    const auto password = read_password(context.in);
    if (!password) {
      status = refuse(context, name, "no password on standard input");
      return std::nullopt;
    }
    if (const auto checked = account::check_password(password->view()); !checked) {
      status = report(context, name, checked.error());
      return std::nullopt;
    }
    auto encoded = account::hash_password(password->view(), context.cost);
    if (!encoded) {
      status = report(context, name, encoded.error());
      return std::nullopt;
    }
    made.kept.argon2id = std::move(*encoded);
    if (options.scram) {
      made.kept.scram = account::make_scram_keys(password->view(), context.random);
    }
  }
  if (options.api_key) {
    made.api_key = account::make_api_key(context.random);
    made.kept.key_hash = account::hash_api_key(context.node_key, made.api_key);
  }
  return made;
}

void show_secrets(UserContext& context, std::string_view name, std::string_view done,
                  const MadeSecrets& made) {
  if (context.is_json) {
    context.out << "{\"user\":" << json_string(name) << ",\"done\":" << json_string(done);
    if (!made.api_key.empty()) context.out << ",\"api_key\":" << json_string(made.api_key);
    context.out << "}\n";
    return;
  }
  context.out << "user " << name << ' ' << done << '\n';
  if (!made.api_key.empty()) {
    context.out << "API key, shown only this once: " << made.api_key << '\n';
  }
}

/// "ab:CD…" as "abcd…".
std::string plain_hex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ':') out += base::to_lower(c);
  }
  return out;
}

int unknown_tenant(UserContext& context, const std::string& tenant) {
  std::string known;
  if (const auto tenants = context.store.tenants()) {
    constexpr std::size_t kShownMax = 10;
    for (std::size_t i = 0; i < std::min(tenants->size(), kShownMax); ++i) {
      known += (i == 0 ? "" : ", ") + (*tenants)[i].name;
    }
    if (tenants->size() > kShownMax) known += ", …";
  }
  return refuse(
      context, tenant,
      "no such tenant; there is: " + known + ". `ekiden tenant add " + tenant + "` makes it");
}

}  // namespace

int user_add(const UserAddOptions& options, UserContext& context) {
  account::Credential credential;
  credential.name = options.name;
  credential.tenant = options.tenant;
  credential.stream = options.stream;
  credential.certificate_sha256 = plain_hex(options.certificate_sha256);
  if (const auto status =
          read_restrictions(options.sender_domains, options.networks, context, credential))
    return *status;
  if (!options.secret.password_stdin && !options.secret.api_key &&
      credential.certificate_sha256.empty()) {
    return refuse(context, options.name,
                  "how does this user log in? Give --password-stdin, --api-key or "
                  "--certificate-sha256",
                  kUsage);
  }
  // Before anything slow, and before asking for a password in vain.
  if (const auto name = account::check_user_name(options.name); !name) {
    return report(context, options.name, name.error());
  }

  int status = kDone;
  const auto made = make_secrets(options.secret, options.name, context, status);
  if (!made) return status;
  const auto added = context.store.add(credential, made->kept, context.author);
  if (!added) {
    using account::Errc;
    if (added.error() == Errc::UnknownTenant) return unknown_tenant(context, options.tenant);
    if (added.error() == Errc::DuplicateName) {
      return refuse(context, options.name,
                    "a user of this name exists; `ekiden user passwd` gives a new password");
    }
    const bool is_label = added.error() == Errc::BadLabel;
    return report(context, is_label ? options.tenant + ", " + options.stream : options.name,
                  added.error());
  }
  show_secrets(context, options.name, "added", *made);
  return kDone;
}

int user_passwd(const UserPasswdOptions& options, UserContext& context) {
  if (!options.secret.password_stdin && !options.secret.api_key) {
    return refuse(context, options.name, "give --password-stdin or --api-key", kUsage);
  }
  int status = kDone;
  const auto made = make_secrets(options.secret, options.name, context, status);
  if (!made) return status;
  const auto set = context.store.set_secrets(options.name, made->kept, context.author);
  if (!set) return report(context, options.name, set.error());
  show_secrets(context, options.name, "changed", *made);
  return kDone;
}

int user_list(const UserListOptions& options, UserContext& context) {
  const auto users = context.store.list(options.tenant);
  if (!users) {
    if (users.error() == account::Errc::UnknownTenant) {
      return unknown_tenant(context, options.tenant);
    }
    return report(context, "user list", users.error());
  }
  if (context.is_json) context.out << "{\"users\":[";
  bool is_first = true;
  for (const account::Credential& user : *users) {
    std::vector<std::string> methods;
    if (!user.argon2id.empty()) methods.emplace_back("password");
    if (!user.scram_stored_key.empty()) methods.emplace_back("scram");
    if (!user.key_hash.empty()) methods.emplace_back("api-key");
    if (!user.certificate_sha256.empty()) methods.emplace_back("certificate");
    if (context.is_json) {
      context.out << (is_first ? "" : ",") << "{\"name\":" << json_string(user.name)
                  << ",\"tenant\":" << json_string(user.tenant)
                  << ",\"stream\":" << json_string(user.stream)
                  << ",\"methods\":" << json_list(methods, same)
                  << ",\"sender_domains\":" << json_list(user.sender_domains, same)
                  << ",\"networks\":" << json_list(user.networks, text_of)
                  << ",\"certificate_sha256\":"
                  << (user.certificate_sha256.empty() ? "null"
                                                      : json_string(user.certificate_sha256))
                  << '}';
    } else {
      context.out << user.name << "  tenant=" << user.tenant << " stream=" << user.stream
                  << " login=" << words(methods, same)
                  << " sender-domains=" << words(user.sender_domains, same)
                  << " networks=" << words(user.networks, text_of) << '\n';
    }
    is_first = false;
  }
  if (context.is_json) {
    context.out << "]}\n";
  } else if (is_first) {
    context.out << "no users\n";
  }
  return kDone;
}

int user_remove(const std::string& name, UserContext& context) {
  const auto removed = context.store.remove(name, context.author);
  if (!removed) return report(context, name, removed.error());
  show_secrets(context, name, "removed", {});
  return kDone;
}

int tenant_add(const std::string& name, UserContext& context) {
  const auto added = context.store.add_tenant(name, context.author);
  if (!added) return report(context, name, added.error());
  if (context.is_json) {
    context.out << "{\"tenant\":" << json_string(name) << ",\"done\":\"added\"}\n";
  } else {
    context.out << "tenant " << name << " added\n";
  }
  return kDone;
}

int tenant_list(UserContext& context) {
  const auto tenants = context.store.tenants();
  if (!tenants) return report(context, "tenant list", tenants.error());
  if (context.is_json) context.out << "{\"tenants\":[";
  bool is_first = true;
  for (const account::Tenant& tenant : *tenants) {
    if (context.is_json) {
      context.out << (is_first ? "" : ",") << "{\"name\":" << json_string(tenant.name)
                  << ",\"users\":" << tenant.credentials
                  << ",\"created\":" << json_string(base::format_rfc3339(tenant.created)) << '}';
    } else {
      context.out << tenant.name << "  users=" << tenant.credentials << '\n';
    }
    is_first = false;
  }
  if (context.is_json) context.out << "]}\n";
  return kDone;
}

}  // namespace ekiden::cli
