// Invariants:
// - A connection holds at most kRequestOctetsMax of input, and of output kGathered and a line.
// - Exactly one line with "done" ends each answer; after a line that is no request, or one too
//   long, the connection is closed, because its next octets mean nothing.
#include "ekiden/control/server.hpp"

#include <span>
#include <utility>

namespace ekiden::control {

namespace {

/// Items of a long answer are written so many octets at a time: a write for each of 200,000 rows
/// took longer than finding them.
constexpr std::size_t kGathered = 16 * 1024;
/// One that comes this long after the last write is progress, for which somebody waits.
constexpr base::Duration kIsProgress = std::chrono::milliseconds(20);

class StreamWriter final : public ResponseWriter {
 public:
  StreamWriter(net::Stream& stream, base::Clock& clock, base::Duration patience)
      : stream_(stream), clock_(clock), patience_(patience) {}

  base::Task<bool> item(boost::json::object item) override {
    gathered_ += format_item(item);
    const bool may_wait =
        gathered_.size() < kGathered && clock_.steady() < written_at_ + kIsProgress;
    if (may_wait) co_return is_open_;
    const std::string_view no_more;
    co_return co_await write(no_more);
  }

  /// A line, behind what was gathered.
  base::Task<bool> write(std::string_view line) {
    if (!is_open_) co_return false;
    gathered_ += line;
    const std::string octets = std::exchange(gathered_, {});
    const std::string_view view = octets;
    const Result<void> written =
        co_await net::write_all(stream_, view, clock_.steady() + patience_);
    written_at_ = clock_.steady();
    if (!written) is_open_ = false;
    co_return is_open_;
  }

 private:
  net::Stream& stream_;
  base::Clock& clock_;
  base::Duration patience_;
  std::string gathered_;
  base::Steady written_at_{};
  bool is_open_ = true;
};

}  // namespace

Server::Server(base::Worker& worker, ServerOptions options)
    : worker_(worker), options_(options), tasks_(worker) {}

void Server::add(std::string command, Handler handler) {
  handlers_[std::move(command)] = std::move(handler);
}

Result<void> Server::listen(const std::string& path) {
  auto listener = net::listen_unix(
      worker_, path, [this](std::unique_ptr<net::Stream> stream) { serve(std::move(stream)); });
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

void Server::serve(std::unique_ptr<net::Stream> stream) {
  if (tasks_.size() >= options_.clients_max) {
    const Answer full{Problem{"unavailable", "too many control connections are open"}};
    const std::string line = format_answer(full);
    const std::string_view piece = line;
    // One try, no waiting: the connection ends here whether it was heard or not.
    (void)stream->try_write(std::span(&piece, 1));
    return;
  }
  tasks_.spawn(run(std::move(stream)));
}

void Server::stop(base::Work done) {
  listener_.reset();
  tasks_.close();
  tasks_.when_empty(std::move(done));
}

base::Task<void> Server::run(std::unique_ptr<net::Stream> stream) {
  const auto stop = tasks_.on_stop([&stream] { stream->close(); });
  StreamWriter writer(*stream, worker_.clock, options_.write_max);
  std::string input;
  std::size_t seen = 0;
  for (;;) {
    std::size_t end = input.find('\n', seen);
    while (end == std::string::npos) {
      seen = input.size();
      if (seen > kRequestOctetsMax) {
        const Answer refusal{Problem{"bad_request", "the request is longer than 65536 octets"}};
        const std::string line = format_answer(refusal);
        co_await writer.write(line);
        co_return;
      }
      char chunk[4096];
      const std::span<char> into(chunk);
      const Result<std::size_t> octets =
          co_await net::read_some(*stream, into, worker_.clock.steady() + options_.idle_max);
      if (!octets) co_return;
      input.append(chunk, *octets);
      end = input.find('\n', seen);
    }
    std::string request = input.substr(0, end);
    input.erase(0, end + 1);
    seen = 0;
    const Answer result = co_await answer(std::move(request), writer);
    const std::string line = format_answer(result);
    const bool is_heard = co_await writer.write(line);
    const bool is_lost =
        !result && (result.problem.code == "bad_line" || result.problem.code == "version");
    if (!is_heard || is_lost) co_return;
  }
}

base::Task<Answer> Server::answer(std::string line, ResponseWriter& writer) {
  const Outcome<Request> request = parse_request(line);
  if (!request) co_return Answer(request.problem);
  const auto handler = handlers_.find(request.value->command);
  if (handler == handlers_.end()) {
    co_return Answer(
        Problem{"unknown_command", "this node has no command \"" + request.value->command + "\""});
  }
  co_return co_await handler->second(*request.value, writer);
}

}  // namespace ekiden::control
