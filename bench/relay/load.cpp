// An SMTP client that loads a relay: one thread, epoll, connects that never block, so that it takes
// as little as possible from what it measures.
//
//   load --port P --messages N [--size OCTETS | --mix] [--sessions S] [--new] [--pipeline] [--tls]
//        [--to ADDRESS] [--rate PER_SECOND] [--acks FILE] [--time-limit SECONDS] [--first N]
//        [--errors-max N]
//
// --mix: sizes as in real mail (kMix). --tls: from the first octet, a full handshake for each
// connection, any certificate. --new: a connection for each message; without it each session keeps
// its own. --pipeline: MAIL, RCPT and DATA in one write. --rate: messages become due at this rate
// and free sessions take them (offered load); without it each session sends its next one at once.
// --acks: for each message answered 250 its number and the time, as 64-bit integers (microseconds
// of CLOCK_MONOTONIC).
//
// A message counts when its 250 after the final dot is here. One that is refused or cut off for
// now counts as an error and is sent again; unanswered are those of them whose final dot had been
// sent. --first: the number of the first message. The last line on standard output:
//   acked N errors E unanswered U offered O seconds T rate R p50 A p95 B p99 C max D
// with times to 250 in milliseconds, from MAIL (or the connect, with --new) on; under --rate from
// the instant at which the message was due.
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int kEventsMax = 256;
constexpr std::int64_t kRetryAfterUs = 100'000;
/// A connect whose greeting takes longer was lost in a full accept queue.
constexpr std::int64_t kGreetingUsMax = 2'000'000;

/// Of a hundred messages, so many have so many octets: notices and resets, newsletters, invoices,
/// photographs. 42 KiB on average, half of them under 8 KiB.
struct Share {
  unsigned percent;
  std::size_t octets;
};
constexpr Share kMix[] = {{20, 2'000},  {30, 7'000},  {25, 20'000},
                          {17, 60'000}, {6, 200'000}, {2, 700'000}};
constexpr std::size_t kLineOctets = 80;

std::int64_t now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(3);
}

struct Options {
  int port = 0;
  std::uint64_t messages = 1;
  std::size_t size = 10'240;
  std::size_t sessions = 1;
  bool is_new = false, is_pipelined = false, is_mixed = false, is_tls = false;
  std::string to = "sink@receiver.test";
  double rate = 0;
  std::string acks;
  double time_limit_s = 600;
  std::uint64_t first = 1;
  std::uint64_t errors_max = 0;  ///< 0: half of the messages, and 10,000
};

enum class Stage : std::uint8_t {
  Resting,  // no connection; `wakes_at` says when to try again, 0: nothing left to do
  Waiting,  // connected and greeted, nothing is due
  Connecting,
  Handshake,
  Greeting,
  Ehlo,
  Mail,
  Rcpt,
  Data,
  Group,  // MAIL, RCPT and DATA are under way
  Body,
  Quit,
};

struct Session {
  int fd = -1;
  SSL* ssl = nullptr;
  Stage stage = Stage::Resting;
  std::int64_t begun_us = 0;  ///< of the message, or of the connect
  std::int64_t connect_us = 0;
  std::int64_t wakes_at = 0;
  std::uint64_t message = 0;  ///< its number, from 1; 0: none
  int replies_missing = 0;    ///< in Stage::Group
  std::string head;           ///< the message's first fields
  std::string_view out, out_after;
  char in[2048];
  std::size_t in_size = 0;
  bool wants_write = false;
};

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)), sessions_(options_.sessions) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) die("epoll");
    // The fields that differ have one length, so every message has the size that was asked for.
    const std::size_t head = format_head(0).size();
    std::size_t largest = options_.size;
    if (options_.is_mixed) {
      for (const Share& share : kMix) largest = std::max(largest, share.octets);
    }
    const std::size_t size = std::max(largest, head + 2) - head;
    while (filler_.size() < size) {
      const std::size_t left = size - filler_.size();
      filler_.append(left >= kLineOctets + 2 ? kLineOctets - 2 : (left > 2 ? left - 2 : 0), 'x');
      filler_ += "\r\n";
    }
    filler_ += ".\r\n";
    mail_ = "MAIL FROM:<bench@sender.test>\r\n";
    rcpt_ = "RCPT TO:<" + options_.to + ">\r\n";
    group_ = mail_ + rcpt_ + "DATA\r\n";
    if (options_.is_tls) {
      tls_ = SSL_CTX_new(TLS_client_method());
      if (tls_ == nullptr) die("TLS");
      SSL_CTX_set_mode(tls_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    }
    times_us_.reserve(options_.messages);
    if (!options_.acks.empty()) {
      acks_ = std::fopen(options_.acks.c_str(), "wb");
      if (acks_ == nullptr) die("--acks");
    }
  }

  int run() {
    start_us_ = now_us();
    for (Session& session : sessions_) next(session);
    epoll_event events[kEventsMax];
    std::int64_t last_sweep = start_us_;
    while (acked_ < options_.messages) {
      const int count = epoll_wait(epoll_, events, kEventsMax, options_.rate > 0 ? 1 : 20);
      for (int i = 0; i < count; ++i) {
        Session& session = *static_cast<Session*>(events[i].data.ptr);
        if (session.fd >= 0) happened(session, events[i].events);
      }
      const std::int64_t now = now_us();
      if (options_.rate > 0) offer(now);
      if (now - last_sweep > 20'000) {
        last_sweep = now;
        sweep(now);
      }
      if (static_cast<double>(now - start_us_) * 1e-6 > options_.time_limit_s) {
        std::fprintf(stderr, "load: the time limit is over\n");
        break;
      }
    }
    report();
    return acked_ == options_.messages ? 0 : 1;
  }

 private:
  static std::string format_head(std::uint64_t message) {
    char number[32];
    std::snprintf(number, sizeof number, "%010llu", static_cast<unsigned long long>(message));
    std::string head = "X-Bench: ";
    head += number;
    head +=
        "\r\nFrom: <bench@sender.test>\r\nTo: <sink@receiver.test>\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <";
    head += number;
    head += "@sender.test>\r\nSubject: load\r\n\r\n";
    return head;
  }

  std::uint64_t number_of(const Session& session) const {
    return options_.first + session.message - 1;
  }
  bool has_due() const { return taken_ < (options_.rate > 0 ? offered_ : options_.messages); }

  /// What follows the head: the end of the filler, from the start of a line on.
  std::string_view body_of(std::uint64_t message) const {
    if (!options_.is_mixed) return filler_;
    // Spread evenly, and the same in every run.
    unsigned at = static_cast<unsigned>(message * 37 % 100);
    const Share* share = kMix;
    while (at >= share->percent) at -= (share++)->percent;
    const std::size_t lines =
        (filler_.size() - std::min(filler_.size(), share->octets)) / kLineOctets;
    return std::string_view(filler_).substr(lines * kLineOctets);
  }

  /// Puts what has become due into the hands of sessions that wait.
  void offer(std::int64_t now) {
    const auto whole =
        static_cast<std::uint64_t>(static_cast<double>(now - start_us_) * 1e-6 * options_.rate);
    offered_ = std::min(whole, options_.messages);
    while (has_due() && !idle_.empty()) {
      Session& session = *idle_.back();
      idle_.pop_back();
      if (session.stage == Stage::Waiting) {
        take(session);
        mail(session);
      } else if (session.stage == Stage::Resting) {
        next(session);
      }
    }
  }

  void take(Session& session) {
    session.message = ++taken_;
    session.begun_us = now_us();
    if (options_.rate > 0)
      session.begun_us =
          start_us_ + static_cast<std::int64_t>(static_cast<double>(taken_) * 1e6 / options_.rate);
  }

  /// A session without a connection begins, when there is something to do.
  void next(Session& session) {
    session.wakes_at = 0;
    if (options_.rate > 0 && !options_.is_new && session.fd < 0 && session.message == 0) {
      connect(session);  // Ready before anything is due.
      return;
    }
    if (session.message == 0) {
      if (!has_due()) {
        session.stage = Stage::Resting;
        if (options_.rate > 0) idle_.push_back(&session);
        return;
      }
      take(session);
    }
    connect(session);
  }

  void connect(Session& session) {
    session.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (session.fd < 0) die("socket");
    const int on = 1;
    setsockopt(session.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    session.stage = Stage::Connecting;
    session.connect_us = now_us();
    session.in_size = 0;
    session.out = session.out_after = {};
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.ptr = &session;
    session.wants_write = true;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, session.fd, &event) != 0) die("epoll_ctl");
    if (::connect(session.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
        errno != EINPROGRESS)
      failed(session, "connect");
  }

  void close(Session& session) {
    if (session.ssl != nullptr) SSL_free(std::exchange(session.ssl, nullptr));
    ::close(session.fd);
    session.fd = -1;
  }

  /// This attempt is over; the message, if any, is sent again on a new connection.
  void failed(Session& session, const char* why) {
    if (++errors_ <= 3)
      std::fprintf(stderr, "load: %s: %.*s\n", why, static_cast<int>(session.in_size), session.in);
    if (session.stage == Stage::Body) ++unanswered_;
    if (errors_ >
        (options_.errors_max != 0 ? options_.errors_max : options_.messages / 2 + 10'000)) {
      std::fprintf(stderr, "load: too many errors\n");
      report();
      std::exit(1);
    }
    close(session);
    session.stage = Stage::Resting;
    session.wakes_at = now_us() + kRetryAfterUs;
  }

  void sweep(std::int64_t now) {
    for (Session& session : sessions_) {
      if (session.stage == Stage::Resting && session.wakes_at != 0 && now >= session.wakes_at)
        next(session);
      else if ((session.stage == Stage::Connecting || session.stage == Stage::Handshake ||
                session.stage == Stage::Greeting) &&
               now - session.connect_us > kGreetingUsMax)
        failed(session, "no greeting in 2 s");
    }
  }

  void watch(Session& session, bool wants_write) {
    if (session.wants_write == wants_write) return;
    session.wants_write = wants_write;
    epoll_event event{};
    event.events = EPOLLIN | (wants_write ? static_cast<unsigned>(EPOLLOUT) : 0u);
    event.data.ptr = &session;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, session.fd, &event);
  }

  void write(Session& session, Stage stage, std::string_view octets, std::string_view after = {}) {
    session.stage = stage;
    session.out = octets;
    session.out_after = after;
    flush(session);
  }

  void flush(Session& session) {
    while (!session.out.empty()) {
      const iovec pieces[2] = {
          {const_cast<char*>(session.out.data()), session.out.size()},
          {const_cast<char*>(session.out_after.data()), session.out_after.size()}};
      const ssize_t n =
          session.ssl != nullptr
              ? SSL_write(session.ssl, pieces[0].iov_base, static_cast<int>(pieces[0].iov_len))
              : writev(session.fd, pieces, session.out_after.empty() ? 1 : 2);
      if (n <= 0) break;  // A real error shows up in the next read.
      auto left = static_cast<std::size_t>(n);
      const std::size_t first = std::min(left, session.out.size());
      session.out.remove_prefix(first);
      left -= first;
      session.out_after.remove_prefix(left);
      if (session.out.empty()) session.out = std::exchange(session.out_after, {});
    }
    watch(session, !session.out.empty());
  }

  void mail(Session& session) {
    if (options_.is_pipelined) {
      session.replies_missing = 3;
      write(session, Stage::Group, group_);
    } else {
      write(session, Stage::Mail, mail_);
    }
  }

  void body(Session& session) {
    session.head = format_head(number_of(session));
    write(session, Stage::Body, session.head, body_of(session.message));
  }

  void happened(Session& session, std::uint32_t what) {
    if (session.stage == Stage::Connecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(session.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        failed(session, std::strerror(error));
        return;
      }
      if ((what & EPOLLOUT) == 0) return;
      session.stage = Stage::Greeting;
      watch(session, false);
      if (tls_ != nullptr) {
        session.ssl = SSL_new(tls_);
        SSL_set_fd(session.ssl, session.fd);
        SSL_set_connect_state(session.ssl);
        session.stage = Stage::Handshake;
      }
    }
    if (session.stage == Stage::Handshake) {
      const int done = SSL_do_handshake(session.ssl);
      if (done != 1) {
        const int why = SSL_get_error(session.ssl, done);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) failed(session, "TLS");
        return;
      }
      session.stage = Stage::Greeting;
    } else if ((what & EPOLLOUT) != 0) {
      flush(session);
    }
    if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(session);
  }

  /// As read(2).
  static ssize_t receive(Session& session) {
    char* const into = session.in + session.in_size;
    const std::size_t room = sizeof session.in - session.in_size;
    if (session.ssl == nullptr) return ::read(session.fd, into, room);
    const int n = SSL_read(session.ssl, into, static_cast<int>(room));
    if (n > 0) return n;
    const int why = SSL_get_error(session.ssl, n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
      errno = EAGAIN;
      return -1;
    }
    ERR_clear_error();
    return 0;
  }

  void read(Session& session) {
    for (;;) {
      const ssize_t n = receive(session);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        if (session.stage == Stage::Quit) {
          close(session);
          next(session);
        } else {
          failed(session, n == 0 ? "closed" : std::strerror(errno));
        }
        return;
      }
      session.in_size += static_cast<std::size_t>(n);
      for (;;) {
        const auto* end = static_cast<const char*>(std::memchr(session.in, '\n', session.in_size));
        if (end == nullptr) break;
        const auto length = static_cast<std::size_t>(end - session.in) + 1;
        const bool is_last = length < 5 || session.in[3] != '-';
        const char kind = session.in[0];
        const bool is_kept = !is_last || replied(session, kind);
        if (!is_kept) return;
        std::memmove(session.in, session.in + length, session.in_size - length);
        session.in_size -= length;
      }
      if (session.in_size == sizeof session.in) session.in_size = 0;
    }
  }

  /// One whole reply; false when the connection is gone.
  bool replied(Session& session, char kind) {
    if (kind != '2' && kind != '3') {
      if (session.stage == Stage::Quit) return true;
      failed(session, "refused");
      return false;
    }
    switch (session.stage) {
      case Stage::Greeting:
        write(session, Stage::Ehlo, "EHLO load.sender.test\r\n");
        break;
      case Stage::Ehlo:
        ready(session);
        break;
      case Stage::Mail:
        write(session, Stage::Rcpt, rcpt_);
        break;
      case Stage::Rcpt:
        write(session, Stage::Data, "DATA\r\n");
        break;
      case Stage::Group:
        if (--session.replies_missing > 0) break;
        [[fallthrough]];
      case Stage::Data:
        body(session);
        break;
      case Stage::Body:
        acked(session);
        break;
      default:
        break;
    }
    return session.fd >= 0;
  }

  void ready(Session& session) {
    if (session.message == 0 && !has_due()) {
      session.stage = Stage::Waiting;
      idle_.push_back(&session);
      return;
    }
    if (session.message == 0) take(session);
    mail(session);
  }

  void acked(Session& session) {
    const std::int64_t now = now_us();
    times_us_.push_back(now - session.begun_us);
    last_ack_us_ = now;
    ++acked_;
    if (acks_ != nullptr) {
      const std::int64_t record[2] = {static_cast<std::int64_t>(number_of(session)), now};
      std::fwrite(record, sizeof record, 1, acks_);
    }
    session.message = 0;
    if (!options_.is_new && (has_due() || options_.rate > 0))
      ready(session);
    else
      write(session, Stage::Quit, "QUIT\r\n");
  }

  void report() {
    if (acks_ != nullptr) std::fclose(std::exchange(acks_, nullptr));
    std::sort(times_us_.begin(), times_us_.end());
    const auto at = [&](double part) {
      if (times_us_.empty()) return 0.0;
      return static_cast<double>(times_us_[static_cast<std::size_t>(
                 static_cast<double>(times_us_.size() - 1) * part)]) /
             1000.0;
    };
    const double seconds = static_cast<double>(last_ack_us_ - start_us_) * 1e-6;
    std::printf(
        "acked %llu errors %llu unanswered %llu offered %llu seconds %.3f rate %.1f p50 %.3f p95 "
        "%.3f p99 %.3f "
        "max %.3f\n",
        static_cast<unsigned long long>(acked_), static_cast<unsigned long long>(errors_),
        static_cast<unsigned long long>(unanswered_),
        static_cast<unsigned long long>(options_.rate > 0 ? offered_ : options_.messages), seconds,
        seconds > 0 ? static_cast<double>(acked_) / seconds : 0, at(.5), at(.95), at(.99), at(1));
  }

  Options options_;
  std::vector<Session> sessions_;
  std::string filler_, mail_, rcpt_, group_;
  SSL_CTX* tls_ = nullptr;
  std::vector<Session*> idle_;
  std::vector<std::int64_t> times_us_;
  std::FILE* acks_ = nullptr;
  int epoll_ = -1;
  std::uint64_t acked_ = 0, errors_ = 0, unanswered_ = 0, offered_ = 0, taken_ = 0;
  std::int64_t start_us_ = 0, last_ack_us_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const option known[] = {{"port", 1, nullptr, 'p'},       {"messages", 1, nullptr, 'm'},
                          {"size", 1, nullptr, 'l'},       {"sessions", 1, nullptr, 's'},
                          {"new", 0, nullptr, 'n'},        {"pipeline", 0, nullptr, 'g'},
                          {"rate", 1, nullptr, 'r'},       {"acks", 1, nullptr, 'a'},
                          {"time-limit", 1, nullptr, 't'}, {"first", 1, nullptr, 'f'},
                          {"errors-max", 1, nullptr, 'e'}, {"mix", 0, nullptr, 'x'},
                          {"tls", 0, nullptr, 'c'},        {"to", 1, nullptr, 'o'},
                          {nullptr, 0, nullptr, 0}};
  for (int c = 0; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (c) {
      case 'x':
        options.is_mixed = true;
        break;
      case 'c':
        options.is_tls = true;
        break;
      case 'o':
        options.to = optarg;
        break;
      case 'p':
        options.port = std::atoi(optarg);
        break;
      case 'm':
        options.messages = std::strtoull(optarg, nullptr, 10);
        break;
      case 'l':
        options.size = std::strtoull(optarg, nullptr, 10);
        break;
      case 's':
        options.sessions = std::strtoull(optarg, nullptr, 10);
        break;
      case 'n':
        options.is_new = true;
        break;
      case 'g':
        options.is_pipelined = true;
        break;
      case 'r':
        options.rate = std::atof(optarg);
        break;
      case 'a':
        options.acks = optarg;
        break;
      case 'f':
        options.first = std::strtoull(optarg, nullptr, 10);
        break;
      case 'e':
        options.errors_max = std::strtoull(optarg, nullptr, 10);
        break;
      case 't':
        options.time_limit_s = std::atof(optarg);
        break;
      default:
        return 2;
    }
  }
  if (options.port == 0 || options.messages == 0 || options.sessions == 0) {
    std::fprintf(stderr, "load: --port, --messages and --sessions are needed\n");
    return 2;
  }
  Load load(std::move(options));
  return load.run();
}
