#include "ekiden/control/filter.hpp"

#include <array>

#include "ekiden/base/text.hpp"

namespace ekiden::control {

namespace {

constexpr std::size_t kTextMax = 1024;

/// The fields that are plain texts, by their names in JSON and on the command line.
struct TextField {
  std::string_view name;
  std::string Filter::*member;
};
constexpr std::array<TextField, 10> kTexts{{{"domain", &Filter::domain},
                                            {"tenant", &Filter::tenant},
                                            {"stream", &Filter::stream},
                                            {"sender", &Filter::sender},
                                            {"recipient", &Filter::recipient},
                                            {"provider", &Filter::provider},
                                            {"source", &Filter::source},
                                            {"site", &Filter::site},
                                            {"reply", &Filter::reply},
                                            {"paused_batch", &Filter::paused_batch}}};

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  if (part.size() > text.size()) return false;
  for (std::size_t at = 0; at + part.size() <= text.size(); ++at) {
    if (base::equals_ignoring_case(text.substr(at, part.size()), part)) return true;
  }
  return false;
}

}  // namespace

bool Filter::is_empty() const {
  return *this == Filter{};
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // Backtracks to the last star only, so the cost is at most pattern × text.
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && base::to_lower(pattern[p]) == base::to_lower(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool matches(const Filter& f, const FilterSubject& s) {
  return matches_but(f, s, Unknown::Nothing);
}

bool matches_but(const Filter& f, const FilterSubject& s, Unknown unknown) {
  if (f.message && *f.message != s.message) return false;
  if (f.older_than > base::Duration{} && s.age <= f.older_than) return false;
  if (!f.tenant.empty() && f.tenant != s.tenant) return false;
  if (!f.stream.empty() && f.stream != s.stream) return false;
  if (!f.provider.empty() && f.provider != s.provider) return false;
  if (!f.source.empty() && f.source != s.source) return false;
  if (!f.site.empty() && f.site != s.site) return false;
  if (!f.domain.empty() && !matches_pattern(f.domain, s.domain)) return false;
  if (unknown == Unknown::AddressesAndReply) return true;
  // The null reverse-path is written "<>", because an empty field asks for nothing.
  if (f.sender == "<>" ? !s.sender.empty()
                       : !f.sender.empty() && !matches_pattern(f.sender, s.sender)) {
    return false;
  }
  if (!f.recipient.empty() && !matches_pattern(f.recipient, s.recipient)) return false;
  if (!f.paused_batch.empty() && f.paused_batch != s.paused_batch) return false;
  return f.reply.empty() || contains_ignoring_case(s.reply, f.reply);
}

boost::json::object to_json(const Filter& filter) {
  boost::json::object json;
  for (const TextField& field : kTexts) {
    const std::string& value = filter.*(field.member);
    if (!value.empty()) json[field.name] = value;
  }
  if (filter.message) json["message"] = base::format_message_id(*filter.message);
  if (filter.older_than > base::Duration{}) json["older_than_us"] = filter.older_than.count();
  return json;
}

std::optional<Filter> filter_from_json(const boost::json::object& json, std::string& problem) {
  Filter filter;
  for (const auto& [key, value] : json) {
    // clang 14 captures a structured binding only by name.
    const auto refuse = [&problem, &key = key](const char* why) {
      problem = "the filter's field \"" + base::printable(key, 60) + "\" " + why;
      return std::nullopt;
    };
    bool is_known = false;
    for (const TextField& field : kTexts) {
      if (field.name != key) continue;
      if (!value.is_string()) return refuse("takes a text");
      const std::string_view text = value.as_string();
      if (text.empty() || text.size() > kTextMax) return refuse("is empty or too long");
      filter.*(field.member) = text;
      is_known = true;
    }
    if (key == "message") {
      if (!value.is_string()) return refuse("takes a message id");
      const std::string_view text = value.as_string();
      filter.message = base::parse_message_id(text);
      if (!filter.message) return refuse("takes a message id");
      is_known = true;
    }
    if (key == "older_than_us") {
      const std::int64_t* us = value.if_int64();
      if (us == nullptr || *us <= 0) return refuse("takes a positive number of microseconds");
      filter.older_than = base::Duration(*us);
      is_known = true;
    }
    if (!is_known) return refuse("is unknown");
  }
  return filter;
}

std::string describe(const Filter& filter) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const TextField& field : kTexts) {
    const std::string& value = filter.*(field.member);
    if (!value.empty()) add(std::string(field.name) + " " + base::printable(value, 80));
  }
  if (filter.message) add("message " + base::format_message_id(*filter.message));
  if (filter.older_than > base::Duration{}) {
    add("older than " + base::format_duration(filter.older_than));
  }
  return text.empty() ? "everything" : text;
}

}  // namespace ekiden::control
