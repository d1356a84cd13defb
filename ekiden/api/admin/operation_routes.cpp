// /v1/operations: an action on everything that a filter means, its progress, a way to stop it.
#include "ekiden/api/admin/queue_routes.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/control/shapes.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using control::Operation;
using control::QueueAction;

bool may_see(NodeDesk& node, const Caller& caller, std::uint64_t operation) {
  return caller.is_operator() || node.owners().of(operation) == caller.tenant();
}

/// The operation of the path; null when there is none that the caller may see.
std::shared_ptr<Operation> find(NodeDesk& node, const Call& call) {
  const auto id = base::parse_u64(call.path.get("id"));
  if (!id || !may_see(node, call.caller, *id)) return nullptr;
  return node.operations().find(*id);
}

Problem no_operation(const Call& call) {
  return no_such("operation " + std::string(call.path.get("id")));
}

base::Task<Answer> list(QueueDesk& desk, std::shared_ptr<Call> call) {
  NodeDesk* const node = desk.node();
  if (node == nullptr) co_return Answer(node_unavailable());
  if (auto wrong = check_query(*call, {"limit", "cursor"})) co_return Answer(*wrong);
  const PageAsked asked = read_page(*call);
  if (asked.problem) co_return Answer(*asked.problem);
  // Newest first: the cursor is the last id that was shown.
  const std::uint64_t before = base::parse_u64(asked.cursor).value_or(UINT64_MAX);
  json::array items;
  json::value next = nullptr;
  std::uint64_t last = 0;
  for (const control::OperationView& view : node->operations().list()) {
    if (view.id >= before || !may_see(*node, call->caller, view.id)) continue;
    if (items.size() == asked.limit) {
      next = json::string(std::to_string(last));
      break;
    }
    items.push_back(control::to_json(view));
    last = view.id;
  }
  co_return Answer(json::object{{"operations", std::move(items)}, {"next", std::move(next)}});
}

struct Begin {
  QueueAction action = QueueAction::Retry;
  control::Filter filter;
  std::string argument;
  std::optional<Problem> problem;
};

Begin read_begin(const Call& call) {
  Begin begin;
  ReadBody body(call.request);
  if (body.problem) {
    begin.problem = body.problem;
    return begin;
  }
  Fields& fields = body.fields;
  const auto action = control::parse_action(fields.required("action"));
  if (!action)
    fields.wrong("action", "bad_value",
                 {"retry, hold, release, bounce, delete or reroute",
                  "retry、hold、release、bounce、delete、rerouteのいずれかです"});
  begin.action = action.value_or(begin.action);
  begin.argument = fields.text("argument").value_or("");
  const json::object none;
  const json::object* filter = fields.object("filter");
  const bool is_all = fields.flag("all").value_or(false);
  QueueFilter read = read_queue_filter(filter == nullptr ? none : *filter, call.caller, "/filter");
  if ((filter == nullptr || filter->empty()) && !is_all)
    fields.wrong("filter", "required",
                 {"say what is meant, or \"all\": true", "対象、または\"all\": trueが必要です"});
  if (begin.action == QueueAction::Reroute && begin.argument.empty())
    fields.wrong("argument", "required", {"reroute needs a next hop", "転送先が必要です"});
  begin.problem = body.finish();
  if (begin.problem) return begin;
  begin.problem = std::move(read.problem);
  begin.filter = std::move(read.filter);
  // Where mail goes is the operator's: a tenant could reach into its networks.
  if (!begin.problem && begin.action == QueueAction::Reroute)
    begin.problem = check_operator(call.caller);
  return begin;
}

base::Task<Answer> begin(QueueDesk& desk, std::shared_ptr<Call> call) {
  NodeDesk* const node = desk.node();
  if (node == nullptr) co_return Answer(node_unavailable());
  Begin wanted = read_begin(*call);
  if (wanted.problem) co_return Answer(*wanted.problem);
  StoreWork noting = note_in_audit(std::string("queue.") + control::action_name(wanted.action),
                                   control::describe(wanted.filter), wanted.argument);
  Answer noted = co_await desk.store().ask(desk.worker(), call, std::move(noting));
  if (noted.problem) co_return noted;
  using Begun = control::Outcome<std::shared_ptr<Operation>>;
  NodeDesk::Question<Begun> question = [wanted](control::NodeControl& on) {
    return on.act(wanted.action, wanted.filter, wanted.argument);
  };
  const auto begun = co_await desk.ask<Begun>(std::move(question));
  if (!begun) co_return Answer(node_unavailable());
  if (!*begun) co_return Answer(problem_of(begun->problem));
  const std::shared_ptr<Operation>& operation = *begun->value;
  node->owners().note(operation->id(), call->caller.tenant());
  HttpResponse response = json_response(202, control::to_json(operation->view()));
  response.headers.emplace_back("Location", "/v1/operations/" + std::to_string(operation->id()));
  co_return Answer(std::move(response));
}

base::Task<Answer> show(QueueDesk& desk, std::shared_ptr<Call> call) {
  NodeDesk* const node = desk.node();
  if (node == nullptr) co_return Answer(node_unavailable());
  const auto operation = find(*node, *call);
  if (operation == nullptr) co_return Answer(no_operation(*call));
  co_return Answer(control::to_json(operation->view()));
}

base::Task<Answer> cancel(QueueDesk& desk, std::shared_ptr<Call> call) {
  NodeDesk* const node = desk.node();
  if (node == nullptr) co_return Answer(node_unavailable());
  const auto operation = find(*node, *call);
  if (operation == nullptr) co_return Answer(no_operation(*call));
  if (!operation->is_running()) {
    Problem problem = conflict({"The operation has ended already.", "操作は既に終わっています。"});
    co_return Answer(std::move(problem));
  }
  operation->cancel();
  co_return Answer(control::to_json(operation->view()));
}

}  // namespace

void add_operation_routes(Frame& frame, QueueDesk& desk) {
  const Access read{"queue:read"}, write{"queue:write"};
  using Asking = base::Task<Answer> (*)(QueueDesk&, std::shared_ptr<Call>);
  const auto add = [&](const char* method, const char* path, const Access& access, Asking what) {
    desk.store().add_handler(
        frame, method, path, access,
        [&desk, what](std::shared_ptr<Call> call) { return what(desk, std::move(call)); });
  };
  add("GET", "/v1/operations", read, list);
  add("POST", "/v1/operations", write, begin);
  add("GET", "/v1/operations/{id}", read, show);
  add("POST", "/v1/operations/{id}/cancel", write, cancel);
}

}  // namespace ekiden::api::admin
