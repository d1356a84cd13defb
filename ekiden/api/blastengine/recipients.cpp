// Recipients of bulk deliveries: one by one, and as CSV.
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "ekiden/api/blastengine/bulk.hpp"
#include "ekiden/api/blastengine/delivery.hpp"
#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/zip_file.hpp"
#include "ekiden/base/csv.hpp"

namespace ekiden::api::blastengine {
namespace {

namespace json = boost::json;
using bulk::Changed;
using bulk::JobState;
using jobs::JobDesk;

Problem known_already() {
  return invalid_request(
      {{"/email",
        "duplicate",
        {"this address is in the delivery already", "このアドレスは登録済みです"}}});
}

json::object recipient_json(const bulk::Row& row) {
  json::object told{{"email_id", row.id}, {"delivery_id", row.job}};
  json::error_code error;
  const json::value read = json::parse(row.data, error);
  json::array codes;
  if (!error && read.is_object()) {
    told["email"] = text_of(read.get_object(), "to");
    if (const json::object* data = object_of(read.get_object(), "data"))
      for (const auto& [key, value] : *data)
        codes.push_back(json::object{{"key", key}, {"value", text_of(value)}});
  }
  told["insert_code"] = std::move(codes);
  return told;
}

base::Task<HttpResponse> add_email(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundDelivery found = co_await find_delivery(desk, call, number_in(*call, "id"));
  if (!found.problem && found.job.state != JobState::Draft) found.problem = locked();
  const Given given = read_given(call->request);
  if (!found.problem) found.problem = given.problem;
  Findings findings;
  std::optional<bulk::Row> row = read_recipient(given.object, {}, findings);
  if (!found.problem && !row) found.problem = invalid_request(findings.take());
  if (found.problem) co_return tell(*found.problem, call->caller);
  base::Function<Result<std::int64_t>(bulk::Store&)> add =
      [id = found.job.id, row = *row](bulk::Store& store) -> Result<std::int64_t> {
    const auto added = store.add_rows(id, 0, {row});
    if (!added) return added.error();
    if (added->taken == 0) return 0;
    const auto rows = store.find_row(id, row.address);
    if (!rows) return rows.error();
    return *rows ? (*rows)->id : 0;
  };
  const std::optional<std::int64_t> id = co_await desk.ask<std::int64_t>(std::move(add));
  if (id && *id != 0) co_return id_response(201, "email_id", *id);
  const Problem problem = id ? known_already() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

/// A recipient of one of the tenant's deliveries.
struct FoundRow {
  bulk::Row row;
  std::optional<Problem> problem;
};

base::Task<FoundRow> find_row(JobDesk& desk, std::shared_ptr<Call> call) {
  base::Function<Result<std::optional<bulk::Row>>(bulk::Store&)> question =
      [id = number_in(*call, "email")](bulk::Store& store) { return store.row(id); };
  const auto asked = co_await desk.ask<std::optional<bulk::Row>>(std::move(question));
  FoundRow found;
  if (!asked) {
    found.problem = jobs::store_broken();
  } else if (!*asked) {
    found.problem = no_data();
  } else {
    found.row = **asked;
    const FoundDelivery of_job = co_await find_delivery(desk, call, found.row.job);
    found.problem = of_job.problem;
    if (!found.problem && call->request.method != "GET" && of_job.job.state != JobState::Draft)
      found.problem = locked();
  }
  co_return found;
}

base::Task<HttpResponse> email(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundRow found = co_await find_row(desk, call);
  if (found.problem) co_return tell(*found.problem, call->caller);
  if (call->request.method == "GET") co_return json_response(200, recipient_json(found.row));
  std::optional<bulk::Row> row;
  if (call->request.method == "PUT") {
    const Given given = read_given(call->request);
    Findings findings;
    if (!given.problem) row = read_recipient(given.object, {}, findings);
    if (!row) {
      const Problem problem = given.problem ? *given.problem : invalid_request(findings.take());
      co_return tell(problem, call->caller);
    }
    row->id = found.row.id;
  }
  base::Function<Result<Changed>(bulk::Store&)> work = [id = found.row.id,
                                                        row](bulk::Store& store) {
    return row ? store.set_row(*row) : store.remove_row(id);
  };
  const std::optional<Changed> changed = co_await desk.ask<Changed>(std::move(work));
  if (changed && *changed == Changed::Yes) co_return id_response(200, "email_id", found.row.id);
  const Problem problem = changed ? locked() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

base::Task<HttpResponse> import(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundDelivery found = co_await find_delivery(desk, call, number_in(*call, "id"));
  if (!found.problem && found.job.state != JobState::Draft) found.problem = locked();
  const Given given = read_given(call->request);
  if (!found.problem) found.problem = given.problem;
  if (!found.problem && given.files.empty())
    found.problem = invalid_request(
        {{"/attachments", "required", {"a CSV file is needed", "CSVファイルが必要です"}}});
  if (found.problem) co_return tell(*found.problem, call->caller);
  std::string octets(given.files.front().content);
  bulk::Job job = found.job;
  JobDesk::Imported done =
      co_await desk.take_list(std::move(job), std::move(octets), jobs::ListFormat::Csv);
  if (done.problem) co_return tell(*done.problem, call->caller);
  const json::value* immediate = given.object.if_contains("immediate");
  if (immediate != nullptr && immediate->is_bool() && immediate->get_bool() &&
      done.import->taken > 0) {
    found.job.rows += done.import->taken;
    bulk::Job whole = std::move(found.job);
    const std::optional<Problem> problem = co_await commit_at(desk, std::move(whole), desk.now());
    if (problem) co_return tell(*problem, call->caller);
  }
  co_return id_response(201, "job_id", done.import->id);
}

/// An import of one of the tenant's deliveries, with its errors.
struct FoundImport {
  bulk::Import import;
  std::vector<bulk::ImportError> errors;
  std::optional<Problem> problem;
};

base::Task<FoundImport> find_import(JobDesk& desk, std::shared_ptr<Call> call, bool with_errors) {
  base::Function<Result<FoundImport>(bulk::Store&)> question =
      [id = number_in(*call, "job"), with_errors](bulk::Store& store) -> Result<FoundImport> {
    FoundImport found;
    const auto import = store.find_import(id);
    if (!import) return import.error();
    if (!*import) {
      found.problem = no_data();
      return found;
    }
    found.import = **import;
    if (!with_errors) return found;
    auto errors = store.import_errors(id, 0, bulk::Store::kImportErrorsMax);
    if (!errors) return errors.error();
    found.errors = std::move(*errors);
    return found;
  };
  std::optional<FoundImport> asked = co_await desk.ask<FoundImport>(std::move(question));
  FoundImport found;
  if (!asked) {
    found.problem = jobs::store_broken();
    co_return found;
  }
  found = std::move(*asked);
  if (found.problem) co_return found;
  const FoundDelivery of_job = co_await find_delivery(desk, call, found.import.job);
  found.problem = of_job.problem;
  co_return found;
}

base::Task<HttpResponse> import_status(JobDesk& desk, std::shared_ptr<Call> call) {
  const FoundImport found = co_await find_import(desk, call, false);
  if (found.problem) co_return tell(*found.problem, call->caller);
  const bulk::Import& import = found.import;
  json::value url = nullptr;
  if (import.refused > 0)
    url = "/api/v1/deliveries/-/emails/import/" + std::to_string(import.id) + "/errorinfo/download";
  co_return json_response(200, json::object{{"job_id", import.id},
                                            {"percentage", import.is_done ? 100 : 0},
                                            {"status", import.is_done ? "FINISHED" : "IMPORTING"},
                                            {"success_count", import.taken},
                                            {"failed_count", import.refused},
                                            {"total_count", import.taken + import.refused},
                                            {"error_file_url", url}});
}

base::Task<HttpResponse> import_errors(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundImport found = co_await find_import(desk, call, true);
  // Without errors there is no file; blastengine's Node client tells by that.
  if (!found.problem && found.errors.empty()) found.problem = no_data();
  if (found.problem) co_return tell(*found.problem, call->caller);
  std::string csv = "line,email,code,message\r\n";
  for (const bulk::ImportError& error : found.errors)
    csv += std::to_string(error.line) + "," + base::format_csv_field(error.address) + "," +
           error.code + "," + base::format_csv_field(error.text) + "\r\n";
  base::Function<std::string()> work = [csv = std::move(csv)] {
    return zip_of({{"errors.csv", csv}});
  };
  HttpResponse response;
  response.body = co_await base::run_on<std::string>(desk.sender().pool(), desk.sender().worker(),
                                                     std::move(work));
  response.content_type = "application/zip";
  co_return response;
}

}  // namespace

void add_recipient_routes(Frame& frame, JobDesk& desk) {
  const auto add = [&](const char* method, const char* path, const char* scope, Work work) {
    frame.add(method, path, Access{scope}, once(desk, work, method));
  };
  constexpr const char* kSend = "messages:send";
  constexpr const char* kRead = "messages:read";
  add("POST", "/api/v1/deliveries/{id}/emails", kSend, add_email);
  add("GET", "/api/v1/deliveries/-/emails/{email}", kRead, email);
  add("PUT", "/api/v1/deliveries/-/emails/{email}", kSend, email);
  add("DELETE", "/api/v1/deliveries/-/emails/{email}", kSend, email);
  add("POST", "/api/v1/deliveries/{id}/emails/import", kSend, import);
  add("GET", "/api/v1/deliveries/-/emails/import/{job}", kRead, import_status);
  add("GET", "/api/v1/deliveries/-/emails/import/{job}/errorinfo/download", kRead, import_errors);
}

}  // namespace ekiden::api::blastengine
