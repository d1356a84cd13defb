// What X-SMTPAPI asks for, of clients that log in with an API key.
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
  message::Details& details = meta_->details;
  if (!api->stream.empty()) {
    const smtp::Reply verdict = Admission(options_).admit_stream(client, api->stream);
    if (!verdict.is_positive()) return verdict;
    details.stream = std::move(api->stream);
  }
  if (api->to.size() > options_.limits.recipients_per_message)
    return refusal("to has too many recipients");
  if (!api->to.empty()) {
    // Whom the envelope named stands for none of them.
    meta_->envelope.recipients.clear();
    for (const smtp::Address& address : api->to) {
      smtp::RcptCommand rcpt;
      rcpt.recipient = address;
      add(rcpt, {});
    }
  }
  for (std::string& category : api->categories) {
    if (details.tags.size() == message::kTagsMax) return refusal("too many categories");
    details.tags.push_back(std::move(category));
  }
  if (!api->unique_args.empty()) details.metadata = std::move(api->unique_args);
  if (api->send_at) {
    if (*api->send_at > details.received + kSendAtMax)
      return refusal("send_at is more than 30 days ahead");
    details.send_at = *api->send_at;
  }
  return {250, {2, 0, 0}, {"Ok"}};
}

}  // namespace ekiden::inbound
