#include "ekiden/control/tls_report_commands.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/control/arguments.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::control {

namespace json = boost::json;

namespace {

using base::Task;
using tlsreport::Report;

json::object item_of(const Report& report) {
  json::object item{{"domain", report.domain},
                    {"day", base::format_day(report.day)},
                    {"state", tlsreport::state_name(report.state)},
                    {"successes", report.tally.successes()},
                    {"failures", report.tally.failures()}};
  if (!report.id.empty()) item["id"] = report.id;
  if (report.state == tlsreport::State::Waiting) item["due"] = base::format_rfc3339(report.due);
  return item;
}

json::object details_of(const Report& report) {
  json::object item = item_of(report);
  json::array deliveries;
  for (const tlsreport::Delivery& delivery : report.deliveries) {
    json::object one{{"to", delivery.to.target}, {"sent", delivery.is_sent}};
    if (delivery.last != base::Time{}) one["last"] = base::format_rfc3339(delivery.last);
    if (!delivery.problem.empty()) one["problem"] = delivery.problem;
    deliveries.push_back(std::move(one));
  }
  item["deliveries"] = std::move(deliveries);
  item["tries"] = report.tries;
  // As the report itself says it.
  boost::system::error_code error;
  const json::value report_as_sent = json::parse(
      policy::format_tls_report({{}, {}, {}, report.domain, report.day}, report.tally), error);
  if (const json::object* object = report_as_sent.if_object())
    item["policies"] = object->at("policies");
  return item;
}

class Commands {
 public:
  explicit Commands(tlsreport::Reporter* reporter) : reporter_(reporter) {}

  Task<Answer> list(const Request& request, ResponseWriter& writer) {
    return tell(request, writer, false);
  }
  Task<Answer> show(const Request& request, ResponseWriter& writer) {
    return tell(request, writer, true);
  }

  Task<Answer> send(const Request& request, ResponseWriter&) {
    Asked asked = read(request);
    if (asked.problem) co_return Answer(std::move(*asked.problem));
    if (!asked.day) {
      Problem problem{"bad_request", "\"date\" is missing"};
      co_return Answer(std::move(problem));
    }
    const std::size_t count = reporter_->send_day(*asked.day);
    co_return Answer(json::object{{"day", base::format_day(*asked.day)}, {"reports", count}});
  }

 private:
  struct Asked {
    std::string domain;
    std::optional<base::Time> day;
    std::optional<Problem> problem;
  };

  Asked read(const Request& request) const {
    Asked asked;
    Arguments arguments(request.arguments);
    const std::string domain = arguments.text("domain");
    const std::string date = arguments.text("date");
    if (!arguments.ok()) {
      asked.problem = arguments.problem();
    } else if (reporter_ == nullptr) {
      asked.problem =
          Problem{"refused", "there are no reports on TLS: tls_reports.from is not set"};
    } else if (!date.empty()) {
      asked.day = tlsreport::parse_day(date);
      if (!asked.day) asked.problem = Problem{"bad_request", "a date is written like 2026-11-22"};
    }
    const Result<std::string> canonical = smtp::canonical_domain(domain);
    asked.domain = canonical ? *canonical : domain;
    return asked;
  }

  Task<Answer> tell(const Request& request, ResponseWriter& writer, bool is_whole) {
    Asked asked = read(request);
    if (asked.problem) co_return Answer(std::move(*asked.problem));
    const std::vector<Report> reports = reporter_->book().find(asked.domain, asked.day);
    if (is_whole && reports.empty()) {
      Problem problem{"not_found", "nothing is known of " + base::printable(asked.domain, 80)};
      co_return Answer(std::move(problem));
    }
    std::uint64_t shown = 0;
    for (const Report& report : reports) {
      json::object item = is_whole ? details_of(report) : item_of(report);
      const bool is_heard = co_await writer.item(std::move(item));
      if (!is_heard) break;
      ++shown;
    }
    co_return Answer(json::object{{"shown", shown}});
  }

  tlsreport::Reporter* reporter_;
};

}  // namespace

void add_tls_report_handlers(Server& server, tlsreport::Reporter* reporter) {
  const auto commands = std::make_shared<Commands>(reporter);
  using Method = Task<Answer> (Commands::*)(const Request&, ResponseWriter&);
  const auto add = [&](const char* name, Method method) {
    server.add(name, [commands, method](const Request& request, ResponseWriter& writer) {
      return (*commands.*method)(request, writer);
    });
  };
  add("tls_report.list", &Commands::list);
  add("tls_report.show", &Commands::show);
  add("tls_report.send", &Commands::send);
}

}  // namespace ekiden::control
