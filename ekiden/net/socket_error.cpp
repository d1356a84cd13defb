#include "ekiden/net/socket_error.hpp"

#include <cerrno>

namespace ekiden::net {

Error error_of_errno(int number) {
  switch (number) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
      return Errc::WouldBlock;
    case ETIMEDOUT:
      return Errc::TimedOut;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENETRESET:
      return Errc::Reset;
    case ECONNREFUSED:
      return Errc::Refused;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EAFNOSUPPORT:
    case EPFNOSUPPORT:
      return Errc::Unreachable;
    case EADDRINUSE:
      return Errc::AddressInUse;
    case EADDRNOTAVAIL:
      return Errc::AddressUnavailable;
    case EACCES:
    case EPERM:
      return Errc::PermissionDenied;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:  // epoll's limit of watched descriptors.
      return Errc::OutOfResources;
    default:
      return Errc::Other;
  }
}

}  // namespace ekiden::net
