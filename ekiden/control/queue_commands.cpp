#include "ekiden/control/queue_commands.hpp"

#include <array>

namespace ekiden::control {

namespace {

constexpr std::array<const char*, 6> kActions{"retry",  "hold",   "release",
                                              "bounce", "delete", "reroute"};
constexpr std::array<const char*, 5> kKinds{"site", "domain", "tenant", "stream", "source"};

template <class E, std::size_t N>
std::optional<E> parse(const std::array<const char*, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (name == names[i]) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace

QueueCounts& QueueCounts::operator+=(const QueueCounts& more) {
  queued += more.queued;
  resolving += more.resolving;
  ready += more.ready;
  waiting += more.waiting;
  in_flight += more.in_flight;
  settling += more.settling;
  held += more.held;
  return *this;
}

Problem not_written(const Error& error) {
  return {"unavailable", "it cannot be made to survive a restart: " + error.message()};
}

const char* action_name(QueueAction action) {
  return kActions[static_cast<std::size_t>(action)];
}
std::optional<QueueAction> parse_action(std::string_view name) {
  return parse<QueueAction>(kActions, name);
}
const char* kind_name(SuspendScope::Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}
std::optional<SuspendScope::Kind> parse_kind(std::string_view name) {
  return parse<SuspendScope::Kind>(kKinds, name);
}

}  // namespace ekiden::control
