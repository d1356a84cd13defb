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

}  // namespace ekiden::delivery
