// What holds here:
// - A check has a result that nothing has been decided about, or is not open any more.
// - The header is read in begin() only, so callers may let go of it.
#include "ekiden/auth/dkim_verifier.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

constexpr std::string_view kFieldName = "dkim-signature";

/// How much a failure tells: the best of several keys' verdicts is reported.
int weight(Verdict verdict) {
  switch (verdict) {
    case Verdict::Pass:
      return 4;
    case Verdict::TemporaryError:
      return 3;
    case Verdict::Fail:
      return 2;
    case Verdict::Policy:
      return 1;
    default:
      return 0;
  }
}

KeyVerdict judge_key(const Signature& signature, const Sha256Digest& digest,
                     const KeyRecord& record) {
  KeyVerdict out;
  out.is_testing = record.is_testing;
  if (record.verdict != Verdict::Pass) {
    out.verdict = record.verdict;
    out.reason = record.reason;
    return out;
  }
  out.key_bits = record.key.bits();
  if (record.key.type() != signature.key_type()) {
    out.reason = "the key is of another type than a=";
    return out;
  }
  if (record.needs_exact_domain && !signature.identity.empty()) {
    const std::size_t at = signature.identity.rfind('@');
    const auto domain = at == std::string::npos
                            ? std::nullopt
                            : parse_sdid(std::string_view(signature.identity).substr(at + 1));
    if (!domain || *domain != signature.domain) {
      out.reason = "the key is for i= in d= only (t=s)";
      return out;
    }
  }
  if (record.key.verifies(digest, signature.signature)) {
    out.verdict = Verdict::Pass;
    if (record.is_testing) out.reason = "the key is being tested (t=y)";
  } else {
    out.verdict = Verdict::Fail;
    out.reason = "signature did not verify";
  }
  return out;
}

}  // namespace

KeyVerdict judge_keys(const Signature& signature, const Sha256Digest& header_digest,
                      const KeyAnswer& keys) {
  KeyVerdict best;
  best.verdict = keys.verdict;
  best.reason = keys.reason;
  bool is_first = true;
  // RFC 6376 §6.1.2: of several records the verifier "may cycle through" them.
  for (const KeyRecord& record : keys.records) {
    KeyVerdict one = judge_key(signature, header_digest, record);
    if (is_first || weight(one.verdict) > weight(best.verdict)) best = std::move(one);
    is_first = false;
    if (best.verdict == Verdict::Pass) break;
  }
  return best;
}

void DkimVerifier::begin(std::string_view octets) {
  bool is_whole = true;
  const HeaderIndex header = scan_header(octets, is_whole);
  for (const message::Field& field : header.fields()) {
    if (!base::equals_ignoring_case(field.name, kFieldName)) continue;
    results_.emplace_back();
    if (is_whole) {
      begin_signature(header, field);
      continue;
    }
    decide(results_.size() - 1, Verdict::PermanentError, "the header section is too large");
  }
  if (!is_whole && results_.empty()) {
    // There may be signatures that nobody will look for.
    results_.emplace_back();
    decide(0, Verdict::PermanentError, "the header section is too large");
  }
}

void DkimVerifier::begin_signature(const HeaderIndex& header, const message::Field& field) {
  const std::size_t index = results_.size() - 1;
  Check check;
  check.result = index;
  std::string why;
  const bool is_well_formed = parse_signature(SignatureKind::Dkim, field, check.signature, why);
  const Signature& signature = check.signature;
  DkimResult& result = results_[index];
  result.domain = signature.domain;
  result.selector = signature.selector;
  result.algorithm = signature.algorithm_text;
  result.identity = signature.identity;

  if (!is_well_formed) return decide(index, Verdict::PermanentError, std::move(why));
  // RFC 8301 §3.1: "rsa-sha1 MUST NOT be used for signing or verifying", and has failed for good.
  if (signature.algorithm == SignatureAlgorithm::RsaSha1) {
    return decide(index, Verdict::PermanentError, "rsa-sha1 is not accepted (RFC 8301)");
  }
  // RFC 6376 §5.4.
  const auto& names = signature.signed_names;
  if (std::find(names.begin(), names.end(), "from") == names.end()) {
    return decide(index, Verdict::PermanentError, "From is not signed");
  }
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(options_.now.time_since_epoch()).count(),
      0));
  const auto skew = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(options_.clock_skew_max).count());
  // RFC 6376 §3.5, §6.1.1.
  if (signature.expires_s && *signature.expires_s < now) {
    return decide(index, Verdict::PermanentError, "signature expired");
  }
  if (signature.signed_at_s && *signature.signed_at_s > now + skew) {
    return decide(index, Verdict::PermanentError, "signed in the future");
  }
  // RFC 5322 §3.6 allows one From. Of several a signature vouches for the lowest alone, and
  // programs show the first (RFC 6376 §8.15).
  if (header.count("from") > 1) {
    return decide(index, Verdict::Policy, "the message has several From fields");
  }
  if (checks_.size() >= options_.signatures_max) {
    return decide(index, Verdict::Policy,
                  "not evaluated: the message has more than " +
                      std::to_string(options_.signatures_max) + " signatures");
  }

  std::string canonical;
  header.append_selected(signature.header, names, canonical);
  append_canonical_signature(signature.header, field, signature.signature_raw, canonical);
  Sha256 hash;
  hash.update(canonical);
  check.header_digest = hash.finish();
  check.body = find_body(signature);
  check.signature.signature_raw = {};
  checks_.push_back(std::move(check));
}

/// Signatures of the same form share one hash.
std::size_t DkimVerifier::find_body(const Signature& signature) {
  for (std::size_t i = 0; i < bodies_.size(); ++i) {
    if (bodies_[i]->canonicalization() == signature.body &&
        bodies_[i]->octets_max() == signature.body_octets) {
      return i;
    }
  }
  bodies_.push_back(std::make_unique<BodyHash>(signature.body, signature.body_octets));
  return bodies_.size() - 1;
}

void DkimVerifier::decide(std::size_t result, Verdict verdict, std::string reason) {
  results_[result].verdict = verdict;
  results_[result].reason = std::move(reason);
}

void DkimVerifier::update_body(std::string_view octets) {
  for (const auto& body : bodies_) body->update(octets);
}

void DkimVerifier::finish_body() {
  for (const auto& body : bodies_) body->finish();
  for (Check& check : checks_) {
    const BodyHash& body = *bodies_[check.body];
    check.is_open = false;
    if (check.signature.body_octets && *check.signature.body_octets > body.octets()) {
      decide(check.result, Verdict::Fail, "the body is shorter than l=");
    } else if (view_of(body.digest()) != check.signature.body_hash) {
      decide(check.result, Verdict::Fail, "body hash did not verify");
    } else if (check.signature.body_octets && *check.signature.body_octets < body.octets()) {
      // RFC 6376 §8.2: what was appended may be all that a reader sees.
      decide(check.result, Verdict::Policy,
             "l= leaves " + std::to_string(body.octets() - *check.signature.body_octets) +
                 " octets of the body unsigned");
    } else {
      check.is_open = true;
    }
  }
}

std::vector<std::string> DkimVerifier::key_names() const {
  std::vector<std::string> names;
  for (const Check& check : checks_) {
    if (!check.is_open) continue;
    std::string name = check.signature.key_name();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::vector<DkimResult> DkimVerifier::verify(const std::vector<KeyAnswerPointer>& keys) {
  const std::vector<std::string> names = key_names();
  for (Check& check : checks_) {
    if (!check.is_open) continue;
    check.is_open = false;
    const auto found = std::find(names.begin(), names.end(), check.signature.key_name());
    const auto at = static_cast<std::size_t>(found - names.begin());
    if (at >= keys.size() || keys[at] == nullptr) {
      decide(check.result, Verdict::TemporaryError, "key unavailable");
      continue;
    }
    judge(check, *keys[at], results_[check.result]);
  }
  return std::move(results_);
}

void DkimVerifier::judge(const Check& check, const KeyAnswer& keys, DkimResult& result) const {
  KeyVerdict verdict = judge_keys(check.signature, check.header_digest, keys);
  result.verdict = verdict.verdict;
  result.reason = std::move(verdict.reason);
  result.key_bits = verdict.key_bits;
  result.is_testing = verdict.is_testing;
}

base::Task<std::vector<KeyAnswerPointer>> find_keys(dns::Resolver& resolver,
                                                    std::vector<std::string> names) {
  // Held by the questions alone: a resolver that drops them all ends this coroutine.
  struct Wait {
    std::size_t left;
    base::Completion<bool> done;
  };
  std::vector<KeyAnswerPointer> answers(names.size());
  if (names.empty()) co_return answers;
  auto begin = [&](base::Completion<bool> done) {
    auto wait = std::make_shared<Wait>();
    wait->left = names.size();
    wait->done = std::move(done);
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto see = [wait, answer = &answers[i]](dns::Answer given) {
        *answer = std::make_shared<const KeyAnswer>(read_key_answer(given));
        if (--wait->left == 0) std::exchange(wait->done, nullptr)(true);
      };
      resolver.resolve(std::move(names[i]), dns::Type::TXT, std::move(see));
    }
  };
  (void)co_await base::suspend<bool>(std::move(begin));
  co_return answers;
}

base::Task<std::vector<DkimResult>> verify_dkim(DkimVerifier& verifier, dns::Resolver& resolver) {
  std::vector<std::string> names = verifier.key_names();
  const std::vector<KeyAnswerPointer> keys = co_await find_keys(resolver, std::move(names));
  co_return verifier.verify(keys);
}

}  // namespace ekiden::auth
