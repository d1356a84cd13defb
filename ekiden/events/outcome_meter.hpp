#pragma once

#include <string>
#include <unordered_map>

#include "ekiden/base/metrics.hpp"
#include "ekiden/events/codec.hpp"

namespace ekiden::events {

/// Counts events by tenant, stream, provider and outcome, for /metrics. Names past kSeriesMax
/// series are counted as "other": tenants come and go, and a stream's name is a client's choice.
///
/// Sharing: the event writer's thread.
class OutcomeMeter {
 public:
  static constexpr std::size_t kSeriesMax = 2000;
  static constexpr std::size_t kNameOctetsMax = 100;

  explicit OutcomeMeter(base::Metrics& metrics) : metrics_(metrics) {}
  void count(const KeyView& keys);

 private:
  base::Counter& counter(std::string_view tenant, std::string_view stream,
                         std::string_view provider, Kind kind);

  base::Metrics& metrics_;
  std::unordered_map<std::string, base::Counter*> series_;
  std::string key_;
};

}  // namespace ekiden::events
