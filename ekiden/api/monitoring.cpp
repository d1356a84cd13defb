#include "ekiden/api/monitoring.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <map>

namespace ekiden::api {

namespace {

using Entry = base::Metrics::Entry;

std::string escaped(const std::string& text, bool is_label) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && is_label) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string labels_text(const base::Labels& labels, const std::string& bound = {}) {
  if (labels.empty() && bound.empty()) return {};
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    if (out.size() > 1) out += ',';
    out += name + "=\"" + escaped(value, true) + "\"";
  }
  if (!bound.empty()) out += std::string(out.size() > 1 ? "," : "") + "le=\"" + bound + "\"";
  return out + "}";
}

std::string seconds(double us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", us / 1e6);
  return text;
}

void format_sample(std::string& out, const Entry& entry) {
  const std::string labels = labels_text(entry.labels);
  switch (entry.kind) {
    case base::Metrics::Kind::Counter:
      out += entry.name + labels + " " + std::to_string(entry.counter.value()) + "\n";
      return;
    case base::Metrics::Kind::Gauge:
      out += entry.name + labels + " " + std::to_string(entry.gauge.value()) + "\n";
      return;
    case base::Metrics::Kind::Histogram:
      break;
  }
  // Bucket i holds what is at most 2^i µs; the last one everything above.
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < base::Histogram::kBuckets; ++i) {
    total += entry.histogram.bucket(i);
    const bool is_last = i + 1 == base::Histogram::kBuckets;
    const std::string bound = is_last ? "+Inf" : seconds(static_cast<double>(1ULL << i));
    out += entry.name + "_bucket" + labels_text(entry.labels, bound) + " " + std::to_string(total) +
           "\n";
  }
  out += entry.name + "_sum" + labels + " " +
         seconds(static_cast<double>(entry.histogram.sum_us())) + "\n";
  out += entry.name + "_count" + labels + " " + std::to_string(total) + "\n";
}

const char* kind_text(base::Metrics::Kind kind) {
  switch (kind) {
    case base::Metrics::Kind::Counter:
      return "counter";
    case base::Metrics::Kind::Gauge:
      return "gauge";
    case base::Metrics::Kind::Histogram:
      return "histogram";
  }
  return "untyped";
}

base::Task<HttpResponse> now(HttpResponse response) {
  co_return response;
}

}  // namespace

std::string format_prometheus(const base::Metrics& metrics) {
  // The format wants all samples of one name together; they were asked for in any order.
  std::map<std::string, std::string> families;
  metrics.visit([&](const Entry& entry) {
    std::string& family = families[entry.name];
    if (family.empty()) {
      family = "# HELP " + entry.name + " " + escaped(entry.help, false) + "\n# TYPE " +
               entry.name + " " + kind_text(entry.kind) + "\n";
    }
    format_sample(family, entry);
  });
  std::string out;
  for (const auto& [name, family] : families) out += family;
  return out;
}

std::string format_health(const Health& health) {
  namespace json = boost::json;
  const auto list = [](const std::vector<std::string>& sentences) {
    json::array array;
    for (const std::string& sentence : sentences) array.push_back(json::string(sentence));
    return array;
  };
  return json::serialize(json::object{{"status", health.problems.empty() ? "ok" : "failing"},
                                      {"problems", list(health.problems)},
                                      {"warnings", list(health.warnings)}}) +
         "\n";
}

void add_metrics_route(HttpServer& server, const base::Metrics& metrics,
                       std::function<void()> refresh) {
  server.route("GET", "/metrics", [&metrics, refresh](HttpRequest) {
    if (refresh) refresh();
    HttpResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = format_prometheus(metrics);
    return now(std::move(response));
  });
}

void add_health_route(HttpServer& server, std::function<Health()> health) {
  server.route("GET", "/healthz", [health](HttpRequest) {
    const Health found = health();
    HttpResponse response;
    response.status = found.problems.empty() ? 200 : 503;
    response.content_type = "application/json";
    response.body = format_health(found);
    return now(std::move(response));
  });
}

}  // namespace ekiden::api
