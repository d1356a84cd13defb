// What the octets of a client cost: the DATA reader at several line lengths and piece sizes, and
// the command parser.
#include <benchmark/benchmark.h>

#include <string>

#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/data_reader.hpp"

namespace {

using namespace ekiden;

/// A message as it comes over the wire, its final dot included.
std::string wire_message(std::size_t octets, std::size_t line) {
  std::string text;
  while (text.size() + line + 2 <= octets) text += std::string(line, 'x') + "\r\n";
  return text + ".\r\n";
}

/// Arguments: octets of the message, of a line, of a piece.
void data_reader(benchmark::State& state) {
  const std::string wire = wire_message(static_cast<std::size_t>(state.range(0)),
                                        static_cast<std::size_t>(state.range(1)));
  const auto piece = static_cast<std::size_t>(state.range(2));
  std::string body;
  body.reserve(wire.size());
  for (auto _ : state) {
    smtp::DataReader reader;
    body.clear();
    for (std::size_t at = 0; at < wire.size(); at += piece) {
      const Result<smtp::DataProgress> progress =
          reader.feed(std::string_view(wire).substr(at, piece), body);
      if (!progress) {
        state.SkipWithError("the reader refused the message");
        return;
      }
    }
    benchmark::DoNotOptimize(body.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * wire.size()));
}
BENCHMARK(data_reader)
    ->ArgNames({"octets", "line", "piece"})
    ->Args({1024, 78, 65536})
    ->Args({10240, 78, 65536})
    ->Args({10240, 78, 1448})
    ->Args({10240, 20, 65536})
    ->Args({102400, 78, 65536})
    ->Args({102400, 998, 65536});

/// The three commands of a plain transaction, parsed whole.
void command_parser(benchmark::State& state) {
  const smtp::Offered offered;
  for (auto _ : state) {
    const smtp::Command mail = smtp::parse_command("MAIL FROM:<sender@example.jp> SIZE=10240");
    benchmark::DoNotOptimize(smtp::parse_mail(mail.argument, offered));
    const smtp::Command rcpt =
        smtp::parse_command("RCPT TO:<recipient@mail.example.org> NOTIFY=FAILURE");
    benchmark::DoNotOptimize(smtp::parse_rcpt(rcpt.argument, offered, false));
    benchmark::DoNotOptimize(smtp::parse_command("DATA"));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 3);
}
BENCHMARK(command_parser);

}  // namespace

BENCHMARK_MAIN();
