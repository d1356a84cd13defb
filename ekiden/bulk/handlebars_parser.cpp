// Text to program: tags one after the other, blocks by recursion, which kDepthMax bounds.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "ekiden/base/text.hpp"
#include "ekiden/bulk/handlebars_program.hpp"

namespace ekiden::bulk {
namespace {

constexpr std::array<std::string_view, 8> kHelpers = {
    "insert", "equals", "notEquals", "greaterThan", "lessThan", "and", "or", "length"};

bool is_helper(std::string_view name) {
  return std::find(kHelpers.begin(), kHelpers.end(), name) != kHelpers.end();
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

class HandlebarsParser {
 public:
  using Node = Handlebars::Node;
  using Expression = Handlebars::Expression;

  HandlebarsParser(std::string_view source, TemplateError& error)
      : source_(source), error_(error) {}

  bool run(std::vector<Node>& nodes) {
    if (source_.size() > Handlebars::kSourceOctetsMax)
      return fail(0, "a template has at most 1 MiB");
    if (!base::is_valid_utf8(source_)) return fail(0, "a template is UTF-8");
    std::string end;
    if (!block(nodes, end, 0)) return false;
    if (!end.empty()) return fail(tag_at_, "there is nothing that {{" + end + "}} ends");
    return true;
  }

 private:
  /// One {{tag}}: what stands in it, without braces, marks of white space and blanks.
  struct Tag {
    std::string_view content;
    std::size_t at = 0;  ///< of the content
    bool is_raw = false, is_comment = false;
  };

  bool fail(std::size_t at, std::string text) {
    error_ = {};
    for (std::size_t i = 0; i < std::min(at, source_.size()); ++i) {
      const char c = source_[i];
      if (c == '\n') {
        ++error_.line;
        error_.column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
        ++error_.column;
      }
    }
    error_.text = std::move(text);
    return false;
  }

  void place(std::size_t at, Expression& expression) {
    TemplateError there;
    std::swap(there, error_);
    (void)fail(at, {});
    std::swap(there, error_);
    expression.line = there.line;
    expression.column = there.column;
  }

  bool read_tag(Tag& tag) {
    tag_at_ = at_;
    std::string_view rest = source_.substr(at_);
    if (rest.starts_with("{{!--") || rest.starts_with("{{~!--")) {
      const std::size_t end = source_.find("--", at_ + 6);
      const std::size_t close = end == std::string_view::npos ? end : source_.find("}}", end);
      if (close == std::string_view::npos) return fail(at_, "this comment is never closed");
      tag.is_comment = true;
      trims_next_ = source_[close - 1] == '~';
      at_ = close + 2;
      return true;
    }
    const bool is_triple = rest.starts_with("{{{");
    const std::string_view closing = is_triple ? "}}}" : "}}";
    const std::size_t close = source_.find(closing, at_ + 2);
    if (close == std::string_view::npos)
      return fail(at_, "{{ is never closed by " + std::string(closing));
    std::size_t begin = at_ + (is_triple ? 3 : 2);
    std::size_t end = close;
    if (begin < end && source_[begin] == '~') ++begin;
    trims_next_ = end > begin && source_[end - 1] == '~';
    if (trims_next_) --end;
    while (begin < end && is_space(source_[begin])) ++begin;
    while (end > begin && is_space(source_[end - 1])) --end;
    tag.content = source_.substr(begin, end - begin);
    tag.at = begin;
    tag.is_raw = is_triple;
    tag.is_comment = tag.content.starts_with('!');
    at_ = close + closing.size();
    if (tag.content.empty()) return fail(tag_at_, "there is nothing in {{ }}");
    if (tag.content.find("{{") != std::string_view::npos)
      return fail(tag_at_, "{{ is never closed by }}");
    return true;
  }

  void add_text(std::string_view text, std::vector<Node>& nodes) {
    if (std::exchange(trims_next_, false))
      while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    const std::string_view rest = source_.substr(at_);
    if (rest.starts_with("{{~") || rest.starts_with("{{{~"))
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    if (text.empty()) return;
    Node node;
    node.text = text;
    nodes.push_back(std::move(node));
  }

  /// Up to the tag that ends it, "" at the end of the source; a tag that ends something is left in
  /// `end`.
  bool block(std::vector<Node>& nodes, std::string& end, std::size_t depth) {
    if (depth > Handlebars::kDepthMax)
      return fail(at_, "blocks are at most 32 deep within each other");
    while (true) {
      const std::size_t open = std::min(source_.find("{{", at_), source_.size());
      const std::string_view text = source_.substr(at_, open - at_);
      at_ = open;
      add_text(text, nodes);
      if (at_ >= source_.size()) {
        end.clear();
        return true;
      }
      Tag tag;
      if (!read_tag(tag)) return false;
      if (tag.is_comment) continue;
      const std::string_view content = tag.content;
      if (content == "else" || content.starts_with("else ") || content == "^" ||
          content.front() == '/') {
        end = content == "^" ? "else" : std::string(content);
        end_at_ = tag.at;
        return true;
      }
      if (!add_tag(tag, nodes, depth)) return false;
    }
  }

  bool add_tag(const Tag& tag, std::vector<Node>& nodes, std::size_t depth) {
    const char first = tag.content.front();
    if (first == '>') return fail(tag.at, "partials are not known here");
    if (first == '#' || first == '^') {
      std::string_view head = tag.content.substr(1);
      std::size_t at = tag.at + 1;
      while (!head.empty() && is_space(head.front())) {
        head.remove_prefix(1);
        ++at;
      }
      return add_block(head, at, first == '^', nodes, depth);
    }
    Node node;
    node.kind = tag.is_raw || first == '&' ? Node::Kind::Raw : Node::Kind::Value;
    const std::size_t skip = first == '&' ? 1 : 0;
    if (!call(tag.content.substr(skip), tag.at + skip, node.expression)) return false;
    nodes.push_back(std::move(node));
    return true;
  }

  bool add_block(std::string_view head, std::size_t at, bool is_inverted, std::vector<Node>& nodes,
                 std::size_t depth) {
    const std::size_t space = std::min(head.find_first_of(" \t\r\n"), head.size());
    const std::string name(head.substr(0, space));
    Node node;
    std::string_view argument = head.substr(space);
    if (is_inverted) {
      node.kind = Node::Kind::Inverted;
    } else if (name == "if") {
      node.kind = Node::Kind::If;
    } else if (name == "unless") {
      node.kind = Node::Kind::Unless;
    } else if (name == "each") {
      node.kind = Node::Kind::Each;
    } else if (name == "with") {
      node.kind = Node::Kind::With;
    } else if (is_helper(name)) {
      node.kind = Node::Kind::If;  // {{#equals a b}} … {{else}} … {{/equals}}
    } else {
      node.kind = Node::Kind::Section;
    }
    const bool has_name =
        node.kind == Node::Kind::Section || node.kind == Node::Kind::Inverted || is_helper(name);
    if (has_name) {
      if (!call(head, at, node.expression)) return false;
      if (!is_helper(name) && !base::trimmed(argument).empty())
        return fail(at, "there is no helper named \"" + name + "\"");
    } else {
      if (base::trimmed(argument).empty())
        return fail(at, "#" + name + " needs something to look at");
      if (!call(argument, at + space, node.expression)) return false;
    }
    return fill(node, name, tag_at_, nodes, depth);
  }

  /// Body, {{else}} and the end of a block.
  bool fill(Node& node, const std::string& name, std::size_t opened_at, std::vector<Node>& nodes,
            std::size_t depth) {
    std::string end;
    if (!block(node.body, end, depth + 1)) return false;
    if (end == "else") {
      if (!block(node.otherwise, end, depth + 1)) return false;
    } else if (end.starts_with("else ")) {
      // {{else if x}}: a block of its own, which the same end closes.
      std::string_view rest = base::trimmed(std::string_view(end).substr(5));
      const bool is_if = rest.starts_with("if ");
      if (!is_if && !rest.starts_with("unless "))
        return fail(end_at_, "behind else only if and unless may stand");
      Node inner;
      inner.kind = is_if ? Node::Kind::If : Node::Kind::Unless;
      const std::string_view condition = rest.substr(is_if ? 3 : 7);
      // `end` is read again below: the condition is parsed before.
      const std::string kept(condition);
      if (!call(kept, end_at_ + 5, inner.expression)) return false;
      if (!fill(inner, name, opened_at, node.otherwise, depth + 1)) return false;
      nodes.push_back(std::move(node));
      return true;
    }
    if (end.starts_with("else"))
      return fail(end_at_, "a block has one {{else}}, and {{else if}} stands before it");
    if (end.empty())
      return fail(opened_at, "{{#" + name + "}} is never closed by {{/" + name + "}}");
    const std::string_view closed = base::trimmed(std::string_view(end).substr(1));
    if (closed != name)
      return fail(end_at_,
                  "{{/" + std::string(closed) + "}} stands where {{/" + name + "}} is expected");
    nodes.push_back(std::move(node));
    return true;
  }

  /// "name", or "helper argument argument"; an argument may be one in parentheses.
  bool call(std::string_view text, std::size_t at, Expression& expression, std::size_t depth = 0) {
    if (depth > Handlebars::kDepthMax) return fail(at, "too many parentheses");
    std::vector<std::pair<std::string_view, std::size_t>> words;
    if (!split(text, at, words)) return false;
    if (words.empty()) return fail(at, "there is nothing here");
    const auto [name, name_at] = words.front();
    if (words.size() == 1 && !is_helper(name)) return value(name, name_at, expression, depth);
    if (!is_helper(name))
      return fail(name_at, "there is no helper named \"" + base::printable(name, 40) + "\"");
    expression.kind = Expression::Kind::Call;
    expression.text = name;
    place(name_at, expression);
    for (std::size_t i = 1; i < words.size(); ++i) {
      Expression argument;
      if (!value(words[i].first, words[i].second, argument, depth + 1)) return false;
      expression.arguments.push_back(std::move(argument));
    }
    const std::size_t count = expression.arguments.size();
    const bool is_one = name == "length", is_any = name == "and" || name == "or";
    const bool fits = is_one   ? count == 1
                      : is_any ? count >= 1
                               : count >= (name == "insert" ? 1 : 2) && count <= 2;
    if (!fits)
      return fail(name_at, std::string(name) + " takes " +
                               (is_one             ? "one value"
                                : is_any           ? "values"
                                : name == "insert" ? "a value and a default"
                                                   : "two values"));
    return true;
  }

  bool split(std::string_view text, std::size_t at,
             std::vector<std::pair<std::string_view, std::size_t>>& words) {
    for (std::size_t i = 0; i < text.size();) {
      if (is_space(text[i])) {
        ++i;
        continue;
      }
      const std::size_t begin = i;
      if (text[i] == '"' || text[i] == '\'') {
        i = text.find(text[i], i + 1);
        if (i == std::string_view::npos) return fail(at + begin, "this quote is never closed");
        ++i;
      } else if (text[i] == '(') {
        std::size_t open = 0;
        do {
          open += text[i] == '(' ? 1 : 0;
          open -= text[i] == ')' ? 1 : 0;
          ++i;
        } while (open > 0 && i < text.size());
        if (open > 0) return fail(at + begin, "this parenthesis is never closed");
      } else {
        while (i < text.size() && !is_space(text[i])) ++i;
      }
      words.emplace_back(text.substr(begin, i - begin), at + begin);
    }
    return true;
  }

  bool value(std::string_view word, std::size_t at, Expression& expression, std::size_t depth) {
    place(at, expression);
    expression.text = word;
    if (word.front() == '(')
      return call(word.substr(1, word.size() - 2), at + 1, expression, depth + 1);
    if (word.front() == '"' || word.front() == '\'') {
      expression.kind = Expression::Kind::Text;
      expression.text = word.substr(1, word.size() - 2);
      return true;
    }
    if (word == "true" || word == "false") {
      expression.kind = Expression::Kind::Boolean;
      expression.boolean = word == "true";
      return true;
    }
    if (word == "null") {
      expression.kind = Expression::Kind::Null;
      return true;
    }
    const bool is_number = base::is_digit(word.front()) ||
                           (word.size() > 1 && word.front() == '-' && base::is_digit(word[1]));
    if (is_number) {
      const auto read = std::from_chars(word.data(), word.data() + word.size(), expression.number);
      if (read.ec != std::errc() || read.ptr != word.data() + word.size())
        return fail(at, "\"" + base::printable(word, 40) + "\" is no number");
      expression.kind = Expression::Kind::Number;
      return true;
    }
    return path(word, at, expression);
  }

  bool path(std::string_view word, std::size_t at, Expression& expression) {
    expression.kind = Expression::Kind::Path;
    while (word.starts_with("../")) {
      ++expression.ups;
      word.remove_prefix(3);
    }
    if (word == "..") {
      ++expression.ups;
      return true;
    }
    if (word.starts_with("./")) word.remove_prefix(2);
    if (word.starts_with('@')) {
      const std::size_t dot = std::min(word.find('.'), word.size());
      expression.at = word.substr(1, dot - 1);
      word.remove_prefix(std::min(dot + 1, word.size()));
      if (expression.at != "root" && expression.at != "index" && expression.at != "key" &&
          expression.at != "first" && expression.at != "last")
        return fail(at, "@" + base::printable(expression.at, 40) + " is not known");
    } else if (word == "this" || word == ".") {
      return true;
    } else if (word.starts_with("this.")) {
      word.remove_prefix(5);
    }
    while (!word.empty()) {
      std::size_t end = word.front() == '[' ? word.find(']') : word.find('.');
      if (word.front() == '[') {
        if (end == std::string_view::npos) return fail(at, "[ is never closed");
        expression.names.emplace_back(word.substr(1, end - 1));
        ++end;
        if (end < word.size() && word[end] != '.') return fail(at, "behind ] stands a dot");
      } else {
        end = std::min(end, word.size());
        expression.names.emplace_back(word.substr(0, end));
      }
      const std::string& name = expression.names.back();
      if (name.empty() || name.find_first_of("{}()\"'=<>|&;`") != std::string::npos)
        return fail(at, "\"" + base::printable(expression.text, 60) + "\" is no name");
      word.remove_prefix(std::min(end + 1, word.size()));
    }
    return true;
  }

  std::string_view source_;
  TemplateError& error_;
  std::size_t at_ = 0, tag_at_ = 0, end_at_ = 0;
  bool trims_next_ = false;
};

std::optional<Handlebars> Handlebars::parse(std::string_view source, TemplateError& error) {
  auto program = std::make_shared<Program>();
  if (!HandlebarsParser(source, error).run(program->nodes)) return std::nullopt;
  Handlebars made;
  made.program_ = std::move(program);
  return made;
}

bool Handlebars::is_plain() const {
  return std::all_of(program_->nodes.begin(), program_->nodes.end(),
                     [](const Node& node) { return node.kind == Node::Kind::Text; });
}

}  // namespace ekiden::bulk
