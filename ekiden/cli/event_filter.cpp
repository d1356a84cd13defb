#include "ekiden/cli/event_filter.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "ekiden/base/text.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::cli {

namespace {

/// A number of exactly so many digits; the text loses them.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!base::is_digit(text[i])) return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// RFC 3339 §5.6: the time behind the date, as what is to be added to the day.
std::optional<base::Duration> parse_time_of_day(std::string_view text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60) return std::nullopt;
  base::Duration time =
      std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  if (take(text, '.')) {
    std::int64_t unit_us = 100'000;
    std::size_t digits = 0;
    for (; !text.empty() && base::is_digit(text.front()); text.remove_prefix(1), ++digits) {
      time += base::Duration((text.front() - '0') * unit_us);
      unit_us /= 10;
    }
    if (digits == 0) return std::nullopt;
  }
  if (text == "Z" || text == "z") return time;
  const bool is_east = take(text, '+');
  if (!is_east && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59 || !text.empty()) return std::nullopt;
  const base::Duration offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return is_east ? time - offset : time + offset;
}

}  // namespace

std::optional<base::Time> parse_time(std::string_view text, base::Time now) {
  if (const auto ago = config::parse_duration(text)) return now - *ago;
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const base::Time midnight =
      std::chrono::time_point_cast<base::Duration>(std::chrono::sys_days(date));
  if (text.empty()) return midnight;
  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
  const auto time = parse_time_of_day(text);
  if (!time) return std::nullopt;
  return midnight + *time;
}

void EventFilter::add_to(CLI::App& app, Range range) {
  const std::string group = "Which events (all of the conditions)";
  const auto add = [&](const char* name, std::string& into, const char* doc, const char* type) {
    app.add_option(name, into, doc)->group(group)->type_name(type);
  };
  add("--recipient", recipient, "Recipient address", "ADDRESS");
  add("--domain", domain, "Recipient domain", "NAME");
  add("--message", message, "Message id, or the Message-ID header", "ID");
  add("--sender", sender, "Reverse-path or From; \"<>\" is the null reverse-path", "ADDRESS");
  add("--subject", subject, "Part of the subject", "TEXT");
  add("--tag", tag, "One of the message's tags", "TAG");
  add("--tenant", tenant, "Tenant", "NAME");
  add("--stream", stream, "Stream", "NAME");
  add("--kind", kind, "accepted, delivered, deferred, bounced, …", "KIND");
  add("--code", code, "Reply code (550), class (5), or enhanced code (5.1.1)", "CODE");
  add("--source", source, "Source", "NAME");
  add("--provider", provider, "Provider whose limits held", "NAME");
  if (range == Range::None) return;
  add("--from", from, "Not before: 2026-11-22, 2026-11-22T06:00:00Z, or 2h (ago)", "TIME");
  add("--until", until, "Before", "TIME");
}

std::optional<events::Query> EventFilter::read(base::Time now, std::string& problem) const {
  events::Query query;
  query.recipient = recipient;
  query.domain = domain;
  query.sender = sender;
  query.subject = subject;
  query.tag = tag;
  query.tenant = tenant;
  query.stream = stream;
  query.source = source;
  query.provider = provider;
  if (!message.empty()) {
    query.message = base::parse_message_id(message);
    if (!query.message && message.find('@') == std::string::npos) {
      problem = "\"" + message + "\" is no message id";
      return std::nullopt;
    }
    if (!query.message) query.internet_message_id = message;
  }
  if (!kind.empty()) {
    query.kind = events::parse_kind(kind);
    if (!query.kind) {
      problem = "there is no kind of event \"" + kind + "\"";
      return std::nullopt;
    }
  }
  if (!code.empty()) {
    const bool is_one = code.find_first_not_of("0123456789.") == std::string::npos &&
                        (code.size() <= 3 || code.find('.') != std::string::npos);
    if (!is_one) {
      problem = "--code takes 550, 5 or 5.1.1, not \"" + code + "\"";
      return std::nullopt;
    }
    query.code = code;
  }
  for (const auto& [text, time, flag] :
       {std::tuple(&from, &query.from, "--from"), std::tuple(&until, &query.until, "--until")}) {
    if (text->empty()) continue;
    *time = parse_time(*text, now);
    if (*time) continue;
    problem = std::string(flag) +
              " takes a time like 2026-11-22, 2026-11-22T06:00:00Z or 2h, not \"" + *text + "\"";
    return std::nullopt;
  }
  return query;
}

}  // namespace ekiden::cli
