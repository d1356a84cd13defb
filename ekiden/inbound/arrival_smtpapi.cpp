// What X-SMTPAPI asks for, of clients that log in with an API key.
#include "ekiden/account/scheduled_send.hpp"
#include "ekiden/inbound/arrival.hpp"
#include "ekiden/inbound/smtpapi.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::inbound {
namespace {

/// As the API allows it.
constexpr base::Duration kSendAtMax = std::chrono::hours(24 * 30);

smtp::Reply refusal(std::string why) {
  smtp::Reply reply{554, {5, 6, 0}, {}};
  reply.lines.push_back("X-SMTPAPI: " + std::move(why));
  return reply;
}

}  // namespace

bool Arrival::takes_smtpapi(const Origin& origin) const {
  return origin.protocol.empty() && origin.identity.starts_with("apikey:");
}

smtp::Reply Arrival::take_smtpapi(std::string_view value, const Client& client) {
  std::string problem;
  std::optional<SmtpApi> api = parse_smtpapi(value, problem);
  if (!api) return refusal(std::move(problem));
  // One of its recipients' messages apart is made before it comes here, unless it is too large.
  if (api->is_personal())
    return refusal("sub, section and send_each_at are for messages of up to 1 MiB");
  return take_wishes(std::move(*api), client);
}

smtp::Reply Arrival::take_wishes(SmtpApi api, const Client& client) {
  message::Details& details = meta_->details;
  if (!api.stream.empty()) {
    const smtp::Reply verdict = Admission(options_).admit_stream(client, api.stream);
    if (!verdict.is_positive()) return verdict;
    details.stream = std::move(api.stream);
  }
  if (api.to.size() > options_.limits.recipients_per_message)
    return refusal("to has too many recipients");
  if (!api.to.empty()) {
    // Whom the envelope named stands for none of them.
    meta_->envelope.recipients.clear();
    for (const smtp::Address& address : api.to) {
      smtp::RcptCommand rcpt;
      rcpt.recipient = address;
      add(rcpt, {});
    }
  }
  for (std::string& category : api.categories) {
    if (details.tags.size() == message::kTagsMax) return refusal("too many categories");
    details.tags.push_back(std::move(category));
  }
  if (!api.unique_args.empty()) details.metadata = std::move(api.unique_args);
  if (api.send_at) {
    if (*api.send_at > details.received + kSendAtMax)
      return refusal("send_at is more than 30 days ahead");
    details.send_at = *api.send_at;
  }
  if (!api.batch.empty()) {
    if (!account::is_live_send_batch(api.batch, details.received))
      return refusal("batch_id is older than 10 days");
    details.batch = std::move(api.batch);
  }
  if (api.bypass.is_any()) {
    smtp::Reply verdict = Admission(options_).admit_bypass(client);
    if (!verdict.is_positive()) return verdict;
    bypass_ = api.bypass;
  }
  return {250, {2, 0, 0}, {"Ok"}};
}

}  // namespace ekiden::inbound
