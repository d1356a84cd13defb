// The keys of [[rewrite]].
#include "ekiden/config/schema.hpp"

namespace ekiden::config {

std::vector<Key> rewrite_keys(Rewrite& v) {
  return {
      {.name = "name",
       .value = &v.name,
       .doc = "What the rule is called by `ekiden rewrite test` and in events. Without it, its "
              "number.",
       .example = "\"corporate addresses\""},
      {.name = "listeners",
       .value = &v.listeners,
       .doc = "Only mail that came by these listeners, named by their addresses.",
       .example = "[\"0.0.0.0:587\"]"},
      {.name = "tenants",
       .value = &v.tenants,
       .doc = "Only mail of these tenants.",
       .example = "[\"shop\"]"},
      {.name = "streams",
       .value = &v.streams,
       .doc = "Only mail of these streams. Recipients are decided before X-Ekiden-Stream can be "
              "read: for them the stream of the credential or the listener counts.",
       .example = "[\"bulk\"]"},
      {.name = "routes",
       .value = &v.routes,
       .doc = "Only mail that leaves by these routes, named by their next_hop (\"mx\" for all "
              "without a [[route]]). Such a rule acts when mail leaves, so it may not change "
              "recipients.",
       .example = "[\"smarthost.example:587\"]"},
      {.name = "sender_map",
       .value = &v.sender_map,
       .doc = "Addresses to addresses, for the reverse-path and for From, Sender, Reply-To and "
              "their like. \"@domain\" stands for everybody there, and as a value it keeps the "
              "local part.",
       .example = "{ \"t.sato@corp.example\" = \"taro.sato@example.jp\", \"@old.example\" = "
                  "\"@example.jp\" }"},
      {.name = "sender_map_file",
       .value = &v.sender_map_file,
       .doc = "A file with more of them: two words a line, # for comments. Read again on reload.",
       .example = "\"/etc/ekiden/senders\"",
       .text = TextKind::File},
      {.name = "recipient_map",
       .value = &v.recipient_map,
       .doc = "The same for recipients at RCPT, To and Cc.",
       .example = "{ \"info@example.jp\" = \"desk@example.jp\" }"},
      {.name = "recipient_map_file",
       .value = &v.recipient_map_file,
       .doc = "A file with more of them.",
       .example = "\"/etc/ekiden/recipients\"",
       .text = TextKind::File},
      {.name = "masquerade",
       .value = &v.masquerade,
       .doc = "Host names to be hidden, and the domain to stand there: in the reverse-path, From "
              "and its like, To and Cc; never in recipients at RCPT.",
       .example = "{ \"*.corp.example\" = \"example.jp\" }"},
      {.name = "masquerade_except",
       .value = &v.masquerade_except,
       .doc = "Who keeps the host name: local parts, addresses, \"@host\".",
       .example = "[\"root\", \"@db1.corp.example\"]"},
      {.name = "aliases",
       .value = &v.aliases,
       .doc = "Recipients to one or more others, which may be anywhere. Aliases may name aliases, "
              "and themselves to keep a copy. On a listener for own domains an alias exists, "
              "whatever inbound_domain.recipients says.",
       .example = "{ \"all@example.jp\" = [\"a@example.jp\", \"b@gmail.example\"] }",
       .text = TextKind::Lists},
      {.name = "aliases_file",
       .value = &v.aliases_file,
       .doc = "A file with more of them: an address, then others with commas between them.",
       .example = "\"/etc/ekiden/aliases\"",
       .text = TextKind::File},
      {.name = "header_from",
       .value = &v.header_from,
       .doc = "The address that stands in From instead of any other; names and comments stay.",
       .example = "\"noreply@example.jp\""},
      {.name = "header_reply_to",
       .value = &v.header_reply_to,
       .doc = "The same for Reply-To, which is added where it lacks.",
       .example = "\"support@example.jp\""},
      {.name = "keep_original",
       .value = Choice{[&v] { return static_cast<std::size_t>(v.keep_original); },
                       [&v](std::size_t i) { v.keep_original = static_cast<KeepOriginal>(i); },
                       {"x-original-from", "reply-to", "nowhere"}},
       .doc = "Where From goes that header_from replaces: X-Original-From; Reply-To where there is "
              "none, else X-Original-From; or nowhere. A replaced Reply-To goes to "
              "X-Original-Reply-To."},
      {.name = "return_path",
       .value = &v.return_path,
       .doc = "The reverse-path that next hops see. \"verp\": a signed address below "
              "bounce_domain that names message and recipient, one recipient in a transaction; "
              "\"srs\": the sender rewritten for forwarding (SRS0, SRS1); or an address. Reports "
              "of our own still go to the client's.",
       .example = "\"verp\""},
      {.name = "bounce_domain",
       .value = &v.bounce_domain,
       .doc = "The domain of \"verp\" and \"srs\" addresses. Make it an [[inbound_domain]] to "
              "take the bounces here.",
       .example = "\"bounces.example.jp\"",
       .text = TextKind::HostName},
      {.name = "remove_headers",
       .value = &v.remove_headers,
       .doc = "Header fields to be removed.",
       .example = "[\"X-Mailer\", \"X-Originating-IP\"]"},
      {.name = "add_headers",
       .value = &v.add_headers,
       .doc = "Header fields to be added. Values know {id}, {message_id}, {tenant}, {stream}, "
              "{listener}, {hostname}, {tag}, {sender}, {sender_domain}, {from}, {from_domain}, "
              "and, as mail leaves, {route}, {recipient}, {recipient_domain} and {token}; the last "
              "three mean one recipient in a transaction. A field whose value is empty is left "
              "out.",
       .example = "{ \"X-Tenant\" = \"{tenant}/{stream}\" }"},
      {.name = "replace_headers",
       .value = &v.replace_headers,
       .doc = "The same, in place of all fields of that name.",
       .example = "{ \"Organization\" = \"Example K.K.\" }"},
      {.name = "feedback_id",
       .value = &v.feedback_id,
       .doc = "Adds a Feedback-ID, \"campaign:tenant:stream:this\", where a message has none. The "
              "campaign is its first tag.",
       .example = "\"examplejp\""},
      {.name = "list_unsubscribe",
       .value = &v.list_unsubscribe,
       .doc = "Adds List-Unsubscribe where a message has none, with these https: and mailto: "
              "links, and List-Unsubscribe-Post with an https: one (RFC 8058). {token} is signed "
              "and names message and recipient; values are escaped for URLs.",
       .example = "[\"https://mail.example.jp/u/{token}\", \"mailto:leave+{token}@example.jp\"]"},
  };
}

}  // namespace ekiden::config
