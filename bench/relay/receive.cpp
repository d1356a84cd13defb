// A mail server that takes everything, keeps nothing, and says when: one thread, epoll.
//
//   receive --port P --out FILE [--arrivals MAX] [--stamp-mail] [--latency MILLISECONDS]
//
// FILE begins with the count of messages taken, the time of the first and of the last as 64-bit
// integers (microseconds of CLOCK_MONOTONIC), kept up to date through shared memory. Behind it
// stands, for each message that carries "X-Bench: N", the time of its first arrival, at place N.
// `--arrivals MAX` makes room for them; without it only the front is kept. `--stamp-mail`: the time
// is that of its MAIL, not of its end. `--latency`: each reply waits so long.
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>

namespace {

constexpr int kEventsMax = 256;
constexpr std::size_t kReadOctets = 64 * 1024;
constexpr std::size_t kLineOctetsMax = 4096;
/// How far into a message the number is looked for: behind what relays put in front.
constexpr std::size_t kHeadOctetsMax = 4096;

struct Front {
  std::int64_t count, first_us, last_us;
};

std::int64_t now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "receive: %s: %s\n", what, std::strerror(errno));
  std::exit(3);
}

Front* front = nullptr;
std::int64_t* arrivals = nullptr;
std::uint64_t arrivals_max = 0;
bool stamps_mail = false;

class Session;

/// A reply that waits for its time.
struct Late {
  std::int64_t due_us;
  Session* session;
  std::string reply;
};
std::int64_t latency_us = 0;
std::deque<Late> late;  ///< in the order of `due_us`

class Session {
 public:
  explicit Session(int fd) : fd_(fd) { say("220 receive.test ESMTP\r\n"); }
  ~Session() { close(fd_); }

  void speak(const Late& one) {
    --waiting_;
    // A failure shows up in the next read.
    if (!is_over_ && write(fd_, one.reply.data(), one.reply.size()) < 0) return;
  }
  /// Nothing is left to say, and nobody to hear it.
  bool is_done() const { return is_over_ && waiting_ == 0; }
  void hang_up() { is_over_ = true; }
  int descriptor() const { return fd_; }

  /// False at the end of the connection.
  bool read() {
    static char octets[kReadOctets];
    const ssize_t n = ::read(fd_, octets, sizeof octets);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    std::string_view rest(octets, static_cast<std::size_t>(n));
    while (!rest.empty() && !is_over_) rest = is_in_data_ ? data(rest) : command(rest);
    if (!replies_.empty() && latency_us > 0) {
      late.push_back({now_us() + latency_us, this, std::move(replies_)});
      ++waiting_;
      replies_.clear();
    } else if (!replies_.empty()) {
      // Replies are short; a peer that does not read them is not one we measure with.
      if (write(fd_, replies_.data(), replies_.size()) < 0) return false;
      replies_.clear();
    }
    return !is_over_;
  }

 private:
  void say(std::string_view reply) {
    if (write(fd_, reply.data(), reply.size()) < 0) is_over_ = true;
  }

  std::string_view command(std::string_view rest) {
    const std::size_t end = rest.find('\n');
    line_.append(rest.substr(0, end));
    if (line_.size() > kLineOctetsMax) is_over_ = true;
    if (end == std::string_view::npos) return {};
    const std::string_view verb = std::string_view(line_).substr(0, 4);
    const auto is = [&](const char* name) {
      return verb.size() == 4 && strncasecmp(verb.data(), name, 4) == 0;
    };
    if (is("EHLO")) {
      replies_ += "250-receive.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n";
    } else if (is("MAIL")) {
      mail_us_ = now_us();
      replies_ += "250 ok\r\n";
    } else if (is("DATA")) {
      replies_ += "354 go on\r\n";
      is_in_data_ = true;
      head_.clear();
      tail_ = "\r\n";
    } else if (is("QUIT")) {
      say("221 bye\r\n");
      is_over_ = true;
    } else {
      replies_ += "250 ok\r\n";
    }
    line_.clear();
    return rest.substr(end + 1);
  }

  /// Looks for CRLF "." CRLF; what stays in `tail_` is the end of what came before.
  std::string_view data(std::string_view rest) {
    static constexpr std::string_view kEnd = "\r\n.\r\n";
    if (head_.size() < kHeadOctetsMax) head_.append(rest.substr(0, kHeadOctetsMax - head_.size()));
    // The end may begin in an earlier read.
    std::string seam = tail_;
    seam.append(rest.substr(0, kEnd.size() - 1));
    std::size_t end = seam.find(kEnd);
    std::size_t used;
    if (end != std::string::npos) {
      used = end + kEnd.size() - tail_.size();
    } else if ((end = rest.find(kEnd)) != std::string_view::npos) {
      used = end + kEnd.size();
    } else {
      tail_.append(rest.substr(rest.size() - std::min(rest.size(), kEnd.size() - 1)));
      if (tail_.size() > kEnd.size() - 1) tail_.erase(0, tail_.size() - (kEnd.size() - 1));
      return {};
    }
    taken();
    is_in_data_ = false;
    replies_ += "250 taken\r\n";
    return rest.substr(used);
  }

  void taken() {
    const std::int64_t now = now_us();
    if (front->first_us == 0) front->first_us = now;
    front->last_us = now;
    __atomic_store_n(&front->count, front->count + 1, __ATOMIC_RELEASE);
    if (arrivals_max == 0) return;
    const std::size_t at = head_.find("X-Bench: ");
    if (at == std::string::npos) return;
    const std::uint64_t number = std::strtoull(head_.c_str() + at + 9, nullptr, 10);
    if (number < arrivals_max && arrivals[number] == 0)
      arrivals[number] = stamps_mail ? mail_us_ : now;
  }

  int fd_;
  std::int64_t mail_us_ = 0;
  int waiting_ = 0;
  bool is_in_data_ = false, is_over_ = false;
  std::string line_, replies_, head_, tail_;
};

}  // namespace

int main(int argc, char** argv) {
  int port = 0;
  std::string out;
  const option known[] = {{"port", 1, nullptr, 'p'},       {"out", 1, nullptr, 'o'},
                          {"arrivals", 1, nullptr, 'a'},   {"latency", 1, nullptr, 'l'},
                          {"stamp-mail", 0, nullptr, 'm'}, {nullptr, 0, nullptr, 0}};
  for (int c = 0; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    if (c == 'p')
      port = std::atoi(optarg);
    else if (c == 'o')
      out = optarg;
    else if (c == 'm')
      stamps_mail = true;
    else if (c == 'l')
      latency_us = std::atoll(optarg) * 1000;
    else if (c == 'a')
      arrivals_max = std::strtoull(optarg, nullptr, 10) + 1;
    else
      return 2;
  }
  if (out.empty() || port == 0) return 2;

  const int file = open(out.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::size_t size = sizeof(Front) + arrivals_max * sizeof(std::int64_t);
  if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0) die("--out");
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) die("mmap");
  front = static_cast<Front*>(memory);
  arrivals = reinterpret_cast<std::int64_t*>(front + 1);

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) die("bind");
  if (listen(listener, 1000) != 0) die("listen");
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);

  epoll_event events[kEventsMax];
  for (;;) {
    int wait_ms = -1;
    if (!late.empty())
      wait_ms =
          static_cast<int>(std::max<std::int64_t>(0, late.front().due_us - now_us() + 999) / 1000);
    const int count = epoll_wait(poll, events, kEventsMax, wait_ms);
    while (!late.empty() && late.front().due_us <= now_us()) {
      Session* const session = late.front().session;
      session->speak(late.front());
      late.pop_front();
      if (session->is_done()) delete session;
    }
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr != nullptr) {
        auto* session = static_cast<Session*>(events[i].data.ptr);
        if (session->read()) continue;
        session->hang_up();
        epoll_ctl(poll, EPOLL_CTL_DEL, session->descriptor(), nullptr);
        if (session->is_done()) delete session;
        continue;
      }
      for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event.data.ptr = new Session(fd);
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
      }
    }
  }
}
