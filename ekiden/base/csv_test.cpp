// Lists as people save them: encodings, separators, quotes that break.
#include "ekiden/base/csv.hpp"

#include <gtest/gtest.h>

namespace ekiden::base {
namespace {

std::vector<CsvReader::Record> read(std::string_view text) {
  CsvReader reader(text);
  std::vector<CsvReader::Record> records;
  while (auto record = reader.next()) records.push_back(std::move(*record));
  return records;
}
using Fields = std::vector<std::string>;

TEST(Csv, ReadsFieldsQuotesAndEveryLineEnd) {
  const auto records = read("a,b\r\n\"c, \"\"d\"\"\",\n\n\"e\nf\",g\rlast");
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].fields, (Fields{"a", "b"}));
  EXPECT_EQ(records[1].fields, (Fields{"c, \"d\"", ""}));
  EXPECT_EQ(records[2].fields, (Fields{"e\nf", "g"}));
  EXPECT_EQ(records[2].line, 4u);
  EXPECT_EQ(records[3].fields, (Fields{"last"}));
  EXPECT_EQ(records[3].line, 6u);
}

TEST(Csv, ABrokenQuoteSpoilsItsOwnLineOnly) {
  const auto records = read("a\n\"b,c\nd\n\"e\"x,f\ng\n");
  ASSERT_EQ(records.size(), 5u);
  EXPECT_NE(records[1].problem, "");
  EXPECT_EQ(records[1].line, 2u);
  EXPECT_EQ(records[2].fields, (Fields{"d"}));
  EXPECT_NE(records[3].problem, "");
  EXPECT_EQ(records[4].fields, (Fields{"g"}));
}

TEST(Csv, TabsSeparateWhereTheFirstLineHasThem) {
  EXPECT_EQ(read("a\tb\nc,d\te\n")[1].fields, (Fields{"c,d", "e"}));
  EXPECT_EQ(read("a,b\tc\n")[0].fields, (Fields{"a", "b\tc"}));
}

TEST(Csv, ALineWithoutAnEndIsRefusedNotKept) {
  const auto records = read(std::string(kCsvRecordOctetsMax + 10, 'x') + "\nb\n");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_NE(records[0].problem, "");
  EXPECT_EQ(records[1].fields, (Fields{"b"}));
}

TEST(Csv, ReadsUtf8WithItsMarkAndShiftJis) {
  EXPECT_EQ(decode_list("\xef\xbb\xbf\xe9\x9b\xbb"), "\xe9\x9b\xbb");
  EXPECT_EQ(decode_list("\x93\x64\x98\x62"), "電話");
  EXPECT_EQ(decode_list("\x87\x40"), "①") << "what Windows adds to Shift_JIS";
  EXPECT_FALSE(decode_list("\xff\xfe\x80\xfd"));
  EXPECT_EQ(decode_list(""), "");
}

TEST(Csv, WritesWhatItReadsAndNoFormulas) {
  for (const char* text : {"plain", "with, comma", "with \"quotes\"", "two\nlines", ""}) {
    const std::string line = format_csv_field(text) + ",end";
    EXPECT_EQ(read(line)[0].fields[0], text);
  }
  EXPECT_EQ(format_csv_field("=cmd()"), "'=cmd()");
}

}  // namespace
}  // namespace ekiden::base
