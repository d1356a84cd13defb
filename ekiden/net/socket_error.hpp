#pragma once

#include "ekiden/net/error.hpp"

namespace ekiden::net {

/// The Errc for what a socket call left in errno.
Error error_of_errno(int number);

}  // namespace ekiden::net
