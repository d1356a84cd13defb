#include "ekiden/dns/error.hpp"

namespace ekiden::dns {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::NoServer:
      return "no DNS server to ask";
    case Errc::BadStub:
      return "a DNS stub zone is not valid";
    case Errc::BadTrustAnchor:
      return "a DNSSEC trust anchor file is not valid";
    case Errc::OutOfResources:
      return "no resources for the DNS resolver";
  }
  return "unknown error";
}

constexpr base::ErrorCategory<Errc> kCategory("dns", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::dns
