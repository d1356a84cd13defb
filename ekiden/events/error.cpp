#include "ekiden/events/error.hpp"

namespace ekiden::events {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::Malformed:
      return "not an encoded event";
    case Errc::NoSpace:
      return "no space left for events";
    case Errc::Io:
      return "the event store failed";
    case Errc::Corrupt:
      return "an event file is damaged";
    case Errc::Busy:
      return "the event store is locked";
    case Errc::BadQuery:
      return "not a valid event query";
  }
  return "unknown error";
}

constexpr base::ErrorCategory<Errc> kCategory("events", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::events
