#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "apps/place.hpp"
#include "apps/relay.hpp"
#include "ekiden/tlsreport/reporter.hpp"

namespace ekiden::apps {

/// Reports on TLS in the real process: the book, its file `data_dir/tls-reports.json`, and who
/// sends. Without tls_reports.from there is nothing of it.
///
/// Changes are gathered and written whole, on the pool; what a crash loses is a minute's counts.
/// Sharing: worker 0, but for the constructor, and what `observer` gives.
class TlsReportNode {
 public:
  TlsReportNode(const config::Settings& settings, Place& place, TlsContexts& tls,
                base::Executor& pool, policy::MtaStsBook& policies);

  /// Null where there are no reports.
  policy::TlsObserver observer();
  /// Before the workers run. `relay` outlives it.
  void use(Relay& relay, base::Metrics& metrics);
  /// Null where there are no reports.
  tlsreport::Reporter* reporter() { return reporter_ ? &*reporter_ : nullptr; }
  void start() {
    if (reporter_) reporter_->start();
  }
  void stop() {
    if (reporter_) reporter_->stop();
  }
  /// The threads have ended.
  void abandon() {
    if (reporter_) reporter_->abandon();
  }
  void save_now();

 private:
  void save_soon();

  const config::TlsReports settings_;
  Place& place_;
  TlsContexts& tls_;
  base::Executor& pool_;
  tlsreport::Book book_;
  std::string path_;
  std::atomic<bool> is_changed_{false};
  std::optional<tlsreport::Reporter> reporter_;
};

}  // namespace ekiden::apps
