// One message of an SMTP client that becomes one for each recipient, as SendGrid's X-SMTPAPI asks.
#include "ekiden/inbound/personal_mail.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/base/pool_task.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/feedback/part_text.hpp"
#include "ekiden/inbound/submission.hpp"
#include "ekiden/inbound/text_mould.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::inbound {
namespace {

smtp::Reply refusal(std::string why) {
  smtp::Reply reply{554, {5, 6, 0}, {}};
  reply.lines.push_back("X-SMTPAPI: " + std::move(why));
  return reply;
}

/// What the pool makes of it: the octets of each recipient's message, or why there are none.
struct Cast {
  std::vector<std::string> messages;
  std::string problem;
};

/// A recipient as its To shows it: as it was written, but for a domain that is not ASCII.
std::string shown(const SmtpApi& api, std::size_t recipient) {
  const std::string& name = api.to_names[recipient];
  const std::size_t angle = name.rfind('<');
  if (angle == std::string::npos) return api.to[recipient].text();
  return name.substr(0, angle) + "<" + api.to[recipient].text() + ">";
}

Cast cast_all(std::string octets, const SmtpApi& api, std::size_t count, std::size_t octets_max) {
  Cast cast;
  std::vector<std::string> tags;
  for (const SmtpApi::Substitution& one : api.substitutions) tags.push_back(one.tag);
  for (const auto& [tag, text] : api.sections) tags.push_back(tag);
  const auto mould = TextMould::read(std::move(octets), tags, cast.problem);
  if (!mould) return cast;
  std::size_t left = kPersonalOctetsMax;
  for (std::size_t i = 0; i < count; ++i) {
    Casting casting;
    for (const SmtpApi::Substitution& one : api.substitutions)
      casting.emplace_back(one.tag, one.values[i]);
    // A value may name a section, whose text has words in it again.
    casting.insert(casting.end(), api.sections.begin(), api.sections.end());
    if (!api.sections.empty()) {
      for (const SmtpApi::Substitution& one : api.substitutions)
        casting.emplace_back(one.tag, one.values[i]);
    }
    const std::string to = api.to_names.empty() ? std::string() : shown(api, i);
    auto message = mould->cast(casting, to, std::min(octets_max, left), cast.problem);
    if (!message) return cast;
    left -= message->size();
    cast.messages.push_back(std::move(*message));
  }
  return cast;
}

/// Empty: there is a value and a time for each recipient.
std::string problem_of_counts(const SmtpApi& api, std::size_t recipients) {
  const auto wrong = [&](const std::string& what, std::size_t count) {
    return what + " has " + std::to_string(count) + " values for " + std::to_string(recipients) +
           " recipients";
  };
  for (const SmtpApi::Substitution& one : api.substitutions)
    if (one.values.size() != recipients)
      return wrong("sub " + base::printable(one.tag, 40), one.values.size());
  if (!api.send_each_at.empty() && api.send_each_at.size() != recipients)
    return wrong("send_each_at", api.send_each_at.size());
  return {};
}

/// What of it holds for the message of one recipient.
SmtpApi wishes_of(const SmtpApi& api, std::size_t recipient) {
  SmtpApi one;
  one.categories = api.categories;
  one.unique_args = api.unique_args;
  one.send_at = api.send_each_at.empty() ? api.send_at : api.send_each_at[recipient];
  one.stream = api.stream;
  one.batch = api.batch;
  one.bypass = api.bypass;
  return one;
}

void append(spool::Transaction& all, spool::Transaction one) {
  std::move(one.messages.begin(), one.messages.end(), std::back_inserter(all.messages));
  std::move(one.updates.begin(), one.updates.end(), std::back_inserter(all.updates));
  std::move(one.events.begin(), one.events.end(), std::back_inserter(all.events));
}

base::Task<Result<void>> submit(spool::Port& port, spool::Transaction transaction) {
  auto begin = [&](base::Completion<Result<void>> done) {
    port.submit(std::move(transaction), std::move(done));
  };
  co_return co_await base::suspend<Result<void>>(std::move(begin));
}

}  // namespace

std::optional<SmtpApi> find_personal(const Origin& origin, std::string_view octets) {
  if (!origin.protocol.empty() || !origin.identity.starts_with("apikey:")) return std::nullopt;
  if (octets.size() > TextMould::kOctetsMax) return std::nullopt;
  const std::size_t end = std::min(message::find_header_end(octets), octets.size());
  const std::string field = feedback::find_field(octets.substr(0, end), kSmtpApiField);
  if (field.empty()) return std::nullopt;
  std::string problem;
  std::optional<SmtpApi> api = parse_smtpapi(field, problem);
  if (!api || !api->is_personal()) return std::nullopt;
  return api;
}

base::Task<smtp::Reply> submit_personal(Services& services,
                                        std::shared_ptr<const ListenerOptions> options,
                                        PersonalMail personal) {
  std::vector<smtp::RcptCommand> recipients = std::move(personal.recipients);
  if (!personal.api.to.empty()) {
    recipients.clear();
    for (const smtp::Address& address : personal.api.to) {
      smtp::RcptCommand rcpt;
      rcpt.recipient = address;
      recipients.push_back(std::move(rcpt));
    }
  }
  std::string problem = problem_of_counts(personal.api, recipients.size());
  if (!problem.empty()) co_return refusal(std::move(problem));
  if (recipients.size() > options->limits.recipients_per_message)
    co_return refusal("to has too many recipients");
  const auto api = std::make_shared<const SmtpApi>(std::move(personal.api));
  base::Function<Cast()> work = [api, octets = std::move(personal.octets),
                                 count = recipients.size(),
                                 octets_max = options->limits.message_octets]() mutable {
    return cast_all(std::move(octets), *api, count, octets_max);
  };
  Cast cast;
  if (services.pool == nullptr) {
    cast = work();
  } else {
    cast = co_await base::run_on<Cast>(*services.pool, services.worker, std::move(work));
  }
  if (!cast.problem.empty()) co_return refusal(std::move(cast.problem));

  spool::Transaction all;
  std::vector<std::unique_ptr<Arrival>> arrivals;
  smtp::Reply reply;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    Submission submission;
    submission.mail = personal.mail;
    submission.recipients.push_back(recipients[i]);
    submission.octets = std::move(cast.messages[i]);
    submission.client = personal.client;
    submission.origin = personal.origin;
    submission.counts_rate = false;  // MAIL has counted it
    submission.wishes = wishes_of(*api, i);
    std::shared_ptr<const ListenerOptions> rules = options;
    Admitted admitted = co_await admit_message(services, std::move(rules), std::move(submission));
    reply = std::move(admitted.reply);
    if (!reply.is_positive()) break;
    append(all, admitted.arrival->take_transaction());
    arrivals.push_back(std::move(admitted.arrival));
  }
  if (reply.is_positive()) {
    const Result<void> stored = co_await submit(services.port, std::move(all));
    if (!stored) {
      base::log::warning("message_not_stored", {{"reason", stored.error().message()}});
      reply = reply_for(stored.error());
    }
  }
  if (!reply.is_positive()) {
    for (const auto& arrival : arrivals) arrival->refuse();
    co_return reply;
  }
  for (const auto& arrival : arrivals) {
    services.instruments.messages.add();
    services.instruments.message_octets.add(arrival->size());
    services.instruments.recipients.add(arrival->envelope().recipients.size());
    arrival->hand_over();
  }
  smtp::Reply taken{250, {2, 0, 0}, {}};
  taken.lines.push_back("Ok: queued as " + base::format_message_id(arrivals.front()->id()) +
                        " and " + std::to_string(arrivals.size() - 1) + " more");
  co_return taken;
}

}  // namespace ekiden::inbound
