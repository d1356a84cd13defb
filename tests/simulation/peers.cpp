#include "tests/simulation/peers.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kPatience = std::chrono::minutes(15);

std::string between_brackets(const std::string& line) {
  const std::size_t open = line.find('<');
  const std::size_t close = line.find('>', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

}  // namespace

base::Task<std::optional<std::string>> LineStream::line(base::Steady deadline) {
  for (;;) {
    const std::size_t end = buffer_.find("\r\n");
    if (end != std::string::npos) {
      std::string text = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      co_return text;
    }
    char octets[4096];
    std::span<char> into(octets);
    const Result<std::size_t> got = co_await net::read_some(*stream_, into, deadline);
    if (!got) co_return std::nullopt;
    buffer_.append(octets, *got);
  }
}

base::Task<bool> LineStream::write(std::string octets, base::Steady deadline) {
  const std::string_view view = octets;
  const Result<void> written = co_await net::write_all(*stream_, view, deadline);
  co_return written.has_value();
}

Receiver::Receiver(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where,
                   std::string name, std::vector<Receipt>& receipts)
    : internet_(internet),
      worker_(worker),
      name_(std::move(name)),
      tasks_(worker),
      network_(internet, where.address),
      receipts_(receipts) {
  listener_ = std::move(*network_.listen(where, {}, [this](std::unique_ptr<net::Stream> stream) {
    if (temper.is_down) return;
    tasks_.spawn(serve(std::move(stream)));
  }));
}

base::Task<void> Receiver::serve(std::unique_ptr<net::Stream> raw) {
  World& world = internet_.world();
  LineStream stream(std::move(raw));
  std::string reply =
      happens(temper.defers_connection) ? "421 4.3.2 later\r\n" : "220 " + name_ + " ESMTP\r\n";
  const bool is_refused = reply.starts_with("421");
  Receipt receipt;
  bool has_sender = false;
  for (;;) {
    if (temper.slowness.count() > 0) {
      auto begin = [&world, this](base::Completion<bool> done) {
        world.after(temper.slowness, [done = std::move(done)]() mutable { done(true); });
      };
      (void)co_await base::suspend<bool>(std::move(begin));
    }
    const bool is_written = co_await stream.write(std::move(reply), world.steady() + kPatience);
    if (!is_written || is_refused) co_return;
    const std::optional<std::string> line = co_await stream.line(world.steady() + kPatience);
    if (!line) co_return;
    const std::string verb = base::lowered(line->substr(0, 4));
    if (verb == "ehlo") {
      reply = "250-" + name_ + "\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n";
    } else if (verb == "mail") {
      receipt = {};
      receipt.reverse_path = between_brackets(*line);
      has_sender = true;
      reply = "250 2.1.0 ok\r\n";
    } else if (verb == "rcpt") {
      const std::string recipient = between_brackets(*line);
      if (!has_sender) {
        reply = "503 5.5.1 MAIL first\r\n";
      } else if (recipient.starts_with("bad")) {
        reply = "550 5.1.1 no such user\r\n";
      } else if (happens(temper.defers_recipient)) {
        reply = "450 4.2.1 try later\r\n";
      } else {
        receipt.recipients.push_back(recipient);
        reply = "250 2.1.5 ok\r\n";
      }
    } else if (verb == "data") {
      if (receipt.recipients.empty()) {
        reply = "554 5.5.1 no valid recipients\r\n";
        continue;
      }
      std::string go = "354 go\r\n";
      const bool went = co_await stream.write(std::move(go), world.steady() + kPatience);
      if (!went) co_return;
      if (happens(temper.drops_in_data)) co_return;
      for (;;) {
        const std::optional<std::string> text = co_await stream.line(world.steady() + kPatience);
        if (!text) co_return;
        if (*text == ".") break;
        receipt.octets += text->starts_with(".") ? text->substr(1) : *text;
        receipt.octets += "\r\n";
      }
      if (happens(temper.defers_message)) {
        reply = "451 4.3.0 not now\r\n";
      } else {
        receipt.time = world.now();
        if (!happens(temper.forgets)) receipts_.push_back(receipt);
        if (happens(temper.drops_after_dot)) co_return;
        reply = "250 2.0.0 taken\r\n";
      }
      has_sender = false;
      receipt = {};
    } else if (verb == "rset") {
      has_sender = false;
      receipt = {};
      reply = "250 2.0.0 ok\r\n";
    } else if (verb == "quit") {
      std::string bye = "221 2.0.0 bye\r\n";
      (void)co_await stream.write(std::move(bye), world.steady() + kPatience);
      co_return;
    } else if (verb == "noop") {
      reply = "250 2.0.0 ok\r\n";
    } else {
      reply = "500 5.5.2 what\r\n";
    }
  }
}

base::Task<void> submit(SimulatedInternet& internet, net::Endpoint from, net::Endpoint relay,
                        std::shared_ptr<Submission> submission, std::size_t octets) {
  World& world = internet.world();
  submission->time = world.now();
  std::unique_ptr<net::Stream> raw = internet.dial(from, relay);
  if (!raw) co_return;
  LineStream stream(std::move(raw));
  const std::vector<std::string> wanted = std::exchange(submission->recipients, {});
  std::vector<std::string> commands = {"EHLO client.example\r\n",
                                       "MAIL FROM:<" + submission->reverse_path + ">\r\n"};
  for (const std::string& recipient : wanted) commands.push_back("RCPT TO:<" + recipient + ">\r\n");
  commands.push_back("DATA\r\n");

  std::size_t next = 0;
  for (;;) {
    // A whole reply, continuation lines included.
    std::string code;
    for (;;) {
      const std::optional<std::string> line = co_await stream.line(world.steady() + kPatience);
      if (!line || line->size() < 3) co_return;
      code = line->substr(0, 3);
      if (line->size() == 3 || (*line)[3] != '-') break;
    }
    if (next == 0 && code != "220") co_return;
    if (next >= 1 && next <= 2 && code != "250") co_return;
    if (next >= 3 && next <= 2 + wanted.size() && code == "250")
      submission->recipients.push_back(wanted[next - 3]);
    if (next == commands.size()) {
      if (code != "354") co_return;
      break;
    }
    std::string command = commands[next++];
    const bool is_written = co_await stream.write(std::move(command), world.steady() + kPatience);
    if (!is_written) co_return;
  }
  std::string body =
      "From: <" + submission->reverse_path + ">\r\nSubject: " + submission->token + "\r\n\r\n";
  while (body.size() < octets) body += "A line of text that fills the message up, no more.\r\n";
  body += ".\r\n";
  const bool is_written = co_await stream.write(std::move(body), world.steady() + kPatience);
  if (!is_written) co_return;
  submission->was_sent_whole = true;
  const std::optional<std::string> line = co_await stream.line(world.steady() + kPatience);
  if (line && line->starts_with("250")) submission->is_accepted = true;
  std::string quit = "QUIT\r\n";
  (void)co_await stream.write(std::move(quit), world.steady() + kPatience);
}

}  // namespace ekiden::simulation
