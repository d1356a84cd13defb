#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ekiden/cli/user_commands.hpp"
#include "ekiden/config/settings.hpp"
#include "ekiden/webhook/ledger.hpp"

namespace ekiden::cli {

/// What the commands on webhooks work with, besides the control store.
struct WebhookContext {
  UserContext& user;
  const config::Settings& settings;
  /// Whether a node runs that would do what it is told.
  std::function<bool()> is_node_running;
  std::function<void()> wait_a_little;
};

struct WebhookAddOptions {
  std::string url, tenant = "default", format = "standard";
  std::vector<std::string> kinds, streams;
  std::uint32_t batch = 0;    ///< 0: the format's own
  bool secret_stdin = false;  ///< else one is made, where the format signs
};

struct WebhookSetOptions {
  std::int64_t id = 0;
  std::string url, state;
  std::vector<std::string> kinds, streams;  ///< "all" alone: no filter
  std::uint32_t batch = 0;
  bool skip_waiting = false;
};

struct WebhookRotateOptions {
  std::int64_t id = 0;
  std::string keep = "24h";
  bool secret_stdin = false;
};

struct WebhookReplayOptions {
  std::int64_t id = 0;
  std::string from, until;
};

/// `ekiden webhook …`. Each gives the exit status: 0 done, 1 refused, 2 wrong usage, 3 failed.
int webhook_add(const WebhookAddOptions& options, WebhookContext& context);
int webhook_list(const std::string& tenant, WebhookContext& context);
int webhook_show(std::int64_t id, WebhookContext& context);
int webhook_set(const WebhookSetOptions& options, WebhookContext& context);
int webhook_remove(std::int64_t id, WebhookContext& context);
int webhook_test(std::int64_t id, WebhookContext& context);
int webhook_rotate(const WebhookRotateOptions& options, WebhookContext& context);
int webhook_replay(const WebhookReplayOptions& options, WebhookContext& context);
int webhook_attempts(std::int64_t id, std::size_t count, WebhookContext& context);

}  // namespace ekiden::cli
