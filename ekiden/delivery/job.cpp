#include "ekiden/delivery/job.hpp"

#include <algorithm>
#include <set>

namespace ekiden::delivery {

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::Connect:
      return "connect";
    case Phase::Greeting:
      return "greeting";
    case Phase::Ehlo:
      return "ehlo";
    case Phase::StartTls:
      return "starttls";
    case Phase::Auth:
      return "auth";
    case Phase::Mail:
      return "mail";
    case Phase::Rcpt:
      return "rcpt";
    case Phase::Data:
      return "data";
    case Phase::Eod:
      return "eod";
  }
  return "";
}

std::string names_of(const std::vector<Target>& targets) {
  std::set<std::string> names;
  for (const Target& target : targets) {
    const bool is_ipv6 = target.host.find(':') != std::string::npos;
    names.insert((is_ipv6 ? '[' + target.host + ']' : target.host) + ':' +
                 std::to_string(target.port));
  }
  std::string all;
  for (const std::string& name : names) all.append(all.empty() ? "" : ",").append(name);
  return all;
}

bool has_host(std::string_view names, std::string_view host) {
  while (!names.empty()) {
    std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    name = name.substr(0, name.rfind(':'));
    if (name.size() > 2 && name.front() == '[') name = name.substr(1, name.size() - 2);
    if (name == host) return true;
  }
  return false;
}

const std::string& hosts_key(const Plan& plan) {
  return plan.hosts.empty() ? plan.site : plan.hosts;
}

std::string limit_key(const Plan& plan) {
  return plan.profile == nullptr ? std::string() : owner_key(plan);
}

std::string_view provider_of(const Plan& plan) {
  const bool is_known = plan.profile != nullptr && plan.profile->name != "default";
  return is_known ? std::string_view(plan.profile->name) : std::string_view();
}

const std::string& owner_key(const Plan& plan) {
  return provider_of(plan).empty() ? hosts_key(plan) : plan.profile->name;
}

}  // namespace ekiden::delivery
