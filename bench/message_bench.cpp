// What a header costs: found and walked field by field, and rewritten at admission; a plain one,
// one with everything to add and to remove, and a long one as mailing lists have.
#include <benchmark/benchmark.h>

#include <string>

#include "ekiden/message/fixup.hpp"
#include "ekiden/message/header_scan.hpp"

namespace {

using namespace ekiden;

message::FixupOptions own_client() {
  message::FixupOptions options;
  options.add_missing_date = options.add_missing_message_id = true;
  options.remove_bcc = options.remove_return_path = options.remove_ekiden_headers = true;
  options.received_field =
      "Received: from app.example.jp ([10.0.0.5])\r\n\tby relay.example.jp with ESMTP id x\r\n\t"
      "for <recipient@example.org>; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  options.now = base::Time(std::chrono::seconds(1'767'225'600));
  options.message_id_host = "relay.example.jp";
  options.id = {1, 2};
  return options;
}

void run(benchmark::State& state, const std::string& header) {
  const std::string octets = header + "\r\nA body.\r\n";
  const message::FixupOptions options = own_client();
  for (auto _ : state) {
    Result<message::FixupResult> fixed = message::fix_header(octets, options);
    if (!fixed) {
      state.SkipWithError("the header was refused");
      return;
    }
    benchmark::DoNotOptimize(fixed->header.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * header.size()));
}

const std::string kPlain =
    "From: App <app@example.jp>\r\nTo: <recipient@example.org>\r\nSubject: Your order\r\n"
    "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@app.example.jp>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";

void fix_header_plain(benchmark::State& state) {
  run(state, kPlain);
}
BENCHMARK(fix_header_plain);

void fix_header_bare(benchmark::State& state) {
  run(state,
      "From: app@example.jp\r\nBcc: boss@example.jp,\r\n other@example.jp\r\nReturn-Path: "
      "<x@y.jp>\r\n"
      "X-Ekiden-Tag: order\r\nX-Ekiden-Stream: bulk\r\nSubject: Your order\r\n");
}
BENCHMARK(fix_header_bare);

std::string header_of_a_list() {
  std::string header;
  for (int hop = 0; hop < 8; ++hop)
    header +=
        "Received: from hop.example.net (hop.example.net [192.0.2.1])\r\n\tby next.example.net "
        "(Postfix) with ESMTPS id 4BZx7W0mZvz1xyz\r\n\tfor <list@example.org>; Thu,  1 Jan 2026 "
        "00:00:00 +0000 (UTC)\r\n";
  header +=
      "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s1;\r\n h=from:to:subject;\r\n b=" +
      std::string(340, 'A') + "\r\n" + kPlain;
  for (int field = 0; field < 30; ++field)
    header += "List-Field-" + std::to_string(field) + ": <https://example.net/list?x=1>\r\n";
  return header;
}

void fix_header_of_a_list(benchmark::State& state) {
  run(state, header_of_a_list());
}
BENCHMARK(fix_header_of_a_list);

void scan(benchmark::State& state, const std::string& header) {
  const std::string octets = header + "\r\nA body.\r\n";
  for (auto _ : state) {
    benchmark::DoNotOptimize(message::find_header_end(octets));
    message::HeaderScanner scanner(octets);
    message::Field field;
    std::size_t fields = 0;
    for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field))
      ++fields;
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * header.size()));
}

void scan_header_plain(benchmark::State& state) {
  scan(state, kPlain);
}
BENCHMARK(scan_header_plain);

void scan_header_of_a_list(benchmark::State& state) {
  scan(state, header_of_a_list());
}
BENCHMARK(scan_header_of_a_list);

}  // namespace

BENCHMARK_MAIN();
