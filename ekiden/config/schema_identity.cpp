// The keys of [signing] and [[alignment]].
#include "ekiden/config/schema_values.hpp"

namespace ekiden::config {

std::vector<Key> signing_keys(Signing& v) {
  return {
      {.name = "relay_domain",
       .value = &v.relay_domain,
       .doc = "The relay's own domain: where it has keys (`ekiden dkim keygen`), own clients' mail "
              "gets a second signature of it behind the author's, and mail that is passed on for "
              "domains without keys is sealed with it.",
       .example = "\"relay.example.jp\"",
       .text = TextKind::HostName},
      {.name = "oversign",
       .value = &v.oversign,
       .doc = "Headers that signatures list once more than the message has them, so that nobody "
              "adds one behind our back. Without From, a second From could be added."},
      {.name = "arc",
       .value = &v.arc,
       .doc = "Seal mail of others that is passed on (RFC 8617), where its domain or the relay's "
              "has an RSA key and the listener writes Authentication-Results."},
  };
}

std::vector<Key> alignment_keys(Alignment& v) {
  return {
      {.name = "tenant",
       .value = &v.tenant,
       .doc = "Whose mail; \"*\" is everybody's for whom no other [[alignment]] speaks.",
       .example = "\"shop\"",
       .is_required = true},
      {.name = "mode",
       .value = choice(v.mode, {"off", "warn", "hold", "refuse"}),
       .doc = "What becomes of mail for which neither SPF nor DKIM will align with header From: "
              "off (not looked at), warn (it leaves, event `warned`), hold (until an operator "
              "releases it), refuse (550 5.7.26, by what is known; what the DNS tells later is "
              "held). Without any [[alignment]] all are warned."},
  };
}

}  // namespace ekiden::config
