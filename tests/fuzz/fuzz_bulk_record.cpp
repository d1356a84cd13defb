// Jobs as they lie in the spool: of damaged octets nothing is read past their end, and frames that
// are whole hold the rows that were written, in order.
#include "ekiden/bulk/record.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace ekiden;
using namespace ekiden::bulk;

namespace {

void read_anything(std::string_view octets) {
  Frame frame;
  std::size_t needed = 0;
  switch (read_frame(octets, frame, needed)) {
    case FrameError::None:
      FUZZ_CHECK(frame.size <= octets.size() && frame.payload.size() < frame.size, "within it");
      (void)decode_head(frame);
      for (const std::string_view row : rows_of(frame)) {
        FUZZ_CHECK(row.find('\n') == std::string_view::npos, "a row is a line");
      }
      break;
    case FrameError::Partial:
      FUZZ_CHECK(needed > octets.size(), "more is needed");
      break;
    case FrameError::Damaged:
      break;
  }
  if (const auto mark = parse_mark(octets)) {
    FUZZ_CHECK(parse_mark(format_mark(*mark)) == mark, "a mark is written back");
  }
}

void write_and_read(fuzz::Input input) {
  std::vector<std::string> rows;
  FrameWriter writer;
  std::string octets;
  while (!input.is_empty() && rows.size() < 300) {
    rows.emplace_back(input.until('\n').substr(0, kRowOctetsMax));
    writer.add(rows.back());
    if (rows.back().size() % 3 == 0) octets += writer.take();
  }
  octets += writer.end();

  std::size_t at = 0, row = 0;
  while (at < octets.size()) {
    Frame frame;
    std::size_t needed = 0;
    const auto error = read_frame(std::string_view(octets).substr(at), frame, needed);
    FUZZ_CHECK(error == FrameError::None, "what was written is whole");
    FUZZ_CHECK(frame.first_row == row + 1, "rows are numbered from one");
    for (const std::string_view read : rows_of(frame)) {
      FUZZ_CHECK(row < rows.size() && read == rows[row], "rows in their order");
      ++row;
    }
    at += frame.size;
  }
  FUZZ_CHECK(row == rows.size(), "every row, once");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_anything({reinterpret_cast<const char*>(data), size});
  write_and_read(fuzz::Input(data, size));
  return 0;
}
