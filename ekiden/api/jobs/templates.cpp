#include "ekiden/api/jobs/templates.hpp"

#include <boost/json/array.hpp>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/bulk/handlebars.hpp"

namespace ekiden::api::jobs {
namespace {

namespace json = boost::json;
using account::MailTemplate;
using account::TemplateVersion;
using bulk::Handlebars;

Problem no_such_template() {
  return make_problem(404, "no-such-object",
                      {"This tenant has no such template, or no such version of it.",
                       "このテナントにはそのテンプレートかバージョンがありません。"});
}

Problem broken(const Error& error) {
  if (error == account::Errc::NotFound) return no_such_template();
  if (error == account::Errc::TooMany)
    return make_problem(
        409, "conflict",
        {"There are too many templates or versions.", "テンプレートかバージョンが多すぎます。"});
  base::log::error("templates_store", {{"reason", error.message()}});
  return unavailable(
      {"The templates cannot be read or written now.", "現在テンプレートを読み書きできません。"});
}

std::string hex_of(base::MessageId id) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(id.high),
                static_cast<unsigned long long>(id.low));
  return text;
}

void check_name(const std::string& name, Findings& findings) {
  if (name.empty() || name.size() > account::kTemplateNameOctetsMax || !is_header_safe(name))
    findings.add("/name", "bad_name",
                 {"1 to 255 octets without control characters",
                  "制御文字を含まない255オクテットまでの名前が必要です"});
}

void check_text(const std::string& text, const std::string& pointer, Findings& findings) {
  bulk::TemplateError error;
  if (!Handlebars::parse(text, error))
    findings.add(pointer, "bad_template",
                 {error.sentence(), std::to_string(error.line) + "行" +
                                        std::to_string(error.column) + "文字目: " + error.text});
}

/// What a request says of a version, over what it is now.
struct ReadVersion {
  std::optional<Problem> problem;
  TemplateVersion version;
  std::string name;  ///< of the template
  bool has_texts = false, is_active = false;
};

ReadVersion read_version(const HttpRequest& request, const TemplateStyle& style,
                         TemplateVersion now) {
  ReadVersion read;
  read.version = std::move(now);
  JsonBody body = read_json_body(request);
  if (body.problem) {
    read.problem = std::move(body.problem);
    return read;
  }
  Findings findings;
  read.name = read_text(body.object, "name", {}, findings).value_or("");
  TemplateVersion& version = read.version;
  const auto take = [&](const char* field, std::string& into) {
    auto text = read_text(body.object, field, {}, findings);
    if (!text) return;
    read.has_texts = true;
    into = std::move(*text);
    check_text(into, std::string("/") + field, findings);
  };
  take("subject", version.subject);
  take(style.html, version.html);
  take(style.text, version.text);
  if (!is_header_safe(version.subject) || version.subject.size() > kSubjectOctetsMax)
    findings.add(
        "/subject", "control_character",
        {"a subject is one line of at most 2000 octets", "件名は1行、2000オクテットまでです"});
  if (const json::value* active = body.object.if_contains("active"))
    read.is_active = (active->is_bool() && active->get_bool()) ||
                     (active->is_int64() && active->get_int64() == 1);
  if (!findings.is_empty()) read.problem = invalid_request(findings.take());
  return read;
}

json::object show_native_version(const MailTemplate& made, const TemplateVersion& version) {
  json::object object{{"id", version.id},
                      {"name", version.name},
                      {"active", made.active == version.id},
                      {"subject", version.subject},
                      {"created_at", base::format_rfc3339(version.created)},
                      {"changed_at", base::format_rfc3339(version.changed)}};
  object["html"] = version.html;
  object["text"] = version.text;
  return object;
}

json::object show_native(const MailTemplate& made) {
  json::array versions;
  for (const TemplateVersion& one : made.versions)
    versions.push_back(show_native_version(made, one));
  return json::object{{"id", made.id},
                      {"name", made.name},
                      {"active", made.active.empty() ? json::value(nullptr)
                                                     : json::value(json::string(made.active))},
                      {"created_at", base::format_rfc3339(made.created)},
                      {"changed_at", base::format_rfc3339(made.changed)},
                      {"versions", std::move(versions)}};
}

const TemplateStyle& native_style() {
  static const TemplateStyle kStyle{"html", "text", show_native, show_native_version, own_problem};
  return kStyle;
}

}  // namespace

std::string template_id(base::MessageId fresh) {
  return "d-" + hex_of(fresh);
}

std::string version_id(base::MessageId fresh) {
  std::string hex = hex_of(fresh);
  for (const std::size_t at : {20UL, 16UL, 12UL, 8UL}) hex.insert(at, 1, '-');
  return hex;
}

std::optional<TemplateVersion> TemplateDesk::find(account::TemplateStore& store,
                                                  const std::string& tenant, const std::string& id,
                                                  const std::string& version) {
  if (id.empty()) return std::nullopt;
  const auto found = store.templates(tenant, id);
  if (!found || found->empty()) return std::nullopt;
  const MailTemplate& made = found->front();
  const TemplateVersion* one = made.find(version.empty() ? made.active : version);
  return one == nullptr ? std::nullopt : std::optional(*one);
}

base::Task<TemplateDesk::Found> TemplateDesk::find(std::shared_ptr<Call> call) {
  base::Function<Result<std::vector<MailTemplate>>()> work =
      [&store = store_, tenant = call->caller.tenant(), id = std::string(call->path.get("id"))] {
        return store.templates(tenant, id);
      };
  Result<std::vector<MailTemplate>> asked =
      co_await base::run_on<Result<std::vector<MailTemplate>>>(sender_.pool(), sender_.worker(),
                                                               std::move(work));
  Found found;
  if (!asked) {
    found.problem = broken(asked.error());
  } else if (asked->empty()) {
    found.problem = no_such_template();
  } else {
    found.made = std::move(asked->front());
  }
  co_return found;
}

base::Task<std::optional<Problem>> TemplateDesk::change(
    std::shared_ptr<Call> call, base::Function<Result<void>(account::TemplateStore&)> work) {
  (void)call;
  base::Function<Result<void>()> on_pool = [&store = store_, work = std::move(work)]() mutable {
    return work(store);
  };
  const Result<void> done =
      co_await base::run_on<Result<void>>(sender_.pool(), sender_.worker(), std::move(on_pool));
  if (done) co_return std::nullopt;
  co_return broken(done.error());
}

base::Task<HttpResponse> TemplateDesk::list(std::shared_ptr<Call> call,
                                            const TemplateStyle& style) {
  base::Function<Result<std::vector<MailTemplate>>()> work =
      [&store = store_, tenant = call->caller.tenant()] { return store.templates(tenant); };
  Result<std::vector<MailTemplate>> asked =
      co_await base::run_on<Result<std::vector<MailTemplate>>>(sender_.pool(), sender_.worker(),
                                                               std::move(work));
  if (!asked) {
    const Problem problem = broken(asked.error());
    co_return style.refuse(problem, call->caller);
  }
  json::array all;
  for (const MailTemplate& one : *asked) all.push_back(style.show(one));
  co_return json_response(200, json::object{{"templates", std::move(all)}});
}

base::Task<HttpResponse> TemplateDesk::create(std::shared_ptr<Call> call,
                                              const TemplateStyle& style) {
  ReadVersion read = read_version(call->request, style, {});
  if (!read.problem) {
    Findings findings;
    check_name(read.name, findings);
    if (!findings.is_empty()) read.problem = invalid_request(findings.take());
  }
  if (read.problem) co_return style.refuse(*read.problem, call->caller);
  FormatProblem refuse = style.refuse;
  Sender::Claimed claimed = co_await sender_.claim(call, 2, std::move(refuse));
  if (claimed.answer) co_return std::move(*claimed.answer);
  MailTemplate made;
  made.id = template_id(claimed.ids[0]);
  made.tenant = call->caller.tenant();
  made.name = read.name;
  TemplateVersion version = read.version;
  version.id = version_id(claimed.ids[1]);
  version.name = read.name;
  base::Function<Result<void>(account::TemplateStore&)> work =
      [made, version, has_texts = read.has_texts, is_resumed = claimed.is_resumed,
       author = call->caller.author(sender_.now())](account::TemplateStore& store) -> Result<void> {
    if (is_resumed) {
      const auto known = store.templates(made.tenant, made.id);
      if (!known) return known.error();
      if (!known->empty() && (!has_texts || !known->front().versions.empty())) return {};
      if (!known->empty()) return store.put_version(made.id, version, true, author);
    }
    const Result<void> added = store.add(made, author);
    if (!added || !has_texts) return added;
    return store.put_version(made.id, version, true, author);
  };
  const std::optional<Problem> problem = co_await change(call, std::move(work));
  if (problem) {
    co_await sender_.settle(std::move(claimed.request), 0, {}, Sender::Outcome::Nothing);
    co_return style.refuse(*problem, call->caller);
  }
  call->path.add("id", made.id);
  HttpResponse response = co_await show(call, style);
  if (response.status == 200) response.status = 201;
  std::string body = response.body;
  co_await sender_.settle(std::move(claimed.request), response.status, std::move(body),
                          Sender::Outcome::Done);
  co_return response;
}

base::Task<HttpResponse> TemplateDesk::show(std::shared_ptr<Call> call,
                                            const TemplateStyle& style) {
  const Found found = co_await find(call);
  if (found.problem) co_return style.refuse(*found.problem, call->caller);
  co_return json_response(200, style.show(*found.made));
}

base::Task<HttpResponse> TemplateDesk::rename(std::shared_ptr<Call> call,
                                              const TemplateStyle& style) {
  const Found found = co_await find(call);
  std::optional<Problem> problem = found.problem;
  ReadVersion read;
  if (!problem) {
    read = read_version(call->request, style, {});
    Findings findings;
    check_name(read.name, findings);
    problem = read.problem;
    if (!problem && !findings.is_empty()) problem = invalid_request(findings.take());
  }
  if (!problem) {
    base::Function<Result<void>(account::TemplateStore&)> work =
        [id = found.made->id, name = read.name, author = call->caller.author(sender_.now())](
            account::TemplateStore& store) { return store.rename(id, name, author); };
    problem = co_await change(call, std::move(work));
  }
  if (problem) co_return style.refuse(*problem, call->caller);
  co_return co_await show(call, style);
}

base::Task<HttpResponse> TemplateDesk::remove(std::shared_ptr<Call> call,
                                              const TemplateStyle& style) {
  const Found found = co_await find(call);
  std::optional<Problem> problem = found.problem;
  if (!problem) {
    base::Function<Result<void>(account::TemplateStore&)> work =
        [id = found.made->id, author = call->caller.author(sender_.now())](
            account::TemplateStore& store) { return store.remove(id, author); };
    problem = co_await change(call, std::move(work));
  }
  if (problem) co_return style.refuse(*problem, call->caller);
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  co_return response;
}

base::Task<HttpResponse> TemplateDesk::show_version(std::shared_ptr<Call> call,
                                                    const TemplateStyle& style) {
  const Found found = co_await find(call);
  if (found.problem) co_return style.refuse(*found.problem, call->caller);
  const TemplateVersion* version = found.made->find(std::string(call->path.get("version")));
  if (version == nullptr) {
    const Problem problem = no_such_template();
    co_return style.refuse(problem, call->caller);
  }
  co_return json_response(200, style.show_version(*found.made, *version));
}

base::Task<HttpResponse> TemplateDesk::put_version(std::shared_ptr<Call> call,
                                                   const TemplateStyle& style) {
  const Found found = co_await find(call);
  if (found.problem) co_return style.refuse(*found.problem, call->caller);
  const std::string id(call->path.get("version"));
  const TemplateVersion* before = found.made->find(id);
  std::optional<Problem> problem;
  if (!id.empty() && before == nullptr) problem = no_such_template();
  ReadVersion read;
  if (!problem) {
    read = read_version(call->request, style, before == nullptr ? TemplateVersion() : *before);
    problem = read.problem;
  }
  if (problem) co_return style.refuse(*problem, call->caller);
  FormatProblem refuse = style.refuse;
  Sender::Claimed claimed = co_await sender_.claim(call, 1, std::move(refuse));
  if (claimed.answer) co_return std::move(*claimed.answer);
  TemplateVersion version = std::move(read.version);
  if (id.empty()) version.id = version_id(claimed.ids.front());
  if (!read.name.empty()) version.name = read.name;
  base::Function<Result<void>(account::TemplateStore&)> work =
      [made = found.made->id, version, is_active = read.is_active,
       author = call->caller.author(sender_.now())](account::TemplateStore& store) {
        return store.put_version(made, version, is_active, author);
      };
  problem = co_await change(call, std::move(work));
  if (problem) {
    co_await sender_.settle(std::move(claimed.request), 0, {}, Sender::Outcome::Nothing);
    co_return style.refuse(*problem, call->caller);
  }
  if (id.empty()) call->path.add("version", version.id);
  HttpResponse response = co_await show_version(call, style);
  if (response.status == 200 && id.empty()) response.status = 201;
  std::string body = response.body;
  co_await sender_.settle(std::move(claimed.request), response.status, std::move(body),
                          Sender::Outcome::Done);
  co_return response;
}

base::Task<HttpResponse> TemplateDesk::remove_version(std::shared_ptr<Call> call,
                                                      const TemplateStyle& style) {
  const Found found = co_await find(call);
  std::optional<Problem> problem = found.problem;
  if (!problem) {
    base::Function<Result<void>(account::TemplateStore&)> work =
        [id = found.made->id, version = std::string(call->path.get("version")),
         author = call->caller.author(sender_.now())](account::TemplateStore& store) {
          return store.remove_version(id, version, author);
        };
    problem = co_await change(call, std::move(work));
  }
  if (problem) co_return style.refuse(*problem, call->caller);
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  co_return response;
}

base::Task<HttpResponse> TemplateDesk::activate(std::shared_ptr<Call> call,
                                                const TemplateStyle& style) {
  const Found found = co_await find(call);
  std::optional<Problem> problem = found.problem;
  if (!problem) {
    base::Function<Result<void>(account::TemplateStore&)> work =
        [id = found.made->id, version = std::string(call->path.get("version")),
         author = call->caller.author(sender_.now())](account::TemplateStore& store) {
          return store.activate(id, version, author);
        };
    problem = co_await change(call, std::move(work));
  }
  if (problem) co_return style.refuse(*problem, call->caller);
  co_return co_await show_version(call, style);
}

base::Task<HttpResponse> TemplateDesk::preview(std::shared_ptr<Call> call) {
  const Found found = co_await find(call);
  if (found.problem) co_return own_problem(*found.problem, call->caller);
  JsonBody body = read_json_body(call->request);
  if (body.problem) co_return own_problem(*body.problem, call->caller);
  const std::string wanted = text_of(body.object, "version");
  const TemplateVersion* version = found.made->find(wanted.empty() ? found.made->active : wanted);
  if (version == nullptr) {
    const Problem problem = no_such_template();
    co_return own_problem(problem, call->caller);
  }
  const json::object* given = object_of(body.object, "data");
  base::Function<std::pair<std::optional<Rendered>, std::vector<FieldProblem>>()> work =
      [version = *version, data = given == nullptr ? json::object() : *given,
       is_strict = text_of(body.object, "missing") == "error"] {
        Findings findings;
        std::optional<Rendered> rendered = render_version(version, data, is_strict, findings);
        return std::pair(std::move(rendered), findings.take());
      };
  auto [rendered, wrong] =
      co_await base::run_on<std::pair<std::optional<Rendered>, std::vector<FieldProblem>>>(
          sender_.pool(), sender_.worker(), std::move(work));
  if (!rendered) {
    const Problem problem = invalid_request(std::move(wrong));
    co_return own_problem(problem, call->caller);
  }
  co_return json_response(
      200, json::object{
               {"subject", rendered->subject}, {"html", rendered->html}, {"text", rendered->text}});
}

std::optional<Rendered> render_version(const TemplateVersion& version, const json::object& data,
                                       bool refuses_missing, Findings& findings) {
  const auto missing = refuses_missing ? Handlebars::Missing::Error : Handlebars::Missing::Empty;
  bool is_fine = true;
  const auto put = [&](const std::string& source, Handlebars::Escape escape, const char* part) {
    bulk::TemplateError error;
    const std::optional<Handlebars> made = Handlebars::parse(source, error);
    std::optional<std::string> text;
    if (made) text = made->render(data, escape, missing, error);
    if (text) return std::move(*text);
    is_fine = false;
    findings.add(std::string("/") + part, "bad_template", {error.sentence(), error.sentence()});
    return std::string();
  };
  Rendered rendered;
  rendered.subject = put(version.subject, Handlebars::Escape::None, "subject");
  rendered.text = put(version.text, Handlebars::Escape::None, "text");
  rendered.html = put(version.html, Handlebars::Escape::Html, "html");
  if (!is_fine) return std::nullopt;
  return rendered;
}

void resolve_template(json::object& content, const std::string& tenant,
                      account::TemplateStore& store, Findings& findings) {
  if (!content.contains("template")) return;
  const std::string id = text_of(content, "template"), version = text_of(content, "version");
  content.erase("template");
  content.erase("version");
  const std::optional<TemplateVersion> found = TemplateDesk::find(store, tenant, id, version);
  if (!found)
    return findings.add("/template", "no_such_template",
                        {"there is no such template, or no active version of it",
                         "そのテンプレートか、有効なバージョンがありません"});
  const auto put = [&](const char* name, const std::string& text) {
    if (!content.contains(name) && !text.empty()) content[name] = text;
  };
  put("subject", found->subject);
  put("html", found->html);
  put("text", found->text);
}

void add_template_routes(Frame& frame, TemplateDesk& desk) {
  using Method =
      base::Task<HttpResponse> (TemplateDesk::*)(std::shared_ptr<Call>, const TemplateStyle&);
  const auto add = [&](const char* method, const char* path, const char* scope, Method endpoint) {
    Endpoint work = [&desk, endpoint](std::shared_ptr<Call> call) {
      return (desk.*endpoint)(std::move(call), native_style());
    };
    frame.add(method, path, Access{scope}, std::move(work));
  };
  // Those that make something claim its id with their Idempotency-Key themselves.
  const auto add_once = [&](const char* method, const char* path, const char* scope,
                            Method endpoint) {
    Endpoint work = [&desk, endpoint](std::shared_ptr<Call> call) {
      return (desk.*endpoint)(std::move(call), native_style());
    };
    frame.add(method, path, Access{scope},
              desk.sender().once(std::move(work), native_style().refuse));
  };
  constexpr const char* kOne = "/v1/templates/{id}";
  constexpr const char* kVersion = "/v1/templates/{id}/versions/{version}";
  add("GET", "/v1/templates", "templates:read", &TemplateDesk::list);
  add("POST", "/v1/templates", "templates:write", &TemplateDesk::create);
  add("GET", kOne, "templates:read", &TemplateDesk::show);
  add_once("PATCH", kOne, "templates:write", &TemplateDesk::rename);
  add_once("DELETE", kOne, "templates:write", &TemplateDesk::remove);
  add("POST", "/v1/templates/{id}/versions", "templates:write", &TemplateDesk::put_version);
  add("GET", kVersion, "templates:read", &TemplateDesk::show_version);
  add("PATCH", kVersion, "templates:write", &TemplateDesk::put_version);
  add_once("DELETE", kVersion, "templates:write", &TemplateDesk::remove_version);
  add_once("POST", "/v1/templates/{id}/versions/{version}/activate", "templates:write",
           &TemplateDesk::activate);
  frame.add("POST", "/v1/templates/{id}/preview", Access{"templates:read"},
            [&desk](std::shared_ptr<Call> call) { return desk.preview(std::move(call)); });
}

}  // namespace ekiden::api::jobs
