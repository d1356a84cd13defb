#include "ekiden/delivery/sasl_client.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>
#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/saslprep.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::size_t kHashOctets = 32;
using Kind = SaslClient::Step::Kind;

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, kHashOctets> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return std::string(reinterpret_cast<const char*>(out.data()), size);
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, kHashOctets> out{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<const char*>(out.data()), size);
}

/// RFC 5802 §5.1: "," and "=" of a name are written =2C and =3D.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

/// The value of attribute `name` where it must stand next; consumes it with its comma.
std::optional<std::string_view> take_attribute(std::string_view& text, char name) {
  if (text.size() < 2 || text[0] != name || text[1] != '=') return std::nullopt;
  const std::size_t end = std::min(text.find(','), text.size());
  const std::string_view value = text.substr(2, end - 2);
  text.remove_prefix(std::min(end + 1, text.size()));
  return value;
}

SaslClient::Step respond(std::string octets, bool is_complete) {
  return {Kind::Respond, std::move(octets), is_complete};
}

SaslClient::Step fail(std::string why) {
  return {Kind::Fail, std::move(why), false};
}

}  // namespace

SaslClient::SaslClient(std::string_view mechanism, std::string username, std::string password,
                       std::string nonce)
    : mechanism_(mechanism == "PLAIN"   ? Mechanism::Plain
                 : mechanism == "LOGIN" ? Mechanism::Login
                                        : Mechanism::Scram),
      username_(std::move(username)),
      password_(std::move(password)),
      nonce_(std::move(nonce)) {}

SaslClient::Step SaslClient::step(std::string_view challenge) {
  const unsigned number = steps_++;
  switch (mechanism_) {
    case Mechanism::Plain: {
      if (number > 1) return fail("PLAIN has no such challenge");
      std::string message(1, '\0');
      message.append(username_).append(1, '\0').append(password_);
      return respond(std::move(message), true);
    }
    case Mechanism::Login:
      if (number == 0) return respond({}, false);
      if (number == 1) return respond(username_, false);
      if (number == 2) return respond(password_, true);
      return fail("LOGIN has no third challenge");
    case Mechanism::Scram:
      break;
  }
  return step_scram(challenge);
}

SaslClient::Step SaslClient::step_scram(std::string_view challenge) {
  if (steps_ == 1) {
    client_first_bare_ = "n=" + escaped(username_) + ",r=" + nonce_;
    return respond("n,," + client_first_bare_, false);
  }
  if (steps_ == 2) {
    server_first_ = challenge;
    const auto nonce = take_attribute(challenge, 'r');
    const auto salt = take_attribute(challenge, 's');
    const auto iterations = take_attribute(challenge, 'i');
    if (!nonce || !salt || !iterations) return fail("SCRAM: a challenge that cannot be read");
    if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
      return fail("SCRAM: the nonce is not ours");
    }
    const auto raw_salt = base::decode_base64(*salt);
    const auto count = base::parse_u64(*iterations);
    if (!raw_salt || raw_salt->empty() || !count) {
      return fail("SCRAM: a challenge that cannot be read");
    }
    if (*count < kIterationsMin || *count > kIterationsMax) {
      return fail("SCRAM: an iteration count that is not safe");
    }
    server_nonce_ = *nonce;
    key_request_ = {smtp::saslprep_or_same(password_), *raw_salt,
                    static_cast<std::uint32_t>(*count)};
    return {Kind::NeedsKey, {}, false};
  }
  if (steps_ == 3) {
    if (const auto error = take_attribute(challenge, 'e')) {
      return fail("SCRAM: " + base::printable(*error, 100));
    }
    const auto verifier = take_attribute(challenge, 'v');
    const auto signature = base::decode_base64(verifier.value_or(std::string_view("!")));
    if (!signature || signature->size() != server_signature_.size() ||
        CRYPTO_memcmp(signature->data(), server_signature_.data(), signature->size()) != 0) {
      return fail("SCRAM: the next hop does not know the password");
    }
    return respond({}, true);
  }
  return fail("SCRAM: a challenge too many");
}

SaslClient::Step SaslClient::set_key(std::string salted_password) {
  EKIDEN_ASSERT(salted_password.size() == kHashOctets, "derive_key gives one hash");
  // RFC 5802 §3. "biws" is base 64 of the header "n,,".
  const std::string final_without_proof = "c=biws,r=" + server_nonce_;
  const std::string auth_message =
      client_first_bare_ + "," + server_first_ + "," + final_without_proof;
  std::string proof = hmac(salted_password, "Client Key");
  const std::string signature = hmac(sha256(proof), auth_message);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  server_signature_ = hmac(hmac(salted_password, "Server Key"), auth_message);
  return respond(final_without_proof + ",p=" + base::encode_base64(proof), false);
}

std::string SaslClient::derive_key(const KeyRequest& request) {
  std::string key(kHashOctets, '\0');
  PKCS5_PBKDF2_HMAC(request.password.data(), static_cast<int>(request.password.size()),
                    reinterpret_cast<const unsigned char*>(request.salt.data()),
                    static_cast<int>(request.salt.size()), static_cast<int>(request.iterations),
                    EVP_sha256(), static_cast<int>(key.size()),
                    reinterpret_cast<unsigned char*>(key.data()));
  return key;
}

}  // namespace ekiden::delivery
