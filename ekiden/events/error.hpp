#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::events {

enum class Errc {
  /// The octets are not an encoded event of a version we know. The store keeps them aside.
  Malformed = 1,
  /// The volume is full; nothing of the batch was kept. The writer tries again later.
  NoSpace,
  /// The disk or SQLite failed; nothing was promised. The writer tries again later.
  Io,
  /// A day's file is damaged. The store moves it aside and begins a new one.
  Corrupt,
  /// Another process is writing, or kept the file locked for too long. Try again.
  Busy,
  /// A query or cursor that makes no sense; the text of the command is at fault.
  BadQuery,
};

Error make_error_code(Errc value);

}  // namespace ekiden::events

template <>
struct boost::system::is_error_code_enum<ekiden::events::Errc> : std::true_type {};
