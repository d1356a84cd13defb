#include "ekiden/account/authenticator.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/account/api_key.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

base::Counter& attempts(base::Metrics& metrics, const char* result) {
  return metrics.counter("ekiden_auth_attempts_total", "AUTH exchanges by their end.",
                         {{"result", result}});
}

}  // namespace

bool may_come_from(const Credential& credential, const net::Address& client) {
  return credential.networks.empty() ||
         std::any_of(credential.networks.begin(), credential.networks.end(),
                     [&client](const net::AddressBlock& block) { return block.contains(client); });
}

Authenticator::Authenticator(base::Worker& worker, const AuthenticatorShared& shared,
                             const AuthenticatorOptions& options)
    : worker_(worker),
      shared_(shared),
      unmatchable_(unmatchable_hash(options.cost)),
      accepted_(attempts(shared.metrics, "accepted")),
      refused_(attempts(shared.metrics, "refused")),
      busy_(attempts(shared.metrics, "busy")),
      cached_(shared.metrics.counter("ekiden_auth_cached_total",
                                     "Passwords found right without hashing them again.")) {}

base::Task<Verdict> Authenticator::verify(std::string name, Secret password, net::Address client) {
  const Throttle::Attempt attempt = shared_.throttle.begin(name, client, worker_.clock.steady());
  const std::shared_ptr<const Snapshot> before = snapshot();
  const Credential* credential = before->find_by_name(name);

  if (has_api_key_form(password.view())) {
    // Nobody may choose a password of this form, so that an API key is never worth argon2id; and
    // nobody guesses one, so that the right one need not wait.
    const std::string hash = hash_api_key(shared_.node_key, password.view());
    const bool is_right = equals_in_constant_time(
        hash, credential == nullptr ? std::string_view(unmatchable_) : credential->key_hash);
    if (!is_right) co_await sleep(attempt.wait);
    co_return conclude(name, client, is_right);
  }

  static const Credential kNobody;
  const Credential& checked = credential == nullptr ? kNobody : *credential;
  std::string tag = shared_.pool.successes().tag(checked, password.view());
  const bool is_cached = shared_.pool.successes().find(tag);
  if (!is_cached || !attempt.is_known) co_await sleep(attempt.wait);
  bool is_right = is_cached;
  if (is_cached) {
    cached_.add();
  } else {
    if (attempt.is_over_budget) co_return counted(Verdict::Busy);
    std::string encoded = checked.argon2id.empty() ? unmatchable_ : checked.argon2id;
    const std::optional<bool> verified =
        co_await verify_in_pool(std::move(encoded), std::move(password));
    if (!verified) co_return counted(Verdict::Busy);
    is_right = *verified && credential != nullptr;
  }

  // While we waited the credential may have been removed or given another password.
  const std::shared_ptr<const Snapshot> after = snapshot();
  if (is_right && after != before) {
    const Credential* now = after->find_by_name(name);
    if (now == nullptr || now->id != credential->id || now->version != credential->version) {
      co_return counted(Verdict::Busy);
    }
  }
  if (is_right) shared_.pool.successes().insert(std::move(tag));
  co_return conclude(name, client, is_right);
}

std::string Authenticator::name_of(std::string name, const Secret& password) const {
  if (name != kApiKeyUser || !has_api_key_form(password.view())) return name;
  const std::shared_ptr<const Snapshot> accounts = snapshot();
  const ApiKey* key = accounts->find_api_key(hash_api_key(shared_.node_key, password.view()));
  return key == nullptr ? name : key->credential.name;
}

base::Task<bool> Authenticator::take_turn(std::string name, net::Address client) {
  const Throttle::Attempt attempt = shared_.throttle.begin(name, client, worker_.clock.steady());
  co_await sleep(attempt.wait);
  if (attempt.is_over_budget) counted(Verdict::Busy);
  co_return !attempt.is_over_budget;
}

Verdict Authenticator::conclude(std::string_view name, const net::Address& client, bool is_right) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const Credential* credential = now->find_by_name(name);
  const bool is_accepted = is_right && credential != nullptr &&
                           may_submit(*credential, worker_.clock.now()) &&
                           may_come_from(*credential, client);
  if (is_accepted) {
    shared_.throttle.succeeded(name, client, worker_.clock.steady());
    return counted(Verdict::Accepted);
  }
  shared_.throttle.failed(name, client, worker_.clock.steady());
  // The operator may know what the client is not told.
  const char* reason = credential == nullptr ? "unknown user"
                       : is_right            ? "network not allowed, key expired or without scope"
                                             : "wrong secret";
  base::log::info(
      "auth_failed",
      {{"user", base::printable(name, 64)}, {"remote", client.to_string()}, {"reason", reason}});
  return counted(Verdict::Refused);
}

Verdict Authenticator::counted(Verdict verdict) {
  base::Counter& counter = verdict == Verdict::Accepted  ? accepted_
                           : verdict == Verdict::Refused ? refused_
                                                         : busy_;
  counter.add();
  return verdict;
}

base::Task<void> Authenticator::sleep(base::Duration duration) {
  if (duration <= base::Duration(0)) co_return;
  auto begin = [this, duration](base::Completion<bool> done) {
    worker_.clock.call_after(duration, [done = std::move(done)]() mutable { done(true); });
  };
  (void)co_await base::suspend<bool>(std::move(begin));
}

base::Task<std::optional<bool>> Authenticator::verify_in_pool(std::string encoded,
                                                              Secret password) {
  auto begin = [&](base::Completion<std::optional<bool>> done) {
    // The pool drops what it cannot take, and a dropped completion would end this coroutine: so
    // the completion is given away only through a holder that both ways out can reach.
    auto holder = std::make_shared<base::Completion<std::optional<bool>>>(std::move(done));
    const bool is_queued =
        shared_.pool.verify(std::move(encoded), std::move(password), worker_.executor,
                            [holder](bool is_right) { (*holder)(is_right); });
    if (!is_queued) worker_.executor.post([holder] { (*holder)(std::nullopt); });
  };
  co_return co_await base::suspend<std::optional<bool>>(std::move(begin));
}

}  // namespace ekiden::account
