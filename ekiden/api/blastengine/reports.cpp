// Reports that blastengine's clients order and fetch as zip: /errors/list,
// /deliveries/{id}/analysis. An order is what was asked, kept with the jobs; the report is made of
// the event store when it is fetched, so it is always ready, and after a restart too.
#include <boost/json/array.hpp>
#include <map>

#include "ekiden/api/blastengine/delivery.hpp"
#include "ekiden/api/blastengine/query_reader.hpp"
#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/zip_file.hpp"
#include "ekiden/base/csv.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::blastengine {
namespace {

namespace json = boost::json;
using bulk::Store;
using events::Event;
using jobs::JobDesk;
using webhook::japan_time;

/// Lines of one report.
constexpr std::size_t kReportMax = 200'000;

/// What a family of reports is called, in the store and in paths.
struct Kind {
  const char* name;
  const char* path;
  const char* file_field;
};
constexpr Kind kErrors{"errors", "/api/v1/errors/list/", "error_file_url"};
constexpr Kind kAnalysis{"analysis", "/api/v1/deliveries/-/analysis/report/", "mail_open_file_url"};

std::int64_t us_of(const std::optional<base::Time>& time) {
  return time ? base::to_unix_us(*time) : 0;
}

json::object question_of(const LogQuery& query) {
  json::array codes;
  for (const std::uint16_t code : query.codes) codes.push_back(code);
  return json::object{{"email", query.email},
                      {"from_us", us_of(query.from)},
                      {"until_us", us_of(query.until)},
                      {"codes", std::move(codes)}};
}

std::int64_t number_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  json::error_code error;
  const auto number = value != nullptr && value->is_number() ? value->to_number<std::int64_t>(error)
                                                             : std::int64_t{0};
  return error ? 0 : number;
}

LogQuery query_of(const json::object& question, const std::string& tenant) {
  LogQuery query;
  query.tenant = tenant;
  query.email = text_of(question, "email");
  if (const auto us = number_of(question, "from_us")) query.from = base::from_unix_us(us);
  if (const auto us = number_of(question, "until_us")) query.until = base::from_unix_us(us);
  if (const json::array* codes = array_of(question, "codes"))
    for (const json::value& code : *codes)
      if (code.is_int64()) query.codes.push_back(static_cast<std::uint16_t>(code.get_int64()));
  return query;
}

/// Keeps the order; answers with its number.
base::Task<HttpResponse> order(JobDesk& desk, std::shared_ptr<Call> call, const Kind& kind,
                               json::object question) {
  std::string name = kind.name;
  const std::optional<std::int64_t> id =
      co_await desk.order_report(call, std::move(name), std::move(question));
  if (id) co_return id_response(201, "job_id", *id);
  const Problem problem = jobs::store_broken();
  co_return tell(problem, call->caller);
}

/// An order of the caller's tenant, or why there is none.
struct FoundOrder {
  std::int64_t id = 0;
  json::object question;
  std::optional<Problem> problem;
};

base::Task<FoundOrder> find_order(JobDesk& desk, std::shared_ptr<Call> call, const Kind& kind) {
  FoundOrder found;
  found.id = number_in(*call, "id");
  std::string name = kind.name;
  JobDesk::Ordered report = co_await desk.find_report(std::move(call), std::move(name), found.id);
  if (report.question) {
    found.question = std::move(*report.question);
  } else {
    found.problem = report.is_broken ? jobs::store_broken() : no_data();
  }
  co_return found;
}

json::object describe(const FoundOrder& order, const Kind& kind) {
  return json::object{{"job_id", order.id},
                      {"percentage", 100},
                      {"status", "FINISHED"},
                      {kind.file_field, kind.path + std::to_string(order.id) + "/download"}};
}

/// One CSV, packed. With another type blastengine's Node client unpacks nothing.
base::Task<HttpResponse> packed(JobDesk& desk, const char* name, std::string csv) {
  base::Function<std::string()> work = [name, csv = std::move(csv), now = desk.now()]() mutable {
    return zip_of({{name, std::move(csv), now}});
  };
  HttpResponse response;
  response.body = co_await base::run_on<std::string>(desk.sender().pool(), desk.sender().worker(),
                                                     std::move(work));
  response.content_type = "application/zip";
  co_return response;
}

// --- errors

base::Task<HttpResponse> order_errors(JobDesk& desk, std::shared_ptr<Call> call) {
  JsonBody body;
  if (!call->request.body.empty()) body = read_json_body(call->request);
  if (body.problem) co_return tell(*body.problem, call->caller);
  QueryReader reader(call->caller);
  reader.query.email = text_of(body.object, "email");
  reader.time("error_start", text_of(body.object, "error_start"), reader.query.from);
  reader.time("error_end", text_of(body.object, "error_end"), reader.query.until);
  if (const json::array* codes = array_of(body.object, "response_code"))
    for (const json::value& code : *codes) reader.code(text_of(code));
  if (reader.problem) co_return tell(*reader.problem, call->caller);
  json::object question = question_of(reader.query);
  co_return co_await order(desk, std::move(call), kErrors, std::move(question));
}

base::Task<HttpResponse> show_errors(JobDesk& desk, std::shared_ptr<Call> call) {
  const FoundOrder found = co_await find_order(desk, call, kErrors);
  if (found.problem) co_return tell(*found.problem, call->caller);
  co_return json_response(200, describe(found, kErrors));
}

base::Task<HttpResponse> download_errors(EventDesk& events, JobDesk& desk,
                                         std::shared_ptr<Call> call) {
  const FoundOrder found = co_await find_order(desk, call, kErrors);
  if (found.problem) co_return tell(*found.problem, call->caller);
  LogQuery query = query_of(found.question, call->caller.tenant());
  const auto lines =
      co_await find_errors(events, desk.sender().worker(), std::move(query), false, kReportMax);
  if (!lines) co_return tell(too_busy(), call->caller);
  std::string csv = "id,date,email,response_code,error_message\r\n";
  for (const ErrorLine& line : *lines)
    csv += std::to_string(log_id(line.position)) + "," + japan_time(line.time) + "," +
           base::format_csv_field(line.email) + "," +
           (line.code == 0 ? "" : std::to_string(line.code)) + "," +
           base::format_csv_field(line.reply) + "\r\n";
  co_return co_await packed(desk, "error_list.csv", std::move(csv));
}

// --- who has opened a delivery

/// A delivery by its number, as a report finds its mail: the job's messages, or the one message.
base::Task<HttpResponse> order_analysis(JobDesk& desk, std::shared_ptr<Call> call) {
  const std::int64_t id = number_in(*call, "id");
  json::object question{{"delivery_id", id}};
  const FoundDelivery job = co_await find_delivery(desk, call, id);
  if (!job.problem && job.job.message != base::MessageId{}) {
    question["job"] = true;
    question["message"] = base::format_message_id(job.job.message);
    question["from_us"] = base::to_unix_us(job.job.committed);
    co_return co_await order(desk, std::move(call), kAnalysis, std::move(question));
  }
  // Nothing of it was sent yet.
  if (!job.problem) co_return tell(no_data(), call->caller);
  if (job.problem->status != 404) co_return tell(*job.problem, call->caller);
  base::Function<Result<std::optional<Store::Delivery>>(Store&)> find =
      [id, tenant = call->caller.tenant()](Store& store) {
        return store.find_delivery(id, tenant);
      };
  const auto known = co_await desk.ask<std::optional<Store::Delivery>>(std::move(find));
  if (!known || !*known) {
    const Problem problem = known ? no_data() : jobs::store_broken();
    co_return tell(problem, call->caller);
  }
  question["job"] = false;
  question["message"] = base::format_message_id((*known)->message);
  question["from_us"] = base::to_unix_us((*known)->created);
  co_return co_await order(desk, std::move(call), kAnalysis, std::move(question));
}

/// When each recipient opened it first, in that order.
using Opens = std::vector<std::pair<base::Time, std::string>>;

/// Nothing: too many searches are under way.
base::Task<std::optional<Opens>> find_opens(EventDesk& events, base::Worker& worker,
                                            std::string tenant, json::object question) {
  const auto message = base::parse_message_id(text_of(question, "message"));
  if (!message) co_return Opens();
  const json::value* job = question.if_contains("job");
  const bool is_job = job != nullptr && job->is_bool() && job->get_bool();
  events::Query query;
  query.tenant = std::move(tenant);
  query.kind = events::Kind::Opened;
  query.from = base::from_unix_us(number_of(question, "from_us"));
  if (!is_job) query.message = *message;
  using Reader = std::pair<base::MessageId, std::uint32_t>;
  auto seen = std::make_shared<std::map<Reader, std::pair<base::Time, std::string>>>();
  EventDesk::See see = [seen, is_job, message = *message](const events::Stored& stored) {
    const Event& event = stored.event;
    if (is_job && (!bulk::is_of_job(event.message) || bulk::job_of(event.message) != message))
      return true;
    seen->try_emplace({event.message, event.recipient_index}, event.time,
                      webhook::json_text(event.recipient));
    return seen->size() < kReportMax;
  };
  const EventDesk::Scan scan = co_await events.scan(worker, std::move(query), std::move(see));
  if (scan == EventDesk::Scan::Busy) co_return std::nullopt;
  Opens opens;
  for (auto& [reader, open] : *seen) opens.push_back(std::move(open));
  std::sort(opens.begin(), opens.end());
  co_return opens;
}

base::Task<HttpResponse> answer_analysis(EventDesk& events, JobDesk& desk,
                                         std::shared_ptr<Call> call, bool is_download) {
  const FoundOrder found = co_await find_order(desk, call, kAnalysis);
  if (found.problem) co_return tell(*found.problem, call->caller);
  std::string tenant = call->caller.tenant();
  json::object question = found.question;
  const auto opens =
      co_await find_opens(events, desk.sender().worker(), std::move(tenant), std::move(question));
  if (!opens) co_return tell(too_busy(), call->caller);
  if (!is_download) {
    json::object told = describe(found, kAnalysis);
    told["total_count"] = opens->size();
    co_return json_response(200, told);
  }
  std::string csv = "email,open_time\r\n";
  for (const auto& [time, email] : *opens)
    csv += base::format_csv_field(email) + "," + japan_time(time) + "\r\n";
  co_return co_await packed(desk, "mail_open.csv", std::move(csv));
}

}  // namespace

void add_report_routes(Frame& frame, EventDesk& events, JobDesk& desk) {
  const Access read{"messages:read"};
  frame.add("POST", "/api/v1/errors/list", read, once(desk, order_errors, "POST"));
  frame.add("GET", "/api/v1/errors/list/{id}", read,
            [&desk](std::shared_ptr<Call> call) { return show_errors(desk, std::move(call)); });
  frame.add("GET", "/api/v1/errors/list/{id}/download", read,
            [&events, &desk](std::shared_ptr<Call> call) {
              return download_errors(events, desk, std::move(call));
            });
  frame.add("POST", "/api/v1/deliveries/{id}/analysis/report", read,
            once(desk, order_analysis, "POST"));
  for (const bool is_download : {false, true}) {
    const std::string path = std::string(kAnalysis.path) + "{id}";
    frame.add("GET", is_download ? path + "/download" : path, read,
              [&events, &desk, is_download](std::shared_ptr<Call> call) {
                return answer_analysis(events, desk, std::move(call), is_download);
              });
  }
}

}  // namespace ekiden::api::blastengine
