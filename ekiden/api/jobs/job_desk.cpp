#include "ekiden/api/jobs/job_desk.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/base/log.hpp"
#include "ekiden/bulk/job_id.hpp"

namespace ekiden::api::jobs {
namespace {

namespace json = boost::json;

/// Errors that one answer names; the report has them all.
constexpr std::size_t kErrorsTold = 100;

std::string time_or_null(base::Time time) {
  return time == base::Time{} ? std::string() : base::format_rfc3339(time);
}

}  // namespace

void JobDesk::tell(const Error& error) {
  base::log::error("jobs_store", {{"reason", error.message()}});
}

Problem no_such_job() {
  return make_problem(404, "no-such-object",
                      {"This tenant has no such job.", "このテナントにはそのジョブがありません。"});
}

Problem wrong_state(bulk::JobState state) {
  const std::string name(bulk::state_name(state));
  return make_problem(409, "conflict",
                      {"The job is " + name + "; that is not possible now.",
                       "ジョブの状態が" + name + "のため、今はできません。"});
}

Problem store_broken() {
  return unavailable(
      {"The jobs cannot be read or written now.", "現在ジョブを読み書きできません。"});
}

json::object to_json(const bulk::Job& job) {
  const bulk::Counts& counts = job.counts;
  const std::uint64_t begun = counts.accepted + counts.rejected;
  const std::uint64_t ended = counts.ended();
  const bool is_cancelled = job.state == bulk::JobState::Cancelled;
  const std::uint64_t left = job.rows - std::min(job.rows, begun);
  json::object object{{"id", std::to_string(job.id)},
                      {"name", job.name},
                      {"stream", job.stream},
                      {"state", bulk::state_name(job.state)},
                      {"recipients", job.rows},
                      {"created_at", base::format_rfc3339(job.created)},
                      {"changed_at", base::format_rfc3339(job.changed)}};
  for (const auto& [name, time] :
       {std::pair("committed_at", job.committed), std::pair("send_at", job.send_at)}) {
    const std::string text = time_or_null(time);
    object[name] = text.empty() ? json::value(nullptr) : json::value(json::string(text));
  }
  object["message_id"] = job.message == base::MessageId{}
                             ? json::value(nullptr)
                             : json::value(json::string(base::format_message_id(job.message)));
  object["note"] = job.note;
  // What has not begun is cancelled with its job.
  object["counts"] = json::object{{"waiting", is_cancelled ? 0 : left},
                                  {"queued", begun - std::min(begun, ended)},
                                  {"delivered", counts.delivered},
                                  {"bounced", counts.bounced},
                                  {"expired", counts.expired},
                                  {"suppressed", counts.suppressed},
                                  {"cancelled", counts.cancelled + (is_cancelled ? left : 0)},
                                  {"rejected", counts.rejected},
                                  {"deferred", counts.deferred},
                                  {"complained", counts.complained},
                                  {"unsubscribed", counts.unsubscribed},
                                  {"opened", counts.opened}};
  return object;
}

bulk::Job JobDesk::job_of(const Call& call) const {
  const account::Credential& credential = call.caller.key->credential;
  bulk::Job job;
  job.tenant = credential.tenant;
  job.stream = credential.stream;
  job.identity = credential.name;
  job.sender_domains = credential.sender_domains;
  job.client_address = call.caller.address.to_string();
  job.created = now();
  return job;
}

base::Task<JobDesk::Found> JobDesk::find(std::shared_ptr<Call> call, std::int64_t id) {
  base::Function<Result<std::optional<bulk::Job>>(bulk::Store&)> question =
      [id, tenant = call->caller.tenant()](bulk::Store& store) { return store.find(id, tenant); };
  std::optional<std::optional<bulk::Job>> asked =
      co_await ask<std::optional<bulk::Job>>(std::move(question));
  Found found;
  found.is_broken = !asked;
  if (asked) found.job = std::move(*asked);
  co_return found;
}

base::Task<HttpResponse> JobDesk::show_message(std::shared_ptr<Call> call, MessageDesk& desk) {
  const std::optional<base::MessageId> id = base::parse_message_id(call->path.get("id"));
  const bool is_row = id && bulk::is_of_job(*id) && bulk::row_of(*id) != 0;
  HttpResponse response = co_await desk.show(call);
  if (!id || !bulk::is_of_job(*id) || (is_row && response.status != 404)) co_return response;
  base::Function<Result<std::optional<bulk::Job>>(bulk::Store&)> question =
      [message = bulk::job_of(*id)](bulk::Store& store) { return store.find_by_message(message); };
  const std::optional<std::optional<bulk::Job>> asked =
      co_await ask<std::optional<bulk::Job>>(std::move(question));
  const bool is_ours = asked && *asked && (*asked)->tenant == call->caller.tenant();
  if (!is_ours) co_return response;
  const bulk::Job& job = **asked;
  if (!is_row) co_return json_response(200, to_json(job));
  if (bulk::row_of(*id) > job.rows || job.state == bulk::JobState::Done) co_return response;
  const char* const status = job.state == bulk::JobState::Cancelled ? "cancelled" : "waiting";
  json::array recipients;
  recipients.push_back(json::object{{"index", 0},
                                    {"recipient", ""},
                                    {"status", status},
                                    {"attempts", 0},
                                    {"events", json::array()}});
  co_return json_response(200, json::object{{"id", base::format_message_id(*id)},
                                            {"tenant", job.tenant},
                                            {"stream", job.stream},
                                            {"job", std::to_string(job.id)},
                                            {"recipients", std::move(recipients)}});
}

base::Task<std::optional<bulk::JobState>> JobDesk::take_back(bulk::Job job) {
  using bulk::JobState;
  base::Function<Result<std::int64_t>(bulk::Store&)> question =
      [id = job.id, at = now()](bulk::Store& store) -> Result<std::int64_t> {
    // What has not begun is a draft again; the rest is not sent.
    auto moved = store.move(id, {JobState::Scheduled}, JobState::Draft, at);
    if (!moved) return moved.error();
    if (*moved == bulk::Changed::Yes) return static_cast<std::int64_t>(JobState::Draft);
    moved = store.move(id, {JobState::Sending, JobState::Paused}, JobState::Cancelling, at);
    if (!moved) return moved.error();
    return *moved == bulk::Changed::Yes ? static_cast<std::int64_t>(JobState::Cancelling) : -1;
  };
  const std::optional<std::int64_t> state = co_await ask<std::int64_t>(std::move(question));
  if (!state || *state < 0) co_return std::nullopt;
  desk_.nudge();
  co_return static_cast<JobState>(*state);
}

base::Task<JobDesk::Imported> JobDesk::take_list(bulk::Job job, std::string octets,
                                                 ListFormat format) {
  struct Work {
    std::optional<ListImport> import;
    std::string problem;
  };
  auto shared = std::make_shared<Work>();
  Imported done;
  base::Function<Result<std::int64_t>(bulk::Store&)> begin =
      [shared, octets = std::move(octets), format, job,
       at = now()](bulk::Store& store) mutable -> Result<std::int64_t> {
    ListReader reader(std::move(octets), format);
    shared->problem = reader.problem();
    if (!shared->problem.empty()) return 0;
    shared->import.emplace(store, job.id, std::move(reader));
    return shared->import->begin(at);
  };
  const std::optional<std::int64_t> import = co_await ask<std::int64_t>(std::move(begin));
  if (!import) {
    done.problem = store_broken();
    co_return done;
  }
  if (!shared->problem.empty()) {
    done.problem = invalid_request({{"",
                                     "bad_list",
                                     {"the list cannot be read: " + shared->problem,
                                      "リストを読み取れません: " + shared->problem}}});
    co_return done;
  }
  ListImport::Step step = ListImport::Step::More;
  while (step == ListImport::Step::More) {
    base::Function<Result<ListImport::Step>(bulk::Store&)> some = [shared](bulk::Store&) {
      return shared->import->step();
    };
    const std::optional<ListImport::Step> stepped = co_await ask<ListImport::Step>(std::move(some));
    if (!stepped) done.problem = store_broken();
    if (stepped && *stepped == ListImport::Step::NoDraft) done.problem = no_such_job();
    if (done.problem) break;
    step = *stepped;
  }
  if (done.problem) {
    // All of a file or nothing of it. Where the store cannot be written, the next start does this.
    base::Function<Result<int>(bulk::Store&)> drop =
        [id = *import](bulk::Store& store) -> Result<int> {
      const auto dropped = store.drop_import(id);
      if (!dropped) return dropped.error();
      return 0;
    };
    (void)co_await ask<int>(std::move(drop));
    co_return done;
  }
  struct Report {
    std::optional<bulk::Import> import;
    std::vector<bulk::ImportError> errors;
  };
  base::Function<Result<Report>(bulk::Store&)> report =
      [id = *import](bulk::Store& store) -> Result<Report> {
    auto found = store.find_import(id);
    if (!found) return found.error();
    auto errors = store.import_errors(id, 0, kErrorsTold);
    if (!errors) return errors.error();
    return Report{std::move(*found), std::move(*errors)};
  };
  std::optional<Report> told = co_await ask<Report>(std::move(report));
  if (!told || !told->import) {
    done.problem = store_broken();
    co_return done;
  }
  done.import = std::move(told->import);
  done.errors = std::move(told->errors);
  co_return done;
}

base::Task<std::optional<std::int64_t>> JobDesk::order_report(std::shared_ptr<Call> call,
                                                              std::string kind,
                                                              json::object question) {
  bulk::Store::Report report;
  report.tenant = call->caller.tenant();
  report.kind = std::move(kind);
  report.question = json::serialize(question);
  report.created = now();
  base::Function<Result<std::int64_t>(bulk::Store&)> add = [report](bulk::Store& store) {
    return store.add_report(report);
  };
  co_return co_await ask<std::int64_t>(std::move(add));
}

base::Task<JobDesk::Ordered> JobDesk::find_report(std::shared_ptr<Call> call, std::string kind,
                                                  std::int64_t id) {
  using Found = std::optional<bulk::Store::Report>;
  base::Function<Result<Found>(bulk::Store&)> find = [id, tenant = call->caller.tenant(),
                                                      kind = std::move(kind)](bulk::Store& store) {
    return store.find_report(id, tenant, kind);
  };
  const std::optional<Found> found = co_await ask<Found>(std::move(find));
  Ordered ordered;
  ordered.is_broken = !found;
  if (!found || !*found) co_return ordered;
  json::error_code error;
  json::value question = json::parse((*found)->question, error);
  if (!error && question.is_object()) ordered.question = std::move(question.get_object());
  co_return ordered;
}

}  // namespace ekiden::api::jobs
