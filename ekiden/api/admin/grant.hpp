#pragma once

#include <optional>

#include "ekiden/api/fields.hpp"

namespace ekiden::api::admin {

/// Reads what limits a key or a credential: stream, streams, sender_domains, networks. What the
/// body leaves out is as the caller's own key has it, and nothing may go past that: whoever makes
/// a key cannot give it more than it has.
account::Credential read_grant(Fields& fields, const Caller& caller);

}  // namespace ekiden::api::admin
