// Webhooks: URLs that tenants give, what strangers have written in the events that are posted, and
// what an endpoint says of when to come back. A URL that is taken leads to one host, and is taken
// again as it was understood; a post is valid in its format and free of control characters.
//
// The first octet says which of them it is about.
#include <algorithm>
#include <boost/json/parse.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/webhook/address_guard.hpp"
#include "ekiden/webhook/payload.hpp"
#include "ekiden/webhook/schedule.hpp"
#include "ekiden/webhook/target.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::webhook;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

void check_target(std::string_view url) {
  std::string why;
  const auto target = parse_target(url, why);
  FUZZ_CHECK(target.has_value() == why.empty(), "what is refused says why");
  if (!target) return;
  FUZZ_CHECK(!has_control(target->host + target->path + target->authorization),
             "nothing of it ends a line of the request");
  FUZZ_CHECK(target->path.starts_with('/'), "a path begins at the root");
  FUZZ_CHECK(target->path.find(' ') == std::string::npos, "and is one word");
  FUZZ_CHECK(target->port == 80 || target->port == 443 || target->port >= 1024, "a usual port");
  const std::string written = target->origin() + target->path;
  if (written.size() > kUrlOctetsMax) return;
  const auto again = parse_target(written, why);
  FUZZ_CHECK(again, "what is understood is understood again");
  FUZZ_CHECK(again->host == target->host && again->port == target->port &&
                 again->path == target->path && again->is_secure == target->is_secure &&
                 again->address == target->address,
             "as the same");
  if (target->address) (void)AddressGuard().judge(*target->address);
}

void check_payload(fuzz::Input& input) {
  events::Event event;
  event.kind = static_cast<events::Kind>(input.octet() % 16);
  event.reply_code = input.u16() % 1000;
  event.recipient = input.until('\n');
  event.subject = input.until('\n');
  event.reply = input.until('\n');
  event.tags = {std::string(input.until('\n'))};
  event.detail = input.rest();
  event.id = "x";
  for (int i = 0; i <= static_cast<int>(account::WebhookFormat::LineWorks); ++i) {
    const auto format = static_cast<account::WebhookFormat>(i);
    if (!has_word_for(format, event.kind)) continue;
    const Payload payload = compose(format, {&event}, 2);
    FUZZ_CHECK(base::is_valid_utf8(payload.body), "a post is UTF-8");
    FUZZ_CHECK(!has_control(payload.body), "without control characters");
    FUZZ_CHECK(payload.body == compose(format, {&event}, 2).body, "and the same again");
    if (format == account::WebhookFormat::Chatwork) {
      FUZZ_CHECK(payload.body.find("%5B") == std::string::npos, "no markup of strangers");
      continue;
    }
    boost::json::error_code error;
    const auto value = boost::json::parse(payload.body, error);
    FUZZ_CHECK(!error, "a post is JSON");
    if (format == account::WebhookFormat::Slack) {
      FUZZ_CHECK(value.at("text").as_string().find('<') == boost::json::string::npos,
                 "no mention and no link");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.octet() % 3) {
    case 0:
      check_target(input.rest());
      break;
    case 1:
      check_payload(input);
      break;
    default: {
      const auto wait = parse_retry_after(input.rest(), base::from_unix_us(1'795'305'600'000'000));
      FUZZ_CHECK(!wait || (*wait >= base::Duration(0) && *wait <= kRetryAfterMax),
                 "a wait is bounded");
    }
  }
  return 0;
}
