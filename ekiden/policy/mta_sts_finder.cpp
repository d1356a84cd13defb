#include "ekiden/policy/mta_sts_finder.hpp"

#include <utility>

#include "ekiden/base/log.hpp"

namespace ekiden::policy {
namespace {

/// Policies that are due are looked for this often, so many at a time.
constexpr base::Duration kRenewalPause = std::chrono::minutes(10);
constexpr std::size_t kRenewalsMax = 200;

}  // namespace

/// Somebody who waits for the first look at a domain.
struct MtaStsFinder::Wait {
  base::Completion<bool> wake;
  bool is_over = false;
  bool is_late = false;  ///< the time was over first

  void ring() {
    is_over = true;
    if (wake) std::exchange(wake, {})(true);
  }
};

MtaStsFinder::MtaStsFinder(Parts parts, MtaStsOptions options)
    : parts_(std::move(parts)), options_(std::move(options)), tasks_(parts_.worker) {}

MtaStsFinder::~MtaStsFinder() {
  if (renewal_ != base::TimerId::None) parts_.worker.clock.cancel(renewal_);
}

void MtaStsFinder::close() {
  tasks_.close();
}

void MtaStsFinder::abandon() {
  tasks_.abandon();
}

base::Task<MtaStsFound> MtaStsFinder::find(std::string domain) {
  if (!options_.is_on || tasks_.is_closed()) co_return MtaStsFound{};
  MtaStsFound found;
  found.entry = parts_.book.find(domain, parts_.worker.clock.now());
  auto wait = std::make_shared<Wait>();
  base::Task<void> task = look(domain, wait);
  tasks_.spawn(std::move(task));
  // RFC 8461 §5.1: what is in force counts, whether or not there is anything new.
  if (found.entry) co_return found;
  if (!wait->is_over) {
    base::Clock& clock = parts_.worker.clock;
    const auto stop = tasks_.on_stop(
        [wait] { wait->ring(); },
        [wait] { const base::Completion<bool> wake = std::exchange(wait->wake, {}); });
    base::TimerId timer = base::TimerId::None;
    auto begin = [&](base::Completion<bool> done) {
      wait->wake = std::move(done);
      timer = clock.call_after(options_.wait_max, [wait] {
        wait->is_late = true;
        wait->ring();
      });
    };
    (void)co_await base::suspend<bool>(std::move(begin));
    clock.cancel(timer);
  }
  found.entry = parts_.book.find(domain, parts_.worker.clock.now());
  found.is_pending = !found.entry && wait->is_late;
  co_return found;
}

/// Asks whether there is anything new, and fetches it.
base::Task<void> MtaStsFinder::look(std::string domain, std::shared_ptr<Wait> wait) {
  std::string name = "_mta-sts." + domain;
  const dns::Answer answer =
      co_await dns::resolve(parts_.resolver, std::move(name), dns::Type::TXT);
  std::string why;
  const std::optional<std::string> id = find_mta_sts_id(dns::texts_of(answer), why);
  if (!why.empty()) {
    base::log::warning("mta_sts_record_malformed", {{"domain", domain}, {"problem", why}});
  }
  const base::Time now = parts_.worker.clock.now();
  const std::optional<MtaStsEntry> known = parts_.book.find(domain, now);
  const bool is_fresh =
      known && id == known->id && now < known->fetched + MtaStsBook::kRefreshAfter;
  if (id && !is_fresh) {
    co_await fetch(domain, *id, known.has_value());
  }
  wait->ring();
}

base::Task<void> MtaStsFinder::fetch(std::string domain, std::string id, bool is_known) {
  if (!parts_.book.begin_fetch(domain, parts_.worker.clock.now())) co_return;
  auto cancel = std::make_shared<net::Cancellation>();
  MtaStsFetched fetched;
  {
    const auto stop = tasks_.on_stop([cancel] { cancel->cancel(); });
    MtaStsOptions options = options_;
    net::BeginTls secure = parts_.secure;
    std::string asked = domain;
    fetched =
        co_await fetch_mta_sts(parts_.worker, parts_.resolver, parts_.network, std::move(secure),
                               std::move(options), std::move(asked), cancel);
  }
  if (tasks_.is_closed()) {
    parts_.book.give_up(domain);
    co_return;
  }
  const base::Time now = parts_.worker.clock.now();
  if (!fetched.policy) {
    parts_.book.fail(domain, now);
    base::log::warning(
        "mta_sts_fetch_failed",
        {{"domain", domain}, {"problem", fetched.problem}, {"keeps_policy", is_known}});
    if (parts_.observe) {
      TlsSession session;
      session.policy = TlsPolicyKind::Sts;
      session.failure = TlsFailure{fetched.result, {}, {}, {}, std::move(fetched.problem)};
      parts_.observe(std::move(domain), session);
    }
    co_return;
  }
  MtaStsEntry entry;
  entry.id = std::move(id);
  entry.policy = std::move(*fetched.policy);
  entry.fetched = now;
  // Mail has asked, or else the book knows when it last did.
  if (!is_known) entry.used = now;
  base::log::info("mta_sts_policy", {{"domain", domain},
                                     {"id", entry.id},
                                     {"mode", mta_sts_mode_name(entry.policy.mode)},
                                     {"max_age", base::format_duration(entry.policy.max_age)}});
  parts_.book.put(domain, std::move(entry));
}

void MtaStsFinder::start_renewing() {
  arm_renewal();
}

void MtaStsFinder::arm_renewal() {
  renewal_ = parts_.worker.clock.call_after(kRenewalPause, [this] {
    renewal_ = base::TimerId::None;
    if (tasks_.is_closed()) return;
    tasks_.spawn(renew_due());
  });
}

base::Task<void> MtaStsFinder::renew_due() {
  const std::vector<std::string> domains =
      parts_.book.due(parts_.worker.clock.now(), options_.is_on ? kRenewalsMax : 0);
  for (const std::string& domain : domains) {
    if (tasks_.is_closed()) co_return;
    std::string name = "_mta-sts." + domain;
    const dns::Answer answer =
        co_await dns::resolve(parts_.resolver, std::move(name), dns::Type::TXT);
    std::string why;
    std::optional<std::string> id = find_mta_sts_id(dns::texts_of(answer), why);
    // RFC 8461 §8.3: who takes the record away waits until the policy has ended.
    if (!id) continue;
    std::string asked = domain;
    co_await fetch(std::move(asked), std::move(*id), true);
  }
  arm_renewal();
}

}  // namespace ekiden::policy
