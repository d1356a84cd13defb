#include "ekiden/delivery/mx_plan.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

std::string quoted(std::string_view domain, std::string_view text) {
  std::string out(domain);
  out.append(": ").append(text);
  return out;
}

smtp::Reply no_such_domain(std::string_view domain) {
  return local_reply(550, {5, 1, 2}, quoted(domain, "the domain does not exist"));
}

smtp::Reply dns_failed(std::string_view domain, const dns::Answer& answer) {
  std::string text = answer.status == dns::Status::Bogus
                         ? quoted(domain, "the DNS answer fails DNSSEC validation")
                         : quoted(domain, "the DNS gave no answer");
  if (!answer.reason.empty()) text.append(": ").append(answer.reason);
  return local_reply(451, {4, 4, 3}, std::move(text));
}

MxTargets failed(smtp::Reply reply) {
  MxTargets result;
  result.failure = std::move(reply);
  return result;
}

bool is_broken(const dns::Answer& answer) {
  return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
}

}  // namespace

MxTargets read_mx(std::string_view domain, const dns::Answer& answer, const MxOptions& options) {
  if (answer.status == dns::Status::NoDomain) return failed(no_such_domain(domain));
  if (is_broken(answer)) return failed(dns_failed(domain, answer));

  MxTargets result;
  result.is_secure = answer.is_secure;
  std::vector<dns::Mx> records = dns::mx_of(answer);
  if (records.empty()) {
    // Records that are all malformed are no reason to mail the domain's own address.
    if (!answer.rdata.empty()) {
      return failed(local_reply(451, {4, 4, 3}, quoted(domain, "its MX records are malformed")));
    }
    result.is_implicit = true;
    records.push_back({0, std::string(domain)});
  }
  if (records.size() == 1 && records.front().host.empty()) {
    // RFC 7505 §4.
    return failed(local_reply(556, {5, 1, 10}, quoted(domain, "the domain takes no mail")));
  }
  // RFC 7505 §3: a null MX beside others means nothing.
  std::erase_if(records, [](const dns::Mx& mx) { return mx.host.empty(); });
  std::stable_sort(records.begin(), records.end(), [](const dns::Mx& a, const dns::Mx& b) {
    return std::pair(a.preference, std::string_view(a.host)) <
           std::pair(b.preference, std::string_view(b.host));
  });
  const auto ourselves = std::find_if(records.begin(), records.end(), [&](const dns::Mx& mx) {
    return mx.host == options.hostname;
  });
  if (ourselves != records.end()) {
    const std::uint16_t preference = ourselves->preference;
    std::erase_if(records, [&](const dns::Mx& mx) { return mx.preference >= preference; });
    if (records.empty()) {
      return failed(local_reply(554, {5, 4, 6}, quoted(domain, "its mail loops back to us")));
    }
  }
  for (dns::Mx& mx : records) {
    const bool is_known = std::any_of(result.targets.begin(), result.targets.end(),
                                      [&](const Target& t) { return t.host == mx.host; });
    if (is_known) continue;
    if (result.targets.size() == kMxHostsMax) break;
    Target target;
    target.host = std::move(mx.host);
    target.port = options.port;
    target.preference = mx.preference;
    target.is_from_mx = true;
    target.is_mx_secure = answer.is_secure;
    target.is_domain_itself = result.is_implicit;
    result.targets.push_back(std::move(target));
  }
  if (result.targets.empty()) {
    return failed(local_reply(451, {4, 4, 3}, quoted(domain, "its MX records are malformed")));
  }
  return result;
}

std::optional<smtp::Reply> check_implicit_mx(std::string_view domain, const dns::Answer& a,
                                             const dns::Answer& aaaa) {
  if (a.status == dns::Status::Ok || aaaa.status == dns::Status::Ok) return std::nullopt;
  if (is_broken(a)) return dns_failed(domain, a);
  if (is_broken(aaaa)) return dns_failed(domain, aaaa);
  return local_reply(550, {5, 1, 2}, quoted(domain, "the domain has neither MX nor address"));
}

MxTargets read_literal(std::string_view domain, const MxOptions& options) {
  MxTargets result;
  std::string_view text = domain;
  if (text.size() >= 2) text = text.substr(1, text.size() - 2);
  constexpr std::string_view kTag = "ipv6:";
  if (text.size() > kTag.size() && (text[0] == 'I' || text[0] == 'i')) text.remove_prefix(5);
  boost::system::error_code error;
  const net::Address address = boost::asio::ip::make_address(std::string(text), error);
  if (error) {
    return failed(local_reply(550, {5, 1, 2}, quoted(domain, "no address literal that we know")));
  }
  Target target;
  target.host = address.to_string();
  target.port = options.port;
  // Named by a sender, so held to the same rules as what is found in the DNS.
  target.is_from_mx = true;
  target.is_domain_itself = true;
  result.targets.push_back(std::move(target));
  return result;
}

Plan plan_for_targets(const Route& route, const MxTargets& found) {
  Plan plan = plan_for_hosts(route);
  plan.may_use_private = route.options.may_use_private;
  plan.targets = found.targets;
  // The numbers do not matter, their order does: "a<b,c" is one host, then two equals.
  if (found.is_secure) plan.site += " secure";
  char separator = ' ';
  for (std::size_t i = 0; i < found.targets.size(); ++i) {
    const Target& target = found.targets[i];
    if (i > 0) separator = found.targets[i - 1].preference == target.preference ? ',' : '<';
    plan.site += separator;
    plan.site += target.host;
    // Equals are shuffled and unequals tried in order: ranks say all there is.
    plan.targets[i].preference =
        i == 0 ? 0
               : static_cast<std::uint16_t>(plan.targets[i - 1].preference + (separator == '<'));
  }
  return plan;
}

base::Task<MxFound> find_mx_plan(dns::Resolver& resolver, const Route& route, MxOptions options,
                                 std::string domain) {
  MxFound found;
  MxTargets targets;
  std::uint32_t ttl_s = 0;
  if (domain.starts_with('[')) {
    targets = read_literal(domain, options);
    ttl_s = 3600;
  } else {
    const dns::Answer answer = co_await dns::resolve(resolver, domain, dns::Type::MX);
    ttl_s = answer.ttl_s;
    targets = read_mx(domain, answer, options);
    if (targets.is_implicit && !targets.failure) {
      const dns::Answer a = co_await dns::resolve(resolver, domain, dns::Type::A);
      if (a.status != dns::Status::Ok) {
        const dns::Answer aaaa = co_await dns::resolve(resolver, domain, dns::Type::AAAA);
        targets.failure = check_implicit_mx(domain, a, aaaa);
      }
    }
  }
  found.valid_for =
      std::clamp(base::Duration(std::chrono::seconds(ttl_s)), kPlanAgeMin, kPlanAgeMax);
  if (targets.failure) {
    found.failure = std::move(*targets.failure);
  } else {
    found.plan = plan_for_targets(route, targets);
  }
  co_return found;
}

}  // namespace ekiden::delivery
