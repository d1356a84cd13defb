#pragma once

#include "ekiden/net/stream.hpp"
#include "ekiden/tls/openssl.hpp"

namespace ekiden::tls {

/// Where a BIO reads and writes, and how that last failed.
struct BioTarget {
  net::Stream* stream = nullptr;
  Error error;  ///< empty while nothing but WouldBlock happened
};

/// A BIO that passes OpenSSL's reads and writes straight to a stream; it buffers nothing.
/// `target` outlives it. Null when memory is short.
BIO* make_stream_bio(BioTarget& target);

}  // namespace ekiden::tls
