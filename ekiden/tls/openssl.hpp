#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace ekiden::tls {

/// Owns one object of OpenSSL.
template <class T, auto Free>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Freer<T, Free>>;

using SslContextPtr = Owned<SSL_CTX, SSL_CTX_free>;
using SslPtr = Owned<SSL, SSL_free>;
using SessionPtr = Owned<SSL_SESSION, SSL_SESSION_free>;
using CertificatePtr = Owned<X509, X509_free>;
using KeyPtr = Owned<EVP_PKEY, EVP_PKEY_free>;
using BioPtr = Owned<BIO, BIO_free_all>;
using StorePtr = Owned<X509_STORE, X509_STORE_free>;

/// What OpenSSL says went wrong, the first cause, in its words; empties its list of errors.
std::string take_openssl_error();

}  // namespace ekiden::tls
