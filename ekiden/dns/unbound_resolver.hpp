#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/dns/error.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::dns {

enum class Mode {
  System,     ///< the servers of resolv.conf, and /etc/hosts
  Forward,    ///< the servers given
  Recursive,  ///< from the root
};

enum class Dnssec {
  Auto,     ///< validate where upstream hands signatures through; else say so and do without
  Require,  ///< validate; an upstream without signatures makes every answer bogus
  Off,
};

/// libunbound behind the Resolver interface: asynchronous, validating, one context per worker.
/// It has no cache that is cheap to ask: put a CachingResolver in front.
///
/// With Dnssec::Auto it asks for the root's keys first. Until that answer, at most
/// `probe_limit`, questions wait. Without signatures only the anchors of `trust_anchors` are
/// used, and the probe is repeated after `probe_interval`.
class UnboundResolver final : public Resolver {
 public:
  struct Options {
    Mode mode = Mode::System;
    std::vector<net::Endpoint> forward;
    Dnssec dnssec = Dnssec::Auto;
    /// Zones and the servers to ask about them. Nothing in them is validated, unless a trust
    /// anchor stands at the zone or above it, the root's aside.
    std::vector<std::pair<std::string, net::Endpoint>> stubs;
    std::vector<std::string> trust_anchors;  ///< files, besides the root's key
    /// Debian's dns-root-data. Where it is missing the keys known at build time are used.
    std::string root_key_file = "/usr/share/dns/root.key";
    std::string resolv_conf = "/etc/resolv.conf";
    std::string hosts = "/etc/hosts";
    base::Duration question_limit = std::chrono::seconds(30);
    base::Duration probe_limit = std::chrono::seconds(3);
    base::Duration probe_interval = std::chrono::minutes(10);
    /// Questions at once; one more is answered Failed.
    std::size_t questions_max = 20'000;
  };

  /// Errors: dns::Errc, after a log line that names the setting. Reads the anchor files.
  static Result<std::unique_ptr<UnboundResolver>> create(base::Worker& worker, Options options);
  ~UnboundResolver() override;

  void resolve(std::string name, Type type, base::Completion<Answer> done) override;

  /// Whether answers below the root are validated just now; false means no DANE.
  bool validates() const;

 private:
  struct State;
  explicit UnboundResolver(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::dns
