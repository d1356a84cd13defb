#include "tests/simulation/secrecy.hpp"

#include <openssl/rand.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::simulation {
namespace {

base::Random* source = nullptr;  // of the Secrecy that lives

int give_octets(unsigned char* into, int count) {
  source->fill(std::as_writable_bytes(std::span(into, static_cast<std::size_t>(count))));
  return 1;
}
int give_ready() {
  return 1;
}

// OpenSSL 3 deprecates the method in favour of a provider of its own, which does no more.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void take_over(base::Random* random) {
  static const RAND_METHOD kSeeded = {nullptr, give_octets, nullptr,
                                      nullptr, give_octets, give_ready};
  source = random;
  RAND_set_rand_method(random == nullptr ? nullptr : &kSeeded);
}
#pragma GCC diagnostic pop

tls::PemPair issue(std::vector<std::string> names) {
  // Longer than any scenario, whatever the real clock says.
  tls::IssueOptions options;
  options.names = std::move(names);
  options.not_before = base::from_unix_us(1'000'000'000'000'000);
  options.not_after = base::from_unix_us(4'000'000'000'000'000);
  return tls::issue_certificate(options).value();
}

const tls::PemPair& certificate() {
  static const tls::PemPair kPair = issue({"relay.example", "*.example", "*.two.example",
                                           "*.one.example", "*.six.example", "*.sender.example"});
  return kPair;
}
const tls::PemPair& strange_certificate() {
  static const tls::PemPair kPair = issue({"mx.elsewhere.invalid"});
  return kPair;
}

/// The relay reads whom it trusts from a file: one that holds the others' certificate.
std::string write_trust_store() {
  std::string name = (std::filesystem::temp_directory_path() / "ekiden-trust-XXXXXX").string();
  const int file = ::mkstemp(name.data());
  EKIDEN_ASSERT(file >= 0, "a file can be made");
  ::close(file);
  std::ofstream(name) << certificate().certificate;
  return name;
}

std::shared_ptr<tls::ServerContext> make_server(base::Time now, const tls::PemPair& pair) {
  tls::ServerOptions options;
  options.certificates.push_back({{}, {}, pair});
  std::string why;
  auto context = tls::ServerContext::load(options, now, why);
  EKIDEN_ASSERT(context, "a certificate of our own can be loaded");
  return *context;
}

std::shared_ptr<tls::ClientContext> make_client(const std::string& trust_store) {
  std::string why;
  auto context = tls::ClientContext::load(trust_store, why);
  EKIDEN_ASSERT(context, "a trust store of our own can be read");
  return *context;
}

}  // namespace

Secrecy::Secrecy(World& world) : random_(world.random().next()) {
  // The first one makes the certificate: from the same randomness, whichever seed is first.
  base::SeededRandom of_certificate(1);
  take_over(&of_certificate);
  (void)certificate();
  (void)strange_certificate();
  take_over(&random_);
  const std::string trust_store = write_trust_store();
  relay_.server.store(make_server(world.now(), certificate()));
  relay_.client.store(make_client(trust_store));
  server_ = make_server(world.now(), certificate());
  stranger_ = make_server(world.now(), strange_certificate());
  client_ = make_client(trust_store);
  std::filesystem::remove(trust_store);
}

dns::Tlsa Secrecy::tlsa() {
  dns::Tlsa tlsa;
  tlsa.usage = 3;
  tlsa.selector = 0;
  tlsa.matching = 0;
  std::string base64;
  std::istringstream lines(certificate().certificate);
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("-----")) base64 += line;
  tlsa.data = base::decode_base64(base64).value();
  return tlsa;
}

Secrecy::~Secrecy() {
  take_over(nullptr);
}

}  // namespace ekiden::simulation
