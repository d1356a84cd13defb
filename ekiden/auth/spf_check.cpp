#include "ekiden/auth/spf_check.hpp"

#include <algorithm>

#include "ekiden/auth/dns_budget.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/smtp/address.hpp"

// Invariants: depth is bounded by kSpfLookupsMax, because each step down is a term that asks the
// DNS; `result_.problem` is set with each error, where it is noticed.

namespace ekiden::auth {
namespace {

enum class Match { Yes, No, TemporaryError, PermanentError };

bool is_failure(const dns::Answer& answer) {
  return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
}

bool is_void(const dns::Answer& answer) {
  return answer.status == dns::Status::NoData || answer.status == dns::Status::NoDomain;
}

bool is_at_or_below(std::string_view name, std::string_view domain) {
  if (name.size() == domain.size()) return name == domain;
  return name.size() > domain.size() && name.ends_with(domain) &&
         name[name.size() - domain.size() - 1] == '.';
}

/// RFC 7208 §4.3: well-formed, and of several labels.
bool is_checkable(std::string_view domain) {
  return domain.find('.') != std::string_view::npos && domain.front() != '[' &&
         dns::may_be_asked(domain);
}

/// RFC 7208 §4.3: as A-labels. What has none is left as it is, and found to be no name later.
std::string a_labels_of(std::string_view domain) {
  const bool is_ascii =
      std::all_of(domain.begin(), domain.end(), [](char c) { return (c & 0x80) == 0; });
  if (!is_ascii) {
    if (Result<std::string> canonical = smtp::canonical_domain(domain)) return *canonical;
  }
  return std::string(domain);
}

class Evaluation {
 public:
  Evaluation(dns::Resolver& resolver, base::Clock& clock, SpfQuery query)
      : dns_(resolver, clock, kSpfQuestionsMax, kSpfTimeMax), query_(std::move(query)) {}

  base::Task<SpfResult> run();

 private:
  /// RFC 7208 §4: check_host(). `is_main`: not for an include.
  base::Task<Verdict> check_host(std::string domain, bool is_main);
  base::Task<Match> match(const SpfMechanism& mechanism, const std::string& domain);
  base::Task<Match> match_addresses(std::string name, const SpfMechanism& mechanism,
                                    bool counts_void);
  base::Task<Match> match_mx(std::string name, const SpfMechanism& mechanism);
  base::Task<Match> match_client_names(std::string name);
  base::Task<Match> match_include(std::string name);
  base::Task<Match> match_exists(std::string name);
  /// The name that a domain-spec stands for; the current domain without one.
  base::Task<std::string> target(const SpfMacroString& spec, const std::string& domain);
  base::Task<void> find_client_names();
  std::string client_name_for(std::string_view domain) const;
  base::Task<void> explain();

  /// Counts a term that asks the DNS; false when there were too many.
  bool may_look_up();
  /// Counts a term whose answer is void; true when there were too many.
  bool is_one_void_too_many(const dns::Answer& answer);
  Match failed(std::string_view name, const dns::Answer& answer);
  Verdict permanent(std::string problem) {
    result_.problem = std::move(problem);
    return Verdict::PermanentError;
  }

  DnsBudget dns_;
  SpfQuery query_;
  SpfMacroValues values_;
  SpfResult result_;
  /// Of the record that failed the client, and its domain.
  std::optional<SpfMacroString> explanation_;
  std::string explaining_domain_;
  /// The client's names that lead back to its address (RFC 7208 §5.5).
  bool has_client_names_ = false;
  dns::Answer client_pointer_;
  std::vector<std::string> client_names_;
};

base::Task<SpfResult> Evaluation::run() {
  if (query_.ip.is_v6() && query_.ip.to_v6().is_v4_mapped()) {
    query_.ip = net::Address(
        boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, query_.ip.to_v6()));
  }
  // RFC 7208 §2.4: without a reverse-path the identity is postmaster at the HELO name.
  result_.is_helo = query_.sender.empty();
  std::string_view sender = result_.is_helo ? query_.helo : query_.sender;
  if (sender.size() > kSpfIdentityOctetsMax) co_return result_;
  const std::size_t at = sender.rfind('@');
  std::string_view local;
  if (at != std::string_view::npos && !result_.is_helo) {
    local = sender.substr(0, at);
    sender.remove_prefix(at + 1);
  }
  // RFC 7208 §4.3: a sender without a local part is postmaster.
  values_.local = local.empty() ? "postmaster" : local;
  values_.sender_domain = a_labels_of(sender);
  values_.sender = values_.local + "@" + values_.sender_domain;
  values_.ip = query_.ip;
  values_.helo = query_.helo.substr(0, kSpfIdentityOctetsMax);
  values_.receiver = query_.receiver;
  values_.now = query_.now;

  std::string domain = dns::canonical_name(values_.sender_domain);
  result_.domain = domain;
  result_.verdict = co_await check_host(std::move(domain), true);
  if (result_.verdict == Verdict::Fail) co_await explain();
  co_return std::move(result_);
}

bool Evaluation::may_look_up() {
  if (result_.lookups == kSpfLookupsMax) {
    result_.problem = "more than " + std::to_string(kSpfLookupsMax) + " terms ask the DNS";
    return false;
  }
  ++result_.lookups;
  return true;
}

bool Evaluation::is_one_void_too_many(const dns::Answer& answer) {
  if (!is_void(answer)) return false;
  ++result_.void_lookups;
  if (result_.void_lookups <= kSpfVoidLookupsMax) return false;
  result_.problem = "more than " + std::to_string(kSpfVoidLookupsMax) +
                    " terms name what does not exist, the last '" +
                    base::printable(answer.canonical_name) + "'";
  return true;
}

Match Evaluation::failed(std::string_view name, const dns::Answer& answer) {
  result_.problem = "DNS: " + base::printable(name) + ": " + base::printable(answer.reason);
  return Match::TemporaryError;
}

base::Task<Verdict> Evaluation::check_host(std::string domain, bool is_main) {
  if (!is_checkable(domain)) co_return Verdict::None;
  const dns::Answer answer = co_await dns_.ask(domain, dns::Type::TXT);
  if (is_failure(answer)) {
    failed(domain, answer);
    co_return Verdict::TemporaryError;
  }
  std::vector<std::string> texts = dns::texts_of(answer);
  std::erase_if(texts, [](const std::string& text) { return !is_spf_record(text); });
  if (texts.empty()) co_return Verdict::None;
  // RFC 7208 §4.5: one record, or none counts.
  if (texts.size() > 1) co_return permanent(domain + " has several SPF records");
  std::string problem;
  const Result<SpfRecord> record = parse_spf_record(texts.front(), problem);
  if (!record) co_return permanent(domain + ": " + problem);

  for (const SpfMechanism& mechanism : record->mechanisms) {
    const Match matched = co_await match(mechanism, domain);
    if (matched == Match::No) continue;
    if (is_main) result_.mechanism = mechanism.text;
    if (matched == Match::TemporaryError) co_return Verdict::TemporaryError;
    if (matched == Match::PermanentError) co_return Verdict::PermanentError;
    if (is_main && mechanism.qualifier == Verdict::Fail) {
      explanation_ = record->explanation;
      explaining_domain_ = domain;
    }
    co_return mechanism.qualifier;
  }
  // RFC 7208 §6.1: only when nothing matched, whatever its place.
  if (record->redirect) {
    if (!may_look_up()) co_return Verdict::PermanentError;
    std::string name = co_await target(*record->redirect, domain);
    std::string shown = base::printable(name);
    const Verdict verdict = co_await check_host(std::move(name), is_main);
    if (verdict != Verdict::None) co_return verdict;
    co_return permanent("redirect to '" + shown + "', which has no SPF record");
  }
  // RFC 7208 §4.7.
  if (is_main) result_.mechanism = "default";
  co_return Verdict::Neutral;
}

base::Task<std::string> Evaluation::target(const SpfMacroString& spec, const std::string& domain) {
  if (uses_macro(spec, 'p')) {
    co_await find_client_names();
    values_.validated = client_name_for(domain);
  }
  values_.domain = domain;
  std::string name = expand_spf_domain(spec, values_);
  co_return base::lowered(name);
}

base::Task<Match> Evaluation::match(const SpfMechanism& mechanism, const std::string& domain) {
  if (mechanism.kind == SpfKind::All) co_return Match::Yes;
  if (mechanism.kind == SpfKind::Ip4 || mechanism.kind == SpfKind::Ip6) {
    const unsigned prefix = mechanism.kind == SpfKind::Ip4 ? mechanism.prefix4 : mechanism.prefix6;
    co_return is_in_network(query_.ip, mechanism.network, prefix) ? Match::Yes : Match::No;
  }
  if (!may_look_up()) co_return Match::PermanentError;
  std::string name = domain;
  if (mechanism.has_domain) name = co_await target(mechanism.domain, domain);
  switch (mechanism.kind) {
    case SpfKind::Include:
      co_return co_await match_include(std::move(name));
    case SpfKind::A:
      co_return co_await match_addresses(std::move(name), mechanism, true);
    case SpfKind::Mx:
      co_return co_await match_mx(std::move(name), mechanism);
    case SpfKind::Ptr:
      co_return co_await match_client_names(std::move(name));
    case SpfKind::Exists:
      co_return co_await match_exists(std::move(name));
    case SpfKind::All:
    case SpfKind::Ip4:
    case SpfKind::Ip6:
      break;
  }
  co_return Match::No;
}

base::Task<Match> Evaluation::match_addresses(std::string name, const SpfMechanism& mechanism,
                                              bool counts_void) {
  const bool is_v4 = query_.ip.is_v4();
  const dns::Answer answer = co_await dns_.ask(name, is_v4 ? dns::Type::A : dns::Type::AAAA);
  if (is_failure(answer)) co_return failed(name, answer);
  if (counts_void && is_one_void_too_many(answer)) co_return Match::PermanentError;
  const unsigned prefix = is_v4 ? mechanism.prefix4 : mechanism.prefix6;
  for (const net::Address& address : dns::addresses_of(answer)) {
    if (is_in_network(query_.ip, address, prefix)) co_return Match::Yes;
  }
  co_return Match::No;
}

base::Task<Match> Evaluation::match_mx(std::string name, const SpfMechanism& mechanism) {
  const dns::Answer answer = co_await dns_.ask(name, dns::Type::MX);
  if (is_failure(answer)) co_return failed(name, answer);
  if (is_one_void_too_many(answer)) co_return Match::PermanentError;
  const std::vector<dns::Mx> hosts = dns::mx_of(answer);
  if (hosts.size() > kSpfHostsMax) {
    result_.problem = base::printable(name) + " has more than " + std::to_string(kSpfHostsMax) +
                      " mail exchangers";
    co_return Match::PermanentError;
  }
  for (const dns::Mx& mx : hosts) {
    if (mx.host.empty()) continue;  // null MX
    std::string host = mx.host;
    const Match matched = co_await match_addresses(std::move(host), mechanism, false);
    if (matched != Match::No) co_return matched;
  }
  co_return Match::No;
}

base::Task<void> Evaluation::find_client_names() {
  if (has_client_names_) co_return;
  has_client_names_ = true;
  std::string reverse = reverse_name_of(query_.ip);
  client_pointer_ = co_await dns_.ask(std::move(reverse), dns::Type::PTR);
  std::vector<std::string> names = dns::names_of(client_pointer_);
  // RFC 7208 §4.6.4: those past the limit are ignored; they are the client's doing.
  if (names.size() > kSpfHostsMax) names.resize(kSpfHostsMax);
  const dns::Type type = query_.ip.is_v4() ? dns::Type::A : dns::Type::AAAA;
  for (const std::string& name : names) {
    // RFC 7208 §5.5: a name whose addresses cannot be had is skipped.
    const dns::Answer answer = co_await dns_.ask(name, type);
    const std::vector<net::Address> addresses = dns::addresses_of(answer);
    if (std::find(addresses.begin(), addresses.end(), query_.ip) != addresses.end()) {
      client_names_.push_back(name);
    }
  }
}

/// RFC 7208 §7.3: the domain itself, else one below it, else any.
std::string Evaluation::client_name_for(std::string_view domain) const {
  for (const std::string& name : client_names_) {
    if (name == domain) return name;
  }
  for (const std::string& name : client_names_) {
    if (is_at_or_below(name, domain)) return name;
  }
  return client_names_.empty() ? std::string() : client_names_.front();
}

base::Task<Match> Evaluation::match_client_names(std::string name) {
  co_await find_client_names();
  // RFC 7208 §5.5: an error here is no match.
  if (is_one_void_too_many(client_pointer_)) co_return Match::PermanentError;
  for (const std::string& client : client_names_) {
    if (is_at_or_below(client, name)) co_return Match::Yes;
  }
  co_return Match::No;
}

base::Task<Match> Evaluation::match_include(std::string name) {
  std::string shown = base::printable(name);
  const Verdict verdict = co_await check_host(std::move(name), false);
  switch (verdict) {
    case Verdict::Pass:
      co_return Match::Yes;
    case Verdict::TemporaryError:
      co_return Match::TemporaryError;
    case Verdict::None:
      result_.problem = "include of '" + shown + "', which has no SPF record";
      co_return Match::PermanentError;
    case Verdict::PermanentError:
      co_return Match::PermanentError;
    default:
      co_return Match::No;
  }
}

base::Task<Match> Evaluation::match_exists(std::string name) {
  // RFC 7208 §5.7: A records, for clients of IPv6 too.
  const dns::Answer answer = co_await dns_.ask(name, dns::Type::A);
  if (is_failure(answer)) co_return failed(name, answer);
  if (is_one_void_too_many(answer)) co_return Match::PermanentError;
  co_return answer.status == dns::Status::Ok ? Match::Yes : Match::No;
}

base::Task<void> Evaluation::explain() {
  result_.explanation = query_.default_explanation;
  if (!explanation_) co_return;
  std::string name = co_await target(*explanation_, explaining_domain_);
  const dns::Answer answer = co_await dns_.ask(std::move(name), dns::Type::TXT);
  // RFC 7208 §6.2: with any trouble, as if there were no exp=.
  const std::vector<std::string> texts = dns::texts_of(answer);
  if (texts.size() != 1) co_return;
  const Result<SpfMacroString> text = parse_spf_macros(texts.front(), SpfMacroUse::Explanation);
  if (!text) co_return;
  if (uses_macro(*text, 'p')) {
    co_await find_client_names();
    values_.validated = client_name_for(explaining_domain_);
  }
  std::string explanation = expand_spf_macros(*text, values_);
  if (explanation.size() > kSpfExplanationOctetsMax) explanation.resize(kSpfExplanationOctetsMax);
  result_.explanation = std::move(explanation);
}

}  // namespace

base::Task<SpfResult> check_spf(dns::Resolver& resolver, base::Clock& clock, SpfQuery query) {
  Evaluation evaluation(resolver, clock, std::move(query));
  co_return co_await evaluation.run();
}

}  // namespace ekiden::auth
