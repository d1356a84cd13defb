#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/cli/exit_code.hpp"
#include "ekiden/config/reader.hpp"
#include "ekiden/control/protocol.hpp"
#include "ekiden/dns/unbound_resolver.hpp"
#include "ekiden/rewrite/rules.hpp"

/// The command line of `ekiden`: what can be asked of it, and how it answers.
namespace ekiden::cli {

/// What `spool verify` found.
struct SpoolReport {
  std::uint64_t segments = 0, messages = 0, recipients = 0, octets = 0, quarantined = 0;
  std::vector<std::string> findings;  ///< sentences; empty: all is well
};

/// A result, or why there is none, as a sentence.
template <class T>
struct Found {
  std::optional<T> value;
  std::string problem;
};

/// Sees the items of an answer; false ends it.
using SeeItem = std::function<bool(const boost::json::object&)>;

/// What `rewrite` works with.
struct Rewriting {
  std::shared_ptr<const rewrite::RuleSet> rules;  ///< null: none are configured
  std::function<std::string(std::string_view address)> route_of;
  bool has_own_key = false;  ///< else tokens are made with an example's
  base::Time now{};
};

/// What the program behind the command line does. apps/ekiden.cpp wires them; one that is empty
/// makes its command say that this build lacks it.
struct Hooks {
  /// Runs the relay until it is told to stop; returns its exit code. Reads `loaded.file` again on
  /// reload.
  std::function<int(config::Loaded loaded)> serve;
  /// Opens the spool under its lock. `progress` is told how far it is.
  std::function<Found<SpoolReport>(
      const config::Settings&, const std::function<void(std::uint64_t, std::uint64_t)>& progress)>
      verify_spool;
  /// The rules of a configuration, without a running node.
  std::function<Found<Rewriting>(const config::Settings&)> rewriting;
  /// Answers what needs no running node, under the stores' lock.
  std::function<control::Answer(const config::Settings&, const control::Request&, const SeeItem&)>
      answer_stopped;
  /// What a resolver is made of, by the settings' [dns].
  std::function<dns::UnboundResolver::Options(const config::Settings&)> resolver_options;
};

/// Parses the command line and runs the command. Never throws.
int run(int argc, char** argv, const Hooks& hooks);

}  // namespace ekiden::cli
