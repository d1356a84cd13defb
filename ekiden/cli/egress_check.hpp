#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/hop.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/network.hpp"

/// What `ekiden doctor egress` looks at. Nothing is sent but a connection, EHLO's silence and QUIT.
namespace ekiden::cli {

enum class Severity : std::uint8_t {
  Fine,
  Note,     ///< worth knowing
  Warning,  ///< some refuse mail for it
  Error,    ///< mail cannot leave, or most refuse it
};
std::string_view severity_name(Severity severity);

/// The same in two languages.
struct Text {
  std::string en, ja;
};

struct Finding {
  Severity severity = Severity::Fine;
  std::string check;    ///< "address", "port", "ptr", "ehlo_name", "spf", "spf_helo"
  std::string source;   ///< of [[source]]; "default" without any
  std::string subject;  ///< the address, host or domain
  Text what;
  Text fix;  ///< empty when there is nothing to do
};

/// A source as it is examined.
struct ExaminedSource {
  std::string name, hostname;
  struct Side {
    std::optional<net::Address> local;  ///< bound here, unless there is a hop; nothing: any
    std::optional<net::Address> seen;   ///< by others; nothing: not known
    bool needs_ptr = false;             ///< it is not used without
  };
  std::vector<Side> sides;  ///< one for each family
  std::shared_ptr<const delivery::Hop> hop;
};

struct EgressCheck {
  std::vector<ExaminedSource> sources;
  std::vector<std::string> domains;  ///< that mail is sent for
  struct Probe {
    std::string host;
    std::uint16_t port = 25;
  };
  std::vector<Probe> probes;
  base::Duration timeout = std::chrono::seconds(10);  ///< of one connection and its greeting
  base::Time now{};
};

inline constexpr std::size_t kExaminedDomainsMax = 1000;
inline constexpr std::size_t kProbesMax = 20;

/// Everything, in the order of the sources. `resolver` and `network` outlive it.
base::Task<std::vector<Finding>> examine_egress(base::Worker& worker, dns::Resolver& resolver,
                                                net::Network& network, EgressCheck check);

}  // namespace ekiden::cli
