#include "ekiden/shaping/profile_reader.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/config/assign.hpp"
#include "ekiden/config/document.hpp"
#include "ekiden/config/toml.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::shaping {

namespace {

using config::Diagnostic;
using config::Key;

constexpr std::size_t kRulesMax = 2000;
constexpr std::size_t kExamplesMax = 20;
constexpr std::size_t kExampleOctetsMax = 2000;

template <class E>
config::Choice choice(E& member, const std::vector<std::string>& words) {
  return config::Choice{[&member] { return static_cast<std::size_t>(member); },
                        [&member](std::size_t i) { member = static_cast<E>(i); }, words};
}

std::string shown(std::string_view text) {
  return "\"" + base::printable(text, 60) + "\"";
}

/// A text, a whole number, or a list of them, as texts.
struct Word {
  std::string text;
  const toml::node* at;
};

class ProfileReader {
 public:
  ProfileReader(const std::string& file, Profile& profile, std::vector<Diagnostic>& diagnostics)
      : file_(file), profile_(profile), diagnostics_(diagnostics) {}

  void read(const toml::table& root) {
    std::vector<Key> keys;
    keys.push_back({.name = "mx", .value = &profile_.mx});
    keys.push_back({.name = "domains", .value = &profile_.domains});
    read_keys("", keys, root, {"limits", "transport", "warm_up", "reply"});
    check_patterns(root, "mx", profile_.mx);
    check_patterns(root, "domains", profile_.domains);
    if (const auto* table = section(root, "limits")) limits(*table);
    if (const auto* table = section(root, "transport")) transport(*table);
    if (const auto* table = section(root, "warm_up")) warm_up(*table);
    rules(root);
  }

 private:
  void complain(const toml::node& at, std::string message, std::string nearest = {}) {
    const auto place = at.source().begin;
    diagnostics_.push_back({config::Severity::Error, file_, place.line, place.column,
                            std::move(message), std::move(nearest)});
  }

  const toml::table* section(const toml::table& root, const char* name) {
    const toml::node* node = root.get(name);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) {
      complain(*node, std::string(name) + " is a section, so write [" + name + "] on a line");
    }
    return node->as_table();
  }

  /// `extra`: further words that may stand there, read by others.
  void read_keys(const std::string& where, const std::vector<Key>& keys, const toml::table& table,
                 const std::vector<std::string>& extra) {
    const std::string prefix = where.empty() ? "" : where + ".";
    std::vector<std::string> names = extra;
    for (const Key& key : keys) {
      names.push_back(key.name);
      const toml::node* node = table.get(key.name);
      if (node == nullptr) continue;
      config::Complaint complaint = config::assign(key, *node);
      if (complaint.message.empty()) continue;
      complain(complaint.at != nullptr ? *complaint.at : *node,
               prefix + key.name + " " + complaint.message, std::move(complaint.nearest));
    }
    for (const auto& [key, node] : table) {
      const std::string word(key.str());
      if (std::find(names.begin(), names.end(), word) != names.end()) continue;
      const auto place = key.source().begin;
      diagnostics_.push_back(
          {config::Severity::Error, file_, place.line, place.column,
           "unknown key " + shown(word) + (where.empty() ? std::string() : " in [" + where + "]"),
           config::find_nearest(word, names)});
    }
  }

  void check_patterns(const toml::table& root, const char* name, std::vector<std::string>& list) {
    const toml::node* node = root.get(name);
    const toml::array* array = node == nullptr ? nullptr : node->as_array();
    if (array == nullptr) return;
    for (std::string& pattern : list) pattern = base::lowered(pattern);
    for (std::size_t i = 0; i < list.size() && i < array->size(); ++i) {
      if (!is_host_pattern(list[i])) {
        std::string nearest = list[i];
        nearest.erase(std::remove(nearest.begin(), nearest.end(), '\\'), nearest.end());
        while (nearest.ends_with('.')) nearest.pop_back();
        if (nearest.starts_with('.')) nearest = "*" + nearest;
        complain(*array->get(i),
                 std::string(name) +
                     " takes names like \"mx.example.org\" or \"*.example.org\", not " +
                     shown(list[i]),
                 is_host_pattern(nearest) ? nearest : std::string());
      } else if (std::find(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i), list[i]) !=
                 list.begin() + static_cast<std::ptrdiff_t>(i)) {
        complain(*array->get(i), std::string(name) + " has " + shown(list[i]) + " twice");
      }
    }
  }

  void limits(const toml::table& table) {
    constexpr double kMany = 1'000'000;
    Limits& v = profile_.limits;
    const auto counted = [](const char* name, std::uint32_t& value) {
      return Key{.name = name, .value = &value, .min = 1, .max = kMany};
    };
    read_keys("limits",
              {counted("connections", v.connections),
               counted("messages_per_connection", v.messages_per_connection),
               counted("recipients_per_transaction", v.recipients_per_transaction),
               {.name = "rate", .value = &v.rate},
               {.name = "rate_floor", .value = &v.rate_floor},
               {.name = "connection_rate", .value = &v.connection_rate}},
              table, {});
    // Per day, exactly: every period divides a day.
    const auto daily = [](const config::Rate& rate, std::uint64_t times = 1) {
      const std::uint64_t day = 86'400'000'000;
      return rate.per.count() <= 0
                 ? 0.0L
                 : static_cast<long double>(rate.count) * static_cast<long double>(times) *
                       static_cast<long double>(day) / static_cast<long double>(rate.per.count());
    };
    if (!v.rate.is_off() && daily(v.rate_floor) > daily(v.rate)) {
      complain(*at(table, {"rate_floor", "rate"}),
               "limits.rate_floor " + config::format_rate(v.rate_floor) + " is above limits.rate " +
                   config::format_rate(v.rate));
    }
    if (!v.rate.is_off() && !v.connection_rate.is_off() &&
        daily(v.connection_rate, v.messages_per_connection) < daily(v.rate)) {
      complain(*at(table, {"rate", "connection_rate", "messages_per_connection"}),
               "limits.rate " + config::format_rate(v.rate) +
                   " can never be reached: limits.connection_rate " +
                   config::format_rate(v.connection_rate) +
                   " times limits.messages_per_connection " +
                   std::to_string(v.messages_per_connection) + " is less");
    }
  }

  /// The first of the keys that stands there, or the table.
  static const toml::node* at(const toml::table& table, std::initializer_list<const char*> names) {
    for (const char* const name : names) {
      if (const toml::node* node = table.get(name)) return node;
    }
    return &table;
  }

  void transport(const toml::table& table) {
    std::vector<std::size_t> order;
    const config::Choices families{[&] { return order; },
                                   [&](std::vector<std::size_t> all) { order = std::move(all); },
                                   {"ipv6", "ipv4"}};
    read_keys("transport",
              {{.name = "tls",
                .value = choice(profile_.tls, {"opportunistic", "required", "verified", "off"})},
               {.name = "families", .value = families},
               {.name = "odd_local_parts",
                .value = choice(profile_.odd_local_parts, {"strict", "quoted", "bare"})}},
              table, {});
    const toml::node* node = table.get("families");
    if (node == nullptr || !node->is_array()) return;
    if (order.empty() || order.size() > 2 || (order.size() == 2 && order[0] == order[1])) {
      return complain(*node, "transport.families takes one or both of \"ipv6\" and \"ipv4\"");
    }
    profile_.families.clear();
    for (const std::size_t i : order) profile_.families.push_back(static_cast<Family>(i));
  }

  void warm_up(const toml::table& table) {
    WarmUpPlan& plan = profile_.warm_up;
    read_keys("warm_up", {{.name = "idle_after", .value = &plan.idle_after}}, table, {"days"});
    const toml::node* node = table.get("days");
    if (node == nullptr) return;
    const toml::array* list = node->as_array();
    if (list == nullptr || list->size() > kWarmUpDaysMax) {
      return complain(*node, "warm_up.days takes a list of at most 365 whole numbers");
    }
    std::vector<std::uint32_t> days;
    for (const toml::node& element : *list) {
      const auto* number = element.as_integer();
      if (number == nullptr || number->get() < 1 || number->get() > 1'000'000'000) {
        return complain(element, "warm_up.days takes whole numbers from 1 to 1000000000");
      }
      const auto day = static_cast<std::uint32_t>(number->get());
      if (!days.empty() && day < days.back()) {
        return complain(element, "warm_up.days goes down: " + std::to_string(day) + " behind " +
                                     std::to_string(days.back()));
      }
      days.push_back(day);
    }
    plan.days = std::move(days);
  }

  void rules(const toml::table& root) {
    const toml::node* node = root.get("reply");
    if (node == nullptr) return;
    const toml::array* list = node->as_array();
    if (list == nullptr || !list->is_homogeneous<toml::table>()) {
      return complain(*node, "each rule is a section of its own, so write [[reply]]");
    }
    if (list->size() + profile_.rules.size() > kRulesMax) {
      return complain(*node, "more than 2000 rules");
    }
    std::vector<ReplyRule> rules;
    for (const toml::node& element : *list) rules.push_back(rule(*element.as_table()));
    profile_.rules.insert(profile_.rules.begin(), std::make_move_iterator(rules.begin()),
                          std::make_move_iterator(rules.end()));
  }

  std::vector<Word> words(const toml::table& table, const char* name, const char* what) {
    std::vector<Word> words;
    const toml::node* node = table.get(name);
    if (node == nullptr) return words;
    const auto add = [&](const toml::node& n) {
      if (const auto* text = n.as_string()) {
        words.push_back({text->get(), &n});
      } else if (const auto* number = n.as_integer()) {
        words.push_back({std::to_string(number->get()), &n});
      } else {
        complain(n, std::string("reply.") + name + " takes " + what);
      }
    };
    if (const toml::array* list = node->as_array()) {
      if (list->empty()) complain(*node, std::string("reply.") + name + " is empty");
      for (const toml::node& n : *list) add(n);
    } else {
      add(*node);
    }
    return words;
  }

  ReplyRule rule(const toml::table& table) {
    ReplyRule rule;
    rule.origin = file_ + ":" + std::to_string(table.source().begin.line);
    phases_and_codes(table, rule);
    read_keys("reply", {{.name = "text", .value = &rule.text}}, table,
              {"phase", "code", "enhanced", "reason", "class", "hard", "fault", "action", "for",
               "example"});
    if (const toml::node* node = table.get("text"); node != nullptr && !rule.text.empty()) {
      const std::string problem = RuleList::pattern_problem(rule.text);
      if (!problem.empty()) {
        complain(*node, "reply.text is no pattern of RE2: " + problem);
        rule.text.clear();
      }
    } else if (node != nullptr && node->is_string()) {
      complain(*node, "reply.text is empty; leave it out to match any text");
    }
    meaning(table, rule);
    examples(table, rule);
    return rule;
  }

  void phases_and_codes(const toml::table& table, ReplyRule& rule) {
    for (const Word& word : words(table, "phase", "a phase or a list of them")) {
      const auto phase = parse_phase(word.text);
      if (!phase || word.text != phase_names()[static_cast<std::size_t>(*phase) - 1]) {
        complain(
            *word.at,
            "reply.phase takes connect, ehlo, mail, rcpt, data or eod, not " + shown(word.text),
            config::find_nearest(word.text, phase_names()));
        continue;
      }
      rule.phases |= static_cast<std::uint8_t>(1U << static_cast<unsigned>(*phase));
    }
    for (const Word& word : words(table, "code", "a code like 550, \"5xx\" or \"reset\"")) {
      const auto pattern = parse_code_pattern(word.text);
      const auto ending = parse_ending(word.text);
      if (pattern) {
        rule.codes.push_back(*pattern);
      } else if (ending) {
        rule.ending = ending;
      } else {
        complain(*word.at,
                 "reply.code takes a code like 550, \"5xx\", \"reset\", \"closed\" or "
                 "\"timeout\", not " +
                     shown(word.text),
                 config::find_nearest(word.text, {"reset", "closed", "timeout"}));
      }
    }
    for (const Word& word : words(table, "enhanced", "a code like \"5.1.1\" or \"5.7.*\"")) {
      const auto pattern = parse_enhanced_pattern(word.text);
      if (pattern) {
        rule.enhanced.push_back(*pattern);
      } else {
        complain(*word.at, "reply.enhanced takes a code like \"5.1.1\" or \"5.7.*\", not " +
                               shown(word.text));
      }
    }
    if (rule.ending &&
        (!rule.codes.empty() || !rule.enhanced.empty() || table.get("text") != nullptr)) {
      complain(table, "a rule for a connection that ended has no code, enhanced code or text");
    }
  }

  void meaning(const toml::table& table, ReplyRule& rule) {
    const toml::node* reason = table.get("reason");
    if (reason == nullptr) complain(table, "[[reply]] lacks its key \"reason\"");
    const auto assign = [&](const char* name, config::Value value) {
      const toml::node* node = table.get(name);
      if (node == nullptr) return;
      Key key{.name = name, .value = std::move(value)};
      config::Complaint complaint = config::assign(key, *node);
      if (complaint.message.empty()) return;
      complain(*node, std::string("reply.") + name + " " + complaint.message,
               std::move(complaint.nearest));
    };
    assign("reason", choice(rule.reason, reason_names()));
    const Meaning meaning = meaning_of(rule.reason);
    rule.klass = meaning.klass;
    rule.is_hard = meaning.is_hard;
    rule.fault = meaning.fault;
    rule.action = meaning.action;
    assign("class", choice(rule.klass, class_names()));
    assign("hard", &rule.is_hard);
    assign("fault", choice(rule.fault, fault_names()));
    assign("action", choice(rule.action, action_names()));
    assign("for", &rule.duration);
    const bool takes_time = rule.action == Action::Suspend || rule.action == Action::RestSource;
    const bool has_time = table.get("for") != nullptr;
    if (takes_time && rule.duration.count() <= 0) {
      complain(table, "action \"" + std::string(name_of(rule.action)) +
                          "\" needs its time, like for = \"1h\"");
    } else if (!takes_time && has_time) {
      complain(*table.get("for"),
               "reply.for has no effect without action \"suspend\" or "
               "\"rest_source\"");
    }
    const bool is_transient =
        !rule.codes.empty() && std::all_of(rule.codes.begin(), rule.codes.end(),
                                           [](const CodePattern& c) { return c.high < 500; });
    if (table.get("hard") != nullptr && rule.is_hard && rule.action != Action::Bounce &&
        (is_transient || rule.ending || rule.action == Action::Defer)) {
      complain(*table.get("hard"), "what is tried again is not hard");
    }
  }

  void examples(const toml::table& table, ReplyRule& rule) {
    for (const Word& word : words(table, "example", "a reply's text, or a list of them")) {
      const ReplyFacts facts = parse_reply_facts(word.text, Phase::Unknown);
      if (word.text.size() > kExampleOctetsMax || rule.examples.size() == kExamplesMax) {
        complain(*word.at, "reply.example has more than 20 texts, or one of over 2000 octets");
      } else if (facts.ending == Ending::Reply && facts.code == 0) {
        complain(*word.at,
                 "reply.example takes a whole reply like \"550 5.1.1 User unknown\", \"reset\", "
                 "\"closed\" or \"timeout\", not " +
                     shown(word.text));
      } else {
        rule.examples.push_back(word.text);
      }
    }
    if (table.get("example") == nullptr) {
      complain(table, "[[reply]] lacks its key \"example\": a reply that this rule is for");
    }
  }

  const std::string& file_;
  Profile& profile_;
  std::vector<Diagnostic>& diagnostics_;
};

}  // namespace

bool is_host_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  if (text.empty() || text.size() > 253 || text.find('.') == text.npos) return false;
  std::size_t label = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (label == 0 || text[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    const bool is_fine =
        base::is_digit(c) || (c >= 'a' && c <= 'z') || c == '_' || (c == '-' && label > 0);
    if (!is_fine || ++label > 63) return false;
  }
  return label > 0 && text.back() != '-';
}

void read_profile(std::string_view toml, const std::string& file, Profile& profile,
                  std::vector<Diagnostic>& diagnostics) {
  std::vector<Diagnostic> own;
  config::read_document(toml, file, own, [&](const toml::table& root) {
    ProfileReader(file, profile, own).read(root);
  });
  diagnostics.insert(diagnostics.end(), own.begin(), own.end());
}

}  // namespace ekiden::shaping
