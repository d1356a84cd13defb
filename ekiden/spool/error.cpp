#include "ekiden/spool/error.hpp"

namespace ekiden::spool {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::NoSpace:
      return "no space left for the spool";
    case Errc::Io:
      return "the spool's disk failed";
    case Errc::Corrupt:
      return "a record in the spool is damaged";
    case Errc::NotFound:
      return "no such message or file in the spool";
    case Errc::Closed:
      return "the spool is closed";
    case Errc::Locked:
      return "another process has the spool open";
  }
  return "unknown spool error";
}

constexpr base::ErrorCategory<Errc> kCategory("spool", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::spool
