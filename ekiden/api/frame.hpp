#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/api/router.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::api {

/// The API of one worker: finds who calls, whether they may, and the endpoint, and gives every
/// answer its request id.
///
/// An endpoint is added with `add` before the first request; everything below the `prefix` that
/// has none is a problem 404 or 405. `add_family` gives paths another way to tell problems.
///
/// Sharing: its worker only.
class Frame {
 public:
  struct Parts {
    base::Worker& worker;
    const account::SnapshotSource& accounts;
    const account::HashKey& node_key;
    base::MessageIdSource& ids;
    base::Metrics& metrics;
  };
  explicit Frame(Parts parts);

  void add(std::string method, std::string path, Access access, Endpoint endpoint);
  /// Paths that begin with `prefix` tell problems by `format`; the longest prefix wins.
  void add_family(std::string prefix, FormatProblem format);

  /// Sees every answer to a valid key before it leaves.
  using Finish = std::function<void(const Call& call, HttpResponse& response)>;
  void set_finish(Finish finish) { finish_ = std::move(finish); }

  /// Serves "/v1/*" and the paths of the families from this server. The frame outlives it.
  void serve_from(HttpServer& server);

  /// Before the body is read: a request that nobody may make is refused without it.
  std::optional<HttpResponse> judge(const HttpRequest& head);
  /// What the server refuses by itself, in the form of the path's family.
  HttpResponse refuse_unread(const HttpRequest& head, HttpResponse plain);
  base::Task<HttpResponse> answer(HttpRequest request);

  const Router& router() const { return router_; }
  base::Worker& worker() { return parts_.worker; }

 private:
  struct Found {
    const Route* route = nullptr;
    std::shared_ptr<Call> call;
    std::optional<Problem> problem;
    std::vector<std::string> allowed;
  };
  Found find(HttpRequest request);
  HttpResponse refuse(const std::string& path, const Problem& problem, const Caller& caller) const;
  std::string request_id_of(const HttpRequest& request);

  Parts parts_;
  Router router_;
  std::vector<std::pair<std::string, FormatProblem>> families_;
  Finish finish_;
  base::Counter& requests_;
  base::Counter& refused_;
};

/// A JSON answer.
HttpResponse json_response(unsigned status, const boost::json::object& object);

/// Reads the body as a JSON object, or says which problem it is. `Content-Type` must be
/// application/json, or absent.
struct JsonBody {
  boost::json::object object;
  std::optional<Problem> problem;
};
JsonBody read_json_body(const HttpRequest& request);
/// The same for a body that is an array.
struct JsonList {
  boost::json::array array;
  std::optional<Problem> problem;
};
JsonList read_json_list(const HttpRequest& request);

}  // namespace ekiden::api
