#include "ekiden/tls/client_context.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

#include "ekiden/tls/certificate.hpp"
#include "ekiden/tls/stream.hpp"

namespace ekiden::tls {
namespace {

// About 2.5 KB each.
constexpr std::size_t kSessionsMax = 4096;

// RFC 8996 for the first. The second is for the last step before giving TLS up (RFC 7435 §3), so
// it takes what there is but anonymous and null ciphers.
constexpr const char* kModernCiphers = "DEFAULT:!aNULL:!eNULL@SECLEVEL=2";
constexpr const char* kCompatibleCiphers = "ALL:!aNULL:!eNULL@SECLEVEL=0";

SslContextPtr make_context(Level level, X509_STORE* store) {
  SslContextPtr made(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = made.get();
  const bool is_modern = level == Level::Modern;
  if (context == nullptr ||
      SSL_CTX_set_min_proto_version(context, is_modern ? TLS1_2_VERSION : TLS1_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, is_modern ? kModernCiphers : kCompatibleCiphers) != 1) {
    return nullptr;
  }
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!is_modern) SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, Stream::take_session);
  SSL_CTX_set1_cert_store(context, store);
  if (SSL_CTX_dane_enable(context) != 1) return nullptr;
  return made;
}

bool is_address(const std::string& name) {
  boost::system::error_code error;
  boost::asio::ip::make_address(name, error);
  return !error;
}

std::string cache_key(const ClientOptions& options) {
  std::string key = options.session_key;
  key += '\0';
  key += options.server_name;
  key += options.verify ? " verified" : " recorded";
  key += options.level == Level::Modern ? " modern" : " compatible";
  if (options.dane) key += " " + dane_key(*options.dane);
  return key;
}

/// RFC 6125 §6.4: the name as given, against the certificate's names only.
bool ask_for_name(SSL* ssl, const std::string& name) {
  if (is_address(name)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  }
  SSL_set_hostflags(ssl,
                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
}

void describe_server(SSL* ssl, const ClientOptions& options, net::TlsInfo& info) {
  info.server_name = options.server_name;
  const CertificatePtr peer(SSL_get1_peer_certificate(ssl));
  if (peer) {
    info.peer_certificate_sha256 = sha256_of(peer.get());
    info.peer_certificate_subject = subject_of(peer.get());
  }
  const long verified = SSL_get_verify_result(ssl);
  if (options.dane) {
    // Without a match the handshake has failed.
    info.server_name = options.dane->base_name;
    info.is_verified = true;
    info.verified_by = dane_authority(ssl);
  } else if (options.server_name.empty()) {
    info.verify_error = "no name to verify";
  } else if (!peer || verified != X509_V_OK) {
    info.verify_error = peer ? X509_verify_cert_error_string(verified) : "no certificate";
  } else {
    info.is_verified = true;
    info.verified_by = "authority";
  }
}

/// What the server is held to; `why` says what is wrong with it.
Result<void> ask_for_server(SSL* ssl, const ClientOptions& options, std::string& why) {
  if (options.verify_at) {
    const auto since = options.verify_at->time_since_epoch();
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl),
                               std::chrono::duration_cast<std::chrono::seconds>(since).count());
  }
  if (options.dane) {
    const Result<void> asked = ask_for_dane(ssl, *options.dane);
    if (!asked) why = "no TLSA record of " + options.dane->base_name + " can be used";
    return asked;
  }
  // Without `verify` OpenSSL verifies all the same and only keeps the verdict.
  if (options.verify) SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  if (options.server_name.empty() ? !options.verify : ask_for_name(ssl, options.server_name)) {
    return {};
  }
  ERR_clear_error();
  why = "the server's name cannot be verified: " + options.server_name;
  return Errc::Setup;
}

}  // namespace

Result<std::shared_ptr<ClientContext>> ClientContext::load(const std::string& trust_store,
                                                           std::string& why) {
  const StorePtr store(X509_STORE_new());
  if (!store) return Errc::Setup;
  if (!trust_store.empty() && X509_STORE_load_file(store.get(), trust_store.c_str()) != 1) {
    why = trust_store + ": " + take_openssl_error();
    return Errc::BadCertificate;
  }
  ERR_clear_error();
  std::shared_ptr<ClientContext> made(new ClientContext());
  made->modern_ = make_context(Level::Modern, store.get());
  made->compatible_ = make_context(Level::Compatible, store.get());
  made->sessions_ = std::make_shared<SessionCache>(kSessionsMax);
  if (!made->modern_ || !made->compatible_) {
    why = take_openssl_error();
    return Errc::Setup;
  }
  return made;
}

base::Task<Result<std::unique_ptr<net::Stream>>> connect(ClientContext& context,
                                                         std::unique_ptr<net::Stream> inner,
                                                         ClientOptions options,
                                                         base::Steady deadline, std::string* why) {
  auto made = Stream::make(context.context(options.level), std::move(inner));
  if (!made) co_return made.error();
  std::unique_ptr<Stream> stream = std::move(*made);
  SSL* const ssl = stream->ssl();
  SSL_set_connect_state(ssl);
  std::string problem;
  const Result<void> asked = ask_for_server(ssl, options, problem);
  if (!asked) {
    if (why != nullptr) *why = std::move(problem);
    co_return asked.error();
  }
  // The stream may outlive the context, so it holds the cache itself.
  const std::shared_ptr<SessionCache> sessions = context.sessions();
  const std::string key = cache_key(options);
  if (!options.session_key.empty()) {
    if (const SessionPtr session = sessions->find(key)) SSL_set_session(ssl, session.get());
    stream->keep_sessions(sessions, key);
  }
  const Result<void> shaken = co_await stream->shake_hands(deadline);
  if (!shaken) {
    // Whatever made it fail, the next attempt starts afresh.
    if (!options.session_key.empty()) sessions->forget(key);
    if (why != nullptr) *why = stream->failure();
    co_return shaken.error();
  }
  describe_server(ssl, options, stream->info());
  co_return std::unique_ptr<net::Stream>(std::move(stream));
}

}  // namespace ekiden::tls
