#include "ekiden/auth/arc_validator.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

/// i= of a field; nothing when it is no instance.
std::optional<std::uint32_t> parse_instance(std::string_view text) {
  if (text.empty() || text.size() > 2 || text.front() == '0') return std::nullopt;
  const auto value = base::parse_u64(text);
  if (!value || *value > kArcSetsMax) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

/// RFC 8617 §4.1.1: "i=" stands first, and a ";" behind it.
std::optional<std::uint32_t> results_instance(std::string_view value) {
  const std::size_t end = value.find(';');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view tag = trimmed_fws(value.substr(0, end));
  const std::size_t equals = tag.find('=');
  if (equals == std::string_view::npos || trimmed_fws(tag.substr(0, equals)) != "i") {
    return std::nullopt;
  }
  return parse_instance(trimmed_fws(tag.substr(equals + 1)));
}

std::optional<std::uint32_t> tag_instance(std::string_view value) {
  std::string_view why;
  const auto tags = TagList::parse(value, why);
  return tags ? parse_instance(tags->value("i")) : std::nullopt;
}

}  // namespace

std::string_view arc_status_name(ArcStatus status) {
  switch (status) {
    case ArcStatus::None:
      return "none";
    case ArcStatus::Pass:
      return "pass";
    case ArcStatus::Fail:
      return "fail";
  }
  return "none";
}

ArcSets find_arc_sets(const HeaderIndex& header) {
  struct Name {
    std::string_view name;
    const message::Field* ArcSet::*member;
  };
  static constexpr Name kNames[] = {{"ARC-Authentication-Results", &ArcSet::results},
                                    {"ARC-Message-Signature", &ArcSet::signature},
                                    {"ARC-Seal", &ArcSet::seal}};
  ArcSets found;
  const auto fail = [&found](std::string reason) {
    if (found.reason.empty()) found.reason = std::move(reason);
  };
  for (const message::Field& field : header.fields()) {
    for (const Name& name : kNames) {
      if (!base::equals_ignoring_case(field.name, name.name)) continue;
      const auto instance = name.member == &ArcSet::results ? results_instance(field.value)
                                                            : tag_instance(field.value);
      if (!instance) {
        fail(std::string(name.name) + " without an instance of 1 to 50");
        continue;
      }
      found.highest = std::max(found.highest, *instance);
      if (found.sets.size() < *instance) found.sets.resize(*instance);
      const message::Field*& place = found.sets[*instance - 1].*name.member;
      if (place != nullptr) {
        fail("two " + std::string(name.name) + " of i=" + std::to_string(*instance));
      }
      place = &field;
    }
  }
  for (std::size_t i = 0; i < found.sets.size(); ++i) {
    for (const Name& name : kNames) {
      if (found.sets[i].*name.member != nullptr) continue;
      fail("no " + std::string(name.name) + " of i=" + std::to_string(i + 1));
    }
  }
  return found;
}

void append_arc_set(const ArcSet& set, std::string& out) {
  append_canonical_field(Canonicalization::Relaxed, *set.results, out);
  append_canonical_field(Canonicalization::Relaxed, *set.signature, out);
  append_canonical_field(Canonicalization::Relaxed, *set.seal, out);
}

void ArcValidator::fail(std::string reason) {
  is_open_ = false;
  result_.status = ArcStatus::Fail;
  result_.reason = std::move(reason);
  checks_.clear();
  body_.reset();
}

/// Reads a field and adds a check without its digest. False: the chain has failed.
bool ArcValidator::add(SignatureKind kind, const message::Field& field, std::uint32_t instance,
                       Signature& signature) {
  const std::string what =
      std::string(kind == SignatureKind::ArcSeal ? "ARC-Seal" : "ARC-Message-Signature") +
      " i=" + std::to_string(instance);
  std::string why;
  if (!parse_signature(kind, field, signature, why)) {
    fail(what + ": " + why);
    return false;
  }
  if (signature.algorithm == SignatureAlgorithm::RsaSha1) {
    fail(what + ": rsa-sha1 is not accepted (RFC 8301)");
    return false;
  }
  checks_.push_back({signature, {}, what});
  return true;
}

void ArcValidator::begin(std::string_view octets) {
  bool is_whole = true;
  const HeaderIndex header = scan_header(octets, is_whole);
  const ArcSets found = find_arc_sets(header);
  result_.instance = found.highest;
  if (!is_whole) return fail("the header section is too large");
  if (!found.reason.empty()) return fail(found.reason);
  if (found.sets.empty()) return;
  is_open_ = true;

  // Every seal covers all sets before it (RFC 8617 §5.1.1), so their text grows by one set a step.
  std::string covered;
  for (std::uint32_t i = 1; i <= found.highest; ++i) {
    const ArcSet& set = found.sets[i - 1];
    Signature seal;
    if (!add(SignatureKind::ArcSeal, *set.seal, i, seal)) return;
    result_.domain = seal.domain;
    // RFC 8617 §5.2, steps 2 and 3.
    if (seal.chain != (i == 1 ? "none" : "pass")) {
      return fail("ARC-Seal i=" + std::to_string(i) + " says cv=" + std::string(seal.chain));
    }
    append_canonical_field(Canonicalization::Relaxed, *set.results, covered);
    append_canonical_field(Canonicalization::Relaxed, *set.signature, covered);
    std::string own;
    append_canonical_signature(Canonicalization::Relaxed, *set.seal, seal.signature_raw, own);
    Sha256 hash;
    hash.update(covered);
    hash.update(own);
    checks_.back().digest = hash.finish();
    append_canonical_field(Canonicalization::Relaxed, *set.seal, covered);
  }

  const message::Field& field = *found.sets.back().signature;
  Signature signature;
  if (!add(SignatureKind::ArcMessage, field, found.highest, signature)) return;
  const auto& names = signature.signed_names;
  // RFC 8617 §4.1.2: "ARC-Seal header fields MUST NOT be included in the content hash".
  if (std::find(names.begin(), names.end(), "arc-seal") != names.end()) {
    return fail("the newest ARC-Message-Signature signs ARC-Seal");
  }
  std::string canonical;
  header.append_selected(signature.header, names, canonical);
  append_canonical_signature(signature.header, field, signature.signature_raw, canonical);
  Sha256 hash;
  hash.update(canonical);
  checks_.back().digest = hash.finish();
  body_ = std::make_unique<BodyHash>(signature.body);
  body_hash_ = std::move(signature.body_hash);
  for (Check& check : checks_) {
    check.signature.signature_raw = {};
    check.signature.chain = {};
  }
}

void ArcValidator::update_body(std::string_view octets) {
  if (body_ != nullptr) body_->update(octets);
}

void ArcValidator::finish_body() {
  if (body_ == nullptr) return;
  body_->finish();
  if (view_of(body_->digest()) != body_hash_) {
    fail(checks_.back().what + ": body hash did not verify");
  }
}

std::vector<std::string> ArcValidator::key_names() const {
  std::vector<std::string> names;
  if (!is_open_) return names;
  for (const Check& check : checks_) {
    std::string name = check.signature.key_name();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

ArcResult ArcValidator::verify(const std::vector<KeyAnswerPointer>& keys) {
  if (!is_open_) return std::move(result_);
  const std::vector<std::string> names = key_names();
  // The message signature first, then seals from the newest (RFC 8617 §5.2, steps 4 and 6).
  for (std::size_t i = checks_.size(); i-- > 0;) {
    const Check& check = checks_[i];
    const auto found = std::find(names.begin(), names.end(), check.signature.key_name());
    const auto at = static_cast<std::size_t>(found - names.begin());
    if (at >= keys.size() || keys[at] == nullptr) {
      fail(check.what + ": key unavailable");
      return std::move(result_);
    }
    const KeyVerdict verdict = judge_keys(check.signature, check.digest, *keys[at]);
    if (verdict.verdict != Verdict::Pass) {
      fail(check.what + ": " + verdict.reason);
      return std::move(result_);
    }
  }
  result_.status = ArcStatus::Pass;
  return std::move(result_);
}

ArcResult ArcValidator::trust(ArcStatus earlier) {
  if (is_open_) {
    result_.status = earlier;
    if (earlier == ArcStatus::Fail) result_.reason = "the chain failed when the message came";
  }
  return std::move(result_);
}

base::Task<ArcResult> verify_arc(ArcValidator& validator, dns::Resolver& resolver) {
  std::vector<std::string> names = validator.key_names();
  const std::vector<KeyAnswerPointer> keys = co_await find_keys(resolver, std::move(names));
  co_return validator.verify(keys);
}

}  // namespace ekiden::auth
