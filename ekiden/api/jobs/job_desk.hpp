#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ekiden/account/template_store.hpp"
#include "ekiden/api/frame.hpp"
#include "ekiden/api/jobs/list_reader.hpp"
#include "ekiden/api/message_desk.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/bulk/desk.hpp"

namespace ekiden::api::jobs {

/// Recipients of one batch.
inline constexpr std::size_t kBatchRecipientsMax = 50'000;

/// Whether the body of POST /v1/messages/batch has `recipients` on its top level: one content for
/// many, not many messages. Looks at the first names only; a body that is no JSON is neither.
bool is_merge_batch(std::string_view body);

/// Bulk jobs of one tenant at a time, for every API of one worker: the store is asked on the pool.
///
/// Sharing: its worker only.
class JobDesk {
 public:
  JobDesk(Sender& sender, bulk::Desk& desk, account::TemplateStore& templates)
      : sender_(sender), desk_(desk), templates_(templates) {}

  /// One content with merge data for many recipients: durable as one record when it returns 202.
  base::Task<HttpResponse> batch(std::shared_ptr<Call> call);

  // What the routes of /v1/jobs do (job_routes.cpp).
  base::Task<HttpResponse> create(std::shared_ptr<Call> call);
  base::Task<HttpResponse> list(std::shared_ptr<Call> call);
  base::Task<HttpResponse> show(std::shared_ptr<Call> call);
  base::Task<HttpResponse> change(std::shared_ptr<Call> call);
  base::Task<HttpResponse> remove(std::shared_ptr<Call> call);
  base::Task<HttpResponse> recipients(std::shared_ptr<Call> call);
  base::Task<HttpResponse> import(std::shared_ptr<Call> call);
  base::Task<HttpResponse> import_errors(std::shared_ptr<Call> call);
  base::Task<HttpResponse> commit(std::shared_ptr<Call> call);
  base::Task<HttpResponse> pause(std::shared_ptr<Call> call);
  base::Task<HttpResponse> resume(std::shared_ptr<Call> call);
  base::Task<HttpResponse> cancel(std::shared_ptr<Call> call);

  /// A message that may be a row's, which is known before it exists; `desk` shows the others.
  base::Task<HttpResponse> show_message(std::shared_ptr<Call> call, MessageDesk& desk);

  // Parts of it, for other APIs.

  /// Work on the store, on the pool; nothing when the store fails, which is logged.
  template <class T>
  base::Task<std::optional<T>> ask(base::Function<Result<T>(bulk::Store&)> question) {
    base::Function<Result<T>()> work = [&store = desk_.store(),
                                        question = std::move(question)]() mutable {
      return question(store);
    };
    Result<T> answer =
        co_await base::run_on<Result<T>>(sender_.pool(), sender_.worker(), std::move(work));
    if (answer) co_return std::move(*answer);
    tell(answer.error());
    co_return std::nullopt;
  }
  /// A job of the caller's tenant; nothing when there is none, or the store fails (`is_broken`).
  struct Found {
    std::optional<bulk::Job> job;
    bool is_broken = false;
  };
  base::Task<Found> find(std::shared_ptr<Call> call, std::int64_t id);
  /// What a cancel made of a job; nothing: there was nothing to cancel.
  base::Task<std::optional<bulk::JobState>> take_back(bulk::Job job);
  struct Imported {
    std::optional<bulk::Import> import;
    std::vector<bulk::ImportError> errors;  ///< the first of them
    std::optional<Problem> problem;
  };
  base::Task<Imported> take_list(bulk::Job job, std::string octets, ListFormat format);
  /// The content of a request with who may send it; the fields of a job that is one.
  bulk::Job job_of(const Call& call) const;

  /// Keeps what a report that another service's client orders is to be made of; its number.
  /// Nothing: the store fails.
  base::Task<std::optional<std::int64_t>> order_report(std::shared_ptr<Call> call, std::string kind,
                                                       boost::json::object question);
  /// What was asked with that number, by the caller's tenant.
  struct Ordered {
    std::optional<boost::json::object> question;  ///< nothing: there is none
    bool is_broken = false;                       ///< the store fails
  };
  base::Task<Ordered> find_report(std::shared_ptr<Call> call, std::string kind, std::int64_t id);

  Sender& sender() { return sender_; }
  account::TemplateStore& templates() { return templates_; }
  bulk::Desk& desk() { return desk_; }
  base::Time now() const { return sender_.now(); }

 private:
  static void tell(const Error& error);

  Sender& sender_;
  bulk::Desk& desk_;
  account::TemplateStore& templates_;
};

boost::json::object to_json(const bulk::Job& job);
Problem no_such_job();
Problem wrong_state(bulk::JobState state);
Problem store_broken();

void add_routes(Frame& frame, JobDesk& desk);

}  // namespace ekiden::api::jobs
