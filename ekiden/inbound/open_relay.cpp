#include <array>

#include "ekiden/inbound/admission.hpp"

namespace ekiden::inbound {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::OpenRelay:
      return "strangers could relay";
  }
  return "unknown";
}
constexpr base::ErrorCategory<Errc> kCategory("inbound", describe);

constexpr std::array<std::string_view, 2> kStrangers = {"192.0.2.1", "2001:db8::1"};
constexpr std::string_view kForeign = "foreign.invalid";

/// Recipients in a foreign domain, and those that hide one behind a domain of ours.
std::vector<std::string> tricks(const ListenerOptions& options) {
  const std::string foreign(kForeign);
  std::vector<std::string> all = {
      "<user@" + foreign + ">",
      "<\"user@" + foreign + "\"@other.invalid>",
      "<@" + foreign + ":user@" + foreign + ">",
      "<user@[192.0.2.1]>",
  };
  for (const auto& [domain, own] : options.domains) {
    all.push_back("<@" + domain + ":user@" + foreign + ">");
    all.push_back("<user@" + domain + "." + foreign + ">");
    if (own.check == RecipientCheck::List) continue;  // only what the operator named is taken
    all.push_back("<user%" + foreign + "@" + domain + ">");
    all.push_back("<" + foreign + "!user@" + domain + ">");
    all.push_back("<\"user@" + foreign + "\"@" + domain + ">");
  }
  return all;
}

/// A short prefix can begin in private space and reach beyond it.
bool holds_public_addresses(const net::AddressBlock& block) {
  if (block.prefix < 7 || net::scope_of(block.address) == net::Scope::Public) return true;
  if (!block.address.is_v4() || block.prefix > 32) return false;
  const std::uint32_t first = block.address.to_v4().to_uint();
  const std::uint32_t last = first | (block.prefix == 32 ? 0 : UINT32_MAX >> block.prefix);
  return net::scope_of(boost::asio::ip::address_v4(last)) != net::scope_of(block.address);
}

Result<void> found(std::string* what, std::string text) {
  if (what != nullptr) *what = std::move(text);
  return Errc::OpenRelay;
}

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

Result<void> prove_no_open_relay(const ListenerOptions& options, std::string* what) {
  for (const net::AddressBlock& block : options.trusted_networks) {
    if (holds_public_addresses(block)) {
      return found(what,
                   options.name + ": trusted_networks holds public addresses: " + block.text());
    }
  }
  const Admission admission(options);
  for (const std::string_view stranger : kStrangers) {
    Client client;
    client.address = boost::asio::ip::make_address(stranger);
    for (const std::string& trick : tricks(options)) {
      smtp::MailCommand mail;
      mail.reverse_path = smtp::Address{"user", std::string(kForeign)};
      if (!admission.admit_mail(client, mail).is_positive()) continue;
      const smtp::ParsedRcpt parsed = smtp::parse_rcpt("TO:" + trick, smtp::Offered{}, false);
      const auto* rcpt = std::get_if<smtp::RcptCommand>(&parsed);
      if (rcpt == nullptr) continue;
      if (admission.admit_rcpt(client, *rcpt).reply.is_positive()) {
        return found(what,
                     options.name + ": " + std::string(stranger) + " could relay to " + trick);
      }
    }
  }
  return {};
}

}  // namespace ekiden::inbound
