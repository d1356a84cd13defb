#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/dkim_signer.hpp"
#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/dns/records.hpp"

/// What the tests of signatures share: a message, keys, and key records in place of the DNS.
namespace ekiden::auth::test_mail {

inline const base::Time kNow{std::chrono::seconds(1'795'305'600)};

/// LF as CRLF.
inline std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

inline const std::string& message() {
  static const std::string kMessage = crlf(
      "From: App <app@example.org>\nTo: b@example.net\nSubject: Hello\n"
      "Date: Sun, 22 Nov 2026 06:10:11 +0000\nMessage-ID: <1@example.org>\n"
      "List-Unsubscribe: <https://example.org/u>\n\nHello  there,\n\nthis is a body. \n\n");
  return kMessage;
}

/// Made once, because making RSA keys takes a while.
inline const PrivateKey& rsa_key() {
  static const PrivateKey kKey = PrivateKey::make(KeyType::Rsa, 2048).value();
  return kKey;
}
inline const PrivateKey& ed25519_key() {
  static const PrivateKey kKey = PrivateKey::make(KeyType::Ed25519).value();
  return kKey;
}

inline std::pair<std::string_view, std::string_view> split(std::string_view octets) {
  const std::size_t end = message::find_header_end(octets);
  if (end == std::string_view::npos) return {octets, {}};
  return {octets.substr(0, end), octets.substr(end)};
}

/// Key records by name; a name with several has several records.
using Zone = std::multimap<std::string, std::string>;

inline dns::Answer answer_of(const Zone& zone, const std::string& name) {
  dns::Answer answer;
  const auto [first, last] = zone.equal_range(name);
  for (auto record = first; record != last; ++record) {
    answer.rdata.push_back(dns::rdata_of_text(record->second));
  }
  answer.status = answer.rdata.empty() ? dns::Status::NoDomain : dns::Status::Ok;
  return answer;
}

inline std::vector<KeyAnswerPointer> keys_of(const std::vector<std::string>& names,
                                             const Zone& zone) {
  std::vector<KeyAnswerPointer> keys;
  for (const std::string& name : names) {
    keys.push_back(std::make_shared<const KeyAnswer>(read_key_answer(answer_of(zone, name))));
  }
  return keys;
}

inline std::vector<DkimResult> verify(std::string_view octets, const Zone& zone,
                                      base::Time now = kNow) {
  DkimVerifierOptions options;
  options.now = now;
  DkimVerifier verifier(options);
  const auto [header, body] = split(octets);
  verifier.begin(header);
  verifier.update_body(body);
  verifier.finish_body();
  return verifier.verify(keys_of(verifier.key_names(), zone));
}

inline DkimIdentity rsa_identity() {
  return {"example.org", "r1", rsa_key(), ""};
}
inline DkimIdentity ed25519_identity() {
  return {"example.org", "e1", ed25519_key(), ""};
}
inline Zone zone() {
  return {{"r1._domainkey.example.org", *rsa_key().to_record()},
          {"e1._domainkey.example.org", *ed25519_key().to_record()}};
}

/// The fields to put in front.
inline Result<std::string> sign(std::string_view octets, const std::vector<DkimIdentity>& who,
                                DkimSignerOptions options = {}) {
  DkimSigner signer(std::move(options));
  const auto [header, body] = split(octets);
  if (const auto begun = signer.begin(header); !begun) return begun.error();
  signer.update_body(body);
  return signer.finish(who);
}

}  // namespace ekiden::auth::test_mail
