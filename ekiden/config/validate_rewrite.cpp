// What [[rewrite]] means beside being texts and tables: addresses, headers, variables, files.
#include <algorithm>
#include <array>
#include <set>

#include "ekiden/base/text.hpp"
#include "ekiden/config/findings.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/config/validate.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::config {
namespace {

constexpr std::size_t kRulesMax = 100;
constexpr std::size_t kMapEntriesMax = 1'000'000;
constexpr std::size_t kMapFileOctetsMax = 256 * kMiB;
constexpr std::size_t kTargetsMax = 1'000;
/// Complaints about one file: who named the wrong file does not read more.
constexpr unsigned kFileComplaintsMax = 20;
constexpr std::size_t kTemplateOctetsMax = 900;
constexpr std::size_t kHeadersMax = 50;

// As rewrite::Variable has them.
constexpr std::array<std::string_view, 15> kVariables = {
    "id",          "message_id", "tenant",    "stream",           "listener",
    "hostname",    "tag",        "sender",    "sender_domain",    "from",
    "from_domain", "route",      "recipient", "recipient_domain", "token"};

/// Fields that trace, authenticate or structure a message: writing them makes it another one.
constexpr std::array<std::string_view, 18> kNotWritten = {"received",
                                                          "return-path",
                                                          "date",
                                                          "message-id",
                                                          "from",
                                                          "to",
                                                          "cc",
                                                          "bcc",
                                                          "mime-version",
                                                          "content-type",
                                                          "content-transfer-encoding",
                                                          "dkim-signature",
                                                          "authentication-results",
                                                          "arc-seal",
                                                          "arc-message-signature",
                                                          "arc-authentication-results",
                                                          "delivered-to",
                                                          "x-original-from"};
constexpr std::array<std::string_view, 3> kOnlyReplaced = {"subject", "sender", "reply-to"};
constexpr std::array<std::string_view, 2> kNotRemoved = {"received", "from"};

template <std::size_t N>
bool is_among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view n) { return base::equals_ignoring_case(n, name); });
}

std::string shown(std::string_view text) {
  return "\"" + base::printable(text, 60) + "\"";
}

/// What is wrong with an address, or nothing.
std::string address_fault(std::string_view text, bool may_be_domain, bool must_be_ascii) {
  if (may_be_domain && text.starts_with('@')) {
    return smtp::canonical_domain(text.substr(1)) ? "" : shown(text) + " has no domain";
  }
  const Result<smtp::Address> address = smtp::parse_address(text);
  if (!address) return shown(text) + " is no address";
  if (must_be_ascii && std::any_of(address->local.begin(), address->local.end(),
                                   [](char c) { return (c & 0x80) != 0; }))
    return shown(text) + " would need SMTPUTF8, and so would every message that gets it";
  return {};
}

/// The first word of a line, quotes respected; `rest` gets the others.
std::string_view first_word(std::string_view line, std::string_view& rest) {
  bool is_quoted = false;
  std::size_t i = 0;
  for (; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted && (line[i] == ' ' || line[i] == '\t')) {
      break;
    }
  }
  i = std::min(i, line.size());
  rest = base::trimmed(line.substr(i));
  return line.substr(0, i);
}

/// The texts between commas that stand outside of quotes.
std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  bool is_quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '\\') {
      ++i;
      continue;
    }
    if (i < text.size() && text[i] == '"') is_quoted = !is_quoted;
    if (i < text.size() && (text[i] != ',' || is_quoted)) continue;
    items.emplace_back(base::trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  return items;
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text.append(text.empty() ? "" : ",").append(item);
  return text;
}

enum class MapKind { Addresses, Aliases };

class RewriteValidator : private Findings {
 public:
  using Findings::Findings;

  void run() {
    std::vector<Rewrite>& rules = loaded().settings.rewrite;
    if (rules.size() > kRulesMax) {
      return refuse("rewrite", "more than " + std::to_string(kRulesMax) + " rules [[rewrite]]");
    }
    for (std::size_t i = 0; i < rules.size(); ++i) {
      path_ = "rewrite[" + std::to_string(i) + "]";
      rule(rules[i], i);
    }
  }

 private:
  std::string at(const char* key) const { return path_ + "." + key; }

  void rule(Rewrite& v, std::size_t i) {
    if (v.name.empty()) v.name = "rewrite " + std::to_string(i + 1);
    if (v.name.size() > 60 || v.name.find(',') != std::string::npos) {
      refuse(at("name"), "rewrite.name takes up to 60 octets without commas");
    }
    conditions(v);
    const bool acts =
        !v.sender_map.empty() || !v.sender_map_file.empty() || !v.recipient_map.empty() ||
        !v.recipient_map_file.empty() || !v.masquerade.empty() || !v.aliases.empty() ||
        !v.aliases_file.empty() || !v.header_from.empty() || !v.header_reply_to.empty() ||
        !v.return_path.empty() || !v.remove_headers.empty() || !v.add_headers.empty() ||
        !v.replace_headers.empty() || !v.feedback_id.empty() || !v.list_unsubscribe.empty();
    if (!acts) refuse(path_, "this [[rewrite]] does nothing: it has conditions only");
    map("sender_map", v.sender_map, v.sender_map_file, MapKind::Addresses, true, v.sender_entries);
    map("recipient_map", v.recipient_map, v.recipient_map_file, MapKind::Addresses, false,
        v.recipient_entries);
    map("aliases", v.aliases, v.aliases_file, MapKind::Aliases, false, v.alias_entries);
    if (!v.routes.empty()) {
      for (const char* key : {"recipient_map", "recipient_map_file", "aliases", "aliases_file"}) {
        if (has(at(key))) {
          refuse(at(key), std::string("rewrite.") + key +
                              " has no effect with routes: recipients are decided before one is "
                              "known");
        }
      }
    }
    masquerade(v);
    addresses(v);
    return_path(v);
    headers(v);
  }

  void conditions(const Rewrite& v) {
    std::vector<std::string> listeners;
    for (const Listener& one : loaded().settings.listener)
      listeners.push_back(net::format_endpoint(one.address));
    known("listeners", v.listeners, listeners, "no [[listener]] has the address ");
    std::vector<std::string> routes = {"mx"};
    for (const Route& one : loaded().settings.route) {
      std::string name;
      for (HostPort host : one.next_hop.hosts) {
        if (host.port == 0) host.port = loaded().settings.delivery.port;
        name.append(name.empty() ? "" : ",").append(format_host_port(host));
      }
      if (!name.empty()) routes.push_back(name);
    }
    known("routes", v.routes, routes, "no [[route]] has the next_hop ");
  }

  void known(const char* key, const std::vector<std::string>& words,
             const std::vector<std::string>& all, const char* complaint) {
    for (std::size_t n = 0; n < words.size(); ++n) {
      if (std::find(all.begin(), all.end(), words[n]) != all.end()) continue;
      std::string nearest = find_nearest(words[n], all);
      for (const std::string& one : all) {
        if (nearest.empty() && one.starts_with(words[n] + ":")) nearest = one;
      }
      refuse(at(key) + "[" + std::to_string(n) + "]",
             std::string("rewrite.") + key + ": " + complaint + shown(words[n]), nearest);
    }
  }

  /// What is wrong with one entry; nothing when it is fine.
  static std::string entry_fault(const std::string& from, const std::vector<std::string>& to,
                                 MapKind kind, bool must_be_ascii) {
    std::string fault = address_fault(from, true, false);
    if (!fault.empty()) return fault + ": a name here is an address or \"@domain\"";
    if (to.size() > kTargetsMax) return shown(from) + " has more than 1000 addresses";
    for (const std::string& one : to) {
      fault = address_fault(one, kind == MapKind::Addresses, must_be_ascii);
      if (!fault.empty()) return fault;
    }
    return {};
  }

  void map(const std::string& key, const TextTable& table, const std::string& file_name,
           MapKind kind, bool must_be_ascii, TextPairs& out) {
    std::set<std::string> seen;
    const auto seen_key = [](const std::string& from) {
      const Result<smtp::Address> address = smtp::parse_address(from);
      return base::lowered(address ? smtp::comparison_key(*address) : from);
    };
    const std::string path = path_ + "." + key;
    for (const auto& [from, to] : table) {
      const std::string fault = entry_fault(from, to, kind, must_be_ascii);
      if (!fault.empty()) {
        refuse(path, "rewrite." + key + ": " + fault);
      } else if (!seen.insert(seen_key(from)).second) {
        refuse(path, "rewrite." + key + ": " + shown(from) + " stands twice");
      } else {
        out.emplace_back(from, joined(to));
      }
    }
    const auto text = file(path + "_file", file_name, kMapFileOctetsMax);
    if (!text) return;
    std::string_view rest = *text;
    unsigned complaints = 0;
    for (unsigned number = 1; !rest.empty() && complaints < kFileComplaintsMax; ++number) {
      const std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      line = base::trimmed(line);
      if (line.empty() || line.front() == '#') continue;
      std::string_view targets;
      const std::string from(first_word(line, targets));
      const std::vector<std::string> to = kind == MapKind::Aliases
                                              ? split_list(targets)
                                              : std::vector<std::string>{std::string(targets)};
      std::string fault = targets.empty() ? shown(from) + " stands alone: write two addresses"
                                          : entry_fault(from, to, kind, must_be_ascii);
      if (fault.empty() && !seen.insert(seen_key(from)).second)
        fault = shown(from) + " stands twice";
      if (fault.empty() && out.size() == kMapEntriesMax) {
        return refuse_line(file_name, number, "more than 1000000 entries");
      }
      if (fault.empty()) {
        out.emplace_back(from, joined(to));
      } else {
        refuse_line(file_name, number, std::move(fault));
        ++complaints;
      }
    }
  }

  void masquerade(const Rewrite& v) {
    for (const auto& [pattern, domain] : v.masquerade) {
      std::string_view name = pattern;
      if (name.starts_with("*.")) name.remove_prefix(2);
      std::string nearest;
      if (pattern.starts_with('.')) nearest = "*" + pattern;
      if (pattern.starts_with('@')) nearest = pattern.substr(1);
      if (!smtp::canonical_domain(name) || name.starts_with('[')) {
        refuse(at("masquerade"),
               "rewrite.masquerade: " + shown(pattern) + " is no host name and no \"*.domain\"",
               nearest);
      }
      if (!smtp::canonical_domain(domain.front()) || domain.front().starts_with('[')) {
        refuse(at("masquerade"), "rewrite.masquerade: " + shown(domain.front()) + " is no domain");
      }
    }
    if (!v.masquerade_except.empty() && v.masquerade.empty() && !has(at("masquerade"))) {
      refuse(at("masquerade_except"),
             "rewrite.masquerade_except has no effect without rewrite.masquerade");
    }
  }

  void addresses(const Rewrite& v) {
    for (const auto& [key, text] : {std::pair{"header_from", &v.header_from},
                                    std::pair{"header_reply_to", &v.header_reply_to}}) {
      if (text->empty()) continue;
      const std::string fault = address_fault(*text, false, true);
      if (!fault.empty()) refuse(at(key), std::string("rewrite.") + key + ": " + fault);
    }
    if (has(at("keep_original")) && v.header_from.empty() && v.header_reply_to.empty()) {
      refuse(at("keep_original"),
             "rewrite.keep_original has no effect without header_from or header_reply_to");
    }
  }

  void return_path(const Rewrite& v) {
    const bool is_word = v.return_path == "verp" || v.return_path == "srs";
    if (!v.return_path.empty() && !is_word) {
      const std::string fault = address_fault(v.return_path, false, true);
      if (!fault.empty()) {
        refuse(at("return_path"),
               "rewrite.return_path takes \"verp\", \"srs\" or an address, not " +
                   shown(v.return_path),
               find_nearest(v.return_path, {"verp", "srs"}));
      }
    }
    if (is_word && v.bounce_domain.empty()) {
      refuse(at("return_path"), "rewrite.return_path = \"" + v.return_path +
                                    "\" needs rewrite.bounce_domain: where bounces go");
    }
    if (!v.bounce_domain.empty() && !is_word) {
      refuse(at("bounce_domain"),
             "rewrite.bounce_domain has no effect unless return_path is \"verp\" or \"srs\"");
    }
    if (!v.bounce_domain.empty() && !is_host_name(v.bounce_domain)) {
      refuse(at("bounce_domain"), "rewrite.bounce_domain is no domain: " + shown(v.bounce_domain));
    }
  }

  void header_name(const char* key, std::string_view name) {
    const bool is_fine = !name.empty() && name.size() <= 76 &&
                         std::all_of(name.begin(), name.end(),
                                     [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
    std::string nearest;
    if (name.ends_with(':')) nearest = name.substr(0, name.size() - 1);
    if (!is_fine) {
      return refuse(at(key),
                    std::string("rewrite.") + key + ": " + shown(name) + " is no header name",
                    nearest);
    }
    const bool removes = std::string_view(key) == "remove_headers";
    if (removes
            ? is_among(kNotRemoved, name)
            : is_among(kNotWritten, name) || base::starts_with_ignoring_case(name, "X-Ekiden-")) {
      std::string hint;
      if (base::equals_ignoring_case(name, "From")) hint = "header_from";
      if (base::equals_ignoring_case(name, "Received")) hint = "listener.hide_submitter";
      return refuse(at(key),
                    std::string("rewrite.") + key + ": " + shown(name) + " cannot be " +
                        (removes ? "removed" : "written") + " by a rule",
                    hint);
    }
    if (std::string_view(key) == "add_headers" && is_among(kOnlyReplaced, name)) {
      refuse(at(key), "rewrite.add_headers: a second " + shown(name) + " would be against RFC 5322",
             "replace_headers");
    }
  }

  void headers(const Rewrite& v) {
    for (const std::string& name : v.remove_headers) header_name("remove_headers", name);
    for (const auto& [name, text] : v.add_headers) {
      header_name("add_headers", name);
      variables("add_headers", text.front());
    }
    for (const auto& [name, text] : v.replace_headers) {
      header_name("replace_headers", name);
      variables("replace_headers", text.front());
    }
    if (v.remove_headers.size() + v.add_headers.size() + v.replace_headers.size() > kHeadersMax) {
      refuse(path_, "more than " + std::to_string(kHeadersMax) + " headers in one [[rewrite]]");
    }
    if (!v.feedback_id.empty() &&
        (v.feedback_id.size() > 64 ||
         !std::all_of(v.feedback_id.begin(), v.feedback_id.end(), [](char c) {
           return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_' || c == '.';
         }))) {
      refuse(at("feedback_id"),
             "rewrite.feedback_id takes up to 64 letters, digits, '-', '_' and "
             "'.', not " +
                 shown(v.feedback_id));
    }
    for (std::size_t n = 0; n < v.list_unsubscribe.size(); ++n) {
      const std::string& link = v.list_unsubscribe[n];
      const std::string key = "list_unsubscribe[" + std::to_string(n) + "]";
      const bool is_fine = (link.starts_with("https://") || link.starts_with("mailto:")) &&
                           link.find_first_of(" <>,") == std::string::npos;
      if (!is_fine) {
        refuse(at(key.c_str()),
               "rewrite.list_unsubscribe takes \"https://…\" and \"mailto:…\", not " + shown(link));
      }
      variables(key.c_str(), link);
    }
    if (v.list_unsubscribe.size() > 4) {
      refuse(at("list_unsubscribe"), "rewrite.list_unsubscribe has more than 4 links");
    }
  }

  void variables(const char* key, std::string_view text) {
    const std::string name = "rewrite." + without_index(key);
    if (text.size() > kTemplateOctetsMax) {
      return refuse(at(key),
                    name + " is longer than " + std::to_string(kTemplateOctetsMax) + " octets");
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '{' && text[i] != '}') continue;
      if (i + 1 < text.size() && text[i + 1] == text[i]) {
        ++i;
        continue;
      }
      const std::size_t end = text.find('}', i);
      if (text[i] == '}' || end == std::string_view::npos) {
        return refuse(at(key), name +
                                   " has a brace that stands alone; write {{ or }} for one that "
                                   "is meant");
      }
      const std::string_view word = text.substr(i + 1, end - i - 1);
      if (!is_among(kVariables, word) || base::lowered(word) != word) {
        return refuse(at(key), name + ": there is no variable {" + base::printable(word, 40) + "}",
                      find_nearest(std::string(word), {kVariables.begin(), kVariables.end()}));
      }
      i = end;
    }
  }

  std::string path_;
};

}  // namespace

void validate_rewrite(Loaded& loaded, const std::set<std::string>& refused,
                      const Surroundings& surroundings) {
  RewriteValidator(loaded, refused, surroundings).run();
}

}  // namespace ekiden::config
