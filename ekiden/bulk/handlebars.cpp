// Program and data to text.
#include "ekiden/bulk/handlebars.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/bulk/handlebars_program.hpp"

namespace ekiden::bulk {

namespace json = boost::json;

class HandlebarsRenderer {
 public:
  using Node = Handlebars::Node;
  using Expression = Handlebars::Expression;

  HandlebarsRenderer(const json::object& data, Handlebars::Escape escape,
                     Handlebars::Missing missing, TemplateError& error)
      : root_(data), escape_(escape), missing_(missing), error_(error) {
    scopes_.push_back({&root_, {}, 0, false, false});
  }

  bool write(const std::vector<Node>& nodes) {
    for (const Node& node : nodes)
      if (!write(node)) return false;
    return true;
  }
  std::string take() { return std::move(out_); }

 private:
  /// What {{this}} is, and what @index and its like are.
  struct Scope {
    const json::value* value = nullptr;
    std::string key;
    std::size_t index = 0;
    bool is_first = false, is_last = false;
  };

  bool fail(const Expression& at, std::string text) {
    error_ = {at.line, at.column, std::move(text)};
    return false;
  }

  bool count(const Expression& at) {
    if (++steps_ > Handlebars::kStepsMax) return fail(at, "this becomes too much work");
    if (out_.size() > Handlebars::kOutputOctetsMax)
      return fail(at, "the text becomes longer than 4 MiB");
    return true;
  }

  static bool is_true(const json::value& value) {
    switch (value.kind()) {
      case json::kind::null:
        return false;
      case json::kind::bool_:
        return value.get_bool();
      case json::kind::int64:
        return value.get_int64() != 0;
      case json::kind::uint64:
        return value.get_uint64() != 0;
      case json::kind::double_:
        return value.get_double() != 0;
      case json::kind::string:
        return !value.get_string().empty();
      case json::kind::array:
        return !value.get_array().empty();
      case json::kind::object:
        return true;
    }
    return false;
  }

  static std::string text_of(const json::value& value) {
    if (value.is_string()) return {value.get_string().data(), value.get_string().size()};
    if (value.is_null()) return {};
    if (value.is_double()) {
      char text[32];
      const auto end = std::to_chars(text, text + sizeof text, value.get_double());
      return {text, end.ptr};
    }
    return json::serialize(value);
  }

  static std::optional<double> number_of(const json::value& value) {
    if (value.is_int64()) return static_cast<double>(value.get_int64());
    if (value.is_uint64()) return static_cast<double>(value.get_uint64());
    if (value.is_double()) return value.get_double();
    if (!value.is_string()) return std::nullopt;
    const json::string& text = value.get_string();
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
    return number;
  }

  static const json::value* member(const json::value& value, const std::string& name) {
    if (const json::object* object = value.if_object()) return object->if_contains(name);
    const json::array* array = value.if_array();
    const auto index = base::parse_u64(name);
    if (array == nullptr || !index || *index >= array->size()) return nullptr;
    return &(*array)[static_cast<std::size_t>(*index)];
  }

  /// Null: the data has no such value. What is not in the data lies in `made`.
  const json::value* find(const Expression& path, json::value& made) {
    const std::size_t top = scopes_.size() - 1;
    if (path.ups > top) return nullptr;
    const Scope& scope = scopes_[top - path.ups];
    const json::value* value = scope.value;
    if (path.at == "root") {
      value = &root_;
    } else if (!path.at.empty()) {
      made = path.at == "index"   ? json::value(scope.index)
             : path.at == "key"   ? json::value(json::string(scope.key))
             : path.at == "first" ? json::value(scope.is_first)
                                  : json::value(scope.is_last);
      value = &made;
    }
    for (const std::string& name : path.names) {
      value = member(*value, name);
      if (value == nullptr) return nullptr;
    }
    return value;
  }

  /// The value, in the data or in `made`; null when a helper failed, and `error_` says why. What is
  /// absent is JSON's null. Nothing of the data is copied: a list may be looked at often.
  const json::value* evaluate(const Expression& expression, json::value& made, bool& is_there) {
    is_there = true;
    switch (expression.kind) {
      case Expression::Kind::Text:
        made = json::string(expression.text);
        return &made;
      case Expression::Kind::Number:
        made = expression.number;
        return &made;
      case Expression::Kind::Boolean:
        made = expression.boolean;
        return &made;
      case Expression::Kind::Null:
        made = nullptr;
        return &made;
      case Expression::Kind::Path: {
        const json::value* found = find(expression, made);
        is_there = found != nullptr;
        if (is_there) return found;
        made = nullptr;
        return &made;
      }
      case Expression::Kind::Call:
        return call(expression, made) ? &made : nullptr;
    }
    return nullptr;
  }

  static bool is_equal(const json::value& a, const json::value& b) {
    if (a.is_structured() || b.is_structured()) return false;
    const auto x = number_of(a), y = number_of(b);
    return x && y ? *x == *y : text_of(a) == text_of(b);
  }

  bool call(const Expression& expression, json::value& result) {
    if (!count(expression)) return false;
    bool all = true, any = false, is_first_there = true;
    json::value first_made, made;
    const json::value* first = nullptr;
    const json::value* last = nullptr;
    for (const Expression& argument : expression.arguments) {
      bool is_there = true;
      last = evaluate(argument, first == nullptr ? first_made : made, is_there);
      if (last == nullptr) return false;
      all = all && is_true(*last);
      any = any || is_true(*last);
      if (first != nullptr) continue;
      first = last;
      is_first_there = is_there;
    }
    const std::string& name = expression.text;
    if (name == "insert") {
      const bool is_empty = !is_first_there || first->is_null() ||
                            (first->is_string() && first->get_string().empty());
      // SendGrid writes the default as "default=…".
      std::string otherwise = first == last ? std::string() : text_of(*last);
      if (otherwise.starts_with("default=")) otherwise.erase(0, 8);
      result = json::string(is_empty ? otherwise : text_of(*first));
    } else if (name == "equals" || name == "notEquals") {
      result = is_equal(*first, *last) == (name == "equals");
    } else if (name == "greaterThan" || name == "lessThan") {
      const auto a = number_of(*first), b = number_of(*last);
      result = a && b && (name == "greaterThan" ? *a > *b : *a < *b);
    } else if (name == "and" || name == "or") {
      result = name == "and" ? all : any;
    } else {
      result = first->is_array()    ? first->get_array().size()
               : first->is_string() ? first->get_string().size()
                                    : std::size_t{0};
    }
    return true;
  }

  void put(const std::string& text, bool is_raw) {
    if (is_raw || escape_ == Handlebars::Escape::None) {
      out_ += text;
      return;
    }
    for (const char c : text) {
      switch (c) {
        case '&':
          out_ += "&amp;";
          break;
        case '<':
          out_ += "&lt;";
          break;
        case '>':
          out_ += "&gt;";
          break;
        case '"':
          out_ += "&quot;";
          break;
        case '\'':
          out_ += "&#x27;";
          break;
        default:
          out_ += c;
      }
    }
  }

  bool write(const Node& node) {
    if (!count(node.expression)) return false;
    if (node.kind == Node::Kind::Text) {
      out_ += node.text;
      return true;
    }
    json::value made;
    bool is_there = true;
    const json::value* const found = evaluate(node.expression, made, is_there);
    if (found == nullptr) return false;
    const json::value& value = *found;
    switch (node.kind) {
      case Node::Kind::Text:
        return true;
      case Node::Kind::Value:
      case Node::Kind::Raw:
        if (!is_there && missing_ == Handlebars::Missing::Error)
          return fail(node.expression,
                      "the data has no \"" + base::printable(node.expression.text, 60) + "\"");
        put(text_of(value), node.kind == Node::Kind::Raw);
        return count(node.expression);
      case Node::Kind::If:
        return write(is_true(value) ? node.body : node.otherwise);
      case Node::Kind::Unless:
        return write(is_true(value) ? node.otherwise : node.body);
      case Node::Kind::Inverted:
        return write(is_true(value) ? node.otherwise : node.body);
      case Node::Kind::With:
        if (!is_true(value)) return write(node.otherwise);
        return within(node.body, value, {}, 0, true, true);
      case Node::Kind::Each:
        return each(node, value);
      case Node::Kind::Section:
        if (!is_true(value)) return write(node.otherwise);
        if (value.is_array()) return each(node, value);
        if (value.is_object()) return within(node.body, value, {}, 0, true, true);
        return write(node.body);
    }
    return true;
  }

  bool each(const Node& node, const json::value& value) {
    if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
      for (std::size_t i = 0; i < array->size(); ++i)
        if (!within(node.body, (*array)[i], std::to_string(i), i, i == 0, i + 1 == array->size()))
          return false;
      return true;
    }
    if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
      std::size_t i = 0;
      for (const auto& [key, item] : *object) {
        if (!within(node.body, item, {key.data(), key.size()}, i, i == 0, i + 1 == object->size()))
          return false;
        ++i;
      }
      return true;
    }
    return write(node.otherwise);
  }

  bool within(const std::vector<Node>& body, const json::value& value, std::string key,
              std::size_t index, bool is_first, bool is_last) {
    scopes_.push_back({&value, std::move(key), index, is_first, is_last});
    const bool is_fine = write(body);
    scopes_.pop_back();
    return is_fine;
  }

  const json::value root_;
  Handlebars::Escape escape_;
  Handlebars::Missing missing_;
  TemplateError& error_;
  std::vector<Scope> scopes_;
  std::string out_;
  std::size_t steps_ = 0;
};

std::optional<std::string> Handlebars::render(const json::object& data, Escape escape,
                                              Missing missing, TemplateError& error) const {
  HandlebarsRenderer renderer(data, escape, missing, error);
  if (!renderer.write(program_->nodes)) return std::nullopt;
  return renderer.take();
}

}  // namespace ekiden::bulk
