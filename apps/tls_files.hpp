#pragma once

#include <memory>
#include <string>

#include "apps/tls_layers.hpp"
#include "ekiden/config/settings.hpp"

namespace ekiden::apps {

/// Certificates and trust store as read from their files, not in force yet.
struct TlsFiles {
  std::shared_ptr<tls::ServerContext> server;  ///< null: no certificate is configured
  std::shared_ptr<tls::ClientContext> client;

  void put_in_force(TlsContexts& contexts) const {
    contexts.client.store(client);
    contexts.server.store(server);
  }
};

/// False, with a sentence, when one cannot be used. Blocks.
bool read_tls_files(const config::Settings& settings, base::Time now, TlsFiles& files,
                    std::string& problem);

}  // namespace ekiden::apps
