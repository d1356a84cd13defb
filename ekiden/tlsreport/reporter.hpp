#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/http_client.hpp"
#include "ekiden/tlsreport/book.hpp"

namespace ekiden::tlsreport {

struct Options {
  std::string from;          ///< tls_reports.from
  std::string contact;       ///< tls_reports.contact
  std::string organization;  ///< tls_reports.organization
  base::Duration delay_max = std::chrono::hours(4);
  std::map<std::string, net::Endpoint> connect_map;  ///< delivery.connect_map
  bool may_use_private = false;                      ///< delivery.private_next_hops
};

/// A report on its way into the spool.
struct OwnMail {
  std::string from, to, octets, detail;
};
/// `done` hears whether it is durable and queued.
using SendMail = std::function<void(OwnMail mail, base::Completion<Result<void>> done)>;

/// Asks domains whether they want reports, behind the back of delivery; ends the UTC days; sends
/// what is due, by mail and HTTPS, and again for a day where it is not taken (RFC 8460 §3, §5).
///
/// Sharing: its worker only.
class Reporter {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;  ///< reports are written and packed there
    net::Network& network;
    dns::Resolver& resolver;
    net::BeginTls begin_tls;
    Book& book;
    SendMail send_mail;
    base::Metrics& metrics;
  };
  Reporter(Parts parts, Options options);
  ~Reporter();

  void start();
  void stop();
  /// The threads have ended.
  void abandon() { tasks_.abandon(); }

  /// There is a new domain in the book: soon it is asked what it wants. On its worker.
  void note_new();
  /// Sends a day's reports now. How many there are.
  std::size_t send_day(base::Time day);
  const Book& book() const { return parts_.book; }

 private:
  void wake();
  base::Task<void> look();
  base::Task<void> discover();
  base::Task<void> send(Report report);
  base::Task<std::string> deliver(const Report& report, policy::TlsReportAddress to);
  base::Task<std::string> post(std::string packed, std::string url);
  base::Task<std::string> mail(const Report& report, policy::TlsReportHead head, std::string packed,
                               std::string to);
  base::Task<std::vector<net::Endpoint>> find_servers(std::string host, std::uint16_t port,
                                                      std::optional<net::Address> literal,
                                                      std::string& problem);
  void arm();

  Parts parts_;
  Options options_;
  std::string submitter_;
  base::TaskGroup tasks_;
  std::shared_ptr<net::Cancellation> cancel_;
  base::TimerId timer_ = base::TimerId::None, soon_ = base::TimerId::None;
  bool is_looking_ = false;
  bool must_look_again_ = false;
  base::Counter& sent_;
  base::Counter& failed_;
};

}  // namespace ekiden::tlsreport
