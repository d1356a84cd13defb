#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/multipart.hpp"

/// What the paths of bulk deliveries share: jobs as blastengine's clients see them.
namespace ekiden::api::blastengine {

/// 423: only a delivery in EDIT may be changed.
Problem locked();

/// A request's JSON and files, whether it is one or a form with a part named data.
struct Given {
  boost::json::object object;
  std::vector<FormPart> files;
  std::optional<Problem> problem;
};
Given read_given(const HttpRequest& request);

/// {"email", "insert_code": [{"key", "value"}]} as a row; nothing, with a finding below `base`.
std::optional<bulk::Row> read_recipient(const boost::json::object& object, const std::string& base,
                                        Findings& findings);

/// What a path does, once for an Idempotency-Key where it changes something.
using Work = base::Task<HttpResponse> (*)(jobs::JobDesk&, std::shared_ptr<Call>);
Endpoint once(jobs::JobDesk& desk, Work work, std::string_view method);

/// A number in the path; 0 when there is none.
std::int64_t number_in(const Call& call, const char* name);
HttpResponse id_response(unsigned status, const char* name, std::int64_t id);

/// The delivery of a number, when it is a bulk one of the caller's tenant.
struct FoundDelivery {
  bulk::Job job;
  std::optional<Problem> problem;
};
base::Task<FoundDelivery> find_delivery(jobs::JobDesk& desk, std::shared_ptr<Call> call,
                                        std::int64_t id);

/// Sends a delivery in EDIT, at a time.
base::Task<std::optional<Problem>> commit_at(jobs::JobDesk& desk, bulk::Job job, base::Time time);

}  // namespace ekiden::api::blastengine
