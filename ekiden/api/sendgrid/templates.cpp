// /v3/templates: dynamic templates, which are ours under SendGrid's names.
#include <boost/json/array.hpp>

#include "ekiden/api/sendgrid/mail_send.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using account::MailTemplate;
using account::TemplateVersion;
using jobs::TemplateDesk;
using jobs::TemplateStyle;

/// "2026-11-22 09:00:00", as SendGrid writes times here.
std::string time_of(base::Time time) {
  std::string text = base::format_rfc3339(time).substr(0, 19);
  text[10] = ' ';
  return text;
}

json::object show_version(const MailTemplate& made, const TemplateVersion& version) {
  return json::object{{"id", version.id},
                      {"template_id", made.id},
                      {"active", made.active == version.id ? 1 : 0},
                      {"name", version.name},
                      {"subject", version.subject},
                      {"html_content", version.html},
                      {"plain_content", version.text},
                      {"generate_plain_content", false},
                      {"editor", "code"},
                      {"updated_at", time_of(version.changed)}};
}

json::object show(const MailTemplate& made) {
  json::array versions;
  for (const TemplateVersion& one : made.versions) versions.push_back(show_version(made, one));
  return json::object{{"id", made.id},
                      {"name", made.name},
                      {"generation", "dynamic"},
                      {"updated_at", time_of(made.changed)},
                      {"versions", std::move(versions)}};
}

const TemplateStyle& style() {
  static const TemplateStyle kStyle{"html_content", "plain_content", show, show_version, tell};
  return kStyle;
}

/// The list's name depends on whether it is asked for in pages.
base::Task<HttpResponse> list(TemplateDesk& desk, std::shared_ptr<Call> call) {
  const bool is_paged = call->query.find("page_size").has_value();
  HttpResponse response = co_await desk.list(std::move(call), style());
  constexpr std::string_view kOurs = "{\"templates\":";
  if (is_paged && response.status == 200 && response.body.starts_with(kOurs))
    response.body.replace(0, kOurs.size(), "{\"result\":");
  co_return response;
}

}  // namespace

void add_sendgrid_templates(Frame& frame, TemplateDesk& desk) {
  using Method =
      base::Task<HttpResponse> (TemplateDesk::*)(std::shared_ptr<Call>, const TemplateStyle&);
  const auto add = [&](const char* method, const char* path, const char* scope, Method endpoint) {
    Endpoint work = [&desk, endpoint](std::shared_ptr<Call> call) {
      return (desk.*endpoint)(std::move(call), style());
    };
    frame.add(method, path, Access{scope}, std::move(work));
  };
  // Those that make something claim its id with their Idempotency-Key themselves.
  const auto add_once = [&](const char* method, const char* path, const char* scope,
                            Method endpoint) {
    Endpoint work = [&desk, endpoint](std::shared_ptr<Call> call) {
      return (desk.*endpoint)(std::move(call), style());
    };
    frame.add(method, path, Access{scope}, desk.sender().once(std::move(work), style().refuse));
  };
  constexpr const char* kOne = "/v3/templates/{id}";
  constexpr const char* kVersion = "/v3/templates/{id}/versions/{version}";
  frame.add("GET", "/v3/templates", Access{"templates:read"},
            [&desk](std::shared_ptr<Call> call) { return list(desk, std::move(call)); });
  add("POST", "/v3/templates", "templates:write", &TemplateDesk::create);
  add("GET", kOne, "templates:read", &TemplateDesk::show);
  add_once("PATCH", kOne, "templates:write", &TemplateDesk::rename);
  add_once("DELETE", kOne, "templates:write", &TemplateDesk::remove);
  add("POST", "/v3/templates/{id}/versions", "templates:write", &TemplateDesk::put_version);
  add("GET", kVersion, "templates:read", &TemplateDesk::show_version);
  add("PATCH", kVersion, "templates:write", &TemplateDesk::put_version);
  add_once("DELETE", kVersion, "templates:write", &TemplateDesk::remove_version);
  add_once("POST", "/v3/templates/{id}/versions/{version}/activate", "templates:write",
           &TemplateDesk::activate);
}

}  // namespace ekiden::api::sendgrid
