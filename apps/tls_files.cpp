#include "apps/tls_files.hpp"

#include "ekiden/base/log.hpp"

namespace ekiden::apps {

bool read_tls_files(const config::Settings& settings, base::Time now, TlsFiles& files,
                    std::string& problem) {
  Result<std::shared_ptr<tls::ClientContext>> client =
      tls::ClientContext::load(settings.delivery.trust_store, problem);
  if (!client) return false;
  files.client = std::move(*client);
  files.server = nullptr;
  if (settings.tls.certificate.empty()) return true;
  tls::ServerOptions options;
  options.certificates.push_back({settings.tls.certificate, settings.tls.private_key, {}});
  for (const config::Listener& listener : settings.listener)
    if (!listener.client_ca.empty()) options.client_ca_file = listener.client_ca;
  Result<std::shared_ptr<tls::ServerContext>> server =
      tls::ServerContext::load(options, now, problem);
  if (!server) return false;
  files.server = std::move(*server);
  for (const std::string& warning : files.server->warnings())
    base::log::warning("certificate", {{"problem", warning}});
  return true;
}

}  // namespace ekiden::apps
