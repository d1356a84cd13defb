#include "ekiden/delivery/message_signer.hpp"

#include "ekiden/auth/error.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

auth::DkimSignerOptions signer_options(base::Time now) {
  auth::DkimSignerOptions options;
  options.signed_at = now;
  return options;
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

std::shared_ptr<const SigningPlan> MessageSigner::plan_for(const message::Meta& meta) const {
  const message::Details& details = meta.details;
  if (!details.is_own && !details.is_generated) return nullptr;
  const std::shared_ptr<const Index> index = this->index();
  if (index->by_domain.empty()) return nullptr;
  const std::string domain = smtp::domain_of(details.header_from);
  for (std::string_view name = domain; !name.empty();) {
    const auto found = index->by_domain.find(name);
    if (found != index->by_domain.end()) {
      auto plan = std::make_shared<SigningPlan>();
      for (const account::DomainKey* key : found->second) {
        const bool is_for_it = key->tenant.empty() || key->tenant == details.tenant;
        if (is_for_it && plan->keys.size() < kSigningKeysMax) plan->keys.push_back(key);
      }
      if (!plan->keys.empty()) {
        plan->owner = index->owner;
        return plan;
      }
    }
    const std::size_t dot = name.find('.');
    name = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
  return nullptr;
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
    : signer_(signer), plan_(std::move(plan)), now_(now), dkim_(signer_options(now)) {
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
    dkim_.update_body(octets);
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
  dkim_.update_body(body);
  return {};
}

Result<void> Signing::begin() {
  has_begun_ = true;
  const Result<void> begun = dkim_.begin(header_);
  header_.clear();
  return begun;
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
  const auto identities = signer_.open_keys(*plan_);
  if (!identities) return identities.error();
  Result<std::string> fields = dkim_.finish(*identities);
  if (fields) signer_.note_signed(*plan_, now_);
  return fields;
}

}  // namespace ekiden::delivery
