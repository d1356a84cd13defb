#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::rewrite {

/// Addresses of one field that are looked at; further ones stay as they are.
inline constexpr std::size_t kSpansMax = 10'000;

/// Where an addr-spec stands in a field's value.
struct AddressSpan {
  std::size_t at = 0;
  std::size_t octets = 0;
  std::string address;  ///< without the comments and folds that may stand inside of it
};

/// Finds the addr-specs in From, To and their like (RFC 5322 §3.4), so that they can be replaced
/// and nothing else: display names, comments, encoded-words, groups and folds are stepped over.
/// Takes the mistakes of real clients as message::parse_mailboxes does. A source route belongs to
/// its address (RFC 5322 §4.4). Elements without '@' are left out.
std::vector<AddressSpan> find_addresses(std::string_view value);

}  // namespace ekiden::rewrite
