#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ekiden/account/template_store.hpp"
#include "ekiden/api/frame.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api::jobs {

/// How an API tells of templates, and what it calls their texts.
struct TemplateStyle {
  const char* html;
  const char* text;
  boost::json::object (*show)(const account::MailTemplate& made);
  boost::json::object (*show_version)(const account::MailTemplate& made,
                                      const account::TemplateVersion& version);
  FormatProblem refuse;
};

/// Templates of one tenant at a time, for every API of one worker; the control store is asked on
/// the pool.
///
/// Sharing: its worker only.
class TemplateDesk {
 public:
  TemplateDesk(Sender& sender, account::TemplateStore& store) : sender_(sender), store_(store) {}

  base::Task<HttpResponse> list(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> create(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> show(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> rename(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> remove(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> show_version(std::shared_ptr<Call> call, const TemplateStyle& style);
  /// Adds one, or changes the one that the path names.
  base::Task<HttpResponse> put_version(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> remove_version(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> activate(std::shared_ptr<Call> call, const TemplateStyle& style);
  base::Task<HttpResponse> preview(std::shared_ptr<Call> call);

  /// For whoever composes, on the pool: the version of that id, or the active one.
  static std::optional<account::TemplateVersion> find(account::TemplateStore& store,
                                                      const std::string& tenant,
                                                      const std::string& id,
                                                      const std::string& version);
  account::TemplateStore& store() { return store_; }
  Sender& sender() { return sender_; }

 private:
  struct Found {
    std::optional<account::MailTemplate> made;
    std::optional<Problem> problem;
  };
  base::Task<Found> find(std::shared_ptr<Call> call);
  /// Work on the store that gives a problem or none.
  base::Task<std::optional<Problem>> change(
      std::shared_ptr<Call> call, base::Function<Result<void>(account::TemplateStore&)> work);

  Sender& sender_;
  account::TemplateStore& store_;
};

/// Puts a template's texts in the place of `template` (and `version`) in a job's content.
void resolve_template(boost::json::object& content, const std::string& tenant,
                      account::TemplateStore& store, Findings& findings);

/// "d-" and 32 hexadecimal digits, and the form of a UUID, of an id that nothing else has.
std::string template_id(base::MessageId fresh);
std::string version_id(base::MessageId fresh);

/// Subject, text and html of a version with data; nothing and a finding when it cannot be.
struct Rendered {
  std::string subject, text, html;
};
std::optional<Rendered> render_version(const account::TemplateVersion& version,
                                       const boost::json::object& data, bool refuses_missing,
                                       Findings& findings);

void add_template_routes(Frame& frame, TemplateDesk& desk);

}  // namespace ekiden::api::jobs
