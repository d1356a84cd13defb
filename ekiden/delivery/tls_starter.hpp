#pragma once

#include <memory>

#include "ekiden/delivery/connection.hpp"
#include "ekiden/tls/client_context.hpp"

namespace ekiden::delivery {

/// What tls::connect is asked for.
tls::ClientOptions client_options(TlsRequest request);

/// Handshakes by tls::connect. A reload makes a new one from the new context.
StartTls tls_starter(std::shared_ptr<tls::ClientContext> context);

}  // namespace ekiden::delivery
