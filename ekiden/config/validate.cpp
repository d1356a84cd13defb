#include "ekiden/config/validate.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "ekiden/base/text.hpp"
#include "ekiden/config/findings.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::config {

namespace {

// A Unix socket's path has 107 octets at most; ours is data_dir and "/control.sock".
constexpr std::size_t kDataDirOctetsMax = 94;
constexpr std::size_t kRecipientFileOctetsMax = 512 * kMiB;

bool is_loopback(const net::Address& address) {
  return net::scope_of(address) == net::Scope::Loopback;
}

/// The last address of a block.
net::Address last_of(const net::AddressBlock& block) {
  const auto fill = [&](auto bytes) {
    for (std::size_t bit = block.prefix; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] | (0x80U >> (bit % 8)));
    }
    return bytes;
  };
  if (block.address.is_v4()) {
    return boost::asio::ip::address_v4(fill(block.address.to_v4().to_bytes()));
  }
  return boost::asio::ip::address_v6(fill(block.address.to_v6().to_bytes()));
}

/// Whether a listener on `a` and one on `b` would want the same connections.
bool collide(const net::Endpoint& a, const net::Endpoint& b) {
  if (a.port == 0 || a.port != b.port || a.address.is_v4() != b.address.is_v4()) return false;
  return a.address == b.address || a.address.is_unspecified() || b.address.is_unspecified();
}

class Validator : private Findings {
 public:
  Validator(Loaded& loaded, const std::set<std::string>& refused, const Surroundings& surroundings)
      : Findings(loaded, refused, surroundings), settings_(loaded.settings) {}

  void run() {
    node();
    for (std::size_t i = 0; i < settings_.listener.size(); ++i) listener(i);
    inbound_domains();
    tls();
    for (std::size_t i = 0; i < settings_.http.size(); ++i) http(i);
    collisions();
    public_url();
    dns();
    file("delivery.trust_store", settings_.delivery.trust_store);
    transport_security();
    time_outs();
    routes();
    retry("retry", settings_.retry);
    for (std::size_t i = 0; i < settings_.route.size(); ++i) {
      const std::string path = "route[" + std::to_string(i) + "].retry";
      if (has(path)) retry(path, settings_.route[i].retry);
    }
    if (settings_.limits.recipients_per_message < 100) {
      warn("limits.recipients_per_message",
           "limits.recipients_per_message is below 100, which RFC 5321 §4.5.3.1.8 asks for");
    }
    if (settings_.listener.empty()) {
      say(Severity::Warning, "listener", "no [[listener]]: nothing takes mail over SMTP");
    }
  }

 private:
  void node() {
    Node& v = settings_.node;
    const bool is_own = v.hostname.empty();
    if (is_own) v.hostname = surroundings().host_name();
    boost::system::error_code error;
    boost::asio::ip::make_address(v.hostname, error);
    const std::string what = is_own ? "the machine's own name, which stands for node.hostname,"
                                    : std::string("node.hostname");
    if (!error) {
      refuse("node.hostname", what + " is an address; the relay needs a name");
    } else if (!is_host_name(v.hostname) || v.hostname.find('_') != std::string::npos) {
      refuse("node.hostname", what + " is no host name: \"" + base::printable(v.hostname, 60) +
                                  "\"; set it like \"relay.example.jp\"");
    } else if (v.hostname.find('.') == std::string::npos) {
      warn("node.hostname",
           what + " has no domain: \"" + v.hostname + "\"; other relays distrust such a greeting");
    }
    if (v.data_dir.empty()) refuse("node.data_dir", "node.data_dir is empty");
    if (v.data_dir.size() > kDataDirOctetsMax) {
      refuse("node.data_dir", "node.data_dir is longer than " + std::to_string(kDataDirOctetsMax) +
                                  " octets: the path of its control socket would not fit");
    }
  }

  bool has_certificate() const {
    return !settings_.tls.certificate.empty() && !settings_.tls.private_key.empty();
  }

  void listener(std::size_t i) {
    const Listener& v = settings_.listener[i];
    const std::string path = "listener[" + std::to_string(i) + "]";
    if (!has(path + ".address") || !has(path + ".service")) return;  // already refused
    const std::string name = "listener " + net::format_endpoint(v.address);
    if (v.tls != ListenerTls::Off && !has_certificate()) {
      refuse(path + ".tls", name +
                                " offers TLS but there is no certificate: set tls.certificate and "
                                "tls.private_key, or tls = \"off\" in this listener");
    }
    if (v.service == Service::Submission && v.tls == ListenerTls::Off &&
        !is_loopback(v.address.address)) {
      refuse(path + ".tls", name +
                                " would take passwords in the clear: set tls = \"starttls\" or "
                                "\"implicit\", or listen on a loopback address");
    }
    networks(path + ".trusted_networks", v.trusted_networks);
    const bool is_relay = v.service == Service::Relay;
    if (!v.trusted_networks.empty() && !is_relay) {
      refuse(path + ".trusted_networks",
             "listener.trusted_networks has no effect here: only service = \"relay\" trusts "
             "networks");
    }
    if (is_relay && v.trusted_networks.empty()) {
      warn(path + ".service",
           name + " has no trusted_networks: only users who log in may relay there");
    }
    for (std::size_t n = 0; n < v.proxy_networks.size(); ++n) {
      if (v.proxy_networks[n].prefix == 0) {
        refuse(path + ".proxy_networks[" + std::to_string(n) + "]",
               "listener.proxy_networks holds the whole world: anybody could claim to be a "
               "trusted client");
      }
    }
    if (!v.client_ca.empty() && v.tls == ListenerTls::Off) {
      refuse(path + ".client_ca", "listener.client_ca has no effect with tls = \"off\"");
    } else {
      file(path + ".client_ca", v.client_ca);
    }
    for (const char* key : {"authentication_results", "dmarc"}) {
      if (v.service == Service::Inbound || !has(path + "." + key)) continue;
      refuse(path + "." + key, "listener." + std::string(key) +
                                   " has no effect here: only mail for our own domains (service = "
                                   "\"inbound\") is evaluated");
    }
    if (!v.authentication_results && has(path + ".dmarc"))
      refuse(path + ".dmarc", "listener.dmarc has no effect here: authentication_results is off");
    if (v.service == Service::Inbound) {
      if (has(path + ".long_lines")) {
        refuse(path + ".long_lines",
               "listener.long_lines has no effect here: mail for our own domains is kept as it is");
      }
      if (settings_.inbound_domain.empty()) {
        refuse(path + ".service",
               name + " is for our own domains, but no [[inbound_domain]] " + "names one");
      }
    }
    word(path + ".tenant", v.tenant);
    word(path + ".stream", v.stream);
  }

  /// Names of tenants and streams stand in commands, URLs and metrics.
  void word(const std::string& path, const std::string& text) {
    const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || base::is_digit(c); };
    const bool is_fine = !text.empty() && text.size() <= 63 && is_plain(text.front()) &&
                         std::all_of(text.begin(), text.end(), [&](char c) {
                           return is_plain(c) || c == '-' || c == '_' || c == '.';
                         });
    if (!is_fine) {
      refuse(path, without_index(path) +
                       " takes 1 to 63 small letters, digits, '-', '_' and '.', not \"" +
                       base::printable(text, 60) + "\"");
    }
  }

  void networks(const std::string& path, const std::vector<net::AddressBlock>& blocks) {
    for (std::size_t n = 0; n < blocks.size(); ++n) {
      const net::AddressBlock& block = blocks[n];
      const std::string at = path + "[" + std::to_string(n) + "]";
      if (block.prefix == 0) {
        refuse(at, "listener.trusted_networks holds the whole world: everybody could relay");
        continue;
      }
      const net::Scope first = net::scope_of(block.address);
      const net::Scope last = net::scope_of(last_of(block));
      if (first == net::Scope::Loopback && last == first) continue;
      if (first == last && (first == net::Scope::Private || first == net::Scope::LinkLocal)) {
        warn(at, "listener.trusted_networks: " + block.text() +
                     " is private: container bridges and NAT make strangers look local");
        continue;
      }
      refuse(at, "listener.trusted_networks: " + block.text() +
                     " is public: strangers could relay; let them log in "
                     "(service = \"submission\")");
    }
  }

  void inbound_domains() {
    std::set<std::string> seen;
    const bool has_listener =
        std::any_of(settings_.listener.begin(), settings_.listener.end(),
                    [](const Listener& l) { return l.service == Service::Inbound; });
    for (std::size_t i = 0; i < settings_.inbound_domain.size(); ++i) {
      InboundDomain& v = settings_.inbound_domain[i];
      const std::string path = "inbound_domain[" + std::to_string(i) + "]";
      if (!has_listener) {
        refuse(path, "[[inbound_domain]] has no effect: no listener has service = \"inbound\"");
      }
      if (has(path + ".name") && !v.name.empty() && !is_host_name(v.name)) {
        refuse(path + ".name",
               "inbound_domain.name is no domain: \"" + base::printable(v.name, 60) + "\"");
      }
      if (!v.name.empty() && !seen.insert(v.name).second) {
        refuse(path + ".name", "inbound_domain \"" + v.name + "\" stands twice");
      }
      if (has(path + ".next_hop") && v.next_hop.kind != NextHop::Kind::Hosts) {
        refuse(path + ".next_hop",
               "inbound_domain.next_hop takes \"host:port\" or a list: our own "
               "domain's MX leads back to us");
      }
      v.check = v.recipients == "any"      ? RecipientCheck::Any
                : v.recipients == "verify" ? RecipientCheck::Verify
                                           : RecipientCheck::List;
      if (v.check == RecipientCheck::List) recipient_list(path + ".recipients", v);
    }
  }

  void recipient_list(const std::string& path, InboundDomain& domain) {
    if (domain.recipients.find('/') == std::string::npos) {
      const std::string nearest = find_nearest(domain.recipients, {"any", "verify"});
      if (!nearest.empty()) {
        return refuse(path,
                      "inbound_domain.recipients takes \"any\", \"verify\" or a file, not \"" +
                          base::printable(domain.recipients, 60) + "\"",
                      nearest);
      }
    }
    const auto text = file(path, domain.recipients, kRecipientFileOctetsMax);
    if (!text) return;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = base::trimmed(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      std::string_view entry = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
      entry = base::trimmed(entry);
      if (entry.empty() || entry.front() == '#') continue;
      if (domain.recipient_list.size() == kRecipientListMax) {
        return refuse(path, "\"" + domain.recipients + "\" has more than 10000000 recipients");
      }
      domain.recipient_list.emplace_back(entry);
    }
    std::sort(domain.recipient_list.begin(), domain.recipient_list.end());
  }

  void tls() {
    const Tls& v = settings_.tls;
    if (v.certificate.empty() != v.private_key.empty()) {
      const bool lacks_key = v.private_key.empty();
      refuse(lacks_key ? "tls.certificate" : "tls.private_key",
             lacks_key ? "tls.certificate has no effect without tls.private_key"
                       : "tls.private_key has no effect without tls.certificate");
    }
    file("tls.certificate", v.certificate);
    file("tls.private_key", v.private_key);
  }

  void http(std::size_t i) {
    const Http& v = settings_.http[i];
    const std::string path = "http[" + std::to_string(i) + "]";
    if (!has(path + ".address")) return;
    const std::string name = "http " + net::format_endpoint(v.address);
    if (v.tls == HttpTls::Implicit && !has_certificate()) {
      refuse(path + ".tls", name +
                                " offers TLS but there is no certificate: set tls.certificate "
                                "and tls.private_key");
    }
    if (v.tls == HttpTls::Off && net::scope_of(v.address.address) == net::Scope::Public) {
      warn(path + ".address", name + " is public and without TLS");
    }
    for (std::size_t n = 0; n < v.services.size(); ++n) {
      constexpr std::array<std::string_view, 4> kWords = {"api", "metrics", "console", "public"};
      if (v.services[n] != HttpService::Console) continue;
      warn(path + ".services[" + std::to_string(n) + "]",
           "http.services: this build does not serve \"" +
               std::string(kWords.at(static_cast<std::size_t>(v.services[n]))) +
               "\" yet; its paths answer 404");
    }
    if (!v.trusted_proxies.empty() &&
        std::find(v.services.begin(), v.services.end(), HttpService::Api) == v.services.end()) {
      warn(path + ".trusted_proxies",
           "http.trusted_proxies has no effect: only the service \"api\" asks who the client is");
    }
    for (std::size_t n = 0; n < v.trusted_proxies.size(); ++n) {
      if (v.trusted_proxies[n].prefix == 0) {
        refuse(path + ".trusted_proxies[" + std::to_string(n) + "]",
               "http.trusted_proxies holds the whole world: anybody could claim any address");
      }
    }
  }

  void collisions() {
    struct Place {
      std::string path, name;
      net::Endpoint address;
    };
    std::vector<Place> places;
    const auto add = [&](const std::string& list, std::size_t i, const net::Endpoint& address) {
      const std::string path = list + "[" + std::to_string(i) + "].address";
      if (!has(path)) return;
      for (const Place& other : places) {
        if (!collide(other.address, address)) continue;
        refuse(path, list + " " + net::format_endpoint(address) + " collides with the " +
                         other.name + " of line " +
                         std::to_string(loaded().origins.at(other.path).line));
        break;
      }
      places.push_back({path, list + " " + net::format_endpoint(address), address});
    };
    for (std::size_t i = 0; i < settings_.listener.size(); ++i) {
      add("listener", i, settings_.listener[i].address);
    }
    for (std::size_t i = 0; i < settings_.http.size(); ++i)
      add("http", i, settings_.http[i].address);
  }

  void public_url() {
    const std::string& url = settings_.public_.url;
    for (std::size_t i = 0; i < settings_.http.size() && url.empty(); ++i) {
      const auto& services = settings_.http[i].services;
      if (std::find(services.begin(), services.end(), HttpService::Public) != services.end()) {
        refuse("http[" + std::to_string(i) + "].services",
               "this http address serves \"public\", so public.url is needed");
      }
    }
    if (url.empty()) return;
    constexpr std::string_view kScheme = "https://";
    const std::string_view rest =
        url.starts_with(kScheme) ? std::string_view(url).substr(kScheme.size()) : "";
    const std::string_view host = rest.substr(0, rest.find('/'));
    if (!parse_host_port(host)) {
      return refuse("public.url",
                    "public.url takes a URL like \"https://mail.example.jp\", not \"" +
                        base::printable(url, 60) + "\"");
    }
    const bool is_served =
        std::any_of(settings_.http.begin(), settings_.http.end(), [](const Http& http) {
          return std::find(http.services.begin(), http.services.end(), HttpService::Public) !=
                 http.services.end();
        });
    if (!is_served) warn("public.url", "public.url has no effect: no [[http]] serves \"public\"");
  }

  void dns() {
    const Dns& v = settings_.dns;
    if (v.mode == DnsMode::Forward && v.forward.empty()) {
      refuse("dns.mode", "dns.mode = \"forward\" needs dns.forward");
    }
    if (v.mode != DnsMode::Forward && !v.forward.empty()) {
      refuse("dns.forward", "dns.forward has no effect unless dns.mode = \"forward\"");
    }
    if (v.dnssec == Dnssec::Off && !v.trust_anchors.empty()) {
      refuse("dns.trust_anchors", "dns.trust_anchors has no effect with dns.dnssec = \"off\"");
    }
    for (std::size_t i = 0; i < v.trust_anchors.size(); ++i) {
      file("dns.trust_anchors[" + std::to_string(i) + "]", v.trust_anchors[i]);
    }
  }

  void transport_security() {
    const Delivery& v = settings_.delivery;
    if (v.mta_sts == MtaSts::Off && v.mta_sts_port != Delivery().mta_sts_port) {
      warn("delivery.mta_sts_port",
           "delivery.mta_sts_port has no effect with delivery.mta_sts = \"off\"");
    }
  }

  /// RFC 5321 §4.5.3.2: what is shorter gives up on peers that are in their right.
  void time_outs() {
    const auto least = [&](const char* path, Duration value, Duration asked, const char* section) {
      if (value >= asked) return;
      warn(path, std::string(path) + " is below " + format_duration_exact(asked) +
                     ", which RFC 5321 §" + section + " asks for");
    };
    using std::chrono::minutes;
    const Delivery& out = settings_.delivery;
    least("delivery.command_timeout", out.command_timeout, minutes(5), "4.5.3.2");
    least("delivery.data_timeout", out.data_timeout, minutes(3), "4.5.3.2.5");
    least("delivery.final_dot_timeout", out.final_dot_timeout, minutes(10), "4.5.3.2.6");
    const Limits& in = settings_.limits;
    least("limits.command_timeout", in.command_timeout, minutes(5), "4.5.3.2.7");
    least("limits.data_timeout", in.data_timeout, minutes(3), "4.5.3.2.5");
  }

  void routes() {
    std::map<std::string, std::size_t> taken;  // pattern → route
    for (std::size_t i = 0; i < settings_.route.size(); ++i) {
      Route& v = settings_.route[i];
      const std::string path = "route[" + std::to_string(i) + "]";
      for (std::size_t n = 0; n < v.domains.size(); ++n) {
        pattern(path + ".domains[" + std::to_string(n) + "]", v.domains[n], taken);
      }
      for (const std::string& domain : v.domains) taken.emplace(domain, i);
      const bool has_hosts = v.next_hop.kind == NextHop::Kind::Hosts;
      const bool has_hop = has(path + ".next_hop");
      if (has_hop && !has_hosts && !v.username.empty()) {
        refuse(path + ".username", "route.username has no effect without a host in next_hop");
      }
      if (v.username.empty() != v.password_file.empty()) {
        const bool lacks_name = v.username.empty();
        refuse(path + (lacks_name ? ".password_file" : ".username"),
               lacks_name ? "route.password_file has no effect without route.username"
                          : "route.username has no effect without route.password_file");
      }
      const bool is_sent = has_hosts || v.next_hop.kind == NextHop::Kind::Mx;
      for (const char* key : {".tls", ".bdat", ".provider"}) {
        if (has_hop && !is_sent && has(path + key)) {
          refuse(path + key, "route" + std::string(key) + " has no effect: nothing is sent");
        }
      }
      if (has_hop && v.next_hop.kind == NextHop::Kind::Discard && has(path + ".retry")) {
        refuse(path + ".retry", "route.retry has no effect: nothing is sent");
      }
      // RFC 7672 §6.
      if (v.tls == RouteTls::Dane && settings_.delivery.dane == Dane::Off)
        refuse(path + ".tls", "route.tls = \"dane\" cannot be met with delivery.dane = \"off\"");
      if (v.tls == RouteTls::Dane && settings_.dns.dnssec == Dnssec::Off)
        refuse(path + ".tls", "route.tls = \"dane\" cannot be met with dns.dnssec = \"off\"");
      if (v.tls == RouteTls::Off && !v.username.empty()) {
        warn(path + ".tls", "the route's password goes over the network in the clear");
      }
      if (auto text = secret(path + ".password_file", v.password_file)) v.password = *text;
    }
  }

  void pattern(const std::string& path, const std::string& text,
               const std::map<std::string, std::size_t>& taken) {
    std::string_view name = text;
    if (name.starts_with("*.")) name.remove_prefix(2);
    if (text != "*" && !is_host_name(name)) {
      std::string nearest;
      if (text.starts_with('.') && is_host_name(text.substr(1))) nearest = "*" + text;
      if (text.ends_with('.') && is_host_name(text.substr(0, text.size() - 1))) {
        nearest = text.substr(0, text.size() - 1);
      }
      if (const std::size_t at = text.find('@'); at != std::string::npos) {
        nearest = text.substr(at + 1);
      }
      return refuse(path,
                    "route.domains takes domains like \"example.org\", \"*.example.org\" or " +
                        std::string("\"*\", not \"") + base::printable(text, 60) + "\"",
                    nearest);
    }
    if (const auto other = earlier(text, taken)) {
      refuse(path,
             "route.domains: \"" + text + "\" never matches here: the route of line " +
                 std::to_string(loaded().origins["route[" + std::to_string(*other) + "]"].line) +
                 " comes first and takes it");
    }
  }

  /// The earlier route that takes everything that `text` could match.
  static std::optional<std::size_t> earlier(const std::string& text,
                                            const std::map<std::string, std::size_t>& taken) {
    std::vector<std::string> covers = {"*", text};
    std::string_view name = text;
    if (name.starts_with("*.")) name.remove_prefix(2);
    for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
      name.remove_prefix(dot + 1);
      covers.push_back("*." + std::string(name));
    }
    for (const std::string& cover : covers) {
      if (const auto found = taken.find(cover); found != taken.end()) return found->second;
    }
    return std::nullopt;
  }

  void retry(const std::string& path, const Retry& v) {
    const std::string name = without_index(path);
    if (v.max_interval < v.first) {
      refuse(path + ".max_interval",
             name + ".max_interval (" + format_duration_exact(v.max_interval) +
                 ") is shorter than first (" + format_duration_exact(v.first) + ")");
    }
    if (v.delay_notice_after && *v.delay_notice_after >= v.expire_after) {
      refuse(path + ".delay_notice_after",
             name + ".delay_notice_after has no effect: the recipient expires before");
    }
    if (v.time_scale != 1.0) {
      warn(path + ".time_scale", name + ".time_scale is for tests: every wait is scaled");
    }
  }

  Settings& settings_;
};

}  // namespace

void validate(Loaded& loaded, const std::set<std::string>& refused,
              const Surroundings& surroundings) {
  Validator(loaded, refused, surroundings).run();
  validate_egress(loaded, refused, surroundings);
  validate_rewrite(loaded, refused, surroundings);
  validate_identity(loaded, refused, surroundings);
}

}  // namespace ekiden::config
