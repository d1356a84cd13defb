// What an idle connection costs. Not a test of right and wrong, so it runs on demand:
//   tls_test --gtest_also_run_disabled_tests --gtest_filter=*Idle*
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include "ekiden/net/memory_pair.hpp"
#include "ekiden/net/test_loop.hpp"
#include "ekiden/tls/certificate.hpp"
#include "ekiden/tls/client_context.hpp"
#include "ekiden/tls/server_context.hpp"

namespace ekiden::tls {
namespace {

constexpr std::size_t kConnections = 2000;

std::size_t resident_octets() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

base::Task<void> accept_and_keep(std::shared_ptr<ServerContext> context,
                                 std::unique_ptr<net::Stream> inner, base::Steady deadline,
                                 std::vector<std::unique_ptr<net::Stream>>& kept) {
  auto opened = co_await accept(*context, std::move(inner), deadline);
  if (!opened) co_return;
  // A little mail conversation, then idle.
  const std::string_view greeting[] = {"220 hello\r\n"};
  (void)(*opened)->try_write(greeting);
  char buffer[512];
  (void)co_await net::read_some(**opened, buffer, deadline);
  (void)(*opened)->try_read(buffer);
  kept.push_back(std::move(*opened));
}

base::Task<void> connect_and_go(std::shared_ptr<ClientContext> context,
                                std::unique_ptr<net::Stream> inner, base::Steady deadline,
                                std::vector<std::unique_ptr<net::Stream>>& kept) {
  ClientOptions options;
  options.server_name = "mx.example.jp";
  auto opened = co_await connect(*context, std::move(inner), std::move(options), deadline);
  if (!opened) co_return;
  char buffer[512];
  (void)co_await net::read_some(**opened, buffer, deadline);
  const std::string_view command[] = {"EHLO client.example\r\n"};
  (void)(*opened)->try_write(command);
  kept.push_back(std::move(*opened));
}

TEST(Memory, DISABLED_OfIdleConnections) {
  net::TestLoop loop;
  const base::Time now =
      std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
  ServerOptions options;
  options.certificates.push_back({"", "", make_self_signed({"mx.example.jp"}, now).value()});
  std::string why;
  const auto server = ServerContext::load(options, now, why).value();
  const auto client = ClientContext::load("", why).value();
  std::vector<std::unique_ptr<net::Stream>> servers, clients;
  servers.reserve(kConnections + 1);
  for (const bool keeps_clients : {false, true}) {
    servers.clear();
    const std::size_t heap = mallinfo2().uordblks, resident = resident_octets();
    for (std::size_t i = 0; i < kConnections; ++i) {
      net::MemoryPair pair = net::make_memory_pair(loop.worker());
      loop.spawn(accept_and_keep(server, std::move(pair.first), loop.soon(), servers));
      loop.spawn(connect_and_go(client, std::move(pair.second), loop.soon(), clients));
      loop.run();
      if (!keeps_clients) clients.clear();
    }
    ASSERT_EQ(servers.size(), kConnections);
    std::printf("an idle TLS connection, %s: %zu octets of heap, %zu resident\n",
                keeps_clients ? "both sides" : "server's side",
                (mallinfo2().uordblks - heap) / kConnections,
                (resident_octets() - resident) / kConnections);
  }
}

}  // namespace
}  // namespace ekiden::tls
