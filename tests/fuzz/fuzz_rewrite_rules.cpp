// Rules over any header: the body stays, what comes out is a header again, the same input gives the
// same output, and a second pass has nothing left to map. Input: one octet of options, then the
// sender, a recipient, the header section.
#include <algorithm>

#include "ekiden/message/header_scan.hpp"
#include "ekiden/rewrite/address_spans.hpp"
#include "ekiden/rewrite/rules.hpp"
#include "ekiden/rewrite/srs.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::rewrite;

const account::HashKey& key() {
  static const account::HashKey kKey(std::string(account::kHashOctets, 'k'));
  return kKey;
}

/// `adds`: with rules that add fields, which a second pass would add again.
std::shared_ptr<const RuleSet> rules_of(bool adds) {
  RuleOptions maps;
  maps.name = "maps";
  maps.sender_map = {{"a@a.test", "b@example.jp"}, {"@c.test", "@example.jp"}};
  maps.recipient_map = {{"r@a.test", "s@example.jp"}};
  maps.masquerade = {{"*.test", "example.jp"}};
  maps.aliases = {{"all@a.test", "r@a.test,all@a.test,b@a.test"}, {"b@a.test", "all@a.test"}};
  maps.header_from = "from@example.jp";
  maps.remove_headers = {"X-Mailer", "Subject"};
  RuleOptions more;
  more.name = "more";
  more.add_headers = {{"X-Values", "{sender} {from} {tag} {message_id}"}, {"X-To", "{recipient}"}};
  more.replace_headers = {{"Comments", "{from_domain}"}};
  more.feedback_id = "id";
  more.list_unsubscribe = {"https://e.test/{token}"};
  more.return_path = ReturnPath::Srs;
  more.bounce_domain = "srs.example.jp";
  std::vector<RuleOptions> all = {maps};
  if (adds) all.push_back(more);
  std::string why;
  return RuleSet::make(std::move(all), &key(), "relay.test", std::chrono::hours(24), why);
}

std::size_t fields_of(std::string_view header, bool& is_whole) {
  message::HeaderScanner scanner(header);
  message::Field field;
  std::size_t count = 0;
  for (;;) {
    const Result<bool> more = scanner.next(field);
    is_whole = static_cast<bool>(more);
    if (!more || !*more) return count;
    ++count;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::shared_ptr<const RuleSet> kMapping = rules_of(false);
  static const std::shared_ptr<const RuleSet> kAdding = rules_of(true);
  fuzz::Input input(data, size);
  const bool adds = input.flag();
  const RuleSet& rules = adds ? *kAdding : *kMapping;
  const std::string sender(input.until('\n'));
  const std::string recipient(input.until('\n'));
  const std::string octets(input.rest());

  const std::size_t end = message::find_header_end(octets);
  const std::size_t header_octets = end == std::string::npos ? octets.size() : end;
  const std::string_view header = std::string_view(octets).substr(0, header_octets);
  const auto accept = [&](std::string_view section) {
    Submitted message;
    message.reverse_path = sender;
    message.header = section;
    message.header_from = sender;
    message.tag = recipient;
    message.aliases = {"all@a.test"};
    message.shows_alias = adds;
    return rules.accept(message);
  };
  const Rewritten made = accept(header);
  std::size_t at = 0;
  for (const HeaderEdit::Change& change : made.header.changes) {
    FUZZ_CHECK(change.at >= at && change.at + change.octets <= header.size(),
               "changes follow each other and end before the body");
    at = change.at + change.octets;
  }
  FUZZ_CHECK(made.acts.size() <= kActsMax, "acts are bounded");
  const std::string after = made.header.apply(header);
  FUZZ_CHECK(accept(header).header.apply(header) == after, "the same each time");
  bool was_whole = false, is_whole = false;
  const std::size_t before_fields = fields_of(header, was_whole);
  const std::size_t after_fields = fields_of(after, is_whole);
  if (was_whole && is_whole)
    FUZZ_CHECK(after_fields + 3000 > before_fields, "only what was to go went");
  // What ends a section may not come from a value: it ends where the old one ended.
  if (was_whole && is_whole && end != std::string::npos && fields_of(header, was_whole) > 0) {
    message::HeaderScanner old_scanner(header), new_scanner(after);
    message::Field field;
    while (*old_scanner.next(field)) {
    }
    for (;;) {
      const Result<bool> more = new_scanner.next(field);
      if (!more || !*more) break;
    }
    FUZZ_CHECK(header.size() - old_scanner.consumed() == after.size() - new_scanner.consumed(),
               "the section ends where it ended");
  }
  if (!adds) {
    const std::string twice = accept(after).header.apply(after);
    FUZZ_CHECK(twice == after, "a second pass has nothing left to do");
  }

  const Result<smtp::Address> address = smtp::parse_address(recipient);
  if (address) {
    const Expansion expansion = rules.expand(*address, {});
    FUZZ_CHECK(expansion.recipients.size() <= kExpansionMax, "expansions are bounded");
    (void)rules.read_bounce(*address, base::Time{});
    (void)read_srs(key(), *address, base::Time{}, std::chrono::hours(24));
  }
  const Result<smtp::Address> from = smtp::parse_address(sender);
  if (from) {
    if (const auto forward = make_srs(key(), "srs.example.jp", *from, base::Time{})) {
      FUZZ_CHECK(forward->local.size() <= 64, "a forwarded sender fits");
      FUZZ_CHECK(smtp::parse_address(forward->text()).has_value(), "and is an address");
      const auto back = read_srs(key(), *forward, base::Time{}, std::chrono::hours(24));
      FUZZ_CHECK(back.has_value(), "and is read back");
      FUZZ_CHECK(map_key(*back) == map_key(*from) || from->local.size() > 4,
                 "to the address that it was");
    }
    message::Meta meta;
    meta.envelope.reverse_path = sender;
    meta.envelope.recipients = {{recipient, {}, 0, {}}};
    const Departed departed = rules.depart({{1, 2}, &meta, 0, "mx", header});
    const std::string leaves = departed.header.apply(header);
    FUZZ_CHECK(leaves.size() + 100'000 > header.size(), "a departure only adds here");
  }
  return 0;
}
