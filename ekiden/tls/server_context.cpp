#include "ekiden/tls/server_context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "ekiden/tls/stream.hpp"

namespace ekiden::tls {
namespace {

// A chain longer than this is a mistake: everyone's trust stores end after three.
constexpr int kChainMax = 10;

// TLS 1.3 grants two tickets by default; mail clients that resume come back one at a time, and
// each ticket costs a write.
constexpr std::size_t kTickets = 1;

// How long a ticket resumes, seconds.
constexpr long kTicketLifetimeS = 7200;

// RFC 8996: nothing below TLS 1.2. Forward secrecy first; RSA key exchange stays for old
// appliances that submit mail.
constexpr const char* kCiphers = "HIGH:!aNULL:!MD5:!3DES:!CAMELLIA:!ARIA:!PSK:!SRP:!DSS@SECLEVEL=2";

int no_password(char*, int, int, void*) {
  return -1;  // A service cannot be asked; the key counts as unusable.
}

Error fail(Errc error, std::string& why, std::string words) {
  why = std::move(words);
  return error;
}

Result<BioPtr> open(const std::string& file, const std::string& contents, std::string& why) {
  if (!contents.empty()) {
    return BioPtr(BIO_new_mem_buf(contents.data(), static_cast<int>(contents.size())));
  }
  errno = 0;
  BioPtr bio(BIO_new_file(file.c_str(), "r"));
  if (bio) return bio;
  const int number = errno;
  ERR_clear_error();
  return fail(Errc::FileUnreadable, why,
              file + ": cannot be read: " + (number != 0 ? std::strerror(number) : "no such file"));
}

/// "2026-11-22" of an ASN.1 time.
std::string day_of(const ASN1_TIME* time) {
  tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%F", &parts);
  return text;
}

Result<void> use_certificate(SSL_CTX* context, const CertificateSource& source, base::Time now,
                             std::vector<std::string>& warnings, std::string& why) {
  const std::string& file =
      source.pem.certificate.empty() ? source.certificate_file : "built-in certificate";
  auto bio = open(source.certificate_file, source.pem.certificate, why);
  if (!bio) return bio.error();
  const CertificatePtr leaf(PEM_read_bio_X509_AUX(bio->get(), nullptr, no_password, nullptr));
  if (!leaf) {
    ERR_clear_error();
    return fail(Errc::BadCertificate, why, file + ": holds no PEM certificate");
  }
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return fail(Errc::BadCertificate, why, file + ": " + take_openssl_error());
  }
  for (int i = 0;; ++i) {
    X509* const next = PEM_read_bio_X509(bio->get(), nullptr, no_password, nullptr);
    if (next == nullptr) break;
    if (i == kChainMax || SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return fail(Errc::BadCertificate, why,
                  file + ": its chain is refused: " +
                      (i == kChainMax ? "more than 10 certificates" : take_openssl_error()));
    }
  }
  ERR_clear_error();  // The end of the file is an error to OpenSSL.

  time_t at = static_cast<time_t>(base::to_unix_us(now) / 1'000'000);
  if (X509_cmp_time(X509_get0_notAfter(leaf.get()), &at) < 0) {
    warnings.push_back(file + ": expired on " + day_of(X509_get0_notAfter(leaf.get())));
  } else if (X509_cmp_time(X509_get0_notBefore(leaf.get()), &at) > 0) {
    warnings.push_back(file + ": not valid before " + day_of(X509_get0_notBefore(leaf.get())));
  }
  return {};
}

Result<void> use_key(SSL_CTX* context, const CertificateSource& source, std::string& why) {
  const std::string& file =
      source.pem.private_key.empty() ? source.private_key_file : "built-in private key";
  auto bio = open(source.private_key_file, source.pem.private_key, why);
  if (!bio) return bio.error();
  const KeyPtr key(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_password, nullptr));
  if (!key) {
    ERR_clear_error();
    return fail(Errc::BadPrivateKey, why, file + ": holds no private key without a password");
  }
  if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) != 1) {
    ERR_clear_error();
    return fail(Errc::KeyMismatch, why,
                file + ": does not belong to the certificate in " +
                    (source.pem.certificate.empty() ? source.certificate_file : "memory"));
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return fail(Errc::BadPrivateKey, why, file + ": " + take_openssl_error());
  }
  return {};
}

// A certificate that does not verify is like none: the session decides what the lack means.
int accept_any(int, X509_STORE_CTX*) {
  return 1;
}

Result<void> ask_client(SSL_CTX* context, const std::string& file, std::string& why) {
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return fail(Errc::BadCertificate, why, file + ": " + take_openssl_error());
  }
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
  return {};
}

void describe_client(SSL* ssl, net::TlsInfo& info) {
  if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
    info.server_name = name;
  }
  const CertificatePtr peer(SSL_get1_peer_certificate(ssl));
  if (!peer) return;
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    info.verify_error = X509_verify_cert_error_string(verified);
    return;
  }
  // Only what verifies gets a fingerprint, so that nobody can log in with what does not.
  info.is_verified = true;
  info.peer_certificate_sha256 = sha256_of(peer.get());
  info.peer_certificate_subject = subject_of(peer.get());
}

}  // namespace

Result<std::shared_ptr<ServerContext>> ServerContext::load(const ServerOptions& options,
                                                           base::Time now, std::string& why) {
  if (options.certificates.empty()) {
    return fail(Errc::BadCertificate, why, "no certificate is configured");
  }
  std::shared_ptr<ServerContext> made(new ServerContext());
  for (const CertificateSource& source : options.certificates) {
    const Result<void> added = made->add(source, options, now, why);
    if (!added) return added.error();
  }
  made->asks_client_ = !options.client_ca_file.empty();
  SSL_CTX_set_tlsext_servername_callback(made->context(), choose_by_name);
  SSL_CTX_set_tlsext_servername_arg(made->context(), made.get());
  return made;
}

Result<void> ServerContext::add(const CertificateSource& source, const ServerOptions& options,
                                base::Time now, std::string& why) {
  SslContextPtr made(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = made.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kCiphers) != 1) {
    return fail(Errc::Setup, why, take_openssl_error());
  }
  // SMTP knows where a message ends, so a missing close_notify truncates nothing.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_dh_auto(context, 1);
  // Sessions live in the client's tickets only: nothing to keep, nothing to share.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, kTickets);
  SSL_CTX_set_timeout(context, kTicketLifetimeS);
  static constexpr unsigned char kSessionContext[] = "ekiden";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);

  Result<void> used = use_certificate(context, source, now, warnings_, why);
  if (used) used = use_key(context, source, why);
  if (used && !options.client_ca_file.empty()) {
    used = ask_client(context, options.client_ca_file, why);
  }
  if (!used) return used;
  contexts_.push_back(std::move(made));
  return {};
}

int ServerContext::choose_by_name(SSL* ssl, int*, void* self) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  for (const SslContextPtr& context : static_cast<ServerContext*>(self)->contexts_) {
    X509* const certificate = SSL_CTX_get0_certificate(context.get());
    if (X509_check_host(certificate, name, std::strlen(name), 0, nullptr) == 1) {
      SSL_set_SSL_CTX(ssl, context.get());
      return SSL_TLSEXT_ERR_OK;
    }
  }
  // RFC 6066 §3 lets us refuse here. We show the first certificate: clients of a mail server
  // often know it by another name, and those that care verify it.
  return SSL_TLSEXT_ERR_OK;
}

base::Task<Result<std::unique_ptr<net::Stream>>> accept(ServerContext& context,
                                                        std::unique_ptr<net::Stream> inner,
                                                        base::Steady deadline, std::string* why) {
  // A reload during the handshake must not take the other certificates away.
  const std::shared_ptr<ServerContext> keep = context.shared_from_this();
  auto made = Stream::make(context.context(), std::move(inner));
  if (!made) co_return made.error();
  std::unique_ptr<Stream> stream = std::move(*made);
  SSL_set_accept_state(stream->ssl());
  const Result<void> shaken = co_await stream->shake_hands(deadline);
  if (!shaken) {
    if (why != nullptr) *why = stream->failure();
    co_return shaken.error();
  }
  describe_client(stream->ssl(), stream->info());
  co_return std::unique_ptr<net::Stream>(std::move(stream));
}

}  // namespace ekiden::tls
