#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/net/network.hpp"
#include "tests/support/stream_pair.hpp"

namespace ekiden::test {

/// How an SMTP server in memory behaves. A reply of "DROP" breaks the connection; an empty one
/// leaves the client waiting; text after a "DROP:" is said before the connection ends.
struct ServerScript {
  std::string greeting = "220 mx.example\r\n";
  std::string ehlo =
      "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 100000000\r\n";
  std::string data = "354 go\r\n";
  std::string end = "250 2.0.0 queued\r\n";
  /// Replies to commands by prefix ("RCPT TO:<b@"); before any default.
  std::map<std::string, std::string> replies;
  /// The same, used up one by one.
  std::multimap<std::string, std::string> once;
};

/// A server that takes mail in memory, one object a connection.
class FakeServer {
 public:
  struct Mail {
    std::string from;
    std::vector<std::string> to;
    std::string octets;  ///< as sent, dots still doubled
    bool by_bdat = false;
  };

  FakeServer(ServerScript script, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : script_(std::move(script)), in_(std::move(in)), out_(std::move(out)) {
    in_->on_change = [this] { take(); };
    say(script_.greeting);
  }

  std::vector<Mail> mails;
  std::vector<std::string> commands;
  std::vector<std::size_t> writes;  ///< octets of each of the client's writes
  bool is_ended() const { return in_->is_ended; }
  void say(const std::string& reply) {
    if (reply.starts_with("DROP:")) {
      out_->octets += reply.substr(5);
      out_->is_ended = true;
      in_->is_broken = true;
    } else if (reply == "DROP") {
      out_->is_broken = in_->is_broken = true;
    } else {
      out_->octets += reply;
    }
    if (out_->on_change) out_->on_change();
  }

 private:
  void take() {
    if (!in_->octets.empty()) writes.push_back(in_->octets.size());
    input_ += std::exchange(in_->octets, {});
    while (!in_->is_broken) {
      if (bdat_left_ > 0) {
        const std::size_t size = std::min(bdat_left_, input_.size());
        mail_.octets += input_.substr(0, size);
        input_.erase(0, size);
        bdat_left_ -= size;
        if (bdat_left_ > 0) return;
        mail_.by_bdat = true;
        end_mail();
        continue;
      }
      if (is_in_data_) {
        // The lone dot, at the very beginning or after a line's end.
        std::size_t end = std::string::npos;
        if (input_.starts_with(".\r\n")) {
          end = 0;
        } else if (const auto at = input_.find("\r\n.\r\n", scanned_); at != std::string::npos) {
          end = at + 2;
        }
        if (end == std::string::npos) {
          scanned_ = input_.size() < 5 ? 0 : input_.size() - 5;
          return;
        }
        scanned_ = 0;
        mail_.octets = input_.substr(0, end);
        input_.erase(0, end + 3);
        is_in_data_ = false;
        end_mail();
        continue;
      }
      const std::size_t end = input_.find("\r\n");
      if (end == std::string::npos) return;
      const std::string line = input_.substr(0, end);
      input_.erase(0, end + 2);
      commands.push_back(line);
      obey(line);
    }
  }

  void end_mail() {
    const std::string reply = scripted("END", script_.end);
    if (reply.starts_with("2")) mails.push_back(mail_);
    mail_ = Mail{};
    say(reply);
  }

  std::string scripted(const std::string& line, std::string usual) {
    for (auto it = script_.once.begin(); it != script_.once.end(); ++it) {
      if (!line.starts_with(it->first)) continue;
      std::string reply = it->second;
      script_.once.erase(it);
      return reply;
    }
    for (const auto& [prefix, reply] : script_.replies) {
      if (line.starts_with(prefix)) return reply;
    }
    return usual;
  }

  void obey(const std::string& line) {
    const std::string verb = line.substr(0, 4);
    if (verb == "EHLO") return say(scripted(line, script_.ehlo));
    if (verb == "MAIL") {
      const std::string reply = scripted(line, "250 ok\r\n");
      mail_ = Mail{};
      mail_.from = line;
      has_mail_ = reply.starts_with("2");
      return say(reply);
    }
    if (verb == "RCPT") {
      const std::string reply = scripted(line, has_mail_ ? "250 ok\r\n" : "503 MAIL first\r\n");
      if (reply.starts_with("2")) mail_.to.push_back(line);
      return say(reply);
    }
    if (verb == "DATA") {
      const std::string reply =
          scripted(line, mail_.to.empty() ? "554 no recipients\r\n" : script_.data);
      is_in_data_ = reply.starts_with("354");
      return say(reply);
    }
    if (verb == "BDAT") {
      bdat_left_ = std::stoul(line.substr(5));
      return;
    }
    if (verb == "QUIT") return say(scripted(line, "DROP:221 bye\r\n"));
    if (verb == "STAR") return say(scripted(line, "220 go\r\n"));
    say(scripted(line, "250 ok\r\n"));
  }

  ServerScript script_;
  std::shared_ptr<Pipe> in_, out_;
  std::string input_;
  Mail mail_;
  bool has_mail_ = false, is_in_data_ = false;
  std::size_t bdat_left_ = 0;
  std::size_t scanned_ = 0;  // of a message's octets: no end before it
};

/// A network of fake servers.
class FakeNetwork final : public net::Network {
 public:
  explicit FakeNetwork(base::Worker& worker) : worker_(worker) {}

  struct Host {
    ServerScript script;
    std::optional<Error> error;      ///< connecting fails at once
    bool is_silent = false;          ///< connecting times out
    std::vector<ServerScript> then;  ///< for the second connection and later ones
    std::size_t connections = 0;
    std::size_t room = 1 << 20;
    std::size_t read_max = 1 << 20;
  };
  Host& host(const std::string& endpoint) { return hosts_[*net::parse_endpoint(endpoint)]; }

  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to,
                                                           net::ConnectOptions options,
                                                           base::Steady deadline) override {
    tried.push_back(net::format_endpoint(to));
    sources.push_back(options.source ? options.source->to_string() : "");
    const auto found = hosts_.find(to);
    if (found == hosts_.end()) co_return Error(net::Errc::Refused);
    Host& host = found->second;
    if (host.error) co_return *host.error;
    if (host.is_silent) {
      ++waiting;
      auto waiter = std::make_shared<base::Completion<bool>>();
      const auto end = [waiter](bool is_late) {
        if (*waiter) std::exchange(*waiter, {})(is_late);
      };
      auto begin = [&](base::Completion<bool> done) {
        *waiter = std::move(done);
        worker_.clock.call_at(deadline, [end] { end(true); });
      };
      const net::Cancellation::Wait wait(
          options.cancel, [end, this] { worker_.executor.post([end] { end(false); }); });
      const bool is_late = co_await base::suspend<bool>(std::move(begin));
      --waiting;
      co_return Error(is_late ? net::Errc::TimedOut : net::Errc::Closed);
    }
    auto up = std::make_shared<Pipe>();
    auto down = std::make_shared<Pipe>();
    up->room = host.room;
    auto stream = std::make_unique<MemoryStream>(worker_, down, up, to);
    stream->read_max = host.read_max;
    const std::size_t number = host.connections++;
    const ServerScript& script = number == 0 || host.then.empty()
                                     ? host.script
                                     : host.then[std::min(number, host.then.size()) - 1];
    servers.push_back(std::make_unique<FakeServer>(script, up, down));
    co_return std::unique_ptr<net::Stream>(std::move(stream));
  }
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint, net::ListenOptions,
      base::Function<void(std::unique_ptr<net::Stream>)>) override {
    return Error(net::Errc::Other);
  }

  std::vector<std::string> tried, sources;
  std::size_t waiting = 0;  ///< for hosts that are silent
  std::vector<std::unique_ptr<FakeServer>> servers;

 private:
  base::Worker& worker_;
  std::map<net::Endpoint, Host> hosts_;
};

}  // namespace ekiden::test
