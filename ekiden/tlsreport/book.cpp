#include "ekiden/tlsreport/book.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::tlsreport {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 5> kStates{"collecting", "waiting", "sent", "failed",
                                                  "unwanted"};
constexpr std::int64_t kDayUs = 86'400'000'000;

json::object encode_one(const Report& report) {
  json::array deliveries;
  for (const Delivery& delivery : report.deliveries) {
    deliveries.push_back(json::object{{"mail", delivery.to.is_mail},
                                      {"target", delivery.to.target},
                                      {"sent", delivery.is_sent},
                                      {"problem", delivery.problem},
                                      {"last_us", base::to_unix_us(delivery.last)}});
  }
  return json::object{{"domain", report.domain},
                      {"day_us", base::to_unix_us(report.day)},
                      {"id", report.id},
                      {"state", state_name(report.state)},
                      {"wanted", report.is_known_wanted},
                      {"due_us", base::to_unix_us(report.due)},
                      {"first_try_us", base::to_unix_us(report.first_try)},
                      {"tries", report.tries},
                      {"tally", policy::encode_tls_tally(report.tally)},
                      {"deliveries", std::move(deliveries)}};
}

struct Fields {
  const json::object& of;
  std::string text(std::string_view key) const {
    const json::value* found = of.if_contains(key);
    return found != nullptr && found->is_string()
               ? std::string(std::string_view(found->as_string()))
               : std::string();
  }
  std::int64_t number(std::string_view key) const {
    const json::value* found = of.if_contains(key);
    return found != nullptr && found->is_int64() ? found->as_int64() : 0;
  }
  bool flag(std::string_view key) const {
    const json::value* found = of.if_contains(key);
    return found != nullptr && found->is_bool() && found->as_bool();
  }
  base::Time time(std::string_view key) const { return base::from_unix_us(number(key)); }
};

std::optional<Report> decode_one(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const Fields fields{*object};
  Report report;
  report.domain = fields.text("domain");
  report.day = day_of(fields.time("day_us"));
  report.id = fields.text("id");
  const auto state = std::find(kStates.begin(), kStates.end(), fields.text("state"));
  auto tally = policy::decode_tls_tally(fields.text("tally"));
  if (report.domain.empty() || state == kStates.end() || !tally) return std::nullopt;
  report.state = static_cast<State>(state - kStates.begin());
  report.tally = std::move(*tally);
  report.is_known_wanted = fields.flag("wanted");
  report.due = fields.time("due_us");
  report.first_try = fields.time("first_try_us");
  report.tries =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(fields.number("tries"), 0, 1000));
  const json::value* deliveries = object->if_contains("deliveries");
  if (deliveries == nullptr || !deliveries->is_array()) return report;
  for (const json::value& each : deliveries->as_array()) {
    if (!each.is_object() || report.deliveries.size() >= policy::kTlsReportAddressesMax) continue;
    const Fields one{each.get_object()};
    report.deliveries.push_back({{one.flag("mail"), one.text("target")},
                                 one.flag("sent"),
                                 one.text("problem"),
                                 one.time("last_us")});
  }
  return report;
}

}  // namespace

base::Time day_of(base::Time time) {
  const std::int64_t us = base::to_unix_us(time);
  return base::from_unix_us(us - ((us % kDayUs) + kDayUs) % kDayUs);
}

std::optional<base::Time> parse_day(std::string_view text) {
  if (text.size() != 10) return std::nullopt;
  return message::parse_date(std::string(text) + "T00:00:00Z");
}

std::string_view state_name(State state) {
  return kStates[static_cast<std::size_t>(state)];
}

bool Book::load(std::string_view octets) {
  if (octets.empty()) return true;
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(octets.data(), octets.size()), error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("reports");
  if (list == nullptr || !list->is_array()) return false;
  const std::lock_guard lock(mutex_);
  for (const json::value& each : list->as_array()) {
    std::optional<Report> report = decode_one(each);
    if (!report || collecting_.size() + reports_.size() >= kReportsMax) continue;
    if (report->id.empty()) {
      const Key key{report->day, report->domain};
      collecting_.insert_or_assign(key, std::move(*report));
    } else {
      const std::string id = report->id;
      reports_.insert_or_assign(id, std::move(*report));
    }
  }
  return true;
}

std::string Book::encode() const {
  // One at a time: whoever counts never waits for the whole file.
  std::vector<Key> keys;
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, report] : collecting_) keys.push_back(key);
    for (const auto& [id, report] : reports_) ids.push_back(id);
  }
  std::string out = R"({"version":1,"reports":[)";
  bool is_first = true;
  const auto append = [&](const std::optional<Report>& report) {
    if (!report) return;
    if (!std::exchange(is_first, false)) out += ",\n";
    out += json::serialize(encode_one(*report));
  };
  const auto copy_of = [this](const auto& map, const auto& key) -> std::optional<Report> {
    const std::lock_guard lock(mutex_);
    const auto found = map.find(key);
    if (found == map.end()) return std::nullopt;
    return found->second;
  };
  for (const Key& key : keys) append(copy_of(collecting_, key));
  for (const std::string& id : ids) append(copy_of(reports_, id));
  out += "]}\n";
  return out;
}

void Book::add(const std::string& domain, policy::TlsSession session, base::Time now) {
  if (domain.empty() || domain.front() == '[') return;
  if (session.policy == policy::TlsPolicyKind::Sts && policies_ != nullptr) {
    // Hosts are shared by domains whose policies read differently: each is told of its own.
    if (const auto entry = policies_->find(domain, now)) {
      session.policy_strings = policy::policy_strings_of(entry->policy);
      session.mx_hosts = entry->policy.mx;
    }
  }
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    const Key key{day_of(now), domain};
    auto found = collecting_.find(key);
    if (found == collecting_.end()) {
      if (collecting_.size() + reports_.size() >= kReportsMax) {
        if (!std::exchange(is_full_said_, true))
          base::log::warning("tls_reports_full", {{"reports", kReportsMax}});
        return;
      }
      Report report;
      report.domain = domain;
      report.day = key.first;
      found = collecting_.emplace(key, std::move(report)).first;
      is_new = true;
    }
    if (found->second.state == State::Unwanted) return;
    found->second.tally.add(session);
  }
  changed();
  if (is_new && new_) new_();
}

std::vector<std::string> Book::unknown(std::size_t max) const {
  std::vector<std::string> domains;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, report] : collecting_) {
    if (domains.size() >= max) break;
    if (report.state == State::Collecting && !report.is_known_wanted)
      domains.push_back(report.domain);
  }
  return domains;
}

void Book::set_wanted(const std::string& domain, bool is_wanted) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, report] : collecting_) {
      if (key.second != domain || report.state != State::Collecting) continue;
      report.is_known_wanted = is_wanted;
      if (is_wanted) continue;
      report.state = State::Unwanted;
      report.tally = {};
    }
  }
  changed();
}

void Book::end(const Key& key, base::Time due, base::Random& random, const std::string& submitter) {
  auto node = collecting_.extract(key);
  Report report = std::move(node.mapped());
  if (report.state == State::Unwanted || report.tally.policies.empty()) return;
  char octets[8];
  random.fill(std::as_writable_bytes(std::span(octets)));
  report.id = base::format_day(report.day) + "." +
              base::encode_hex(std::string_view(octets, sizeof octets)) + "@" + submitter;
  report.state = State::Waiting;
  report.due = due;
  const std::string id = report.id;
  reports_.emplace(id, std::move(report));
}

void Book::end_days(base::Time now, base::Duration delay_max, base::Random& random,
                    const std::string& submitter) {
  bool has_changed = false;
  {
    const std::lock_guard lock(mutex_);
    const base::Time today = day_of(now);
    while (!collecting_.empty() && collecting_.begin()->first.first < today) {
      const auto delay =
          static_cast<std::int64_t>(random.unit() * static_cast<double>(delay_max.count()));
      const Key key = collecting_.begin()->first;
      has_changed = true;
      end(key, std::max(now, today + base::Duration(delay)), random, submitter);
    }
    const std::size_t forgotten = std::erase_if(reports_, [now](const auto& entry) {
      return entry.second.state != State::Waiting && entry.second.day + kKeptFor < now;
    });
    has_changed = has_changed || forgotten > 0;
    if (has_changed) is_full_said_ = false;
  }
  if (has_changed) changed();
}

std::size_t Book::end_day(base::Time day, base::Time now, base::Random& random,
                          const std::string& submitter) {
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    std::vector<Key> keys;
    for (auto at = collecting_.lower_bound({day, {}});
         at != collecting_.end() && at->first.first == day; ++at) {
      if (at->second.state == State::Collecting) keys.push_back(at->first);
    }
    for (const Key& key : keys) end(key, now, random, submitter);
    for (auto& [id, report] : reports_) {
      if (report.day != day || report.state != State::Waiting) continue;
      report.due = now;
      ++count;
    }
  }
  changed();
  return count;
}

std::vector<Report> Book::due(base::Time now, std::size_t max) const {
  std::vector<Report> reports;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, report] : reports_) {
    if (reports.size() >= max) break;
    if (report.state == State::Waiting && report.due <= now) reports.push_back(report);
  }
  return reports;
}

std::optional<base::Time> Book::next_due() const {
  std::optional<base::Time> next;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, report] : reports_) {
    if (report.state == State::Waiting && (!next || report.due < *next)) next = report.due;
  }
  return next;
}

void Book::update(const Report& report) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = reports_.find(report.id);
    if (found != reports_.end()) found->second = report;
  }
  changed();
}

std::vector<Report> Book::find(std::string_view domain, std::optional<base::Time> day) const {
  std::vector<Report> found;
  const auto take = [&](const Report& report) {
    if ((domain.empty() || report.domain == domain) && (!day || report.day == *day))
      found.push_back(report);
  };
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, report] : collecting_) take(report);
    for (const auto& [id, report] : reports_) take(report);
  }
  std::sort(found.begin(), found.end(), [](const Report& a, const Report& b) {
    return a.day != b.day ? a.day > b.day : std::tie(a.domain, a.id) < std::tie(b.domain, b.id);
  });
  return found;
}

std::size_t Book::size() const {
  const std::lock_guard lock(mutex_);
  return collecting_.size() + reports_.size();
}

}  // namespace ekiden::tlsreport
