#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::spool {

enum class Errc {
  /// The volume is full, or only `spool.disk_reserve` is left; nothing was stored. Inbound
  /// answers 452 4.3.1.
  NoSpace = 1,
  /// The disk failed; nothing was promised. Inbound answers 452 4.3.0.
  Io,
  /// A checksum differs. The record is kept in quarantine and reported.
  Corrupt,
  /// No such message. Usual after a cancel; callers treat it as done.
  NotFound,
  /// The spool is shutting down, or was never opened.
  Closed,
  /// Another process has the spool open.
  Locked,
};

Error make_error_code(Errc value);

}  // namespace ekiden::spool

template <>
struct boost::system::is_error_code_enum<ekiden::spool::Errc> : std::true_type {};
