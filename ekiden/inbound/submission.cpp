#include "ekiden/inbound/submission.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/inbound/recipient_expansion.hpp"
#include "ekiden/message/line_length.hpp"

namespace ekiden::inbound {
namespace {

base::Task<void> sleep(base::Clock& clock, base::Duration duration) {
  auto begin = [&](base::Completion<int> done) {
    clock.call_after(duration, [d = std::move(done)]() mutable { d(0); });
  };
  co_await base::suspend<int>(std::move(begin));
}

/// Everything that is decided before the octets are looked at.
smtp::Reply admit(Services& services, const ListenerOptions& options,
                  const Submission& submission) {
  const Client& client = submission.client;
  if (client.credential != nullptr &&
      !account::may_submit(*client.credential, services.worker.clock.now()))
    return {535, {5, 7, 8}, {"This API key has expired"}};
  const Admission admission(options);
  smtp::Reply reply = admission.admit_mail(client, submission.mail);
  if (reply.is_positive()) {
    const base::Clock& clock = services.worker.clock;
    reply = admission.admit_volume(client, clock.now(), clock.steady());
  }
  if (reply.is_positive() && submission.bypass.is_any()) reply = admission.admit_bypass(client);
  if (!reply.is_positive()) return reply;
  if (submission.recipients.empty()) return {554, {5, 5, 1}, {"No valid recipients"}};
  if (submission.recipients.size() > options.limits.recipients_per_message)
    return {452, {4, 5, 3}, {"Too many recipients"}};
  if (submission.octets.size() > options.limits.message_octets)
    return {552, {5, 3, 4}, {"Message too big for system"}};
  // Refused before it is touched (docs/SPOOL.md).
  if (!services.spool.status().accepts_messages) return reply_for(spool::Errc::NoSpace);
  if (submission.counts_rate &&
      !services.limits.message(client.address, options.limits, services.worker.clock.steady()))
    return {450, {4, 7, 1}, {"Too many messages from you; slow down"}};
  return reply;
}

smtp::Reply admit_recipient(Arrival& arrival, const ListenerOptions& options, const Client& client,
                            smtp::RcptCommand rcpt) {
  const Admission admission(options);
  if (options.rewriting != nullptr && options.rewriting->acts_on_recipients()) {
    std::optional<smtp::Reply> reply = expand_recipient(arrival, admission, options, client, rcpt);
    if (reply) return std::move(*reply);
  }
  RecipientVerdict verdict = admission.admit_rcpt(client, rcpt);
  if (verdict.reply.is_positive()) arrival.add(rcpt, verdict.next_hop);
  return std::move(verdict.reply);
}

}  // namespace

base::Task<Admitted> admit_message(Services& services,
                                   std::shared_ptr<const ListenerOptions> options,
                                   Submission submission) {
  Admitted done;
  done.options = std::move(options);
  const ListenerOptions& rules = *done.options;
  find_rules(submission.client, rules.tenant);
  done.reply = admit(services, rules, submission);
  if (!done.reply.is_positive()) co_return done;

  done.arrival = std::make_unique<Arrival>(services, rules, std::move(submission.mail));
  Arrival& arrival = *done.arrival;
  if (submission.id != base::MessageId{}) arrival.set_id(submission.id);
  arrival.set_batch(std::move(submission.batch));
  arrival.set_pool(std::move(submission.pool));
  arrival.set_bypass(submission.bypass);
  if (submission.wishes) arrival.set_wishes(std::move(*submission.wishes));
  for (std::size_t i = 0; i < submission.recipients.size(); ++i) {
    done.reply = admit_recipient(arrival, rules, submission.client, submission.recipients[i]);
    if (done.reply.is_positive()) continue;
    services.instruments.recipients_refused.add();
    done.refused_recipient = i;
    co_return done;
  }
  const message::Scan lines = message::scan_lines(submission.octets);
  Octets seen;
  seen.longest_line = lines.longest_line;
  seen.is_eight_bit = lines.has_eight_bit;
  // What does not fit in memory with the others goes to a file of its own, in slices.
  std::string rest = std::move(submission.octets);
  if (rest.size() > rules.large_octets) {
    std::string first = std::move(rest);
    rest.clear();
    done.reply =
        co_await arrival.part(std::move(first), seen, submission.client, submission.origin);
  }
  if (done.reply.is_positive())
    done.reply = co_await arrival.make(std::move(rest), seen, submission.client, submission.origin);
  if (!done.reply.is_positive()) services.instruments.messages_refused.add();
  co_return done;
}

base::Task<Submitted> submit_message(Services& services,
                                     std::shared_ptr<const ListenerOptions> options,
                                     Submission submission) {
  Submitted done;
  const base::Steady begun = services.worker.clock.steady();
  // Delivery falls behind: this client waits a moment instead of being refused.
  const base::Duration delay = services.intake.delay();
  if (delay.count() > 0) co_await sleep(services.worker.clock, delay);
  Admitted admitted = co_await admit_message(services, std::move(options), std::move(submission));
  done.reply = std::move(admitted.reply);
  done.refused_recipient = admitted.refused_recipient;
  if (!done.reply.is_positive()) co_return done;
  done.recipients = admitted.arrival->envelope().recipients.size();
  done.suppressed = admitted.arrival->suppressed();
  done.reply = co_await admitted.arrival->store();
  if (!done.reply.is_positive()) {
    services.instruments.messages_refused.add();
    co_return done;
  }
  services.instruments.time_to_250.observe_us(
      static_cast<std::uint64_t>((services.worker.clock.steady() - begun).count()));
  done.id = admitted.arrival->id();
  co_return done;
}

}  // namespace ekiden::inbound
