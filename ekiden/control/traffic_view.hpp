#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::control {

/// One site, provider, source or tenant as `ekiden top` shows it.
struct TrafficRow {
  delivery::Traffic traffic;
  std::uint64_t ready = 0, in_flight = 0, connections = 0;
  std::vector<std::string> holds;  ///< limits that hold right now, in words
};
using TrafficRows = std::map<std::string, TrafficRow>;

/// Limits of one row that are named.
inline constexpr std::size_t kHoldsMax = 20;

/// What a worker knows of all of them. Queue and connections are a lane's, so tenants have none.
TrafficRows traffic_of(delivery::Dispatcher& there, delivery::TrafficBook::By by);

/// Adds another worker's.
void merge(TrafficRows& rows, const TrafficRows& more);

boost::json::object to_json(const std::string& name, const TrafficRow& row);

}  // namespace ekiden::control
