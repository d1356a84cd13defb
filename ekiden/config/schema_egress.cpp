// The keys of [[source]] and [[pool]].
#include "ekiden/config/schema_values.hpp"

namespace ekiden::config {

std::vector<Key> source_keys(Source& v) {
  return {
      {.name = "name",
       .value = &v.name,
       .doc = "What pools, commands and events call it: letters, digits, \"-\", \"_\", \".\".",
       .example = "\"mail1\"",
       .is_required = true},
      {.name = "ipv4",
       .value = &v.ipv4,
       .doc = "The local IPv4 address. A source that has an address of one family only never uses "
              "the other; one without any leaves as the machine chooses. Where an address is not "
              "on the machine the source rests, and its share goes to the others.",
       .example = "\"192.0.2.1\""},
      {.name = "ipv6",
       .value = &v.ipv6,
       .doc =
           "The local IPv6 address. It is used only while its PTR record names the EHLO name and "
           "that name has the address: large providers refuse mail from others.",
       .example = "\"2001:db8::1\""},
      {.name = "public_ipv4",
       .value = &v.public_ipv4,
       .doc = "The address as others see it, where NAT stands between. What checks PTR, SPF and "
              "block lists asks about it.",
       .example = "\"203.0.113.1\""},
      {.name = "public_ipv6",
       .value = &v.public_ipv6,
       .doc = "The same for IPv6.",
       .example = "\"2001:db8:1::1\""},
      {.name = "hostname",
       .value = &v.hostname,
       .doc = "The name said in EHLO. It should be what the address's PTR record says, and point "
              "back to it. Without it, node.hostname.",
       .example = "\"mail1.example.jp\"",
       .text = TextKind::HostName},
      {.name = "families",
       .value = choices(v.families, {"ipv6", "ipv4"}),
       .doc = "The families to use, in the order in which they are tried. A provider's profile may "
              "narrow or turn it."},
      {.name = "warm_up",
       .value = &v.warm_up,
       .doc = "The address is new: what it sends to each provider grows day by day along that "
              "provider's ramp (docs/EGRESS.md). Mail beyond it leaves from the pool's other "
              "sources, or waits."},
      {.name = "ipv6_ptr",
       .value = choice(v.ipv6_ptr, {"require", "ignore"}),
       .doc = "require: IPv6 is used only while the PTR record of ipv6, or of public_ipv6, is "
              "right. ignore: always; for test beds and next hops of one's own."},
      {.name = "socks5",
       .value = &v.socks5,
       .doc = "A SOCKS5 proxy that connections go through (RFC 1928), by its address. ipv4 and "
              "ipv6 are then the proxy's own addresses, as others see them; nothing is bound here.",
       .example = "\"10.0.0.5:1080\""},
      {.name = "username",
       .value = &v.username,
       .doc = "The name to log in with at the SOCKS5 proxy (RFC 1929).",
       .example = "\"mail1\""},
      {.name = "password_file",
       .value = &v.password_file,
       .doc = "A file with the password for it; its last line end is not part of it.",
       .example = "\"/etc/ekiden/socks.secret\"",
       .text = TextKind::File},
      {.name = "haproxy",
       .value = &v.haproxy,
       .doc = "An HAProxy that connections go through, by its address: it is told by a PROXY "
              "header (version 2) to leave from ipv4 or ipv6. SOCKS5 tells failures apart, this "
              "cannot.",
       .example = "\"10.0.0.6:2525\""},
  };
}

std::vector<Key> pool_keys(Pool& v) {
  return {
      {.name = "name",
       .value = &v.name,
       .doc = "What commands and events call it: letters, digits, \"-\", \"_\", \".\".",
       .example = "\"bulk\"",
       .is_required = true},
      {.name = "sources",
       .value = &v.sources,
       .doc = "Names of sources; in a table, their shares as well.",
       .example = "{ mail1 = 3, mail2 = 1 }",
       .is_required = true},
      {.name = "by_name",
       .value = choice(v.by_name, {"no", "also", "only"}),
       .doc =
           "Whether mail may name the pool (\"pool\" in the API, SendGrid's ip_pool_name), as far "
           "as tenants and streams let it. \"only\": it takes no other mail.",
       .example = "\"only\""},
      {.name = "tenants",
       .value = &v.tenants,
       .doc = "Takes the mail of these tenants only.",
       .example = "[\"default\"]"},
      {.name = "streams",
       .value = &v.streams,
       .doc = "Takes mail of these streams only.",
       .example = "[\"bulk\"]"},
      {.name = "routes",
       .value = &v.routes,
       .doc = "Takes mail of these routes only: \"mx\", or a next hop as it stands in [[route]].",
       .example = "[\"mx\"]"},
  };
}

}  // namespace ekiden::config
