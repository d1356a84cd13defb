#pragma once

#include <atomic>
#include <string>

#include "ekiden/base/worker.hpp"
#include "ekiden/policy/mta_sts_book.hpp"

namespace ekiden::apps {

/// Keeps the book of MTA-STS policies in `data_dir/mta-sts.json`: a policy binds us over a restart
/// too (RFC 8461 §5.1).
///
/// Changes are gathered for a second and written whole, on the pool. What a crash loses is fetched
/// again. A file that cannot be read is an alert and an empty book: mail goes on.
class MtaStsFile {
 public:
  MtaStsFile(policy::MtaStsBook& book, base::Worker& worker, base::Executor& pool,
             const std::string& data_dir);

  /// At the end, when no thread runs any more.
  void save_now();

 private:
  void save_soon();

  policy::MtaStsBook& book_;
  base::Worker& worker_;
  base::Executor& pool_;
  const std::string path_;
  std::atomic<bool> is_changed_{false};
};

}  // namespace ekiden::apps
