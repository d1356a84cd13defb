#include "tests/simulation/secrecy.hpp"

#include <openssl/rand.h>

#include <span>

#include "ekiden/base/assert.hpp"

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

const tls::PemPair& certificate() {
  // Longer than any scenario, whatever the real clock says.
  static const tls::PemPair kPair = [] {
    tls::IssueOptions options;
    options.names = {"relay.example", "*.example"};
    options.not_before = base::from_unix_us(1'000'000'000'000'000);
    options.not_after = base::from_unix_us(4'000'000'000'000'000);
    return tls::issue_certificate(options).value();
  }();
  return kPair;
}

std::shared_ptr<tls::ServerContext> make_server(base::Time now) {
  tls::ServerOptions options;
  options.certificates.push_back({{}, {}, certificate()});
  std::string why;
  auto context = tls::ServerContext::load(options, now, why);
  EKIDEN_ASSERT(context, "a certificate of our own can be loaded");
  return *context;
}

std::shared_ptr<tls::ClientContext> make_client() {
  std::string why;
  auto context = tls::ClientContext::load({}, why);
  EKIDEN_ASSERT(context, "nobody has to be trusted");
  return *context;
}

}  // namespace

Secrecy::Secrecy(World& world) : random_(world.random().next()) {
  // The first one makes the certificate: from the same randomness, whichever seed is first.
  base::SeededRandom of_certificate(1);
  take_over(&of_certificate);
  (void)certificate();
  take_over(&random_);
  relay_.server.store(make_server(world.now()));
  relay_.client.store(make_client());
  server_ = make_server(world.now());
  client_ = make_client();
}

Secrecy::~Secrecy() {
  take_over(nullptr);
}

}  // namespace ekiden::simulation
