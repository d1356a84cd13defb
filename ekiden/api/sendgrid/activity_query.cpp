#include "ekiden/api/sendgrid/activity_query.hpp"

#include <algorithm>

#include "ekiden/api/json_fields.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/base/wildcard.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api::sendgrid {
namespace {

enum class Field : std::uint8_t {
  MsgId,
  FromEmail,
  ToEmail,
  Subject,
  Status,
  Events,
  Categories,
  UniqueArgs,
  AsmGroupId,
  OriginatingIp,
  OutboundIp,
  ApiKeyId,
  Absent,  ///< what mail here never has
  Opens,
  Clicks,
  LastEventTime,
};

struct FieldName {
  std::string_view name;
  Field field;
};
constexpr FieldName kFields[] = {{"msg_id", Field::MsgId},
                                 {"from_email", Field::FromEmail},
                                 {"to_email", Field::ToEmail},
                                 {"subject", Field::Subject},
                                 {"status", Field::Status},
                                 {"events", Field::Events},
                                 {"categories", Field::Categories},
                                 {"unique_args", Field::UniqueArgs},
                                 {"asm_group_id", Field::AsmGroupId},
                                 {"originating_ip", Field::OriginatingIp},
                                 {"outbound_ip", Field::OutboundIp},
                                 {"api_key_id", Field::ApiKeyId},
                                 {"template_id", Field::Absent},
                                 {"teammate", Field::Absent},
                                 {"outbound_ip_type", Field::Absent},
                                 {"opens", Field::Opens},
                                 {"opens_count", Field::Opens},
                                 {"clicks", Field::Clicks},
                                 {"clicks_count", Field::Clicks},
                                 {"last_event_time", Field::LastEventTime}};

enum class Compare : std::uint8_t { Equal, Less, LessEqual, Greater, GreaterEqual, Like, Any };

bool is_number(Field field) {
  return field == Field::Opens || field == Field::Clicks;
}

}  // namespace

struct ActivityQuery::Condition {
  enum class Kind : std::uint8_t { All, Any, Not, Compare, Between, IsNull };
  Kind kind = Kind::Compare;
  std::vector<Condition> parts;  ///< of All, Any and Not
  Field field = Field::MsgId;
  std::string key;  ///< of unique_args
  Compare compare = Compare::Equal;
  std::vector<std::string> texts;     ///< compared with; of Any one of them, of Between two
  std::vector<std::int64_t> numbers;  ///< the same of numbers and times, in microseconds
};

namespace {

using Condition = ActivityQuery::Condition;

/// Names, texts, numbers and signs, one after the other.
class Lexer {
 public:
  enum class Kind : std::uint8_t { End, Name, Text, Sign, Wrong };
  struct Token {
    Kind kind = Kind::End;
    std::string text;
  };

  explicit Lexer(std::string_view text) : rest_(text) { next(); }

  const Token& token() const { return token_; }
  std::size_t left() const { return left_; }
  bool is_word(std::string_view word) const {
    return token_.kind == Kind::Name && base::equals_ignoring_case(token_.text, word);
  }
  bool is_sign(std::string_view sign) const {
    return token_.kind == Kind::Sign && token_.text == sign;
  }
  bool take_word(std::string_view word) { return is_word(word) && take(); }
  bool take_sign(std::string_view sign) { return is_sign(sign) && take(); }
  std::string take_text() {
    std::string text = std::move(token_.text);
    next();
    return text;
  }

 private:
  bool take() {
    next();
    return true;
  }

  void next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    left_ = rest_.size();
    token_ = {};
    if (rest_.empty()) return;
    const char first = rest_.front();
    if (first == '"' || first == '\'') return quoted(first);
    constexpr std::string_view kSigns = "()[],=<>!";
    if (kSigns.find(first) != std::string_view::npos) {
      const std::string_view two = rest_.substr(0, 2);
      const bool is_two = two == "<=" || two == ">=" || two == "!=" || two == "<>";
      token_ = {Kind::Sign, std::string(rest_.substr(0, is_two ? 2 : 1))};
    } else {
      const std::size_t end = std::min(rest_.find_first_of(" \t\r\n()[],=<>!\"'"), rest_.size());
      token_ = {Kind::Name, std::string(rest_.substr(0, end))};
    }
    rest_.remove_prefix(token_.text.size());
  }

  /// A quote in the text stands there twice, or behind a backslash.
  void quoted(char quote) {
    token_.kind = Kind::Text;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      const bool is_escape = rest_[i] == '\\' && i + 1 < rest_.size() &&
                             (rest_[i + 1] == quote || rest_[i + 1] == '\\');
      const bool is_doubled = rest_[i] == quote && i + 1 < rest_.size() && rest_[i + 1] == quote;
      if (is_escape || is_doubled) {
        token_.text += rest_[++i];
      } else if (rest_[i] == quote) {
        rest_.remove_prefix(i + 1);
        return;
      } else {
        token_.text += rest_[i];
      }
    }
    token_.kind = Kind::Wrong;
    rest_ = {};
  }

  std::string_view rest_;
  std::size_t left_ = 0;
  Token token_;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : size_(text.size()), lexer_(text) {}

  std::optional<Condition> parse() {
    std::optional<Condition> all = any(0);
    if (all && lexer_.token().kind != Lexer::Kind::End) return fail();
    return all;
  }
  std::size_t at() const { return size_ - lexer_.left(); }

 private:
  static std::nullopt_t fail() { return std::nullopt; }

  std::optional<Condition> any(std::size_t depth) {
    return several(Condition::Kind::Any, "OR", depth,
                   [this](std::size_t below) { return every(below); });
  }
  std::optional<Condition> every(std::size_t depth) {
    return several(Condition::Kind::All, "AND", depth,
                   [this](std::size_t below) { return one(below); });
  }

  template <class Part>
  std::optional<Condition> several(Condition::Kind kind, std::string_view word, std::size_t depth,
                                   Part part) {
    std::optional<Condition> first = part(depth);
    if (!first || !lexer_.is_word(word)) return first;
    Condition all;
    all.kind = kind;
    all.parts.push_back(std::move(*first));
    while (lexer_.take_word(word)) {
      std::optional<Condition> next = part(depth);
      if (!next) return fail();
      all.parts.push_back(std::move(*next));
    }
    return all;
  }

  std::optional<Condition> one(std::size_t depth) {
    if (depth >= ActivityQuery::kDepthMax) return fail();
    if (lexer_.take_word("NOT")) return negated(one(depth + 1));
    if (lexer_.take_sign("(")) {
      std::optional<Condition> inner = any(depth + 1);
      if (!inner || !lexer_.take_sign(")")) return fail();
      return inner;
    }
    if (++conditions_ > ActivityQuery::kConditionsMax) return fail();
    if (lexer_.take_word("CONTAINS")) return contains();
    Condition condition;
    if (!field(condition)) return fail();
    if (lexer_.take_word("IS")) {
      const bool is_not = lexer_.take_word("NOT");
      if (!lexer_.take_word("NULL")) return fail();
      condition.kind = Condition::Kind::IsNull;
      return is_not ? negated(std::move(condition)) : std::optional(std::move(condition));
    }
    const bool is_not = lexer_.take_word("NOT");
    if (lexer_.take_word("BETWEEN")) {
      condition.kind = Condition::Kind::Between;
      if (!value(condition) || !lexer_.take_word("AND") || !value(condition)) return fail();
    } else if (lexer_.take_word("IN")) {
      condition.compare = Compare::Any;
      if (!list(condition)) return fail();
    } else if (lexer_.take_word("LIKE")) {
      condition.compare = Compare::Like;
      if (!value(condition)) return fail();
    } else {
      return is_not ? fail() : signed_one(std::move(condition));
    }
    return is_not ? negated(std::move(condition)) : std::optional(std::move(condition));
  }

  std::optional<Condition> signed_one(Condition condition) {
    constexpr std::pair<std::string_view, Compare> kSigns[] = {
        {"=", Compare::Equal},   {"<=", Compare::LessEqual},    {"<", Compare::Less},
        {">", Compare::Greater}, {">=", Compare::GreaterEqual}, {"!=", Compare::Equal},
        {"<>", Compare::Equal}};
    for (const auto& [sign, compare] : kSigns) {
      if (!lexer_.take_sign(sign)) continue;
      condition.compare = compare;
      if (!value(condition)) return fail();
      if (sign == "!=" || sign == "<>") return negated(std::move(condition));
      return condition;
    }
    return fail();
  }

  std::optional<Condition> contains() {
    Condition condition;
    condition.compare = Compare::Any;
    if (!lexer_.take_sign("(") || !field(condition) || !lexer_.take_sign(",")) return fail();
    // Of a list one item, of a text a part of it.
    const bool is_list = condition.field == Field::Events || condition.field == Field::Categories;
    if (!value(condition) || !lexer_.take_sign(")") || condition.texts.empty()) return fail();
    if (!is_list) {
      condition.compare = Compare::Like;
      condition.texts.front() = "%" + condition.texts.front() + "%";
    }
    return condition;
  }

  static std::optional<Condition> negated(std::optional<Condition> what) {
    if (!what) return std::nullopt;
    Condition condition;
    condition.kind = Condition::Kind::Not;
    condition.parts.push_back(std::move(*what));
    return condition;
  }

  bool field(Condition& condition) {
    if (lexer_.token().kind != Lexer::Kind::Name) return false;
    const auto* found =
        std::find_if(std::begin(kFields), std::end(kFields),
                     [&](const FieldName& one) { return lexer_.is_word(one.name); });
    if (found == std::end(kFields)) return false;
    (void)lexer_.take_text();
    condition.field = found->field;
    if (condition.field != Field::UniqueArgs) return true;
    if (!lexer_.take_sign("[") || lexer_.token().kind != Lexer::Kind::Text) return false;
    condition.key = lexer_.take_text();
    return lexer_.take_sign("]");
  }

  bool list(Condition& condition) {
    if (!lexer_.take_sign("(")) return false;
    for (std::size_t i = 0; i < ActivityQuery::kListMax; ++i) {
      if (!value(condition)) return false;
      if (lexer_.take_sign(")")) return true;
      if (!lexer_.take_sign(",")) return false;
    }
    return false;
  }

  bool value(Condition& condition) {
    (void)lexer_.take_word("TIMESTAMP");
    const Lexer::Kind kind = lexer_.token().kind;
    if (kind != Lexer::Kind::Text && kind != Lexer::Kind::Name) return false;
    std::string text = lexer_.take_text();
    if (condition.field == Field::LastEventTime) {
      constexpr std::uint64_t kSecondsMax = 253'402'300'799;  // the year 9999
      const auto seconds = base::parse_u64(text);
      const auto time = seconds ? std::nullopt : message::parse_date(text);
      if (!time && (!seconds || *seconds > kSecondsMax)) return false;
      condition.numbers.push_back(time ? base::to_unix_us(*time)
                                       : static_cast<std::int64_t>(*seconds) * 1'000'000);
      return condition.compare != Compare::Like;
    }
    if (is_number(condition.field)) {
      const auto number = base::parse_u64(text);
      if (!number || *number > 1'000'000'000 || condition.compare == Compare::Like) return false;
      condition.numbers.push_back(static_cast<std::int64_t>(*number));
      return true;
    }
    condition.texts.push_back(std::move(text));
    return true;
  }

  std::size_t size_;
  Lexer lexer_;
  std::size_t conditions_ = 0;
};

bool compares(std::string_view text, const Condition& condition) {
  const auto is = [&](const std::string& other) { return base::equals_ignoring_case(text, other); };
  switch (condition.compare) {
    case Compare::Like:
      return base::fits_wildcards(text, condition.texts.front(), {'%', '_'});
    case Compare::Less:
      return text < condition.texts.front();
    case Compare::LessEqual:
      return text <= condition.texts.front();
    case Compare::Greater:
      return text > condition.texts.front();
    case Compare::GreaterEqual:
      return text >= condition.texts.front();
    default:
      if (condition.kind == Condition::Kind::Between)
        return condition.texts[0] <= text && text <= condition.texts[1];
      return std::any_of(condition.texts.begin(), condition.texts.end(), is);
  }
}

bool compares(std::int64_t number, const Condition& condition) {
  const std::vector<std::int64_t>& with = condition.numbers;
  if (condition.kind == Condition::Kind::Between) return with[0] <= number && number <= with[1];
  switch (condition.compare) {
    case Compare::Less:
      return number < with.front();
    case Compare::LessEqual:
      return number <= with.front();
    case Compare::Greater:
      return number > with.front();
    case Compare::GreaterEqual:
      return number >= with.front();
    default:
      return std::find(with.begin(), with.end(), number) != with.end();
  }
}

bool one_compares(const std::vector<std::string>& texts, const Condition& condition) {
  if (condition.kind == Condition::Kind::IsNull)
    return std::all_of(texts.begin(), texts.end(), [](const auto& text) { return text.empty(); });
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return compares(text, condition); });
}

bool number_compares(std::int64_t number, const Condition& condition) {
  return condition.kind != Condition::Kind::IsNull && compares(number, condition);
}

std::optional<bool> compare_course(const Activity& activity, const Condition& condition) {
  if (!activity.course) return std::nullopt;
  const Activity::Course& course = *activity.course;
  switch (condition.field) {
    case Field::Status:
      return one_compares({course.status}, condition);
    case Field::Events:
      return one_compares(course.events, condition);
    case Field::OriginatingIp:
      return one_compares({course.originating_ip}, condition);
    case Field::OutboundIp:
      return one_compares({course.outbound_ip}, condition);
    case Field::ApiKeyId:
      return one_compares({course.api_key_id}, condition);
    case Field::Opens:
      return number_compares(static_cast<std::int64_t>(course.opens), condition);
    case Field::Clicks:
      return number_compares(static_cast<std::int64_t>(course.clicks), condition);
    default:
      return number_compares(base::to_unix_us(course.last_event), condition);
  }
}

std::optional<bool> compare(const Activity& activity, const Condition& condition) {
  switch (condition.field) {
    case Field::MsgId:
      // What X-Message-Id said is the part before the dot.
      return one_compares({activity.msg_id, activity.msg_id.substr(0, activity.msg_id.find('.'))},
                          condition);
    case Field::FromEmail:
      return one_compares({activity.from_email}, condition);
    case Field::ToEmail:
      return one_compares({activity.to_email}, condition);
    case Field::Subject:
      return one_compares({activity.subject}, condition);
    case Field::Categories:
      return one_compares(activity.categories, condition);
    case Field::AsmGroupId:
      return one_compares(
          {activity.asm_group_id ? std::to_string(*activity.asm_group_id) : std::string()},
          condition);
    case Field::UniqueArgs: {
      const boost::json::value* value = activity.unique_args.if_contains(condition.key);
      return one_compares({value == nullptr ? std::string() : text_of(*value)}, condition);
    }
    case Field::Absent:
      return one_compares({}, condition);
    default:
      return compare_course(activity, condition);
  }
}

std::optional<bool> judge(const Activity& activity, const Condition& condition) {
  if (condition.kind == Condition::Kind::Not) {
    const std::optional<bool> inner = judge(activity, condition.parts.front());
    return inner ? std::optional(!*inner) : std::nullopt;
  }
  const bool is_any = condition.kind == Condition::Kind::Any;
  if (!is_any && condition.kind != Condition::Kind::All) return compare(activity, condition);
  // One part decides, or all of them together; what is unknown leaves the others their say.
  bool is_known = true;
  for (const Condition& part : condition.parts) {
    const std::optional<bool> held = judge(activity, part);
    if (held && *held == is_any) return is_any;
    is_known = is_known && held.has_value();
  }
  return is_known ? std::optional(!is_any) : std::nullopt;
}

bool narrow_by(const Condition& condition, events::Query& query) {
  if (condition.kind == Condition::Kind::All)
    return std::all_of(condition.parts.begin(), condition.parts.end(),
                       [&](const Condition& part) { return narrow_by(part, query); });
  const bool is_between = condition.kind == Condition::Kind::Between;
  if (!is_between && condition.kind != Condition::Kind::Compare) return true;
  if (condition.field == Field::LastEventTime) {
    const std::vector<std::int64_t>& at = condition.numbers;
    const auto from = [&](std::int64_t us) {
      query.from = std::max(query.from.value_or(base::Time::min()), base::from_unix_us(us));
    };
    const auto until = [&](std::int64_t us) {
      query.until = std::min(query.until.value_or(base::Time::max()), base::from_unix_us(us + 1));
    };
    const bool is_equal = condition.compare == Compare::Equal && !is_between;
    if (is_between || is_equal || condition.compare == Compare::Greater ||
        condition.compare == Compare::GreaterEqual)
      from(at.front());
    if (is_between || is_equal || condition.compare == Compare::Less ||
        condition.compare == Compare::LessEqual)
      until(at.back());
    return true;
  }
  const std::string text = condition.texts.empty() ? std::string() : condition.texts.front();
  if (condition.field == Field::MsgId && condition.compare == Compare::Like) {
    // msg_id LIKE "ID%" is how all of a message's recipients are asked for.
    if (const auto id = base::parse_message_id(text.substr(0, text.find_first_of("%."))))
      query.message = *id;
    return true;
  }
  if (is_between || condition.compare != Compare::Equal) return true;
  switch (condition.field) {
    case Field::ToEmail:
      query.recipient = text;
      return !text.empty();
    case Field::FromEmail:
      query.sender = text;
      return !text.empty();
    case Field::Subject:
      query.subject = text;
      return true;
    case Field::MsgId: {
      const std::optional<MsgId> id = parse_msg_id(text);
      if (id) query.message = id->message;
      return id.has_value();
    }
    default:
      return true;
  }
}

}  // namespace

std::optional<ActivityQuery> ActivityQuery::parse(std::string_view text, Text& why) {
  ActivityQuery query;
  if (base::trimmed(text).empty()) return query;
  if (text.size() > kOctetsMax) {
    why = {"the query is too long", "検索条件が長すぎます"};
    return std::nullopt;
  }
  Parser parser(text);
  std::optional<Condition> condition = parser.parse();
  if (!condition) {
    const std::string at = std::to_string(std::min(parser.at(), text.size()));
    why = {"the query cannot be read at character " + at,
           "検索条件の" + at + "文字目が正しくありません"};
    return std::nullopt;
  }
  query.root_ = std::make_shared<const Condition>(std::move(*condition));
  return query;
}

std::optional<bool> ActivityQuery::judge(const Activity& activity) const {
  return root_ == nullptr ? std::optional(true) : sendgrid::judge(activity, *root_);
}

bool ActivityQuery::narrow(events::Query& query) const {
  return root_ == nullptr || narrow_by(*root_, query);
}

std::string format_msg_id(base::MessageId message, std::uint32_t recipient) {
  return base::format_message_id(message) + "." + std::to_string(recipient);
}

std::optional<MsgId> parse_msg_id(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto message = base::parse_message_id(text.substr(0, dot));
  if (!message) return std::nullopt;
  if (dot == std::string_view::npos) return MsgId{*message, std::nullopt};
  const auto recipient = base::parse_u64(text.substr(dot + 1));
  if (!recipient || *recipient >= events::kNoRecipient) return std::nullopt;
  return MsgId{*message, static_cast<std::uint32_t>(*recipient)};
}

}  // namespace ekiden::api::sendgrid
