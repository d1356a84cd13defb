#include "ekiden/inbound/authentication.hpp"

#include <algorithm>

#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/auth/deadline_resolver.hpp"
#include "ekiden/auth/spf_check.hpp"

namespace ekiden::inbound {
namespace {

/// Hashed in one go: some 50 µs.
constexpr std::size_t kSliceOctets = 64 * 1024;

base::Task<void> give_way(base::Worker& worker) {
  auto begin = [&](base::Completion<int> done) {
    worker.executor.post([d = std::move(done)]() mutable { d(0); });
  };
  co_await base::suspend<int>(std::move(begin));
}

auth::DkimVerifierOptions verifier_options(base::Time now) {
  auth::DkimVerifierOptions options;
  options.now = now;
  return options;
}

auth::Verdict verdict_of(auth::ArcStatus status) {
  switch (status) {
    case auth::ArcStatus::None:
      return auth::Verdict::None;
    case auth::ArcStatus::Pass:
      return auth::Verdict::Pass;
    case auth::ArcStatus::Fail:
      return auth::Verdict::Fail;
  }
  return auth::Verdict::None;
}

auth::MethodResult describe(const auth::SpfResult& spf, const Handover& handover) {
  auth::MethodResult result;
  result.method = "spf";
  result.verdict = spf.verdict;
  result.reason = spf.problem;
  // RFC 8601 §2.7.2.
  if (spf.is_helo) {
    result.properties.push_back({"smtp", "helo", handover.helo});
  } else {
    result.properties.push_back({"smtp", "mailfrom", handover.reverse_path});
  }
  return result;
}

auth::MethodResult describe(const auth::DkimResult& dkim) {
  auth::MethodResult result;
  result.method = "dkim";
  result.verdict = dkim.verdict;
  result.reason = dkim.reason;
  // RFC 8601 §2.7.1.
  if (!dkim.domain.empty()) result.properties.push_back({"header", "d", dkim.domain});
  if (!dkim.selector.empty()) result.properties.push_back({"header", "s", dkim.selector});
  return result;
}

auth::MethodResult describe(const auth::DmarcResult& dmarc) {
  auth::MethodResult result;
  result.method = "dmarc";
  result.verdict = dmarc.verdict;
  result.reason = dmarc.problem;
  if (!dmarc.author_domain.empty()) {
    result.properties.push_back({"header", "from", dmarc.author_domain});
  }
  if (dmarc.policy) {
    result.properties.push_back({"polrec", "p", std::string(auth::policy_name(*dmarc.policy))});
  }
  if (!dmarc.record_domain.empty() && dmarc.record_domain != dmarc.author_domain) {
    result.properties.push_back({"polrec", "domain", dmarc.record_domain});
  }
  return result;
}

}  // namespace

Authentication::Authentication(base::Worker& worker, dns::Resolver& resolver, Handover handover,
                               base::Time now)
    : worker_(worker),
      resolver_(resolver),
      handover_(std::move(handover)),
      now_(now),
      dkim_(verifier_options(now)) {}

void Authentication::begin(std::string_view header) {
  authors_ = auth::find_authors(header);
  dkim_.begin(header);
  arc_.begin(header);
}

base::Task<void> Authentication::update(std::string_view body) {
  while (!body.empty() && (dkim_.wants_body() || arc_.wants_body())) {
    const std::string_view slice = body.substr(0, kSliceOctets);
    body.remove_prefix(slice.size());
    if (dkim_.wants_body()) dkim_.update_body(slice);
    if (arc_.wants_body()) arc_.update_body(slice);
    if (!body.empty()) co_await give_way(worker_);
  }
}

base::Task<std::string> Authentication::finish() {
  std::vector<auth::MethodResult> results;
  auth::DeadlineResolver resolver(resolver_, worker_.clock,
                                  worker_.clock.steady() + kAuthenticationTimeMax);

  auth::SpfQuery query;
  query.ip = handover_.client;
  query.sender = handover_.reverse_path;
  query.helo = handover_.helo;
  query.receiver = handover_.authserv_id;
  query.now = now_;
  const auth::SpfResult spf = co_await auth::check_spf(resolver, worker_.clock, std::move(query));
  results.push_back(describe(spf, handover_));

  dkim_.finish_body();
  const std::vector<auth::DkimResult> signatures = co_await auth::verify_dkim(dkim_, resolver);
  for (const auth::DkimResult& signature : signatures) results.push_back(describe(signature));
  if (signatures.empty()) {
    auth::MethodResult none;
    none.method = "dkim";
    results.push_back(std::move(none));
  }

  arc_.finish_body();
  const auth::ArcResult arc = co_await auth::verify_arc(arc_, resolver);
  if (arc.status != auth::ArcStatus::None) {
    auth::MethodResult result;
    result.method = "arc";
    result.verdict = verdict_of(arc.status);
    result.reason = arc.reason;
    results.push_back(std::move(result));
  }

  std::vector<auth::DmarcResult> policies;
  for (const std::string& domain : authors_.domains) {
    auth::DmarcQuery author;
    author.author_domain = domain;
    author.mode = handover_.dmarc;
    author.suffixes = handover_.suffixes;
    author.sample = static_cast<unsigned>(worker_.random.below(100));
    author.spf = auth::DmarcIdentifier{spf.verdict, spf.domain};
    for (const auth::DkimResult& signature : signatures) {
      author.dkim.push_back({signature.verdict, signature.domain});
    }
    auth::DmarcResult policy =
        co_await auth::check_dmarc(resolver, worker_.clock, std::move(author));
    policies.push_back(std::move(policy));
  }
  const auth::DmarcResult dmarc = auth::combine_authors(authors_, std::move(policies));
  results.push_back(describe(dmarc));
  co_return auth::format_authentication_results(handover_.authserv_id, results);
}

}  // namespace ekiden::inbound
