#include "ekiden/api/router.hpp"

#include <algorithm>

#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

std::string_view next_segment(std::string_view& path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

/// How many segments are literal, or nothing when the path is another one.
std::optional<int> fit(std::string_view pattern, std::string_view path, Parameters& found) {
  int literals = 0;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = next_segment(pattern);
    const std::string_view given = next_segment(path);
    if (wanted.starts_with('{')) {
      if (given.empty()) return std::nullopt;
      auto value = base::percent_decoded(given);
      if (!value) return std::nullopt;
      found.add(std::string(wanted.substr(1, wanted.size() - 2)), std::move(*value));
    } else if (wanted == given) {
      ++literals;
    } else {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return literals;
}

std::optional<std::string> query_decoded(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return base::percent_decoded(spaced);
}

}  // namespace

Parameters Parameters::parse(std::string_view query) {
  Parameters parameters;
  while (!query.empty() && parameters.items_.size() < kParametersMax) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty()) continue;
    const std::size_t equals = std::min(item.find('='), item.size());
    auto name = query_decoded(item.substr(0, equals));
    auto value = query_decoded(item.substr(std::min(equals + 1, item.size())));
    if (name && value) parameters.add(std::move(*name), std::move(*value));
  }
  return parameters;
}

std::optional<std::string_view> Parameters::find(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Parameters::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : items_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

void Router::add(Route route) {
  routes_.push_back(std::make_unique<Route>(std::move(route)));
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match best;
  int most = -1;
  for (const auto& route : routes_) {
    Parameters parameters;
    const std::optional<int> literals = fit(route->path, path, parameters);
    if (!literals) continue;
    if (route->method != method) {
      if (std::find(best.allowed.begin(), best.allowed.end(), route->method) == best.allowed.end())
        best.allowed.push_back(route->method);
      continue;
    }
    if (*literals <= most) continue;
    most = *literals;
    best.route = route.get();
    best.parameters = std::move(parameters);
  }
  return best;
}

}  // namespace ekiden::api
