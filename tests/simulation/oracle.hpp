#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/account/limits.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/config/settings.hpp"
#include "tests/simulation/clients.hpp"
#include "tests/simulation/desk.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {

/// A stretch of time in which something was the matter.
struct Span {
  base::Steady from, until;
};

/// What was done to the relay from outside: what it may be excused for.
struct History {
  base::Steady began{}, healed{}, calm{}, over{};
  std::vector<config::Settings> settings;  ///< all that were in force
  struct Crash {
    base::Steady when;
    bool is_clean = false;  ///< came to its end by itself
    bool is_power_cut = false;
  };
  std::vector<Crash> crashes;
  std::vector<Span> down;          ///< no relay
  std::vector<Span> disk_trouble;  ///< writes or syncs may have failed
  std::vector<Span> lying;         ///< syncs made nothing durable
  std::vector<Span> events_trouble;
  base::Duration jumped{};  ///< of the wall clock, both ways added up
  bool has_bad_network = false, has_bad_peers = false, has_bad_clients = false;
  bool is_paced = false;  ///< by the carrier's limits, each source
  bool has_rot = false;   ///< nothing can be promised of what was damaged
  bool has_operators = false, has_storms = false, has_moving_hosts = false;
  bool has_rewriting = false;
  bool has_protection = false;  ///< DANE and MTA-STS hold
  account::Limits tenant_limits;
  std::set<std::string> suppressed;
  /// Whom a report of another relay says to have failed, after we had delivered to them.
  std::set<std::pair<std::string, std::string>> returned;
  std::set<base::MessageId> archived;
  std::vector<Deletion> deletions;
  /// An operator has last cancelled jobs: of those there were, what had become no message by then
  /// never does.
  base::Steady jobs_cancelled{};
  std::uint64_t memory_most = 0;  ///< octets of messages in memory that no connection excuses
  unsigned clients_most = 0;      ///< sessions that were greeted, at once
  std::map<std::string, unsigned> connections_most;  ///< by site name
  /// What lies on the disk in the end: who is still queued.
  std::set<std::pair<base::MessageId, std::uint32_t>> queued;
  /// The same by subject and address.
  std::set<std::pair<std::string, std::string>> queued_by_name;
};

struct Verdicts {
  std::vector<std::string> findings;
  std::size_t accepted = 0;    ///< recipients
  std::size_t duplicates = 0;  ///< all of them excusable
};

/// Compares what clients were told with what receivers got, what reports said and what is left on
/// the disk. It never asks the relay.
class Oracle {
 public:
  Oracle(const History& history, const Submissions& submissions,
         const std::map<std::string, Site>& sites, const MemorySink& sink);
  Verdicts judge();

 private:
  using Who = std::pair<std::string, std::string>;  ///< token and address
  struct Copy {
    const Receipt* receipt;
    const Site* site;
  };
  struct Report {
    std::string action, status, message_id;
    const Receipt* receipt;
  };
  struct Ends {
    int delivered = 0, failed = 0, expired = 0, cancelled = 0;
    base::Steady begun = base::kNever, last{};
    int all() const { return delivered + failed + expired + cancelled; }
  };

  void find(std::string finding) { verdicts_.findings.push_back(std::move(finding)); }
  void read_receipts();
  void read_report(const Receipt& receipt);
  void read_events();
  void check_content(const Site& site, const Receipt& receipt);
  void check_recipient(const Submission& mail, const std::string& recipient);
  void check_copies(const std::string& what, const std::vector<Copy>& copies, bool* is_certain);
  void check_reports(const Submission& mail, const std::string& recipient, const Ends& ends);
  void check_time(const Submission& mail, const std::string& recipient, const Ends& ends);
  void check_veil(const Site& site, const Receipt& receipt, const Submission& mail);
  void check_tenant();
  void check_deletions();
  void check_urgency();
  void check_limits();
  void check_pace();
  void check_events();
  bool is_excusable(const Receipt& receipt) const;
  /// Nothing that a disk had to keep can be counted on.
  bool was_lying() const;
  base::Duration expire_least() const;
  base::Duration expire_most() const;

  const History& history_;
  const Submissions& submissions_;
  const std::map<std::string, Site>& sites_;
  const MemorySink& sink_;
  std::map<std::string, const Submission*> by_token_;
  std::map<Who, std::vector<Copy>> copies_;
  std::map<Who, std::vector<Report>> reports_;
  std::map<std::string, std::vector<Copy>> report_copies_;  ///< by Message-ID
  std::map<Who, Ends> ends_;
  /// A report to them was deleted by an operator, or failed itself, which nobody is told.
  std::set<std::string> unreported_;
  Verdicts verdicts_;
};

/// "token-…-end" in the subject of a message, or anywhere in it for a report.
std::string token_in(const std::string& octets);

std::string domain_of(const std::string& address);

/// Where mail for a domain may arrive.
const std::map<std::string, std::set<std::string>>& sites_of_domains();

}  // namespace ekiden::simulation
