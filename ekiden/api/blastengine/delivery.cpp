#include "ekiden/api/blastengine/delivery.hpp"

#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/strict_json.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::blastengine {

namespace json = boost::json;
using bulk::Changed;
using bulk::JobState;
using jobs::JobDesk;

Problem locked() {
  return make_problem(423, "conflict",
                      {"this delivery cannot be changed now.", "この配信は現在変更できません。"});
}

Given read_given(const HttpRequest& request) {
  Given given;
  if (!base::starts_with_ignoring_case(request.header("content-type"), "multipart/")) {
    JsonBody body = read_json_body(request);
    given.object = std::move(body.object);
    given.problem = std::move(body.problem);
    return given;
  }
  auto parts = parse_form(request.header("content-type"), request.body);
  Text why{"the body is no multipart/form-data", "multipart/form-dataではありません"};
  bool is_fine = parts.has_value();
  for (std::size_t i = 0; is_fine && i < parts->size(); ++i) {
    FormPart& part = (*parts)[i];
    if (part.name == "file") given.files.push_back(std::move(part));
    if (part.name != "data") continue;
    const std::optional<json::value> data = parse_json(part.content, why);
    is_fine = data && data->is_object();
    if (is_fine) given.object = data->get_object();
  }
  if (!is_fine) given.problem = make_problem(400, "not-json", std::move(why));
  return given;
}

std::optional<bulk::Row> read_recipient(const json::object& object, const std::string& base,
                                        Findings& findings) {
  json::object data;
  if (const json::array* codes = array_of(object, "insert_code")) {
    for (const json::value& one : *codes) {
      const json::object* code = one.if_object();
      if (code == nullptr || text_of(*code, "key").empty()) continue;
      data[text_of(*code, "key")] = text_of(*code, "value");
    }
  }
  return jobs::make_row(text_of(object, "email"), {}, std::move(data), {}, base, findings);
}

Endpoint once(JobDesk& desk, Work work, std::string_view method) {
  Endpoint endpoint = [&desk, work](std::shared_ptr<Call> call) {
    return work(desk, std::move(call));
  };
  return method == "GET" ? endpoint : desk.sender().once(std::move(endpoint), tell);
}

std::int64_t number_in(const Call& call, const char* name) {
  const auto number = base::parse_u64(call.path.get(name));
  return number && *number <= INT64_MAX ? static_cast<std::int64_t>(*number) : 0;
}

HttpResponse id_response(unsigned status, const char* name, std::int64_t id) {
  return json_response(status, json::object{{name, id}});
}

base::Task<FoundDelivery> find_delivery(JobDesk& desk, std::shared_ptr<Call> call,
                                        std::int64_t id) {
  JobDesk::Found asked = co_await desk.find(std::move(call), id);
  FoundDelivery found;
  if (asked.is_broken) {
    found.problem = jobs::store_broken();
  } else if (!asked.job || asked.job->origin == bulk::Origin::Batch) {
    found.problem = no_data();
  } else {
    found.job = std::move(*asked.job);
  }
  co_return found;
}

base::Task<std::optional<Problem>> commit_at(JobDesk& desk, bulk::Job job, base::Time time) {
  if (job.state != JobState::Draft) co_return locked();
  if (job.rows == 0)
    co_return invalid_request(
        {{"/to", "required", {"the delivery has no recipients", "宛先がありません"}}});
  base::Function<Result<Changed>(bulk::Store&)> question = [id = job.id, time,
                                                            at = desk.now()](bulk::Store& store) {
    return store.commit(id, time, at);
  };
  const std::optional<Changed> done = co_await desk.ask<Changed>(std::move(question));
  if (!done) co_return jobs::store_broken();
  if (*done == Changed::No) co_return locked();
  desk.desk().nudge();
  co_return std::nullopt;
}

}  // namespace ekiden::api::blastengine
