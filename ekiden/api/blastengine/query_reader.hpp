#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/api/blastengine/logs.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api::blastengine {

/// What of a query or a body names what is asked for.
class QueryReader {
 public:
  explicit QueryReader(const Caller& caller) { query.tenant = caller.tenant(); }

  void time(std::string_view name, std::string_view text, std::optional<base::Time>& into) {
    if (text.empty()) return;
    into = message::parse_date(text);
    if (!into)
      wrong(name, {"a date such as 2026-11-22T09:00:00+09:00",
                   "2026-11-22T09:00:00+09:00のような日時です"});
  }
  void code(std::string_view text) {
    const auto number = base::parse_u64(text);
    if (!number || *number > 999) return wrong("response_code", {"a reply code", "応答コードです"});
    query.codes.push_back(static_cast<std::uint16_t>(*number));
  }
  template <std::size_t N>
  void words(std::string_view name, std::vector<std::string> given,
             const std::string_view (&known)[N], std::vector<std::string>& into) {
    for (std::string& word : given) {
      if (std::find(std::begin(known), std::end(known), word) == std::end(known))
        return wrong(name, {"\"" + base::printable(word, 40) + "\" is not known",
                            "「" + base::printable(word, 40) + "」は指定できません"});
      if (word == "ALL") {
        into.clear();
        return;
      }
      into.push_back(std::move(word));
    }
  }
  void wrong(std::string_view name, Text text) {
    if (!problem) problem = bad_field(std::string(name), std::move(text));
  }

  LogQuery query;
  std::optional<Problem> problem;
};

}  // namespace ekiden::api::blastengine
