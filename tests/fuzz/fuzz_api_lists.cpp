// Lists of recipients, CSV or JSON lines, in any encoding: however many records are asked for at a
// time, each is taken or refused, on the same lines, once.
//
// An octet of flags, then the file.
#include <boost/json/parse.hpp>

#include "ekiden/api/jobs/list_reader.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace ekiden;
using namespace ekiden::api::jobs;

namespace {

struct Read {
  std::vector<std::string> rows, errors;
  friend bool operator==(const Read&, const Read&) = default;
};

Read read_all(const std::string& octets, ListFormat format, std::size_t at_once) {
  Read read;
  ListReader reader(octets, format);
  if (!reader.problem().empty()) {
    read.errors.push_back(reader.problem());
    return read;
  }
  std::uint64_t looked_at = 0;
  for (;;) {
    const ListReader::Some some = reader.next(at_once);
    FUZZ_CHECK(some.rows.size() == some.lines.size(), "a row has its line");
    FUZZ_CHECK(some.rows.size() + some.errors.size() <= some.looked_at, "each is counted");
    FUZZ_CHECK(some.looked_at <= at_once, "no more than asked for");
    looked_at += some.looked_at;
    for (std::size_t i = 0; i < some.rows.size(); ++i) {
      const bulk::Row& row = some.rows[i];
      boost::system::error_code failed;
      const auto data = boost::json::parse({row.data.data(), row.data.size()}, failed);
      FUZZ_CHECK(!failed && data.is_object(), "a row is one JSON object");
      FUZZ_CHECK(row.data.find('\n') == std::string::npos, "in one line");
      FUZZ_CHECK(row.address.find_first_of("\r\n") == std::string::npos, "an address is one line");
      read.rows.push_back(std::to_string(some.lines[i]) + " " + row.address + " " + row.data);
    }
    for (const bulk::ImportError& error : some.errors) {
      FUZZ_CHECK(error.line > 0 && !error.code.empty() && !error.text.empty(), "where and why");
      read.errors.push_back(std::to_string(error.line) + " " + error.code);
    }
    if (some.is_end) break;
    FUZZ_CHECK(some.looked_at > 0, "it goes on");
  }
  FUZZ_CHECK(looked_at <= octets.size() + 1, "no records out of nothing");
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto format = input.flag() ? ListFormat::JsonLines : ListFormat::Csv;
  const std::string octets(input.rest());
  FUZZ_CHECK(read_all(octets, format, 1) == read_all(octets, format, 1000), "once, at any pace");
  return 0;
}
