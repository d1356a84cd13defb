// /v3/mail/batch, /v3/user/scheduled_sends. What is said of a batch is in the control store before
// the answer; the dispatcher asks for it when a message's turn comes. So it holds for mail of any
// time and over any restart, and can be taken back until then.
#include <boost/json/array.hpp>

#include "ekiden/account/scheduled_send.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using account::ScheduledSend;
using account::SendStop;
using admin::QueueDesk;

json::object describe(const ScheduledSend& send) {
  // While what was held is being released it is still a pause.
  const SendStop told = send.stop == SendStop::Cancel ? SendStop::Cancel : SendStop::Pause;
  return {{"batch_id", send.batch}, {"status", account::name_of(told)}};
}

Problem no_stop() {
  return make_problem(404, "no-such-object",
                      {"There is no cancel or pause of this batch.",
                       "このバッチはキャンセルも一時停止もされていません。"});
}

/// `status` of a body: cancel or pause.
std::optional<SendStop> read_status(const json::object& body, std::optional<Problem>& problem) {
  const auto stop = account::parse_send_stop(text_of(body, "status"));
  if (stop && *stop != SendStop::Resuming) return stop;
  problem = bad_request(
      "status", {"status must be either cancel or pause", "statusはcancelかpauseのどちらかです"});
  return std::nullopt;
}

Answer make_batch(StoreCall& on) {
  return Answer(json_response(
      201, json::object{{"batch_id", account::make_send_batch(on.now(), on.random)}}));
}

Answer check_batch(StoreCall& on) {
  const std::string batch(on.call.path.get("batch"));
  if (!account::is_live_send_batch(batch, on.now()))
    return bad_request("batch_id", {"invalid batch id", "batch_idが正しくありません"});
  return json::object{{"batch_id", batch}};
}

Answer list(StoreCall& on) {
  const std::string batch(on.call.path.find("batch").value_or(""));
  const auto sends = on.store.scheduled_sends(on.caller().tenant(), batch);
  if (!sends) return problem_of(sends.error(), "scheduled sends");
  if (!batch.empty() && sends->empty()) return no_stop();
  json::array items;
  for (const ScheduledSend& send : *sends) items.push_back(describe(send));
  return json_list(200, items);
}

Answer create(StoreCall& on) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  std::optional<Problem> problem;
  const auto stop = read_status(body.object, problem);
  if (!stop) return *problem;
  ScheduledSend send{on.caller().tenant(), text_of(body.object, "batch_id"), *stop, on.now()};
  if (!account::send_batch_time(send.batch))
    return bad_request("batch_id", {"invalid batch id", "batch_idが正しくありません"});
  const auto added = on.store.add_scheduled_send(send, on.author);
  if (added) return Answer(json_response(201, describe(send)));
  if (added.error() == account::Errc::DuplicateName)
    return bad_request("batch_id",
                       {"a status for this batch id exists, try PATCH to update the status",
                        "このbatch_idには既に状態があります。PATCHで変更してください"});
  return problem_of(added.error(), "scheduled sends");
}

/// Another status for the batch of the path.
Answer set_stop(StoreCall& on, SendStop stop) {
  const ScheduledSend send{on.caller().tenant(), std::string(on.call.path.get("batch")), stop, {}};
  const auto set = on.store.set_scheduled_send(send, on.author);
  if (set) return no_content();
  if (set.error() == account::Errc::NotFound) return no_stop();
  return problem_of(set.error(), "scheduled sends");
}

/// What was held for the batch asks again whether it may go. Written down before it begins: a
/// restart goes on with it.
base::Task<std::optional<Problem>> release_held(QueueDesk& desk, std::shared_ptr<Call> call) {
  using Begun = control::Outcome<std::shared_ptr<control::Operation>>;
  control::Filter filter;
  filter.tenant = call->caller.tenant();
  filter.paused_batch = std::string(call->path.get("batch"));
  NodeDesk::Question<Begun> question = [filter](control::NodeControl& on) {
    return on.act(control::QueueAction::Release, filter, "its batch goes on");
  };
  const auto begun = co_await desk.ask<Begun>(std::move(question));
  if (!begun) co_return admin::node_unavailable();
  if (!*begun) co_return admin::problem_of(begun->problem);
  desk.node()->owners().note((*begun->value)->id(), call->caller.tenant());
  co_return std::nullopt;
}

base::Task<Answer> change(QueueDesk& desk, std::shared_ptr<Call> call) {
  JsonBody body = read_json_body(call->request);
  std::optional<Problem> problem = std::move(body.problem);
  std::optional<SendStop> stop;
  if (!problem) stop = read_status(body.object, problem);
  if (problem) co_return Answer(std::move(*problem));
  StoreWork work = [stop = *stop](StoreCall& on) { return set_stop(on, stop); };
  Answer answer = co_await desk.store().ask(desk.worker(), call, std::move(work));
  if (answer.problem || *stop != SendStop::Cancel) co_return answer;
  problem = co_await release_held(desk, call);
  if (problem) co_return Answer(std::move(*problem));
  co_return answer;
}

/// The entry goes last: when something fails before, the same request does it again.
base::Task<Answer> remove(QueueDesk& desk, std::shared_ptr<Call> call) {
  StoreWork begin = [](StoreCall& on) { return set_stop(on, SendStop::Resuming); };
  Answer answer = co_await desk.store().ask(desk.worker(), call, std::move(begin));
  if (answer.problem) co_return answer;
  std::optional<Problem> problem = co_await release_held(desk, call);
  if (problem) co_return Answer(std::move(*problem));
  StoreWork end = [](StoreCall& on) -> Answer {
    const auto removed =
        on.store.remove_scheduled_send(on.caller().tenant(), on.call.path.get("batch"));
    if (!removed) return problem_of(removed.error(), "scheduled sends");
    return no_content();
  };
  co_return co_await desk.store().ask(desk.worker(), call, std::move(end));
}

}  // namespace

void add_scheduled_routes(Frame& frame, QueueDesk& desk) {
  const Access send{"messages:send"}, read{"messages:read"}, stop{"messages:cancel"};
  const std::string sends = "/v3/user/scheduled_sends", one = sends + "/{batch}";
  StoreDesk& store = desk.store();
  store.add(frame, "POST", "/v3/mail/batch", send, make_batch, tell);
  store.add(frame, "GET", "/v3/mail/batch/{batch}", send, check_batch, tell);
  store.add(frame, "GET", sends, read, list, tell);
  store.add(frame, "POST", sends, stop, create, tell);
  store.add(frame, "GET", one, read, list, tell);
  const auto handler = [&desk](base::Task<Answer> (*what)(QueueDesk&, std::shared_ptr<Call>)) {
    return [&desk, what](std::shared_ptr<Call> call) { return what(desk, std::move(call)); };
  };
  store.add_handler(frame, "PATCH", one, stop, handler(change), tell);
  store.add_handler(frame, "DELETE", one, stop, handler(remove), tell);
}

}  // namespace ekiden::api::sendgrid
