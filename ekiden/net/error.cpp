#include "ekiden/net/error.hpp"

namespace ekiden::net {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::WouldBlock:
      return "would block";
    case Errc::TimedOut:
      return "timed out";
    case Errc::EndOfStream:
      return "connection closed by the peer";
    case Errc::Reset:
      return "connection reset";
    case Errc::Closed:
      return "connection closed here";
    case Errc::Refused:
      return "connection refused";
    case Errc::Unreachable:
      return "host or network unreachable";
    case Errc::AddressInUse:
      return "address in use";
    case Errc::AddressUnavailable:
      return "address not available on this host";
    case Errc::PermissionDenied:
      return "permission denied";
    case Errc::OutOfResources:
      return "out of descriptors, ports or memory";
    case Errc::Tls:
      return "TLS failed";
    case Errc::BadProxyHeader:
      return "no valid PROXY header";
    case Errc::ProxyFailed:
      return "the proxy cannot be used";
    case Errc::ProxyLoginRefused:
      return "the proxy refused the login";
    case Errc::ProxyDenied:
      return "the proxy did not connect";
    case Errc::Other:
      break;
  }
  return "network failure";
}

constexpr base::ErrorCategory<Errc> kCategory("net", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::net
