#pragma once

#include <memory>

#include "ekiden/delivery/connection.hpp"
#include "ekiden/tls/client_context.hpp"

namespace ekiden::delivery {

/// Handshakes by tls::connect. A reload makes a new one from the new context.
StartTls tls_starter(std::shared_ptr<tls::ClientContext> context);

}  // namespace ekiden::delivery
