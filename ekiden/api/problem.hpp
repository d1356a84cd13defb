#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/api/http_server.hpp"

namespace ekiden::api {

enum class Language : std::uint8_t { English, Japanese };

/// What Accept-Language asks for (RFC 9110 §12.5.4). English when it names neither.
Language choose_language(std::string_view accept_language);

/// The same sentence twice.
struct Text {
  std::string english, japanese;

  const std::string& in(Language language) const {
    return language == Language::Japanese && !japanese.empty() ? japanese : english;
  }
};

/// What is wrong with one field of a request.
struct FieldProblem {
  std::string pointer;  ///< RFC 6901, "/to/0"; empty: the whole body
  std::string code;     ///< for programs: "required", "bad_address", "control_character", …
  Text text;
};

/// Why a request was not done. Its `code` is stable; programs compare `type`, which is
/// "urn:ekiden:problem:" and the code. docs/API.md lists them.
struct Problem {
  unsigned status = 500;
  std::string code;
  Text detail;
  std::vector<FieldProblem> fields;
  unsigned retry_after_s = 0;  ///< zero: no Retry-After
};

inline constexpr std::string_view kProblemPrefix = "urn:ekiden:problem:";
/// Fields that one answer names.
inline constexpr std::size_t kFieldProblemsMax = 50;

/// A problem by its code, with its title's words as detail until something better is said.
Problem make_problem(unsigned status, std::string_view code, Text detail);
Problem invalid_request(std::vector<FieldProblem> fields);
/// 422 for one parameter of the query.
Problem bad_parameter(std::string_view name, Text text);
Problem unavailable(Text detail, unsigned retry_after_s = 5);

/// The title that belongs to a code, in both languages.
const Text& title_of(std::string_view code);

/// As RFC 9457 has it: type, title, status, detail, errors, request_id.
boost::json::object to_json(const Problem& problem, Language language, std::string_view request_id);
HttpResponse to_response(const Problem& problem, Language language, std::string_view request_id);

}  // namespace ekiden::api
