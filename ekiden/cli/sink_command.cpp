#include "ekiden/cli/sink_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace ekiden::cli {

int run_sink_command(const std::vector<std::string>& arguments) {
  SinkOptions options;
  CLI::App app("Takes mail over SMTP and keeps it, for tests and trials", "ekiden sink");
  app.add_option("--listen", options.listen, "ADDRESS:PORT, repeatable; port 0: any free")
      ->capture_default_str();
  app.add_option("--maildir", options.maildir,
                 "Write messages to DIR/new, envelopes to DIR/envelope; without it: count only");
  app.add_option("--reject", options.reject,
                 "[STAGE:][PATTERN][ N%][=REPLY], e.g. 'bad-*@*=550 5.1.1 No such user'; stages "
                 "connect, mail, rcpt (default), data, eod, stored");
  app.add_option("--defer", options.defer, "The same, answered 451 by default; e.g. 10%");
  app.add_option("--drop", options.drop,
                 "[STAGE:][PATTERN][ N%]: close without an answer; eod by default");
  app.add_option("--latency", options.latency, "[STAGE:]DURATION before the answer; e.g. 50ms");
  app.add_option("--tls", options.tls, "off, starttls or implicit")->capture_default_str();
  app.add_option("--certificate", options.certificate, "PEM; default: one that signs itself");
  app.add_option("--private-key", options.private_key, "PEM");
  app.add_option("--auth", options.auth, "USER:PASSWORD, then needed for MAIL");
  app.add_option("--count-file", options.count_file, "Totals as JSON, once a second");
  app.add_option("--hostname", options.hostname, "Our name")->capture_default_str();
  app.add_option("--message-size", options.message_size_max, "Octets; 0: any");
  app.add_option("--recipients", options.recipients_max, "Of one message")->capture_default_str();
  app.add_option("--workers", options.workers, "0: one for each processor, at most four");
  // CLI11 takes them last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run_sink(options);
}

}  // namespace ekiden::cli
