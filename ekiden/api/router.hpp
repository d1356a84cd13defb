#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/api/caller.hpp"
#include "ekiden/api/http_server.hpp"
#include "ekiden/api/problem.hpp"

namespace ekiden::api {

/// Names and values of a query or a form, percent-decoded, in order.
class Parameters {
 public:
  Parameters() = default;
  /// Past kParametersMax the rest is dropped.
  static Parameters parse(std::string_view query);

  void add(std::string name, std::string value) {
    items_.emplace_back(std::move(name), std::move(value));
  }
  /// The first of this name.
  std::optional<std::string_view> find(std::string_view name) const;
  /// Empty when it is absent.
  std::string_view get(std::string_view name) const { return find(name).value_or(""); }
  std::vector<std::string> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

  static constexpr std::size_t kParametersMax = 200;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

/// One request on its way through an endpoint.
struct Call {
  HttpRequest request;
  Caller caller;
  Parameters path;  ///< of the route's "{name}" segments
  Parameters query;
};

/// Answers one call on the worker where it came. What blocks or takes long belongs to the pool.
using Endpoint = std::function<base::Task<HttpResponse>(std::shared_ptr<Call> call)>;

/// How a family of paths tells its errors: ours (RFC 9457), or as another service does.
using FormatProblem = std::function<HttpResponse(const Problem& problem, const Caller& caller)>;

/// Who may call a route.
struct Access {
  /// Of account::key_scopes(); empty: any valid key.
  std::string scope;
  bool needs_key = true;
  bool needs_operator = false;
};

struct Route {
  std::string method;
  std::string path;  ///< "/v1/messages/{id}/cancel"
  Access access;
  Endpoint endpoint;
};

/// Finds the route of a request: a segment in braces takes any one segment, a literal one wins.
class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    Parameters parameters;
    std::vector<std::string> allowed;  ///< methods of the path, when it has another one
  };
  Match find(std::string_view method, std::string_view path) const;

  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

 private:
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace ekiden::api
