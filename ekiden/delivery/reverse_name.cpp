#include "ekiden/delivery/reverse_name.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/auth/spf_macro.hpp"
#include "ekiden/dns/name.hpp"

namespace ekiden::delivery {
namespace {

bool is_unknown(const dns::Answer& answer) {
  return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
}

std::string failure_of(const std::string& name, const dns::Answer& answer) {
  std::string text = answer.status == dns::Status::Bogus
                         ? "the answer for " + name + " fails DNSSEC validation"
                         : "the DNS does not answer for " + name;
  if (!answer.reason.empty()) text += ": " + answer.reason;
  return text;
}

}  // namespace

std::string ReverseName::text(const net::Address& address, const std::string& hostname) const {
  const std::string whose = "the PTR record of " + address.to_string();
  switch (verdict) {
    case Verdict::Confirmed:
      return whose + " names " + hostname + ", which has the address";
    case Verdict::NoPtr:
      return address.to_string() + " has no PTR record";
    case Verdict::OtherName: {
      std::string all;
      for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
      return whose + " names " + all + ", not " + hostname;
    }
    case Verdict::NotForward:
      return whose + " names " + hostname + ", which does not have that address";
    case Verdict::Unknown:
      break;
  }
  return whose + " is not known: " + why;
}

base::Task<ReverseName> find_reverse_name(dns::Resolver& resolver, net::Address address,
                                          std::string hostname) {
  ReverseName found;
  std::string reverse = auth::reverse_name_of(address);
  const dns::Answer pointer = co_await dns::resolve(resolver, reverse, dns::Type::PTR);
  if (is_unknown(pointer)) {
    found.why = failure_of(reverse, pointer);
    co_return found;
  }
  found.valid_for = std::chrono::seconds(pointer.ttl_s);
  const std::string wanted = dns::canonical_name(hostname);
  bool is_named = false;
  for (const std::string& name : dns::names_of(pointer)) {
    if (found.names.size() >= kPtrNamesMax) break;
    found.names.push_back(dns::canonical_name(name));
    is_named = is_named || found.names.back() == wanted;
  }
  if (found.names.empty()) {
    found.verdict = ReverseName::Verdict::NoPtr;
    co_return found;
  }
  if (!is_named) {
    found.verdict = ReverseName::Verdict::OtherName;
    co_return found;
  }
  const dns::Type type = address.is_v4() ? dns::Type::A : dns::Type::AAAA;
  const dns::Answer forward = co_await dns::resolve(resolver, wanted, type);
  if (is_unknown(forward)) {
    found.why = failure_of(wanted, forward);
    found.valid_for = {};
    co_return found;
  }
  found.valid_for = std::min<base::Duration>(found.valid_for, std::chrono::seconds(forward.ttl_s));
  found.addresses = dns::addresses_of(forward);
  const bool is_there =
      std::find(found.addresses.begin(), found.addresses.end(), address) != found.addresses.end();
  found.verdict = is_there ? ReverseName::Verdict::Confirmed : ReverseName::Verdict::NotForward;
  co_return found;
}

}  // namespace ekiden::delivery
