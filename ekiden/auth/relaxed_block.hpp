#pragma once

#include <cstddef>

/// Relaxed canonicalization of bodies (RFC 6376 §3.4.4), a block at a time: white space goes in
/// front of more of it and in front of CRLF, and what stays is a space.
namespace ekiden::auth {

/// Octets looked at together.
inline constexpr std::size_t kRelaxedBlock = 64;

/// What a block became.
struct RelaxedBlock {
  std::size_t octets = 0;
  bool has_changed = false;
};

/// No octet of the block changes. Reads one octet past it.
bool is_relaxed_block(const char* block);

/// Writes the block in relaxed form. As many octets again may be read behind it, and two blocks
/// written.
RelaxedBlock relax_block(const char* block, char* out);

/// The same where the machine offers nothing special.
RelaxedBlock relax_block_by_runs(const char* block, char* out);

}  // namespace ekiden::auth
