// What [[source]] and [[pool]] mean together: names, families, who takes which mail.
#include <algorithm>
#include <set>

#include "ekiden/base/text.hpp"
#include "ekiden/config/findings.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/config/validate.hpp"
#include "ekiden/net/socks5.hpp"

namespace ekiden::config {
namespace {

constexpr std::size_t kSourcesMax = 1'000;
constexpr std::size_t kPoolsMax = 1'000;
constexpr std::size_t kNameOctetsMax = 60;

/// A name that can stand in keys, files, metrics and on a command line.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameOctetsMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || base::is_digit(c) ||
                  c == '-' || c == '_' || c == '.';
         });
}

class EgressValidator : private Findings {
 public:
  EgressValidator(Loaded& loaded, const std::set<std::string>& refused,
                  const Surroundings& surroundings)
      : Findings(loaded, refused, surroundings), settings_(loaded.settings) {}

  void run() {
    if (settings_.source.size() > kSourcesMax)
      return refuse("source[" + std::to_string(kSourcesMax) + "]", "more than 1000 [[source]]");
    if (settings_.pool.size() > kPoolsMax)
      return refuse("pool[" + std::to_string(kPoolsMax) + "]", "more than 1000 [[pool]]");
    for (std::size_t i = 0; i < settings_.source.size(); ++i) source(i);
    for (std::size_t i = 0; i < settings_.pool.size(); ++i) pool(i);
    if (!settings_.pool.empty()) together();
  }

 private:
  /// Whether it may be looked up by its name.
  template <class T>
  void name(const char* section, const std::vector<T>& all, std::size_t i) {
    const std::string path = section + ("[" + std::to_string(i) + "].name");
    if (!has(path)) return;
    const std::string& name = all[i].name;
    if (!is_name(name)) {
      return refuse(path, std::string(section) +
                              ".name takes letters, digits, \"-\", \"_\" and \".\", 60 at most, "
                              "not \"" +
                              base::printable(name, 60) + "\"");
    }
    for (std::size_t n = 0; n < i; ++n) {
      if (all[n].name == name)
        return refuse(path, "there is another " + std::string(section) + " \"" + name +
                                "\" in line " + line_of(section, n));
    }
  }

  std::string line_of(const char* section, std::size_t i) {
    return std::to_string(loaded().origins[section + ("[" + std::to_string(i) + "]")].line);
  }

  void source(std::size_t i) {
    Source& v = settings_.source[i];
    const std::string path = "source[" + std::to_string(i) + "]";
    name("source", settings_.source, i);
    address(path + ".ipv4", v.ipv4, true, true);
    address(path + ".ipv6", v.ipv6, false, true);
    address(path + ".public_ipv4", v.public_ipv4, true, false);
    address(path + ".public_ipv6", v.public_ipv6, false, false);
    if (v.public_ipv4 && !v.ipv4)
      refuse(path + ".public_ipv4", "source.public_ipv4 has no effect without source.ipv4");
    if (v.public_ipv6 && !v.ipv6)
      refuse(path + ".public_ipv6", "source.public_ipv6 has no effect without source.ipv6");
    taken(path + ".ipv4", i, &Source::ipv4);
    taken(path + ".ipv6", i, &Source::ipv6);
    families(path + ".families", v);
    reverse_name(path, v);
    hop(path, v);
    if (v.hostname.empty()) {
      v.hostname = settings_.node.hostname;
    } else if (!is_host_name(v.hostname) || v.hostname.find('.') == std::string::npos) {
      refuse(path + ".hostname", "source.hostname takes a host name with its domain, not \"" +
                                     base::printable(v.hostname, 60) + "\"");
    }
  }

  void address(const std::string& path, const std::optional<net::Address>& value, bool is_v4,
               bool is_local) {
    if (!value) return;
    if (value->is_v4() != is_v4) {
      return refuse(path, without_index(path) + " takes an " + (is_v4 ? "IPv4" : "IPv6") +
                              " address, not \"" + value->to_string() + "\"");
    }
    if (value->is_unspecified() || value->is_multicast()) {
      return refuse(path, without_index(path) + ": nothing can be sent from " + value->to_string());
    }
    if (!is_local && net::scope_of(*value) != net::Scope::Public) {
      warn(path, without_index(path) + ": " + value->to_string() +
                     " is no public address; others never see it");
    }
  }

  /// Two names for one address are one reputation under two names.
  void taken(const std::string& path, std::size_t i, std::optional<net::Address> Source::*member) {
    const auto& value = settings_.source[i].*member;
    if (!value) return;
    for (std::size_t n = 0; n < i; ++n) {
      if (settings_.source[n].*member != value) continue;
      return refuse(path, without_index(path) + ": the source of line " + line_of("source", n) +
                              " has " + value->to_string() + " already");
    }
  }

  void reverse_name(const std::string& path, const Source& v) {
    if (!v.ipv6) {
      if (has(path + ".ipv6_ptr"))
        refuse(path + ".ipv6_ptr", "source.ipv6_ptr has no effect without source.ipv6");
      return;
    }
    const net::Address& seen = v.public_ipv6 ? *v.public_ipv6 : *v.ipv6;
    if (v.ipv6_ptr == PtrNeed::Ignore || net::scope_of(seen) == net::Scope::Public) return;
    warn(path + ".ipv6", "source.ipv6: " + seen.to_string() +
                             " is no public address; unless a PTR record names the source it is "
                             "never used, but with ipv6_ptr = \"ignore\"");
  }

  void hop(const std::string& path, Source& v) {
    if (v.socks5 && v.haproxy)
      refuse(path + ".haproxy", "source.haproxy: the source has a SOCKS5 proxy already");
    for (const auto& [key, at] : {std::pair{".socks5", v.socks5}, {".haproxy", v.haproxy}}) {
      if (at && (at->port == 0 || at->address.is_unspecified() || at->address.is_multicast()))
        refuse(path + key, "source" + std::string(key) + ": there is nothing to connect to at " +
                               net::format_endpoint(*at));
    }
    if (v.haproxy && !v.ipv4 && !v.ipv6)
      refuse(path + ".haproxy",
             "source.haproxy needs source.ipv4 or source.ipv6, which it is told "
             "to leave from");
    const bool has_name = !v.username.empty(), has_file = !v.password_file.empty();
    if (!v.socks5 && (has_name || has_file)) {
      const char* key = has_name ? ".username" : ".password_file";
      return refuse(path + key,
                    "source" + std::string(key) + " has no effect without source.socks5");
    }
    if (has_name != has_file) {
      return refuse(path + (has_name ? ".username" : ".password_file"),
                    has_name ? "source.username has no effect without source.password_file"
                             : "source.password_file has no effect without source.username");
    }
    if (!has_name) return;
    if (v.username.size() > net::kSocks5LoginOctetsMax)
      refuse(path + ".username", "source.username has over 255 octets (RFC 1929)");
    auto password = secret(path + ".password_file", v.password_file);
    if (!password) return;
    if (password->size() > net::kSocks5LoginOctetsMax)
      return refuse(path + ".password_file", "the password has over 255 octets (RFC 1929)");
    v.password = std::move(*password);
  }

  void families(const std::string& path, const Source& v) {
    if (!has(path)) return;
    if (v.families.empty()) return refuse(path, "source.families is empty: nothing could be sent");
    std::set<IpFamily> seen;
    for (const IpFamily family : v.families) {
      const bool is_v4 = family == IpFamily::Ipv4;
      const char* word = is_v4 ? "ipv4" : "ipv6";
      if (!seen.insert(family).second)
        return refuse(path, std::string("source.families names ") + word + " twice");
      const bool has_none = is_v4 ? !v.ipv4 : !v.ipv6;
      if (has_none && (v.ipv4 || v.ipv6)) {
        return refuse(path, std::string("source.families names ") + word +
                                ", of which the source has no address");
      }
    }
  }

  void pool(std::size_t i) {
    const Pool& v = settings_.pool[i];
    const std::string path = "pool[" + std::to_string(i) + "]";
    name("pool", settings_.pool, i);
    std::vector<std::string> names;
    for (const Source& source : settings_.source) names.push_back(source.name);
    for (const auto& [name, weight] : v.sources) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      refuse(path + ".sources",
             "pool.sources: there is no [[source]] \"" + base::printable(name, 60) + "\"",
             find_nearest(name, names));
    }
    for (std::size_t n = 0; n < i && v.by_name == ByName::No; ++n) {
      if (settings_.pool[n].by_name == ByName::Only || !covers(settings_.pool[n], v)) continue;
      refuse(path, "[[pool]] \"" + base::printable(v.name, 60) +
                       "\" never takes anything: the pool of line " + line_of("pool", n) +
                       " comes first and takes it");
      break;
    }
  }

  /// Whether all that `b` could take is taken by `a`.
  static bool covers(const Pool& a, const Pool& b) {
    const auto list = [](const std::vector<std::string>& wide,
                         const std::vector<std::string>& narrow) {
      if (wide.empty()) return true;
      return !narrow.empty() &&
             std::all_of(narrow.begin(), narrow.end(), [&](const std::string& one) {
               return std::find(wide.begin(), wide.end(), one) != wide.end();
             });
    };
    return list(a.tenants, b.tenants) && list(a.streams, b.streams) && list(a.routes, b.routes);
  }

  void together() {
    const Pool& last = settings_.pool.back();
    const std::string path = "pool[" + std::to_string(settings_.pool.size() - 1) + "]";
    if (last.by_name == ByName::Only) {
      refuse(path + ".by_name",
             "the last [[pool]] is for mail that names it, so all other mail would have nowhere to "
             "leave from: add one without by_name, tenants, streams and routes");
    }
    if (!last.tenants.empty() || !last.streams.empty() || !last.routes.empty()) {
      refuse(path,
             "the last [[pool]] has conditions, so mail for which none holds would have "
             "nowhere to leave from: add one without tenants, streams and routes");
    }
    for (std::size_t i = 0; i < settings_.source.size(); ++i) {
      const std::string& name = settings_.source[i].name;
      const bool is_used =
          std::any_of(settings_.pool.begin(), settings_.pool.end(),
                      [&](const Pool& pool) { return pool.sources.contains(name); });
      if (!is_used)
        warn("source[" + std::to_string(i) + "]", "[[source]] \"" + base::printable(name, 60) +
                                                      "\" is in no pool: nothing leaves from it");
    }
  }

  Settings& settings_;
};

}  // namespace

void validate_egress(Loaded& loaded, const std::set<std::string>& refused,
                     const Surroundings& surroundings) {
  EgressValidator(loaded, refused, surroundings).run();
}

}  // namespace ekiden::config
