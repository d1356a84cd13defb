// Bodies of the API: any octets are a strict JSON value or none; a draft made of them is refused,
// or becomes MIME of short 7-bit lines whose header section holds nothing that was not meant.
#include <boost/json/serialize.hpp>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/multipart.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/api/strict_json.hpp"
#include "ekiden/message/line_length.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace ekiden;
using namespace ekiden::api;

namespace {

void check_message(const boost::json::object& object) {
  Findings findings;
  const Draft draft = read_draft(object, findings);
  if (!findings.is_empty()) return;
  const Prepared prepared = prepare(draft, base::from_unix_us(1'795'305'600'000'000));
  if (prepared.problem) {
    FUZZ_CHECK(!prepared.problem->fields.empty(), "a refusal names a field");
    return;
  }
  FUZZ_CHECK(!prepared.recipients.empty() && prepared.mail.reverse_path, "a whole envelope");
  const std::string& octets = prepared.octets;
  const message::Scan scan = message::scan_lines(octets);
  FUZZ_CHECK(!scan.has_nul && !scan.has_bare_newline, "canonical lines");
  const std::size_t end = octets.find("\r\n\r\n");
  FUZZ_CHECK(end != std::string::npos, "a header section");
  const std::string header = "\r\n" + octets.substr(0, end);
  FUZZ_CHECK(header.find("\r\nBcc:") == std::string::npos, "nobody sees Bcc");
  FUZZ_CHECK(header.find("\r\nFrom:") == header.rfind("\r\nFrom:"), "one From");
  FUZZ_CHECK(header.find("\r\nSubject:") == header.rfind("\r\nSubject:"), "one Subject");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  (void)parse_form("multipart/form-data; boundary=b", octets);
  Text why;
  const auto value = parse_json(octets, why);
  if (!value) {
    FUZZ_CHECK(!why.english.empty() && !why.japanese.empty(), "a refusal says why");
    return 0;
  }
  const std::string written = boost::json::serialize(*value);
  const auto again = parse_json(written, why);
  FUZZ_CHECK(again && boost::json::serialize(*again) == written, "what is written is read again");
  if (value->is_object()) check_message(value->get_object());
  return 0;
}
