#include "ekiden/api/admin/grant.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api::admin {
namespace {

Text more_than_own(std::string_view what) {
  const std::string name = base::printable(what, 100);
  return {name + " goes past what this key itself may do",
          name + " はこのキー自身の権限を超えます"};
}

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

/// Every address of `inner` is one of `outer`.
bool covers(const net::AddressBlock& outer, const net::AddressBlock& inner) {
  return outer.address.is_v4() == inner.address.is_v4() && outer.prefix <= inner.prefix &&
         outer.contains(inner.address);
}

void read_streams(Fields& fields, const account::Credential& own, account::Credential& granted) {
  granted.stream = fields.text("stream").value_or(own.stream);
  const auto streams = fields.texts("streams");
  granted.streams = streams.value_or(own.streams);
  if (own.streams.empty()) return;
  const auto may = [&](const std::string& stream) {
    return stream == own.stream || has(own.streams, stream);
  };
  if (!may(granted.stream)) fields.wrong("stream", "not_granted", more_than_own(granted.stream));
  if (granted.streams.empty())
    fields.wrong("streams", "not_granted", more_than_own("\"streams\": []"));
  for (const std::string& stream : granted.streams)
    if (!may(stream)) fields.wrong("streams", "not_granted", more_than_own(stream));
}

void read_domains(Fields& fields, const account::Credential& own, account::Credential& granted) {
  const auto given = fields.texts("sender_domains");
  if (!given) {
    granted.sender_domains = own.sender_domains;
    return;
  }
  if (given->empty() && !own.sender_domains.empty())
    fields.wrong("sender_domains", "not_granted", more_than_own("\"sender_domains\": []"));
  for (const std::string& name : *given) {
    const auto domain = smtp::canonical_domain(name);
    if (!domain) {
      fields.wrong("sender_domains", "bad_value",
                   {"\"" + base::printable(name, 100) + "\" is no domain",
                    "「" + base::printable(name, 100) + "」はドメインではありません"});
      continue;
    }
    if (!own.sender_domains.empty() && !has(own.sender_domains, *domain))
      fields.wrong("sender_domains", "not_granted", more_than_own(*domain));
    granted.sender_domains.push_back(*domain);
  }
}

void read_networks(Fields& fields, const account::Credential& own, account::Credential& granted) {
  const auto given = fields.texts("networks");
  if (!given) {
    granted.networks = own.networks;
    return;
  }
  if (given->empty() && !own.networks.empty())
    fields.wrong("networks", "not_granted", more_than_own("\"networks\": []"));
  for (const std::string& text : *given) {
    const auto block = net::parse_address_block(text);
    if (!block) {
      fields.wrong("networks", "bad_value",
                   {"an address, or a block such as 192.0.2.0/24 whose host bits are zero",
                    "アドレス、または192.0.2.0/24のようなブロックです"});
      continue;
    }
    const bool is_own =
        own.networks.empty() ||
        std::any_of(own.networks.begin(), own.networks.end(),
                    [&](const net::AddressBlock& one) { return covers(one, *block); });
    if (!is_own) fields.wrong("networks", "not_granted", more_than_own(text));
    granted.networks.push_back(*block);
  }
}

}  // namespace

account::Credential read_grant(Fields& fields, const Caller& caller) {
  account::Credential granted;
  const account::Credential& own = caller.key->credential;
  read_streams(fields, own, granted);
  read_domains(fields, own, granted);
  read_networks(fields, own, granted);
  return granted;
}

}  // namespace ekiden::api::admin
