#include <array>
#include <charconv>

#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::message {
namespace {

/// Takes tokens from the front; once something does not fit, `ok` is false.
struct Cursor {
  std::string_view rest;
  bool ok = true;

  void skip_blanks() {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
  }
  bool take(char c) {
    if (rest.empty() || base::to_lower(rest.front()) != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char c) { ok = take(c) && ok; }
  int number(std::size_t digits_min, std::size_t digits_max) {
    std::size_t n = 0;
    while (n < rest.size() && n < digits_max && base::is_digit(rest[n])) ++n;
    int value = 0;
    std::from_chars(rest.data(), rest.data() + n, value);
    ok = ok && n >= digits_min;
    rest.remove_prefix(n);
    return value;
  }
  std::string_view word() {
    std::size_t n = 0;
    while (n < rest.size() && base::is_alpha(rest[n])) ++n;
    const std::string_view w = rest.substr(0, n);
    rest.remove_prefix(n);
    return w;
  }
};

std::optional<base::Time> make_time(int year, int month, int day, int hour, int minute, int second,
                                    int offset_minutes) {
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const sys_seconds whole =
      sys_days(date) + hours(hour) + minutes(minute) + seconds(second) - minutes(offset_minutes);
  return base::Time(whole);
}

std::optional<base::Time> parse_rfc3339(std::string_view text) {
  Cursor c{text};
  const int year = c.number(4, 4);
  c.expect('-');
  const int month = c.number(2, 2);
  c.expect('-');
  const int day = c.number(2, 2);
  if (!c.take('t')) c.expect(' ');
  const int hour = c.number(2, 2);
  c.expect(':');
  const int minute = c.number(2, 2);
  c.expect(':');
  const int second = c.number(2, 2);
  if (c.take('.')) c.number(1, 9);
  int offset = 0;
  if (!c.take('z')) {
    const bool is_west = c.take('-');
    if (!is_west) c.expect('+');
    offset = c.number(2, 2) * 60;
    c.expect(':');
    offset += c.number(2, 2);
    if (is_west) offset = -offset;
  }
  if (!c.ok || !c.rest.empty()) return std::nullopt;
  return make_time(year, month, day, hour, minute, second, offset);
}

/// RFC 5322 §4.3: the zones that have a meaning; unknown ones count as -0000.
int zone_offset(Cursor& c) {
  const bool is_west = c.take('-');
  if (is_west || c.take('+')) {
    const int zone = c.number(4, 4);
    const int offset = zone / 100 * 60 + zone % 100;
    return is_west ? -offset : offset;
  }
  struct Zone {
    std::string_view name;
    int hours;
  };
  static constexpr std::array<Zone, 9> kZones{{{"EST", -5},
                                               {"EDT", -4},
                                               {"CST", -6},
                                               {"CDT", -5},
                                               {"MST", -7},
                                               {"MDT", -6},
                                               {"PST", -8},
                                               {"PDT", -7},
                                               {"JST", 9}}};
  const std::string_view name = c.word();
  c.ok = c.ok && !name.empty();
  for (const Zone& zone : kZones) {
    if (base::equals_ignoring_case(zone.name, name)) return zone.hours * 60;
  }
  return 0;
}

std::optional<base::Time> parse_rfc5322(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Cursor c{text};
  if (!c.word().empty()) c.expect(',');
  c.skip_blanks();
  const int day = c.number(1, 2);
  c.skip_blanks();
  const std::string_view name = c.word();
  int month = 0;
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (base::equals_ignoring_case(kMonths[i], name)) month = static_cast<int>(i) + 1;
  }
  c.skip_blanks();
  int year = c.number(2, 4);
  if (year < 50) {
    year += 2000;
  } else if (year < 1000) {
    year += 1900;
  }
  c.skip_blanks();
  const int hour = c.number(2, 2);
  c.expect(':');
  const int minute = c.number(2, 2);
  const int second = c.take(':') ? c.number(2, 2) : 0;
  c.skip_blanks();
  const int offset = zone_offset(c);
  c.skip_blanks();
  if (!c.rest.empty() && c.rest.front() != '(') return std::nullopt;
  if (!c.ok || month == 0) return std::nullopt;
  return make_time(year, month, day, hour, minute, second, offset);
}

}  // namespace

std::optional<base::Time> parse_date(std::string_view text) {
  text = base::trimmed(text);
  if (const auto seconds = base::parse_u64(text); seconds && *seconds < 100'000'000'000) {
    return base::Time(std::chrono::seconds(*seconds));
  }
  if (const auto time = parse_rfc3339(text)) return time;
  return parse_rfc5322(text);
}

}  // namespace ekiden::message
