#pragma once

#include <string>

#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/channel_records.hpp"
#include "ekiden/delivery/neighbours.hpp"

namespace ekiden::apps {

/// Keeps what sources learnt of providers in `data_dir/egress.json`: a rate that took days to find,
/// a ramp that takes weeks.
///
/// Changes are gathered for some seconds, asked of each worker, written whole, on the pool. What a
/// crash loses is learnt again. A file that cannot be read is an alert, and everything is learnt
/// anew: mail goes on.
///
/// Sharing: the constructor before the workers run; the rest worker 0.
class EgressFile {
 public:
  EgressFile(const delivery::Neighbours& neighbours, base::Worker& worker, base::Executor& pool,
             const std::string& data_dir);

  /// At the end, when no thread runs any more.
  void save_now();

 private:
  void save_soon();
  void gather();
  void write(std::vector<delivery::ChannelRecord> records);

  const delivery::Neighbours& neighbours_;
  base::Worker& worker_;
  base::Executor& pool_;
  const std::string path_;
  bool is_waiting_ = false;  ///< a gathering will come
};

}  // namespace ekiden::apps
