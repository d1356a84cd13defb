#include "ekiden/control/handlers.hpp"

#include <boost/json/array.hpp>
#include <limits>

#include "ekiden/control/arguments.hpp"
#include "ekiden/control/quarantine_commands.hpp"
#include "ekiden/control/shapes.hpp"

namespace ekiden::control {

namespace json = boost::json;

namespace {

using base::Task;

Problem bad_request(std::string message) {
  return {"bad_request", std::move(message)};
}

/// Waits a while on the worker, so that progress can be told.
Task<int> pause(base::Clock& clock, base::Duration delay) {
  auto begin = [&clock, delay](base::Completion<int> done) {
    clock.call_after(delay, [done = std::move(done)]() mutable { done(0); });
  };
  return base::suspend<int>(std::move(begin));
}

class Commands {
 public:
  Commands(NodeControl& node, base::Clock& clock) : node_(node), clock_(clock) {}

  Task<Answer> status(const Request&, ResponseWriter&) {
    const NodeStatus status = co_await node_.status();
    co_return Answer(to_json(status));
  }

  /// Streams every page, so that a client of a million rows holds none of them here.
  Task<Answer> list(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const Filter filter = arguments.filter();
    std::uint64_t left = arguments.number("limit").value_or(0);
    const bool is_limited = left > 0;
    if (!arguments.ok()) co_return Answer(arguments.problem());
    std::string cursor;
    std::uint64_t shown = 0;
    do {
      const std::size_t count =
          is_limited ? static_cast<std::size_t>(std::min<std::uint64_t>(left, kPageMax)) : kPageMax;
      const Outcome<QueuePage> page = co_await node_.list(filter, cursor, count);
      if (!page) co_return Answer(page.problem);
      for (const QueuedRecipient& recipient : page.value->items) {
        json::object item = to_json(recipient);
        const bool is_heard = co_await writer.item(std::move(item));
        if (!is_heard) co_return Answer(Problem{"interrupted", "the client has gone"});
      }
      shown += page.value->items.size();
      if (is_limited) left -= std::min<std::uint64_t>(left, page.value->items.size());
      cursor = page.value->next;
    } while (!cursor.empty() && !(is_limited && left == 0));
    co_return Answer(json::object{{"shown", shown}, {"more", !cursor.empty()}});
  }

  Task<Answer> summary(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    const Filter filter = arguments.filter();
    const std::string by = arguments.text("by");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    GroupBy group = GroupBy::Site;
    if (by == "domain") {
      group = GroupBy::Domain;
    } else if (by == "tenant") {
      group = GroupBy::Tenant;
    } else if (by == "stream") {
      group = GroupBy::Stream;
    } else if (!by.empty() && by != "site") {
      Problem problem = bad_request("\"by\" takes site, domain, tenant or stream");
      co_return Answer(std::move(problem));
    }
    const QueueSummary summary = co_await node_.summary(filter, group);
    co_return Answer(to_json(summary));
  }

  Task<Answer> explain(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const auto message = arguments.message();
    const auto number = arguments.number("index");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    std::optional<std::uint32_t> index;
    if (number) {
      index = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(*number, std::numeric_limits<std::uint32_t>::max()));
    }
    const auto explanations = co_await node_.explain(*message, index);
    if (!explanations) co_return Answer(explanations.problem);
    for (const Explanation& explanation : *explanations.value) {
      json::object item = to_json(explanation);
      const bool is_heard = co_await writer.item(std::move(item));
      if (!is_heard) break;
    }
    co_return Answer(json::object{{"shown", explanations.value->size()}});
  }

  Task<Answer> show(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    const auto message = arguments.message();
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const Outcome<MessageView> view = co_await node_.show(*message);
    if (!view) co_return Answer(view.problem);
    co_return Answer(to_json(*view.value));
  }

  Task<Answer> act(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const Filter filter = arguments.filter();
    const std::string name = arguments.text("action");
    std::string argument = arguments.text("argument");
    const bool waits = arguments.number("wait").value_or(0) != 0;
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const auto action = parse_action(name);
    if (!action) {
      Problem problem =
          bad_request("\"action\" takes retry, hold, release, bounce, delete or reroute");
      co_return Answer(std::move(problem));
    }
    if (*action == QueueAction::Reroute && argument.empty()) {
      Problem problem = bad_request("reroute needs a next hop");
      co_return Answer(std::move(problem));
    }
    const auto operation = co_await node_.act(*action, filter, argument);
    if (!operation) co_return Answer(operation.problem);
    co_return co_await follow(*operation.value, waits, writer);
  }

  Task<Answer> suspend(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    SuspendScope scope;
    const std::string problem = scope_of(arguments, scope);
    const auto seconds = arguments.number("for_s");
    std::string reason = arguments.text("reason");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    if (!problem.empty()) co_return Answer(bad_request(problem));
    std::optional<base::Time> until;
    constexpr std::uint64_t kYears100 = 86'400ULL * 36'500;
    if (seconds) until = clock_.now() + std::chrono::seconds(std::min(*seconds, kYears100));
    const Outcome<Suspension> suspension = co_await node_.suspend(scope, until, reason);
    if (!suspension) co_return Answer(suspension.problem);
    co_return Answer(to_json(*suspension.value));
  }

  Task<Answer> resume(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    SuspendScope scope;
    const std::string problem = scope_of(arguments, scope);
    if (!arguments.ok()) co_return Answer(arguments.problem());
    if (!problem.empty()) co_return Answer(bad_request(problem));
    const Outcome<Suspension> suspension = co_await node_.resume(scope);
    if (!suspension) co_return Answer(suspension.problem);
    co_return Answer(to_json(*suspension.value));
  }

  Task<Answer> suspensions(const Request&, ResponseWriter&) {
    const std::vector<Suspension> all = co_await node_.suspensions();
    json::array list;
    for (const Suspension& suspension : all) list.push_back(to_json(suspension));
    co_return Answer(json::object{{"suspensions", std::move(list)}});
  }

  Task<Answer> operations(const Request&, ResponseWriter&) {
    json::array list;
    for (const OperationView& view : node_.operations().list()) list.push_back(to_json(view));
    co_return Answer(json::object{{"operations", std::move(list)}});
  }

  Task<Answer> operation(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const std::uint64_t id = arguments.number("operation").value_or(0);
    const bool waits = arguments.number("wait").value_or(0) != 0;
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const std::shared_ptr<Operation> found = node_.operations().find(id);
    if (found == nullptr) co_return Answer(unknown(id));
    co_return co_await follow(found, waits, writer);
  }

  Task<Answer> cancel(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    const std::uint64_t id = arguments.number("operation").value_or(0);
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const std::shared_ptr<Operation> found = node_.operations().find(id);
    if (found == nullptr) co_return Answer(unknown(id));
    if (!found->is_running()) {
      Problem problem{"conflict", "operation " + std::to_string(id) + " has ended already"};
      co_return Answer(std::move(problem));
    }
    found->cancel();
    co_return Answer(to_json(found->view()));
  }

  Task<Answer> reload(const Request&, ResponseWriter&) {
    const Reloaded reloaded = co_await node_.reload();
    json::array messages;
    for (const std::string& message : reloaded.messages) messages.push_back(json::string(message));
    co_return Answer(
        json::object{{"applied", reloaded.is_applied}, {"messages", std::move(messages)}});
  }

  Task<Answer> drain(const Request&, ResponseWriter&) {
    co_await node_.drain();
    co_return Answer(json::object{});
  }

 private:
  static Problem unknown(std::uint64_t id) {
    return {"not_found", "there is no operation " + std::to_string(id)};
  }

  static std::string scope_of(Arguments& arguments, SuspendScope& scope) {
    const auto kind = parse_kind(arguments.text("kind"));
    scope.name = arguments.text("name");
    if (!kind) return "\"kind\" takes site, domain, tenant, stream or source";
    if (scope.name.empty()) return "\"name\" is empty";
    scope.kind = *kind;
    return {};
  }

  /// Tells an operation's progress until it ends, or once.
  Task<Answer> follow(std::shared_ptr<Operation> operation, bool waits, ResponseWriter& writer) {
    constexpr base::Duration kInterval = std::chrono::milliseconds(200);
    // What is over within this needs no progress.
    constexpr base::Duration kWorthTelling = std::chrono::milliseconds(40);
    base::Duration delay = std::chrono::milliseconds(5);
    while (waits && operation->is_running()) {
      co_await pause(clock_, delay);
      if (!operation->is_running()) break;
      if (delay >= kWorthTelling) {
        json::object progress = to_json(operation->view());
        const bool is_heard = co_await writer.item(std::move(progress));
        if (!is_heard) break;  // the operation goes on without its watcher
      }
      delay = std::min(delay * 2, kInterval);
    }
    co_return Answer(to_json(operation->view()));
  }

  NodeControl& node_;
  base::Clock& clock_;
};

}  // namespace

void add_handlers(Server& server, NodeControl& node, base::Clock& clock) {
  const auto commands = std::make_shared<Commands>(node, clock);
  using Method = Task<Answer> (Commands::*)(const Request&, ResponseWriter&);
  const auto add = [&](const char* name, Method method) {
    server.add(name, [commands, method](const Request& request, ResponseWriter& writer) {
      return (*commands.*method)(request, writer);
    });
  };
  add("status", &Commands::status);
  add("queue.list", &Commands::list);
  add("queue.summary", &Commands::summary);
  add("queue.explain", &Commands::explain);
  add("queue.act", &Commands::act);
  add("queue.suspend", &Commands::suspend);
  add("queue.resume", &Commands::resume);
  add("queue.suspensions", &Commands::suspensions);
  add("message.show", &Commands::show);
  add("operation.list", &Commands::operations);
  add("operation.show", &Commands::operation);
  add("operation.cancel", &Commands::cancel);
  if (QuarantineDesk* const desk = node.quarantine(); desk != nullptr)
    for (const std::string_view name : kQuarantineCommands)
      server.add(std::string(name), quarantine_handler(*desk, name));
  add("reload", &Commands::reload);
  add("drain", &Commands::drain);
}

}  // namespace ekiden::control
