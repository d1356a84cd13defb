#include "ekiden/auth/dns_budget.hpp"

#include "ekiden/dns/name.hpp"

namespace ekiden::auth {

base::Task<dns::Answer> DnsBudget::ask(std::string name, dns::Type type) {
  dns::Answer answer;
  answer.canonical_name = dns::canonical_name(name);
  if (!dns::may_be_asked(name)) {
    answer.status = dns::Status::NoDomain;
    answer.reason = "not a domain name";
    co_return answer;
  }
  if (asked_ >= questions_max_) {
    answer.reason = "too many DNS questions";
    co_return answer;
  }
  ++asked_;
  answer = co_await dns::resolve(resolver_, std::move(name), type);
  co_return answer;
}

}  // namespace ekiden::auth
