#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ekiden::queue {

/// What two spellings of one mailbox have in common: smtp::comparison_key of the address, or the
/// text itself where it is no address. So the domain's case does not count, the local part's does.
std::string address_key(std::string_view address);

/// base::hash64 of `address_key`. Plain addresses cost no allocation.
std::uint64_t address_hash(std::string_view address);

}  // namespace ekiden::queue
