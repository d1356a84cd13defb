// What signing and verifying cost beside OpenSSL's own work: canonical bodies alone and hashed
// against SHA-256 alone, an RSA signature of 10 KiB against EVP_DigestSign of the same octets, and
// a verification whose key is at hand.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <string>

#include "ekiden/auth/body_hash.hpp"
#include "ekiden/auth/dkim_signer.hpp"
#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/dns/records.hpp"

namespace {

using namespace ekiden;
using auth::Canonicalization;

constexpr std::size_t kSlice = 256 * 1024;  ///< as a message in a file is read

enum class Text { Prose, Base64, Indented };

std::string body_of(Text text, std::size_t octets) {
  std::string out;
  for (int line = 0; out.size() < octets; ++line) {
    switch (text) {
      case Text::Prose:
        out += "The quick brown fox jumps over the lazy dog and then goes home again";
        break;
      case Text::Base64:
        out += std::string(76, static_cast<char>('A' + line % 26));
        break;
      case Text::Indented:
        out += std::string(static_cast<std::size_t>(line % 9) * 2, ' ');
        out += "<td class=\"cell\" style=\"color:#000\">a cell</td>";
        break;
    }
    out += "\r\n";
  }
  return out;
}

class Counted final : public auth::OctetSink {
 public:
  void take(std::string_view octets) override {
    count += octets.size();
    benchmark::DoNotOptimize(octets.data());
  }
  std::uint64_t count = 0;
};

template <class Feed>
void in_slices(std::string_view octets, Feed feed) {
  for (std::size_t at = 0; at < octets.size(); at += kSlice) feed(octets.substr(at, kSlice));
}

void canonical(benchmark::State& state, Canonicalization form, Text text) {
  const std::string body = body_of(text, 4 << 20);
  for (auto _ : state) {
    Counted sink;
    auth::BodyCanonicalizer canonicalizer(form, sink);
    in_slices(body, [&](std::string_view slice) { canonicalizer.update(slice); });
    canonicalizer.finish();
    benchmark::DoNotOptimize(sink.count);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK_CAPTURE(canonical, relaxed_prose, Canonicalization::Relaxed, Text::Prose);
BENCHMARK_CAPTURE(canonical, relaxed_base64, Canonicalization::Relaxed, Text::Base64);
BENCHMARK_CAPTURE(canonical, relaxed_indented, Canonicalization::Relaxed, Text::Indented);
BENCHMARK_CAPTURE(canonical, simple_prose, Canonicalization::Simple, Text::Prose);

void sha256_alone(benchmark::State& state) {
  const std::string body = body_of(Text::Prose, 4 << 20);
  for (auto _ : state) {
    auth::Sha256 hash;
    in_slices(body, [&](std::string_view slice) { hash.update(slice); });
    benchmark::DoNotOptimize(hash.finish());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(sha256_alone);

void body_hash(benchmark::State& state, Canonicalization form, Text text) {
  const std::string body = body_of(text, 4 << 20);
  for (auto _ : state) {
    auth::BodyHash hash(form);
    in_slices(body, [&](std::string_view slice) { hash.update(slice); });
    benchmark::DoNotOptimize(hash.finish());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK_CAPTURE(body_hash, relaxed_prose, Canonicalization::Relaxed, Text::Prose);
BENCHMARK_CAPTURE(body_hash, relaxed_base64, Canonicalization::Relaxed, Text::Base64);
BENCHMARK_CAPTURE(body_hash, relaxed_indented, Canonicalization::Relaxed, Text::Indented);
BENCHMARK_CAPTURE(body_hash, simple_prose, Canonicalization::Simple, Text::Prose);

const std::string kHeader =
    "Received: from app.example.jp (app.example.jp [192.0.2.1])\r\n\tby relay.example.jp with "
    "ESMTP "
    "id x; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    "From: App <app@example.jp>\r\nTo: <recipient@example.org>\r\nSubject: Your order\r\n"
    "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@app.example.jp>\r\n"
    "List-Unsubscribe: <https://example.jp/u?id=1>\r\n"
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: 1:2:3:example\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";

const auth::PrivateKey& key(auth::KeyType type) {
  static const auth::PrivateKey kRsa = auth::PrivateKey::make(auth::KeyType::Rsa, 2048).value();
  static const auth::PrivateKey kEd25519 = auth::PrivateKey::make(auth::KeyType::Ed25519).value();
  return type == auth::KeyType::Rsa ? kRsa : kEd25519;
}

std::string sign(const std::string& body, auth::KeyType type) {
  auth::DkimSignerOptions options;
  options.signed_at = base::Time(std::chrono::seconds(1'767'225'600));
  auth::DkimSigner signer(std::move(options));
  if (!signer.begin(kHeader)) return {};
  signer.update_body(body);
  const auth::DkimIdentity identity{"example.jp", "s2026", key(type), ""};
  return signer.finish({&identity, 1}).value();
}

void sign_10k(benchmark::State& state, auth::KeyType type) {
  const std::string body = body_of(Text::Indented, 10 * 1024);
  for (auto _ : state) benchmark::DoNotOptimize(sign(body, type).data());
}
BENCHMARK_CAPTURE(sign_10k, rsa_2048, auth::KeyType::Rsa);
BENCHMARK_CAPTURE(sign_10k, ed25519, auth::KeyType::Ed25519);

/// What OpenSSL takes for the same octets, with nothing of ours.
void openssl_sign_10k(benchmark::State& state) {
  const std::string body = body_of(Text::Indented, 10 * 1024);
  const std::string pem = key(auth::KeyType::Rsa).to_pem().value();
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* pkey = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  for (auto _ : state) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    unsigned char signature[512];
    std::size_t size = sizeof signature;
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, pkey);
    EVP_DigestSign(context, signature, &size, reinterpret_cast<const unsigned char*>(body.data()),
                   body.size());
    benchmark::DoNotOptimize(signature[0]);
    EVP_MD_CTX_free(context);
  }
  EVP_PKEY_free(pkey);
  BIO_free(bio);
}
BENCHMARK(openssl_sign_10k);

/// All of it, OpenSSL's part included; `own` leaves the last step with the key out.
void verify_10k(benchmark::State& state, bool with_key) {
  const std::string body = body_of(Text::Indented, 10 * 1024);
  const std::string header = sign(body, auth::KeyType::Rsa) + kHeader;
  dns::Answer answer;
  answer.status = dns::Status::Ok;
  answer.rdata.push_back(dns::rdata_of_text(key(auth::KeyType::Rsa).to_record().value()));
  const std::vector<auth::KeyAnswerPointer> keys = {
      std::make_shared<const auth::KeyAnswer>(auth::read_key_answer(answer))};
  auth::DkimVerifierOptions options;
  options.now = base::Time(std::chrono::seconds(1'767'225'600));
  for (auto _ : state) {
    auth::DkimVerifier verifier(options);
    verifier.begin(header);
    verifier.update_body(body);
    verifier.finish_body();
    if (verifier.key_names().size() != 1) {
      state.SkipWithError("the body hash did not verify");
      return;
    }
    if (!with_key) continue;
    if (verifier.verify(keys)[0].verdict != auth::Verdict::Pass) {
      state.SkipWithError("the signature did not verify");
      return;
    }
  }
}
BENCHMARK_CAPTURE(verify_10k, own, false);
BENCHMARK_CAPTURE(verify_10k, all, true);

}  // namespace

BENCHMARK_MAIN();
