#include "ekiden/tlsreport/reporter.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/smtp/address.hpp"
#include "ekiden/tlsreport/mail.hpp"
#include "ekiden/webhook/address_guard.hpp"
#include "ekiden/webhook/target.hpp"

namespace ekiden::tlsreport {
namespace {

/// Domains asked, and reports sent, in one look; the next look goes on.
constexpr std::size_t kAtOnce = 100;
/// New domains are asked this long after the first of them, so that many are asked together.
constexpr base::Duration kGatherFor = std::chrono::seconds(1);
/// RFC 8460 §5.5: tried again for a day after the first try.
constexpr base::Duration kTriedFor = std::chrono::hours(24);
constexpr base::Duration kFirstRetry = std::chrono::minutes(10);
constexpr base::Duration kLongestRetry = std::chrono::hours(4);
constexpr unsigned kDoublingsMax = 10;
constexpr base::Duration kPostMax = std::chrono::seconds(60);
constexpr std::size_t kAnswerOctetsMax = 16 * 1024;
constexpr base::Duration kDay = std::chrono::hours(24);
/// A domain whose record the DNS could not give is asked again by the look after this.
constexpr base::Duration kAskAgain = std::chrono::minutes(15);

base::Duration retry_wait(std::uint32_t tries) {
  const auto doublings = std::min(tries - 1, kDoublingsMax);
  return std::min(kFirstRetry * (std::int64_t{1} << doublings), kLongestRetry);
}

bool is_answered(const dns::Answer& answer) {
  return answer.status != dns::Status::Failed && answer.status != dns::Status::Bogus;
}

}  // namespace

Reporter::Reporter(Parts parts, Options options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      submitter_(smtp::domain_of(options_.from)),
      tasks_(parts_.worker),
      cancel_(std::make_shared<net::Cancellation>()),
      sent_(parts_.metrics.counter("ekiden_tls_reports_total",
                                   "Reports on TLS that were handed over", {{"result", "sent"}})),
      failed_(parts_.metrics.counter("ekiden_tls_reports_total",
                                     "Reports on TLS that were handed over",
                                     {{"result", "failed"}})) {
  if (options_.contact.empty()) options_.contact = options_.from;
}

Reporter::~Reporter() {
  for (const base::TimerId timer : {timer_, soon_})
    if (timer != base::TimerId::None) parts_.worker.clock.cancel(timer);
}

void Reporter::start() {
  wake();
}

void Reporter::stop() {
  for (base::TimerId* const timer : {&timer_, &soon_}) {
    if (*timer != base::TimerId::None) parts_.worker.clock.cancel(*timer);
    *timer = base::TimerId::None;
  }
  cancel_->cancel();
  tasks_.close();
}

void Reporter::note_new() {
  if (tasks_.is_closed() || soon_ != base::TimerId::None) return;
  soon_ = parts_.worker.clock.call_after(kGatherFor, [this] {
    soon_ = base::TimerId::None;
    wake();
  });
}

void Reporter::wake() {
  if (tasks_.is_closed()) return;
  must_look_again_ = true;
  if (is_looking_) return;
  is_looking_ = true;
  base::Task<void> task = look();
  tasks_.spawn(std::move(task));
}

std::size_t Reporter::send_day(base::Time day) {
  const std::size_t count =
      parts_.book.end_day(day, parts_.worker.clock.now(), parts_.worker.random, submitter_);
  wake();
  return count;
}

/// Whatever is to be done now; then a timer for what comes next.
base::Task<void> Reporter::look() {
  base::Clock& clock = parts_.worker.clock;
  while (std::exchange(must_look_again_, false) && !tasks_.is_closed()) {
    parts_.book.end_days(clock.now(), options_.delay_max, parts_.worker.random, submitter_);
    co_await discover();
    const std::vector<Report> due = parts_.book.due(clock.now(), kAtOnce);
    for (const Report& report : due) {
      if (tasks_.is_closed()) co_return;
      Report one = report;
      co_await send(std::move(one));
    }
    must_look_again_ = must_look_again_ || due.size() == kAtOnce;
  }
  is_looking_ = false;
  arm();
}

void Reporter::arm() {
  if (tasks_.is_closed()) return;
  base::Clock& clock = parts_.worker.clock;
  if (timer_ != base::TimerId::None) clock.cancel(timer_);
  const base::Time now = clock.now();
  base::Time next = day_of(now) + kDay;
  if (const auto due = parts_.book.next_due()) next = std::min(next, *due);
  if (!parts_.book.unknown(1).empty()) next = std::min(next, now + kAskAgain);
  timer_ = clock.call_after(std::max(next - now, kGatherFor), [this] {
    timer_ = base::TimerId::None;
    wake();
  });
}

base::Task<void> Reporter::discover() {
  const std::vector<std::string> domains = parts_.book.unknown(kAtOnce);
  std::size_t answered = 0;
  for (const std::string& domain : domains) {
    if (tasks_.is_closed()) co_return;
    std::string name = "_smtp._tls." + domain;
    const dns::Answer answer =
        co_await dns::resolve(parts_.resolver, std::move(name), dns::Type::TXT);
    if (!is_answered(answer)) continue;
    std::string why;
    const bool is_wanted = !policy::find_tls_report_addresses(dns::texts_of(answer), why).empty();
    if (!why.empty())
      base::log::info("tls_report_record_malformed", {{"domain", domain}, {"problem", why}});
    parts_.book.set_wanted(domain, is_wanted);
    ++answered;
  }
  // There are more; but not for ever with a DNS that does not answer.
  if (domains.size() == kAtOnce && answered > 0) must_look_again_ = true;
}

base::Task<void> Reporter::send(Report report) {
  base::Clock& clock = parts_.worker.clock;
  if (report.first_try == base::Time{}) report.first_try = clock.now();
  ++report.tries;
  // The record as it is now: addresses may have changed since the mail went.
  std::string name = "_smtp._tls." + report.domain;
  const dns::Answer answer =
      co_await dns::resolve(parts_.resolver, std::move(name), dns::Type::TXT);
  if (is_answered(answer)) {
    std::string why;
    std::vector<Delivery> deliveries;
    for (policy::TlsReportAddress& to :
         policy::find_tls_report_addresses(dns::texts_of(answer), why)) {
      const auto known = std::find_if(report.deliveries.begin(), report.deliveries.end(),
                                      [&](const Delivery& delivery) { return delivery.to == to; });
      deliveries.push_back(known != report.deliveries.end() ? *known : Delivery{std::move(to)});
    }
    report.deliveries = std::move(deliveries);
    if (report.deliveries.empty()) {
      report.state = State::Unwanted;
      parts_.book.update(report);
      co_return;
    }
  }
  bool is_done = !report.deliveries.empty();
  for (Delivery& delivery : report.deliveries) {
    if (delivery.is_sent) continue;
    policy::TlsReportAddress to = delivery.to;
    delivery.problem = co_await deliver(report, std::move(to));
    if (tasks_.is_closed()) co_return;
    delivery.last = clock.now();
    delivery.is_sent = delivery.problem.empty();
    is_done = is_done && delivery.is_sent;
    (delivery.is_sent ? sent_ : failed_).add();
    base::log::info("tls_report", {{"domain", report.domain},
                                   {"day", base::format_day(report.day)},
                                   {"to", delivery.to.target},
                                   {"try", report.tries},
                                   {"problem", delivery.problem}});
  }
  const base::Time now = clock.now();
  report.due = now + retry_wait(report.tries);
  if (is_done) {
    report.state = State::Sent;
  } else if (report.due > report.first_try + kTriedFor) {
    const bool is_any = std::any_of(report.deliveries.begin(), report.deliveries.end(),
                                    [](const Delivery& delivery) { return delivery.is_sent; });
    report.state = is_any ? State::Sent : State::Failed;
  }
  parts_.book.update(report);
}

/// Empty: it was taken; otherwise why not.
base::Task<std::string> Reporter::deliver(const Report& report, policy::TlsReportAddress to) {
  policy::TlsReportHead head{options_.organization, options_.contact, report.id, report.domain,
                             report.day};
  base::Executor& home = parts_.worker.executor;
  auto begin = [&](base::Completion<std::string> done) {
    parts_.pool.post([head, tally = report.tally, &home, done = std::move(done)]() mutable {
      std::string packed = gzip(policy::format_tls_report(head, tally));
      home.post([packed = std::move(packed), done = std::move(done)]() mutable {
        done(std::move(packed));
      });
    });
  };
  std::string packed = co_await base::suspend<std::string>(std::move(begin));
  if (to.is_mail) {
    co_return co_await mail(report, std::move(head), std::move(packed), std::move(to.target));
  }
  co_return co_await post(std::move(packed), std::move(to.target));
}

base::Task<std::string> Reporter::mail(const Report& report, policy::TlsReportHead head,
                                       std::string packed, std::string to) {
  const Result<smtp::Address> address = smtp::parse_address(to);
  const bool is_ascii =
      std::all_of(to.begin(), to.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!address || !is_ascii) co_return "\"" + to + "\" is no address that mail can go to";
  MailRequest request{options_.from, to, submitter_, parts_.worker.clock.now()};
  OwnMail own;
  own.from = options_.from;
  own.octets = compose_mail(request, head, report.tally, packed);
  own.to = std::move(to);
  own.detail = "report on TLS of " + report.domain + ", " + base::format_day(report.day);
  auto begin = [&](base::Completion<Result<void>> done) {
    parts_.send_mail(std::move(own), std::move(done));
  };
  const Result<void> queued = co_await base::suspend<Result<void>>(std::move(begin));
  co_return queued ? std::string() : "it cannot be queued: " + queued.error().message();
}

base::Task<std::string> Reporter::post(std::string packed, std::string url) {
  std::string problem;
  const std::optional<webhook::Target> target = webhook::parse_target(url, problem);
  if (!target) co_return problem;
  if (!target->is_secure) co_return "not an https URL";
  net::HttpRequest request;
  request.method = "POST";
  request.host = target->host;
  request.port = target->port;
  request.path = target->path;
  request.headers = {{"Content-Type", "application/tlsrpt+gzip"}};
  if (!target->authorization.empty())
    request.headers.emplace_back("Authorization", target->authorization);
  request.body = std::move(packed);
  request.body_octets_max = kAnswerOctetsMax;
  request.deadline = parts_.worker.clock.steady() + kPostMax;
  std::string host = target->host;
  request.servers = co_await find_servers(std::move(host), target->port, target->address, problem);
  if (request.servers.empty()) co_return problem;
  net::BeginTls secure = parts_.begin_tls;
  std::shared_ptr<net::Cancellation> cancel = cancel_;
  const net::HttpReply reply = co_await net::fetch_http(parts_.network, std::move(secure),
                                                        std::move(request), std::move(cancel));
  if (!reply.is_whole && !reply.is_cut) co_return reply.problem;
  // RFC 8460 §5.4: 2xx is success; no redirect is followed.
  if (reply.status < 200 || reply.status > 299)
    co_return "the server answered " + std::to_string(reply.status);
  co_return std::string();
}

/// A stranger's URL is no way into our own networks: the address that a name has now is looked at,
/// and is the one that is connected to.
base::Task<std::vector<net::Endpoint>> Reporter::find_servers(std::string host, std::uint16_t port,
                                                              std::optional<net::Address> literal,
                                                              std::string& problem) {
  std::vector<net::Endpoint> servers;
  const std::string key = host + ":" + std::to_string(port);
  if (const auto mapped = options_.connect_map.find(key); mapped != options_.connect_map.end()) {
    servers.push_back(mapped->second);
    co_return servers;
  }
  std::vector<net::Address> addresses;
  if (literal) {
    addresses.push_back(*literal);
  } else {
    for (const dns::Type type : {dns::Type::A, dns::Type::AAAA}) {
      std::string name = host;
      const dns::Answer answer = co_await dns::resolve(parts_.resolver, std::move(name), type);
      if (!is_answered(answer)) continue;
      for (const net::Address& address : dns::addresses_of(answer)) addresses.push_back(address);
    }
  }
  const webhook::AddressGuard guard;
  for (const net::Address& address : addresses) {
    const bool is_public = guard.judge(address) == webhook::AddressGuard::Verdict::Public;
    if (is_public || options_.may_use_private) servers.push_back({address, port});
  }
  if (servers.empty())
    problem = addresses.empty() ? host + " has no address to connect to"
                                : host + ": its address lies in private or reserved space";
  co_return servers;
}

}  // namespace ekiden::tlsreport
