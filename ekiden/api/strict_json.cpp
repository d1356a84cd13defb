#include "ekiden/api/strict_json.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/value_stack.hpp>
#include <exception>
#include <unordered_set>

#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;
using ErrorCode = json::error_code;

/// Builds the value, and ends at a key that its object has had.
class Builder {
 public:
  static constexpr std::size_t max_object_size = 100'000;
  static constexpr std::size_t max_array_size = 1'000'000;
  static constexpr std::size_t max_key_size = 1024;
  static constexpr std::size_t max_string_size = json::string::max_size();

  std::optional<std::string> duplicate;  ///< the key that came twice

  bool on_document_begin(ErrorCode&) {
    stack_.reset();
    return true;
  }
  bool on_document_end(ErrorCode&) { return true; }
  bool on_object_begin(ErrorCode&) {
    keys_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, ErrorCode&) {
    keys_.pop_back();
    stack_.push_object(n);
    return true;
  }
  bool on_array_begin(ErrorCode&) { return true; }
  bool on_array_end(std::size_t n, ErrorCode&) {
    stack_.push_array(n);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, ErrorCode&) {
    key_.append(part.data(), part.size());
    stack_.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, ErrorCode& error) {
    key_.append(part.data(), part.size());
    stack_.push_key(part);
    const bool is_new = keys_.back().insert(key_).second;
    if (!is_new) {
      duplicate = std::move(key_);
      error = json::error::syntax;
    }
    key_.clear();
    return is_new;
  }
  bool on_string_part(json::string_view part, std::size_t, ErrorCode&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, ErrorCode&) {
    stack_.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view, ErrorCode&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, ErrorCode&) {
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, json::string_view, ErrorCode&) {
    stack_.push_uint64(number);
    return true;
  }
  bool on_double(double number, json::string_view, ErrorCode&) {
    stack_.push_double(number);
    return true;
  }
  bool on_bool(bool value, ErrorCode&) {
    stack_.push_bool(value);
    return true;
  }
  bool on_null(ErrorCode&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, ErrorCode&) { return true; }
  bool on_comment(json::string_view, ErrorCode&) { return true; }

  json::value release() { return stack_.release(); }

 private:
  json::value_stack stack_;
  std::vector<std::unordered_set<std::string>> keys_;
  std::string key_;
};

Text reason(const ErrorCode& error, const Builder& builder) {
  if (builder.duplicate) {
    const std::string key = base::printable(*builder.duplicate, 80);
    return {"the key \"" + key + "\" stands twice in one object",
            "キー「" + key + "」が一つのオブジェクトに二度あります"};
  }
  if (error == json::error::too_deep) {
    const std::string max = std::to_string(kJsonDepthMax);
    return {"arrays and objects may be nested " + max + " deep", "入れ子は" + max + "段までです"};
  }
  if (error == json::error::illegal_leading_surrogate ||
      error == json::error::expected_utf16_escape ||
      error == json::error::illegal_trailing_surrogate)
    return {"a \\u escape is half of a surrogate pair", "サロゲートペアの片方だけがあります"};
  if (error == json::error::incomplete)
    return {"the text ends before the value does", "JSONが途中で終わっています"};
  if (error == json::error::extra_data)
    return {"something follows the value", "JSONの後に余分な文字があります"};
  return {"syntax: " + error.message(), "構文エラー: " + error.message()};
}

}  // namespace

std::optional<json::value> parse_json(std::string_view text, Text& why) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<Builder> parser(options);
  ErrorCode error;
  std::size_t used = 0;
  try {
    used = parser.write_some(false, text.data(), text.size(), error);
    if (!error && used < text.size()) error = json::error::extra_data;
    if (!error) return parser.handler().release();
  } catch (const std::exception&) {
    // Boost.JSON's stack throws when memory or a length is over.
    why = {"the text cannot be held", "JSONが大きすぎます"};
    return std::nullopt;
  }
  why = reason(error, parser.handler());
  const std::string where = std::to_string(used);
  why.english += " (at octet " + where + ")";
  why.japanese += "（" + where + "オクテット目）";
  return std::nullopt;
}

}  // namespace ekiden::api
