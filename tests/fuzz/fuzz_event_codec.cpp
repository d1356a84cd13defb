// Stored events: one event has one form, both readers agree, and the JSON is JSON.
#include <boost/json/parse.hpp>

#include "ekiden/events/codec.hpp"
#include "ekiden/events/event.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ekiden::events;
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const auto event = decode_event(octets);
  const auto keys = read_keys(octets);
  FUZZ_CHECK(event.has_value() == keys.has_value(), "both readers take the same");
  if (!event) return 0;
  FUZZ_CHECK(encode_event(*event) == octets, "one event has one form");
  FUZZ_CHECK(keys->time == event->time && keys->kind == event->kind &&
                 keys->message == event->message && keys->attempt == event->attempt &&
                 keys->recipient_index == event->recipient_index &&
                 keys->recipient == event->recipient && keys->tenant == event->tenant &&
                 keys->internet_message_id == event->internet_message_id,
             "and say the same");
  FUZZ_CHECK(keys->id.empty() || keys->id == event->id, "of the id too");
  boost::system::error_code error;
  const auto json = boost::json::parse(format_event_json(*event), error);
  FUZZ_CHECK(!error && json.is_object(), "the JSON is an object");
  return 0;
}
