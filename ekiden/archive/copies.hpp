#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/result.hpp"

namespace ekiden::archive {

/// A message as it was accepted.
struct Copy {
  std::string meta;  ///< message::encode_meta
  std::string octets;
};

/// The copy of one message; nothing when there is none. In any process, while the archivist
/// writes; blocks. Errors: of events/error.hpp; Corrupt also when it was sealed with another key.
Result<std::optional<Copy>> load_copy(const std::string& directory,
                                      const account::HashKey& node_key, base::MessageId id);

/// Takes away every copy of a message that went to this address, to others as well: a body may tell
/// of each of them. Gives how many there were. SQLite overwrites what it frees. Blocks.
Result<std::uint64_t> erase_copies(const std::string& directory, const account::HashKey& node_key,
                                   const std::string& recipient);

/// What a recipient is found by, without naming it.
std::int64_t recipient_hash(const account::HashKey& node_key, std::string_view address);

}  // namespace ekiden::archive
