#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/webhook/consumer.hpp"

namespace ekiden::webhook {

/// The webhooks of a running node: one Consumer for each that the control store has.
///
/// Nothing here can slow mail down: events are read from the event store's files on the blocking
/// pool, by a cursor of each webhook, and what an endpoint does not take stays there. Memory is
/// bounded by Slots.
///
/// Sharing: its worker, but for the constructor. After its threads have ended it may be destroyed,
/// before the worker's loop is.
class Service {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    net::Network& network;
    dns::Resolver& resolver;
    net::BeginTls begin_tls;
    account::Store& store;
    Ledger& ledger;
    Desk& desk;
    base::Metrics& metrics;
    std::function<Options()> options;
  };
  explicit Service(Parts parts);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void start();
  /// There are new events in the store.
  void wake();
  /// Breaks off what is under way; nothing new begins.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ekiden::webhook
