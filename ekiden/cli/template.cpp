#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "ekiden/api/jobs/templates.hpp"
#include "ekiden/cli/job.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {
namespace {

namespace json = boost::json;
using account::MailTemplate;

struct TemplateOptions {
  std::string tenant, id, version, data = "{}";
  bool is_strict = false;
};

struct TemplateContext {
  UserContext& user;
  account::TemplateStore& templates;
};

int say(TemplateContext& user, int code, const std::string& sentence) {
  user.user.err << "ekiden: " << sentence << "\n";
  return code;
}

int list(const TemplateOptions& options, TemplateContext& user) {
  const auto found = user.templates.templates(options.tenant);
  if (!found) return say(user, kFailed, found.error().message());
  Table table({"TEMPLATE", "TENANT", "VERSIONS", "ACTIVE", "NAME"});
  for (const MailTemplate& one : *found) {
    table.add({one.id, one.tenant, std::to_string(one.versions.size()),
               one.active.empty() ? "none" : one.active, one.name});
    if (user.user.is_json)
      user.user.out << json::serialize(json::object{{"id", one.id},
                                                    {"tenant", one.tenant},
                                                    {"name", one.name},
                                                    {"active", one.active},
                                                    {"versions", one.versions.size()}})
                    << "\n";
  }
  if (!user.user.is_json)
    user.user.out << (table.is_empty() ? std::string("No templates.\n") : table.format(columns()));
  return 0;
}

/// The template, or an exit code with its sentence said.
int find(const TemplateOptions& options, TemplateContext& user, MailTemplate& made) {
  auto found = user.templates.templates({}, options.id);
  if (!found) return say(user, kFailed, found.error().message());
  if (found->empty()) return say(user, kRefused, "there is no template " + options.id);
  made = std::move(found->front());
  return 0;
}

int show(const TemplateOptions& options, TemplateContext& user) {
  MailTemplate made;
  if (const int code = find(options, user, made); code != 0) return code;
  const account::TemplateVersion* version =
      made.find(options.version.empty() ? made.active : options.version);
  if (version == nullptr) return say(user, kRefused, "it has no such version, or none is active");
  if (user.user.is_json) {
    user.user.out << json::serialize(json::object{{"id", made.id},
                                                  {"name", made.name},
                                                  {"version", version->id},
                                                  {"active", made.active == version->id},
                                                  {"subject", version->subject},
                                                  {"text", version->text},
                                                  {"html", version->html}})
                  << "\n";
    return 0;
  }
  user.user.out << "Subject: " << version->subject << "\n\n"
                << version->text << "\n"
                << version->html << "\n";
  return 0;
}

int preview(const TemplateOptions& options, TemplateContext& user) {
  MailTemplate made;
  if (const int code = find(options, user, made); code != 0) return code;
  const account::TemplateVersion* version =
      made.find(options.version.empty() ? made.active : options.version);
  if (version == nullptr) return say(user, kRefused, "it has no such version, or none is active");
  json::error_code error;
  const json::value data = json::parse(options.data, error);
  if (error || !data.is_object()) return say(user, kUsage, "--data is no JSON object");
  api::Findings findings;
  const auto rendered =
      api::jobs::render_version(*version, data.get_object(), options.is_strict, findings);
  if (!rendered) {
    const api::FieldProblem wrong = findings.take().front();
    return say(user, kRefused, wrong.pointer.substr(1) + ", " + wrong.text.english);
  }
  if (user.user.is_json) {
    user.user.out << json::serialize(json::object{{"subject", rendered->subject},
                                                  {"text", rendered->text},
                                                  {"html", rendered->html}})
                  << "\n";
    return 0;
  }
  user.user.out << "Subject: " << rendered->subject << "\n\n"
                << rendered->text << "\n"
                << rendered->html << "\n";
  return 0;
}

int activate(const TemplateOptions& options, TemplateContext& user) {
  const auto done = user.templates.activate(options.id, options.version, user.user.author);
  if (done) return 0;
  if (done.error() == account::Errc::NotFound)
    return say(user, kRefused, "there is no such template, or no such version of it");
  return say(user, kFailed, done.error().message());
}

int remove(const TemplateOptions& options, TemplateContext& user) {
  const auto done = user.templates.remove(options.id, user.user.author);
  if (done) return 0;
  if (done.error() == account::Errc::NotFound)
    return say(user, kRefused, "there is no template " + options.id);
  return say(user, kFailed, done.error().message());
}

}  // namespace

void add_template(CLI::App& app, Context& context) {
  CLI::App* group =
      app.add_subcommand("template", "Texts for mail, in versions; no relay need run");
  group->require_subcommand(1);
  using Command = int (*)(const TemplateOptions&, TemplateContext&);
  const auto add = [&](const char* name, const char* words, bool needs_id, Command command) {
    auto options = std::make_shared<TemplateOptions>();
    CLI::App* made = group->add_subcommand(name, words);
    if (needs_id) made->add_option("template", options->id, "Its id: d-…")->required();
    made->callback([&context, options, command] {
      const auto loaded = context.load_config();
      if (!loaded) return;
      with_store(context, [&](UserContext& user) {
        const auto templates = account::TemplateStore::open(loaded->settings.node.data_dir);
        if (!templates) {
          user.err << "ekiden: the templates cannot be opened\n";
          return int{kFailed};
        }
        TemplateContext with{user, **templates};
        return command(*options, with);
      });
    });
    return std::pair(made, options);
  };
  auto [listing, listed] = add("list", "List templates", false, list);
  listing->add_option("--tenant", listed->tenant, "Only of this tenant");
  auto [showing, shown] = add("show", "Show the texts of a version", true, show);
  showing->add_option("--version", shown->version, "Another one than the active");
  auto [previewing, previewed] = add("preview", "Show what data makes of it", true, preview);
  previewing->add_option("--version", previewed->version, "Another one than the active");
  previewing->add_option("--data", previewed->data, "A JSON object")->capture_default_str();
  previewing->add_flag("--strict", previewed->is_strict, "What the data does not have is an error");
  auto [activating, activated] = add("activate", "Send this version from now on", true, activate);
  activating->add_option("version", activated->version, "Its id")->required();
  add("remove", "Remove one with its versions", true, remove);
}

}  // namespace ekiden::cli
