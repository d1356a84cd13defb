#include "ekiden/inbound/admission.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::inbound {
namespace {

smtp::Reply ok() {
  return {250, {2, 1, 0}, {"Ok"}};
}

bool may_send_as(const account::Credential& credential, const std::string& domain) {
  if (credential.sender_domains.empty()) return true;
  return !domain.empty() &&
         std::any_of(
             credential.sender_domains.begin(), credential.sender_domains.end(),
             [&](const std::string& pattern) { return account::matches_domain(pattern, domain); });
}

/// A local part by which the next hop could be talked into routing on: "user%elsewhere",
/// "elsewhere!user", "user@elsewhere" in quotes.
bool has_sender_routing(const smtp::Address& address) {
  return address.local.find_first_of("%!@") != std::string::npos;
}

}  // namespace

std::string_view service_name(Service service) {
  switch (service) {
    case Service::Submission:
      return "submission";
    case Service::Relay:
      return "relay";
    case Service::Inbound:
      return "inbound";
  }
  return "unknown";
}

bool contains(const std::vector<net::AddressBlock>& blocks, const net::Address& address) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const net::AddressBlock& block) { return block.contains(address); });
}

bool Admission::is_own(const Client& client) const {
  if (options_.service == Service::Inbound) return false;
  if (client.credential != nullptr) return true;
  return options_.service == Service::Relay && contains(options_.trusted_networks, client.address);
}

bool Admission::may_log_in(const account::Credential& credential, const net::Address& address) {
  return credential.networks.empty() || contains(credential.networks, address);
}

smtp::Reply Admission::admit_mail(const Client& client, const smtp::MailCommand& mail) const {
  if ((client.credential != nullptr || client.tenant != nullptr) && mail.reverse_path) {
    const Result<std::string> domain = smtp::canonical_domain(mail.reverse_path->domain);
    const std::string sender = domain ? *domain : std::string();
    if (client.credential != nullptr && !may_send_as(*client.credential, sender)) {
      return {553, {5, 7, 1}, {"This user may not send from that domain"}};
    }
    if (client.tenant != nullptr && !client.tenant->may_send_as(sender)) {
      return {553, {5, 7, 1}, {"This account may not send from that domain"}};
    }
  }
  if (options_.service == Service::Submission && client.credential == nullptr) {
    // The dialogue asks for AUTH before MAIL comes here; this is the lock behind that door.
    return {530, {5, 7, 0}, {"Authentication required"}};
  }
  return ok();
}

void find_rules(Client& client, const std::string& tenant) {
  client.tenant = nullptr;
  client.limits = nullptr;
  if (client.accounts == nullptr || !client.accounts->has_rules()) return;
  const bool has_credential = client.credential != nullptr;
  client.tenant = client.accounts->find_tenant(has_credential ? client.credential->tenant : tenant);
  if (has_credential) client.limits = client.accounts->find_limits(client.credential->name);
}

smtp::Reply reply_for(const account::LimitVerdict& verdict) {
  if (verdict.is_fine()) return ok();
  const std::uint16_t code = verdict.kind == account::LimitKind::Rate ? 450 : 452;
  return {code, {4, 7, 1}, {verdict.text()}};
}

smtp::Reply Admission::admit_volume(const Client& client, base::Time now,
                                    base::Steady steady) const {
  const account::LimitedSender sender(client.tenant, client.limits);
  return sender.is_limited() ? reply_for(sender.look(now, steady)) : ok();
}

RecipientVerdict Admission::admit_rcpt(const Client& client, const smtp::RcptCommand& rcpt,
                                       Existence existence) const {
  RecipientVerdict verdict;
  verdict.reply = {250, {2, 1, 5}, {"Ok"}};
  if (is_own(client)) return verdict;
  if (options_.service == Service::Inbound) return admit_own_domain(rcpt, existence);
  verdict.reply = {550, {5, 7, 1}, {"Relaying denied"}};
  return verdict;
}

RecipientVerdict Admission::admit_own_domain(const smtp::RcptCommand& rcpt,
                                             Existence existence) const {
  RecipientVerdict verdict;
  const Result<std::string> domain = smtp::canonical_domain(rcpt.recipient.domain);
  const auto found = domain ? options_.domains.find(*domain) : options_.domains.end();
  if (found == options_.domains.end()) {
    verdict.reply = {550, {5, 7, 1}, {"Relaying denied"}};
    return verdict;
  }
  const InboundDomain& own = found->second;
  verdict.next_hop = own.next_hop;
  verdict.reply = {250, {2, 1, 5}, {"Ok"}};
  if (existence == Existence::Known) return verdict;
  if (own.check == RecipientCheck::List) {
    if (!own.recipients.contains(smtp::comparison_key(rcpt.recipient))) {
      verdict.reply = {550, {5, 1, 1}, {"No such user here"}};
    }
    return verdict;
  }
  // Named in the operator's own list such a mailbox exists; otherwise it is an attempt to make
  // the next hop relay.
  if (has_sender_routing(rcpt.recipient)) {
    verdict.reply = {550, {5, 7, 1}, {"Relaying denied"}};
    return verdict;
  }
  verdict.needs_verification = own.check == RecipientCheck::Verify;
  return verdict;
}

smtp::Reply Admission::admit_header_from(const Client& client,
                                         const std::vector<std::string>& from) const {
  if (client.credential == nullptr && client.tenant == nullptr) return ok();
  for (const std::string& address : from) {
    const std::string domain = smtp::domain_of(address);
    if (client.credential != nullptr && !may_send_as(*client.credential, domain)) {
      return {553, {5, 7, 1}, {"This user may not write From that domain"}};
    }
    if (client.tenant != nullptr && !client.tenant->may_send_as(domain)) {
      return {553, {5, 7, 1}, {"This account may not write From that domain"}};
    }
  }
  return ok();
}

smtp::Reply Admission::admit_stream(const Client& client, const std::string& stream) const {
  if (client.tenant != nullptr && !client.tenant->has_stream(stream)) {
    return {550, {5, 7, 1}, {"This account has no stream of that name"}};
  }
  if (client.credential == nullptr || client.credential->streams.empty()) return ok();
  const auto& streams = client.credential->streams;
  if (stream == client.credential->stream ||
      std::find(streams.begin(), streams.end(), stream) != streams.end()) {
    return ok();
  }
  return {550, {5, 7, 1}, {"This user may not use that stream"}};
}

smtp::Reply Admission::admit_pool(std::string_view tenant, std::string_view stream,
                                  std::string_view pool) const {
  const auto takes = [](const std::vector<std::string>& names, std::string_view name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const NamedPool& one : options_.pools)
    if (one.name == pool && takes(one.tenants, tenant) && takes(one.streams, stream)) return ok();
  return {550, {5, 7, 1}, {"This mail may not name that pool"}};
}

smtp::Reply Admission::admit_bypass(const Client& client) const {
  if (client.credential != nullptr && client.credential->may_release) return ok();
  return {550, {5, 7, 1}, {"Passing the suppression list over needs suppressions:write"}};
}

}  // namespace ekiden::inbound
