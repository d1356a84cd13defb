#include "ekiden/tls/dane.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::tls {
namespace {

constexpr std::uint8_t kUsageAuthority = 2;
constexpr std::uint8_t kUsageServer = 3;
constexpr std::uint8_t kSelectorKey = 1;
/// Certificates of one chain that are read. OpenSSL's own limit of depth is 100.
constexpr std::size_t kChainMax = 100;

const unsigned char* octets_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool is_certificate(const std::string& data) {
  const unsigned char* at = octets_of(data);
  const CertificatePtr parsed(d2i_X509(nullptr, &at, static_cast<long>(data.size())));
  ERR_clear_error();
  return parsed && at == octets_of(data) + data.size();
}

bool is_public_key(const std::string& data) {
  const unsigned char* at = octets_of(data);
  const KeyPtr parsed(d2i_PUBKEY(nullptr, &at, static_cast<long>(data.size())));
  ERR_clear_error();
  return parsed && at == octets_of(data) + data.size();
}

using ChainPtr = std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)>;
void free_chain(STACK_OF(X509) * chain) {
  sk_X509_pop_free(chain, X509_free);
}

Result<ChainPtr> read_chain(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  ChainPtr chain(sk_X509_new_null(), free_chain);
  if (!bio || !chain) return Errc::Setup;
  for (std::size_t count = 0; count < kChainMax; ++count) {
    X509* const one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
    if (one == nullptr) break;
    sk_X509_push(chain.get(), one);
  }
  // The end of the text is an error too, in OpenSSL's book.
  ERR_clear_error();
  if (sk_X509_num(chain.get()) == 0) return Errc::BadCertificate;
  return chain;
}

using StoreContextPtr = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

}  // namespace

bool is_usable(const dns::Tlsa& tlsa) {
  if (tlsa.usage != kUsageAuthority && tlsa.usage != kUsageServer) return false;
  if (tlsa.selector > kSelectorKey) return false;
  switch (tlsa.matching) {
    case 0:
      return tlsa.selector == kSelectorKey ? is_public_key(tlsa.data) : is_certificate(tlsa.data);
    case 1:
      return tlsa.data.size() == SHA256_DIGEST_LENGTH;
    case 2:
      return tlsa.data.size() == SHA512_DIGEST_LENGTH;
    default:
      return false;
  }
}

std::string dane_key(const Dane& dane) {
  std::vector<std::string> parts;
  for (const dns::Tlsa& tlsa : dane.records) {
    parts.push_back({static_cast<char>(tlsa.usage), static_cast<char>(tlsa.selector),
                     static_cast<char>(tlsa.matching)});
    parts.back() += tlsa.data;
  }
  // The DNS gives them in any order.
  std::sort(parts.begin(), parts.end());
  parts.push_back(dane.base_name);
  parts.insert(parts.end(), dane.names.begin(), dane.names.end());
  std::string all;
  for (const std::string& part : parts) {
    all += std::to_string(part.size());
    all += ':';
    all += part;
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(octets_of(all), all.size(), digest);
  return "dane " + base::encode_hex({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

Result<void> ask_for_dane(SSL* ssl, const Dane& dane) {
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  // RFC 7671 §9: digest agility is OpenSSL's own, it drops the weaker of two digests.
  if (SSL_dane_enable(ssl, dane.base_name.c_str()) <= 0) {
    ERR_clear_error();
    return Errc::Setup;
  }
  // RFC 7672 §3.1.1: where the record names the server's own key, names and dates do not matter.
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  for (const std::string& name : dane.names) {
    if (SSL_add1_host(ssl, name.c_str()) != 1) return Errc::Setup;
  }
  bool has_usable = false;
  for (const dns::Tlsa& tlsa : dane.records) {
    if (!is_usable(tlsa)) continue;
    const int added = SSL_dane_tlsa_add(ssl, tlsa.usage, tlsa.selector, tlsa.matching,
                                        octets_of(tlsa.data), tlsa.data.size());
    ERR_clear_error();
    if (added < 0) return Errc::Setup;
    has_usable |= added > 0;
  }
  if (!has_usable) return Errc::Setup;
  return {};
}

std::string_view dane_authority(SSL* ssl) {
  std::uint8_t usage = 0;
  if (SSL_get0_dane_tlsa(ssl, &usage, nullptr, nullptr, nullptr, nullptr) < 0) return "dane";
  return usage == kUsageServer ? "dane-ee" : "dane-ta";
}

std::string_view dane_verdict_name(DaneVerdict verdict) {
  switch (verdict) {
    case DaneVerdict::Match:
      return "match";
    case DaneVerdict::NoMatch:
      return "nomatch";
    case DaneVerdict::Unusable:
      return "unusable";
  }
  return "";
}

Result<DaneResult> verify_dane(const Dane& dane, std::string_view chain_pem, base::Time now) {
  if (std::none_of(dane.records.begin(), dane.records.end(), is_usable)) {
    return DaneResult{DaneVerdict::Unusable, -1, "no TLSA record is usable"};
  }
  const Result<ChainPtr> chain = read_chain(chain_pem);
  if (!chain) return chain.error();
  const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_dane_enable(context.get()) != 1) return Errc::Setup;
  SSL_CTX_set_security_level(context.get(), 2);  // of Level::Modern
  const SslPtr ssl(SSL_new(context.get()));
  if (!ssl) return Errc::Setup;
  const Result<void> asked = ask_for_dane(ssl.get(), dane);
  if (!asked) return asked.error();

  // What OpenSSL itself does when the certificates of a handshake have come.
  const StorePtr nobody(X509_STORE_new());
  const StoreContextPtr verification(X509_STORE_CTX_new());
  if (!nobody || !verification ||
      X509_STORE_CTX_init(verification.get(), nobody.get(), sk_X509_value(chain->get(), 0),
                          chain->get()) != 1 ||
      X509_STORE_CTX_set_default(verification.get(), "ssl_server") != 1) {
    return Errc::Setup;
  }
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(verification.get());
  X509_VERIFY_PARAM_set_auth_level(parameters, SSL_get_security_level(ssl.get()));
  X509_VERIFY_PARAM_set1(parameters, SSL_get0_param(ssl.get()));
  X509_VERIFY_PARAM_set_time(
      parameters, std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  X509_STORE_CTX_set0_dane(verification.get(), SSL_get0_dane(ssl.get()));
  const bool is_match = X509_verify_cert(verification.get()) == 1;
  const int error = X509_STORE_CTX_get_error(verification.get());
  ERR_clear_error();
  DaneResult result;
  if (!is_match || error != X509_V_OK) {
    result.reason = X509_verify_cert_error_string(error);
    return result;
  }
  result.verdict = DaneVerdict::Match;
  result.depth = SSL_get0_dane_authority(ssl.get(), nullptr, nullptr);
  return result;
}

}  // namespace ekiden::tls
