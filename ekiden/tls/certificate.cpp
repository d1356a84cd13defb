#include "ekiden/tls/certificate.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

#include "ekiden/base/text.hpp"

namespace ekiden::tls {
namespace {

constexpr base::Duration kDay = std::chrono::hours(24);
constexpr int kSelfSignedDays = 365;

std::string contents_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

bool set_time(ASN1_TIME* field, base::Time time) {
  return ASN1_TIME_set(field, base::to_unix_us(time) / 1'000'000) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool is_added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return is_added;
}

// "DNS:a,IP:b" is OpenSSL's own little language: a name that could speak it is refused.
std::optional<std::string> alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    boost::system::error_code error;
    boost::asio::ip::make_address(name, error);
    const bool is_address = !error;
    if (!is_address && (name.empty() || name.find_first_of(",:= \r\n") != std::string::npos)) {
      return std::nullopt;
    }
    if (!text.empty()) text += ',';
    text += (is_address ? "IP:" : "DNS:") + name;
  }
  return text;
}

bool fill(X509* certificate, EVP_PKEY* key, X509* issuer, const IssueOptions& options) {
  const auto names = alternative_names(options.names);
  if (!names || options.names.empty()) return false;

  unsigned char serial[16];
  Owned<BIGNUM, BN_free> number(BN_new());
  if (number == nullptr || BN_rand(number.get(), sizeof serial * 8 - 1, 0, 0) != 1) return false;
  if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) return false;

  X509_NAME* subject = X509_get_subject_name(certificate);
  const std::string& name = options.names.front();
  // RFC 5280 appendix A.1: a common name has at most 64 characters; the names are in the SAN.
  const bool is_named =
      X509_NAME_add_entry_by_txt(
          subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()),
          static_cast<int>(std::min<std::size_t>(name.size(), 64)), -1, 0) == 1;
  return is_named && X509_set_version(certificate, X509_VERSION_3) == 1 &&
         set_time(X509_getm_notBefore(certificate), options.not_before) &&
         set_time(X509_getm_notAfter(certificate), options.not_after) &&
         X509_set_pubkey(certificate, key) == 1 &&
         X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         add_extension(certificate, issuer, NID_basic_constraints,
                       options.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
         add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         add_extension(certificate, issuer, NID_subject_alt_name, *names);
}

}  // namespace

Result<PemPair> issue_certificate(const IssueOptions& options) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  if (key == nullptr || certificate == nullptr) return Errc::Setup;

  CertificatePtr issuer;
  KeyPtr issuer_key;
  if (options.issuer != nullptr) {
    const BioPtr from(BIO_new_mem_buf(options.issuer->certificate.data(),
                                      static_cast<int>(options.issuer->certificate.size())));
    const BioPtr key_from(BIO_new_mem_buf(options.issuer->private_key.data(),
                                          static_cast<int>(options.issuer->private_key.size())));
    issuer.reset(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
    issuer_key.reset(PEM_read_bio_PrivateKey(key_from.get(), nullptr, nullptr, nullptr));
    if (issuer == nullptr || issuer_key == nullptr) return Errc::Setup;
  }
  X509* const signer = issuer ? issuer.get() : certificate.get();
  EVP_PKEY* const signing_key = issuer_key ? issuer_key.get() : key.get();
  if (!fill(certificate.get(), key.get(), signer, options) ||
      X509_sign(certificate.get(), signing_key, EVP_sha256()) == 0) {
    return Errc::Setup;
  }

  const BioPtr certificate_out(BIO_new(BIO_s_mem()));
  const BioPtr key_out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_out.get(), certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return Errc::Setup;
  }
  return PemPair{contents_of(certificate_out.get()), contents_of(key_out.get())};
}

Result<PemPair> make_self_signed(std::vector<std::string> names, base::Time now) {
  IssueOptions options;
  options.names = std::move(names);
  options.not_before = now - kDay;
  options.not_after = now + kSelfSignedDays * kDay;
  return issue_certificate(options);
}

std::string sha256_of(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return {};
  return base::encode_hex({reinterpret_cast<const char*>(digest), size});
}

std::string subject_of(X509* certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  // Control characters stay escaped: this goes to logs.
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return contents_of(out.get());
}

std::optional<std::string> server_end_point(X509* certificate) {
  int hash = NID_undef;
  if (certificate == nullptr ||
      X509_get_signature_info(certificate, &hash, nullptr, nullptr, nullptr) != 1) {
    return std::nullopt;
  }
  // RFC 5929 §4.1: MD5 and SHA-1 become SHA-256; a signature without one hash has no binding.
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
  const EVP_MD* const method = EVP_get_digestbynid(hash);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (method == nullptr || X509_digest(certificate, method, digest, &size) != 1) {
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(digest), size);
}

}  // namespace ekiden::tls
