#include "ekiden/delivery/job.hpp"

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

std::string limit_key(const Plan& plan) {
  return plan.profile == nullptr ? std::string() : owner_key(plan);
}

std::string_view provider_of(const Plan& plan) {
  const bool is_known = plan.profile != nullptr && plan.profile->name != "default";
  return is_known ? std::string_view(plan.profile->name) : std::string_view();
}

const std::string& owner_key(const Plan& plan) {
  return provider_of(plan).empty() ? plan.site : plan.profile->name;
}

}  // namespace ekiden::delivery
