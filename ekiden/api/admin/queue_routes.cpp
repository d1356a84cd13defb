// /v1/queue: what waits and why; /v1/suspensions.
#include "ekiden/api/admin/queue_routes.hpp"

#include <algorithm>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/control/shapes.hpp"

namespace ekiden::api::admin {

namespace json = boost::json;
using control::Outcome;

Problem problem_of(const control::Problem& problem) {
  const Text text{problem.message, problem.message};
  if (problem.code == "not_found") return make_problem(404, "no-such-object", text);
  if (problem.code == "conflict") return make_problem(409, "conflict", text);
  if (problem.code == "unavailable") return unavailable(text);
  return invalid_request({{"", "bad_value", text}});
}

Problem node_unavailable() {
  return unavailable({"The node cannot be asked now.", "現在ノードに問い合わせられません。"});
}

QueueFilter read_queue_filter(const json::object& object, const Caller& caller,
                              const std::string& base) {
  QueueFilter read;
  std::string why;
  const auto filter = control::filter_from_json(object, why);
  if (!filter) {
    read.problem = invalid_request({{base, "bad_value", {why, why}}});
    return read;
  }
  read.filter = *filter;
  if (caller.is_operator()) return read;
  if (!read.filter.tenant.empty() && read.filter.tenant != caller.tenant()) {
    read.problem = make_problem(
        403, "forbidden",
        {"This API key is another tenant's.", "このAPIキーは別のテナントのものです。"});
  }
  read.filter.tenant = caller.tenant();
  return read;
}

StoreWork note_in_audit(std::string action, std::string subject, std::string detail) {
  return [action = std::move(action), subject = std::move(subject),
          detail = std::move(detail)](StoreCall& on) -> Answer {
    const auto noted = on.store.add_audit(action, subject, detail, on.author);
    if (!noted) return api::problem_of(noted.error(), "audit log");
    return json::object{};
  };
}

namespace {

/// The filter that the query spells, without what is the list's own.
QueueFilter read_query(const Call& call, std::initializer_list<std::string_view> others) {
  json::object object;
  for (const auto& [name, value] : call.query.items()) {
    if (std::find(others.begin(), others.end(), name) != others.end()) continue;
    if (name == "older_than_us") {
      const auto number = base::parse_u64(value);
      if (number) object[name] = *number;
      if (number) continue;
    }
    object[name] = value;
  }
  return read_queue_filter(object, call.caller, "");
}

base::Task<Answer> summary(QueueDesk& desk, std::shared_ptr<Call> call) {
  const QueueFilter read = read_query(*call, {"by"});
  if (read.problem) co_return Answer(*read.problem);
  const std::string_view by = call->query.find("by").value_or("site");
  control::GroupBy group = control::GroupBy::Site;
  if (by == "domain") {
    group = control::GroupBy::Domain;
  } else if (by == "tenant") {
    group = control::GroupBy::Tenant;
  } else if (by == "stream") {
    group = control::GroupBy::Stream;
  } else if (by != "site") {
    Problem problem = bad_parameter(
        "by", {"site, domain, tenant or stream", "site、domain、tenant、streamのいずれかです"});
    co_return Answer(std::move(problem));
  }
  NodeDesk::Question<control::QueueSummary> question = [filter = read.filter,
                                                        group](control::NodeControl& node) {
    return node.summary(filter, group);
  };
  const auto summary = co_await desk.ask<control::QueueSummary>(std::move(question));
  if (!summary) co_return Answer(node_unavailable());
  co_return Answer(control::to_json(*summary));
}

base::Task<Answer> list(QueueDesk& desk, std::shared_ptr<Call> call) {
  const QueueFilter read = read_query(*call, {"limit", "cursor"});
  if (read.problem) co_return Answer(*read.problem);
  const PageAsked asked = read_page(*call);
  if (asked.problem) co_return Answer(*asked.problem);
  using Page = Outcome<control::QueuePage>;
  NodeDesk::Question<Page> question = [filter = read.filter, cursor = asked.cursor,
                                       limit = asked.limit](control::NodeControl& node) {
    return node.list(filter, cursor, limit);
  };
  const auto page = co_await desk.ask<Page>(std::move(question));
  if (!page) co_return Answer(node_unavailable());
  if (!*page) co_return Answer(problem_of(page->problem));
  json::array items;
  for (const control::QueuedRecipient& recipient : page->value->items)
    items.push_back(control::to_json(recipient));
  const std::string& next = page->value->next;
  co_return Answer(json::object{{"recipients", std::move(items)},
                                {"next", next.empty() ? json::value(nullptr) : json::value(next)}});
}

/// Everything that holds each recipient of a message now.
base::Task<Answer> explain(QueueDesk& desk, std::shared_ptr<Call> call) {
  if (auto wrong = check_query(*call, {})) co_return Answer(*wrong);
  const std::string text(call->path.get("id"));
  const auto id = base::parse_message_id(text);
  if (!id) co_return Answer(no_such("message " + text));
  using Explained = Outcome<std::vector<control::Explanation>>;
  NodeDesk::Question<Explained> question = [message = *id](control::NodeControl& node) {
    return node.explain(message, std::nullopt);
  };
  const auto explained = co_await desk.ask<Explained>(std::move(question));
  if (!explained) co_return Answer(node_unavailable());
  // What is not queued, and what is another tenant's, are told alike.
  if (!*explained) {
    Problem problem = problem_of(explained->problem);
    if (problem.status == 404) problem = no_such("message " + text);
    co_return Answer(std::move(problem));
  }
  json::array items;
  for (const control::Explanation& one : *explained->value) {
    if (call->caller.is_operator() || one.recipient.tenant == call->caller.tenant())
      items.push_back(control::to_json(one));
  }
  if (items.empty()) co_return Answer(no_such("message " + text));
  co_return Answer(json::object{{"recipients", std::move(items)}});
}

// Suspensions stop mail of everybody's, so they are operators'.

base::Task<Answer> suspensions(QueueDesk& desk, std::shared_ptr<Call> call) {
  if (auto wrong = check_query(*call, {})) co_return Answer(*wrong);
  using All = std::vector<control::Suspension>;
  NodeDesk::Question<All> question = [](control::NodeControl& node) { return node.suspensions(); };
  const auto all = co_await desk.ask<All>(std::move(question));
  if (!all) co_return Answer(node_unavailable());
  json::array items;
  for (const control::Suspension& one : *all) items.push_back(control::to_json(one));
  co_return Answer(json::object{{"suspensions", std::move(items)}});
}

Text no_kind() {
  return {"site, domain, tenant, stream or source",
          "site、domain、tenant、stream、sourceのいずれかです"};
}

base::Task<Answer> suspend(QueueDesk& desk, std::shared_ptr<Call> call) {
  ReadBody body(call->request);
  if (body.problem) co_return Answer(*body.problem);
  control::SuspendScope scope;
  const auto kind = control::parse_kind(body.fields.required("kind"));
  if (!kind) body.fields.wrong("kind", "bad_value", no_kind());
  scope.kind = kind.value_or(scope.kind);
  scope.name = body.fields.required("name");
  const auto until = body.fields.instant("until", desk.worker().clock.now());
  const std::string reason = body.fields.text("reason").value_or("");
  if (auto wrong = body.finish()) co_return Answer(*wrong);
  const std::string subject = std::string(control::kind_name(scope.kind)) + " " + scope.name;
  StoreWork noting = note_in_audit("queue.suspend", subject, reason);
  Answer noted = co_await desk.store().ask(desk.worker(), call, std::move(noting));
  if (noted.problem) co_return noted;
  using Suspended = Outcome<control::Suspension>;
  NodeDesk::Question<Suspended> question = [scope, until, reason](control::NodeControl& node) {
    return node.suspend(scope, until, reason);
  };
  const auto done = co_await desk.ask<Suspended>(std::move(question));
  if (!done) co_return Answer(node_unavailable());
  if (!*done) co_return Answer(problem_of(done->problem));
  co_return Answer(json_response(201, control::to_json(*done->value)));
}

base::Task<Answer> resume(QueueDesk& desk, std::shared_ptr<Call> call) {
  if (auto wrong = check_query(*call, {"kind", "name"})) co_return Answer(*wrong);
  control::SuspendScope scope;
  const auto kind = control::parse_kind(call->query.get("kind"));
  if (!kind) {
    Problem problem = bad_parameter("kind", no_kind());
    co_return Answer(std::move(problem));
  }
  scope.kind = *kind;
  scope.name = call->query.get("name");
  using Resumed = Outcome<control::Suspension>;
  NodeDesk::Question<Resumed> question = [scope](control::NodeControl& node) {
    return node.resume(scope);
  };
  const auto done = co_await desk.ask<Resumed>(std::move(question));
  if (!done) co_return Answer(node_unavailable());
  if (!*done) co_return Answer(problem_of(done->problem));
  StoreWork noting = note_in_audit(
      "queue.resume", std::string(control::kind_name(scope.kind)) + " " + scope.name, "");
  Answer noted = co_await desk.store().ask(desk.worker(), call, std::move(noting));
  if (noted.problem) co_return noted;
  co_return Answer(control::to_json(*done->value));
}

}  // namespace

void add_queue_routes(Frame& frame, QueueDesk& desk) {
  const Access read{"queue:read"};
  Access operators_read = read, operators_write{"queue:write"};
  operators_read.needs_operator = operators_write.needs_operator = true;
  using Asking = base::Task<Answer> (*)(QueueDesk&, std::shared_ptr<Call>);
  const auto add = [&](const char* method, const char* path, const Access& access, Asking what) {
    desk.store().add_handler(
        frame, method, path, access,
        [&desk, what](std::shared_ptr<Call> call) { return what(desk, std::move(call)); });
  };
  add("GET", "/v1/queue", read, summary);
  add("GET", "/v1/queue/recipients", read, list);
  add("GET", "/v1/queue/messages/{id}", read, explain);
  add("GET", "/v1/suspensions", operators_read, suspensions);
  add("POST", "/v1/suspensions", operators_write, suspend);
  add("DELETE", "/v1/suspensions", operators_write, resume);
}

}  // namespace ekiden::api::admin
