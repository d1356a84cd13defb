#include "ekiden/delivery/message_signer.hpp"

#include <algorithm>

#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/auth/error.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

/// The relay signs with one key of each kind at most.
constexpr std::size_t kRelayKeysMax = 2;

auth::DkimSignerOptions signer_options(const SigningPlan& plan, base::Time now) {
  auth::DkimSignerOptions options;
  options.signed_at = now;
  if (plan.options != nullptr) options.oversigned = plan.options->oversigned;
  return options;
}

/// Where an alias stood: "rfc822;info@example.jp" names the domain that mail came to.
std::string domain_of_orcpt(std::string_view orcpt) {
  const std::size_t semicolon = orcpt.find(';');
  return semicolon == std::string_view::npos ? std::string()
                                             : smtp::domain_of(orcpt.substr(semicolon + 1));
}

}  // namespace

std::shared_ptr<const MessageSigner::Index> MessageSigner::index() const {
  auto index = index_.load();
  auto keys = store_.current_domain_keys();
  if (index != nullptr && index->owner == keys) return index;
  // Whoever comes first builds it; two at once build the same.
  auto built = std::make_shared<Index>();
  for (const account::DomainKey& key : *keys) {
    if (key.state == account::DomainKeyState::Active) built->by_domain[key.domain].push_back(&key);
  }
  built->owner = std::move(keys);
  index_.store(built);
  return built;
}

void MessageSigner::set_options(SigningOptions options) {
  options_.store(std::make_shared<const SigningOptions>(std::move(options)));
}

void MessageSigner::add_keys(const Index& index, std::string_view domain, const std::string& tenant,
                             std::size_t max, SigningPlan& plan) {
  const auto found = index.by_domain.find(domain);
  if (found == index.by_domain.end()) return;
  std::size_t added = 0;
  for (const account::DomainKey* key : found->second) {
    if (added >= max) return;
    if (!key->tenant.empty() && key->tenant != tenant) continue;
    plan.keys.push_back(key);
    ++added;
  }
}

void MessageSigner::add_author_keys(const Index& index, const message::Details& details,
                                    SigningPlan& plan) const {
  const std::string domain = smtp::domain_of(details.header_from);
  for (std::string_view name = domain; !name.empty() && plan.keys.empty();) {
    add_keys(index, name, details.tenant, kSigningKeysMax, plan);
    const std::size_t dot = name.find('.');
    name = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
}

/// RFC 8617 §4.1.3 knows rsa-sha256 only.
void MessageSigner::add_sealing_key(const Index& index, const message::Meta& meta,
                                    SigningPlan& plan) const {
  std::vector<std::string> domains;
  for (const message::Recipient& recipient : meta.envelope.recipients) {
    domains.push_back(smtp::domain_of(recipient.address));
    if (!recipient.orcpt.empty()) domains.push_back(domain_of_orcpt(recipient.orcpt));
  }
  domains.push_back(plan.options->relay_domain);
  for (const std::string& domain : domains) {
    SigningPlan all;
    add_keys(index, domain, meta.details.tenant, kSigningKeysMax, all);
    for (const account::DomainKey* key : all.keys) {
      if (key->type != "rsa") continue;
      plan.keys.push_back(key);
      return;
    }
  }
}

std::shared_ptr<const SigningPlan> MessageSigner::plan_for(const message::Meta& meta) const {
  const message::Details& details = meta.details;
  const std::shared_ptr<const Index> index = this->index();
  if (index->by_domain.empty()) return nullptr;
  auto plan = std::make_shared<SigningPlan>();
  plan->options = options_.load();
  plan->owner = index->owner;
  plan->seals = !details.is_own && !details.is_generated;
  if (plan->seals) {
    // What claims to be our results is ours only where we evaluated the message.
    if (plan->options->seals && details.is_authenticated) add_sealing_key(*index, meta, *plan);
  } else {
    add_author_keys(*index, details, *plan);
    const std::string& relay = plan->options->relay_domain;
    const bool is_signed_for = !plan->keys.empty() && plan->keys.front()->domain == relay;
    if (!relay.empty() && !is_signed_for)
      add_keys(*index, relay, details.tenant, kRelayKeysMax, *plan);
  }
  if (plan->keys.empty()) return nullptr;
  return plan;
}

std::vector<std::string> MessageSigner::signing_domains(const message::Meta& meta) const {
  std::vector<std::string> domains;
  const std::shared_ptr<const SigningPlan> plan = plan_for(meta);
  if (plan == nullptr || plan->seals) return domains;
  for (const account::DomainKey* key : plan->keys) {
    if (std::find(domains.begin(), domains.end(), key->domain) == domains.end())
      domains.push_back(key->domain);
  }
  return domains;
}

Result<std::vector<auth::DkimIdentity>> MessageSigner::open_keys(const SigningPlan& plan) {
  std::vector<auth::DkimIdentity> identities;
  for (const account::DomainKey* key : plan.keys) {
    {
      const std::lock_guard lock(mutex_);
      const auto opened = opened_.find(key->id);
      if (opened != opened_.end()) {
        identities.push_back({key->domain, key->selector, opened->second, {}});
        continue;
      }
    }
    const auto pem = account::unseal(node_key_, account::kDomainKeyPurpose, key->sealed);
    auto read = pem ? auth::PrivateKey::read_pem(pem->view())
                    : Result<auth::PrivateKey>(make_error_code(auth::Errc::BadKey));
    if (!read) {
      base::log::error("signing_key_unreadable",
                       {{"domain", key->domain},
                        {"selector", key->selector},
                        {"reason", pem ? "not a private key" : "sealed with another secret.key"}});
      return make_error_code(auth::Errc::BadKey);
    }
    identities.push_back({key->domain, key->selector, *read, {}});
    const std::lock_guard lock(mutex_);
    opened_.emplace(key->id, std::move(*read));
  }
  return identities;
}

std::optional<std::string> MessageSigner::find_kept(const Kept& what) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(what);
  if (found == kept_.end()) return std::nullopt;
  return found->second;
}

void MessageSigner::keep(Kept what, const std::string& fields) {
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = kept_.emplace(std::move(what), fields);
  if (!is_new) return;
  kept_order_.push_back(at);
  if (kept_order_.size() <= kSignaturesKeptMax) return;
  kept_.erase(kept_order_.front());
  kept_order_.pop_front();
}

std::optional<MessageSigner::Claim> MessageSigner::try_claim(const Kept& what) {
  const std::lock_guard lock(mutex_);
  if (!claims_.try_emplace(what).second) return std::nullopt;
  return Claim(*this, what);
}

void MessageSigner::wait_for(const Kept& what, base::Executor& home, base::Completion<bool> wake) {
  {
    const std::lock_guard lock(mutex_);
    const auto claim = claims_.find(what);
    if (claim != claims_.end()) {
      claim->second.push_back({&home, std::move(wake)});
      return;
    }
  }
  home.post([wake = std::move(wake)]() mutable { wake(true); });
}

void MessageSigner::release(const Kept& what) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto claim = claims_.find(what);
    if (claim == claims_.end()) return;
    waiters = std::move(claim->second);
    claims_.erase(claim);
  }
  for (Waiter& waiter : waiters)
    waiter.home->post([wake = std::move(waiter.wake)]() mutable { wake(true); });
}

void MessageSigner::abandon() {
  // What dies with one may release another.
  std::map<Kept, std::vector<Waiter>> claims;
  const std::lock_guard lock(mutex_);
  claims.swap(claims_);
}

void MessageSigner::note_signed(const SigningPlan& plan, base::Time now) {
  const std::lock_guard lock(mutex_);
  for (const account::DomainKey* key : plan.keys) signed_[key->id] = now;
}

std::map<std::int64_t, base::Time> MessageSigner::take_signed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(signed_, {});
}

Signing::Signing(MessageSigner& signer, std::shared_ptr<const SigningPlan> plan, base::Time now,
                 bool is_seven_bit)
    : signer_(signer), plan_(std::move(plan)), now_(now), dkim_(signer_options(*plan_, now)) {
  if (is_seven_bit) converter_.emplace(message::Conversion::SevenBit);
}

Result<void> Signing::feed(std::string_view octets) {
  if (!converter_) return take(octets);
  converted_.clear();
  if (const auto done = converter_->feed(octets, converted_); !done) return done;
  return take(converted_);
}

Result<void> Signing::take(std::string_view octets) {
  if (has_begun_) {
    if (arc_) arc_->update_body(octets);
    if (!plan_->seals) dkim_.update_body(octets);
    return {};
  }
  const std::size_t before = header_.size();
  header_ += octets;
  const std::size_t end = message::find_header_end(header_, before);
  if (end == std::string::npos) {
    if (header_.size() > message::kHeaderOctetsMax) return make_error_code(auth::Errc::BadRecord);
    return {};
  }
  const std::string body = header_.substr(end);
  header_.resize(end);
  if (const auto begun = begin(); !begun) return begun;
  return take(body);
}

Result<void> Signing::begin() {
  has_begun_ = true;
  if (plan_->seals) {
    begin_seal();
    header_.clear();
    return {};
  }
  const Result<void> begun = dkim_.begin(header_);
  header_.clear();
  return begun;
}

/// RFC 8617 §5.1: behind our own results only, which say what became of the chain as it came.
void Signing::begin_seal() {
  const std::string& hostname = plan_->options->hostname;
  results_ = auth::collect_results(header_, hostname);
  if (results_ == "none") return;
  auto identities = signer_.open_keys(*plan_);
  if (!identities) return;
  auth::ArcValidator validator;
  validator.begin(header_);
  const std::optional<auth::Verdict> earlier = auth::find_result(results_, "arc");
  if (earlier == auth::Verdict::Pass || earlier == auth::Verdict::Fail) {
    chain_ = validator.trust(earlier == auth::Verdict::Pass ? auth::ArcStatus::Pass
                                                            : auth::ArcStatus::Fail);
  } else {
    // Our results name a chain wherever there is one: without, the first set is ours.
    chain_ = validator.trust(auth::ArcStatus::None);
    if (chain_.status == auth::ArcStatus::None && chain_.instance > 0) return;
  }
  auth::ArcSealerOptions options;
  options.identity = std::move(identities->front());
  options.authserv_id = hostname;
  options.signed_at = now_;
  arc_.emplace(std::move(options));
  if (!arc_->begin(header_)) arc_.reset();
}

Result<std::string> Signing::finish() {
  if (converter_) {
    converted_.clear();
    if (const auto done = converter_->finish(converted_); !done) return done.error();
    if (const auto taken = take(converted_); !taken) return taken.error();
  }
  if (!has_begun_) {
    if (const auto begun = begin(); !begun) return begun.error();
  }
  if (plan_->seals) {
    Result<std::string> set = arc_ ? arc_->finish(chain_, results_) : std::string();
    if (!set) {
      base::log::warning("seal_failed", {{"reason", set.error().message()}});
      return std::string();
    }
    if (!set->empty()) signer_.note_signed(*plan_, now_);
    return set;
  }
  const auto identities = signer_.open_keys(*plan_);
  if (!identities) return identities.error();
  Result<std::string> fields = dkim_.finish(*identities);
  if (fields) signer_.note_signed(*plan_, now_);
  return fields;
}

}  // namespace ekiden::delivery
