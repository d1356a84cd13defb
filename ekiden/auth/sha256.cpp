#include "ekiden/auth/sha256.hpp"

#include <openssl/evp.h>

#include "ekiden/base/assert.hpp"

namespace ekiden::auth {
namespace {

/// Fetched once: each implicit fetch searches OpenSSL's providers anew.
const EVP_MD* algorithm() {
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EKIDEN_ASSERT(context_ && EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1,
                "OpenSSL has SHA-256, and there is memory for its state");
}

void Sha256::update(std::string_view octets) {
  const int done = EVP_DigestUpdate(context_.get(), octets.data(), octets.size());
  EKIDEN_ASSERT(done == 1, "a digest takes octets until it is finished");
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  const int done = EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
  EKIDEN_ASSERT(done == 1, "a digest is finished once");
  return digest;
}

}  // namespace ekiden::auth
