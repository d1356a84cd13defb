#include "tests/simulation/clients.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kPatience = std::chrono::minutes(15);

/// Counts one session while it lives.
class Counted {
 public:
  explicit Counted(Crowd* crowd) : crowd_(crowd) {
    if (crowd_ != nullptr) crowd_->most = std::max(crowd_->most, ++crowd_->now);
  }
  ~Counted() { leave(); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  void leave() {
    if (Crowd* const crowd = std::exchange(crowd_, nullptr)) --crowd->now;
  }

 private:
  Crowd* crowd_;
};

/// One client's session, and its manner.
class Session {
 public:
  Session(World& world, std::unique_ptr<net::Stream> stream, Manner manner)
      : world_(world), stream_(std::move(stream)), manner_(manner) {}

  /// Nothing: the session is over.
  base::Task<std::optional<std::string>> reply() {
    co_return co_await stream_.reply(world_.steady() + kPatience);
  }
  base::Task<bool> write(std::string octets) {
    if (++steps_ == manner_.hangs_up_at) {
      stream_.close();
      co_return false;
    }
    if (manner_.pause.count() > 0) {
      auto begin = [this](base::Completion<bool> done) {
        world_.after(manner_.pause, [done = std::move(done)]() mutable { done(true); });
      };
      (void)co_await base::suspend<bool>(std::move(begin));
    }
    co_return co_await stream_.write(std::move(octets), world_.steady() + kPatience);
  }
  base::Task<std::optional<std::string>> ask(std::string command) {
    const bool is_written = co_await write(std::move(command));
    if (!is_written) co_return std::nullopt;
    co_return co_await reply();
  }
  const Manner& manner() const { return manner_; }
  /// False: no handshake, and the session is over.
  base::Task<bool> cover() {
    tls::ClientOptions options;
    options.server_name = "relay.example";
    options.session_key = "relay";
    std::unique_ptr<net::Stream> raw = stream_.release();
    Result<std::unique_ptr<net::Stream>> secured = co_await tls::connect(
        manner_.secrecy->client(), std::move(raw), std::move(options), world_.steady() + kPatience);
    if (!secured) co_return false;
    stream_.cover(std::move(*secured));
    co_return true;
  }

 private:
  World& world_;
  LineStream stream_;
  Manner manner_;
  unsigned steps_ = 0;
};

std::string stuffed(const std::string& octets) {
  std::string out;
  out.reserve(octets.size() + 64);
  for (std::size_t at = 0; at < octets.size();) {
    const std::size_t end = octets.find("\r\n", at) + 2;
    if (octets[at] == '.') out += '.';
    out.append(octets, at, end - at);
    at = end;
  }
  return out;
}

/// Everything but its last octets in slices, the last with the promise to be kept from there on.
base::Task<bool> write_body(Session& session, std::shared_ptr<Submission> mail,
                            std::string octets) {
  const std::size_t slice = session.manner().slice;
  std::size_t at = 0;
  if (slice > 0) {
    for (; octets.size() - at > slice; at += slice) {
      std::string piece = octets.substr(at, slice);
      const bool is_written = co_await session.write(std::move(piece));
      if (!is_written) co_return false;
    }
  } else if (octets.size() > 4) {
    // The dot goes alone when the client may hang up before it.
    at = session.manner().hangs_up_at > 0 ? octets.size() - 4 : 0;
    if (at > 0) {
      std::string piece = octets.substr(0, at);
      const bool is_written = co_await session.write(std::move(piece));
      if (!is_written) co_return false;
    }
  }
  std::string last = octets.substr(at);
  // From here on the relay may have it, whatever the client hears.
  mail->was_sent_whole = true;
  co_return co_await session.write(std::move(last));
}

/// False: the session is over.
base::Task<bool> send(Session& session, std::shared_ptr<Submission> mail, bool* is_taken) {
  const Manner& manner = session.manner();
  const std::string& author = mail->header_from.empty() ? mail->reverse_path : mail->header_from;
  std::string octets = "From: <" + author + ">\r\nSubject: " + mail->token + mail->subject_more +
                       "\r\n" + mail->header + "\r\n" + mail->body;
  if (mail->has_bare_newline) octets += "bare\nline\r\n";
  std::string from =
      "MAIL FROM:<" + (mail->given_path.empty() ? mail->reverse_path : mail->given_path) + ">";
  if (mail->is_binary) {
    from += " BODY=BINARYMIME";
  } else if (mail->is_eight_bit) {
    from += " BODY=8BITMIME";
  }
  from += mail->mail_parameters + "\r\n";
  std::vector<std::string> commands = {from};
  for (const std::string& recipient : mail->wanted)
    commands.push_back("RCPT TO:<" + recipient + ">" +
                       (mail->notify.empty() ? "" : " NOTIFY=" + mail->notify) +
                       mail->rcpt_parameters + "\r\n");

  std::vector<std::string> codes;
  if (manner.pipelines) {
    std::string all;
    for (const std::string& command : commands) all += command;
    const bool is_written = co_await session.write(std::move(all));
    if (!is_written) co_return false;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      std::optional<std::string> code = co_await session.reply();
      if (!code) co_return false;
      codes.push_back(std::move(*code));
    }
  } else {
    for (std::string& command : commands) {
      std::optional<std::string> code = co_await session.ask(std::move(command));
      if (!code) co_return false;
      codes.push_back(std::move(*code));
    }
  }
  for (const std::string& code : codes)
    if (code == "421") co_return false;
  for (std::size_t i = 0; i < mail->wanted.size(); ++i) {
    if (codes[0] != "250" || codes[i + 1] != "250") continue;
    ++mail->taken_rcpts;
    const auto others = mail->stand_ins.find(mail->wanted[i]);
    if (others == mail->stand_ins.end()) {
      mail->recipients.push_back(mail->wanted[i]);
    } else {
      mail->recipients.insert(mail->recipients.end(), others->second.begin(), others->second.end());
    }
  }
  if (!mail->recipients.empty() && !mail->named_instead.empty())
    mail->recipients = mail->named_instead;
  if (mail->recipients.empty()) {
    std::string reset = "RSET\r\n";
    const std::optional<std::string> code = co_await session.ask(std::move(reset));
    co_return code&&* code == "250";
  }

  std::optional<std::string> code;
  if (manner.chunks || mail->is_binary) {
    const std::size_t half = octets.size() / 2;
    std::string first = "BDAT " + std::to_string(half) + "\r\n" + octets.substr(0, half);
    code = co_await session.ask(std::move(first));
    if (!code || *code != "250") co_return false;
    std::string rest =
        "BDAT " + std::to_string(octets.size() - half) + " LAST\r\n" + octets.substr(half);
    mail->was_sent_whole = true;
    code = co_await session.ask(std::move(rest));
  } else {
    std::string data = "DATA\r\n";
    code = co_await session.ask(std::move(data));
    if (!code || *code == "421") co_return false;
    if (*code != "354") {
      mail->reply = *code;
      std::string reset = "RSET\r\n";
      code = co_await session.ask(std::move(reset));
      co_return code&&* code == "250";
    }
    std::string body = stuffed(octets) + ".\r\n";
    const bool is_written = co_await write_body(session, mail, std::move(body));
    if (!is_written) co_return false;
    code = co_await session.reply();
  }
  if (!code) co_return false;
  mail->reply = *code;
  *is_taken = *code == "250";
  co_return *code != "421";
}

/// What comes before the client's first word, up to the greeting. False: it is over.
base::Task<bool> introduce(Session& session) {
  const Manner& manner = session.manner();
  if (!manner.proxy_header.empty()) {
    std::string header = manner.proxy_header;
    const bool is_written = co_await session.write(std::move(header));
    if (!is_written) co_return false;
  }
  if (manner.cover == Cover::Implicit) {
    const bool is_covered = co_await session.cover();
    if (!is_covered) co_return false;
  }
  if (manner.talks_early) {
    std::string early = "EHLO early.example\r\n";
    const bool is_written = co_await session.write(std::move(early));
    if (!is_written) co_return false;
  }
  const std::optional<std::string> code = co_await session.reply();
  co_return code&&* code == "220";
}

/// A command and whether it was answered so.
base::Task<bool> gets(Session& session, std::string command, std::string_view wanted) {
  const std::optional<std::string> code = co_await session.ask(std::move(command));
  co_return code&&* code == wanted;
}

base::Task<bool> log_in(Session& session) {
  const Manner& manner = session.manner();
  const std::string plain = base::encode_base64(std::string(1, '\0') + manner.user +
                                                std::string(1, '\0') + manner.password);
  std::string command = "AUTH PLAIN " + plain + "\r\n";
  if (manner.login == Login::PlainWithoutInitial) {
    std::string begin = "AUTH PLAIN\r\n";
    const bool is_asked = co_await gets(session, std::move(begin), "334");
    if (!is_asked) co_return false;
    command = plain + "\r\n";
  } else if (manner.login == Login::Word) {
    std::string begin = "AUTH LOGIN\r\n";
    const bool is_asked = co_await gets(session, std::move(begin), "334");
    if (!is_asked) co_return false;
    std::string user = base::encode_base64(manner.user) + "\r\n";
    const bool is_asked_again = co_await gets(session, std::move(user), "334");
    if (!is_asked_again) co_return false;
    command = base::encode_base64(manner.password) + "\r\n";
  }
  co_return co_await gets(session, std::move(command), "235");
}

/// EHLO, STARTTLS, AUTH and small talk. False: it is over.
base::Task<bool> say_hello(Session& session) {
  const Manner& manner = session.manner();
  if (manner.talks_early) {
    // Not early enough to be caught: it is answered in its turn.
    const std::optional<std::string> code = co_await session.reply();
    if (!code || *code != "250") co_return false;
  } else {
    std::string hello = manner.says_helo ? "HELO client.example\r\n" : "EHLO client.example\r\n";
    const bool is_welcome = co_await gets(session, std::move(hello), "250");
    if (!is_welcome) co_return false;
  }
  if (manner.cover == Cover::StartTls && !manner.says_helo && !manner.talks_early) {
    std::string start = "STARTTLS\r\n";
    const bool may_start = co_await gets(session, std::move(start), "220");
    if (!may_start) co_return false;
    if (manner.breaks_handshake) {
      std::string nonsense = "this is no handshake at all, and long enough to be seen as none\r\n";
      const bool is_written = co_await session.write(std::move(nonsense));
      if (is_written) (void)co_await session.reply();
      co_return false;
    }
    const bool is_covered = co_await session.cover();
    if (!is_covered) co_return false;
    std::string again = "EHLO client.example\r\n";
    const bool is_welcome = co_await gets(session, std::move(again), "250");
    if (!is_welcome) co_return false;
  }
  if (!manner.user.empty()) {
    const bool is_in = co_await log_in(session);
    if (!is_in) co_return false;
  }
  static const char* const kTalk[] = {"NOOP\r\n", "VRFY good0\r\n", "HELP\r\n",
                                      "RSET\r\n", "EXPN list\r\n",  "AUTH SOMETHING\r\n"};
  static const char* const kNonsense[] = {"AUTH LOGIN\r\n",
                                          "*\r\n",
                                          "RCPT TO:<postmaster>\r\n",
                                          "GET / HTTP/1.1\r\n",
                                          "MAIL FROM\r\n",
                                          "RCPT TO:<good0@one.example>\r\n",
                                          "DATA\r\n",
                                          "MAIL FROM:<a@b@c>\r\n",
                                          "EHLO \r\n"};
  if (manner.chats) {
    for (const char* const word : kTalk) {
      std::string command = word;
      const std::optional<std::string> code = co_await session.ask(std::move(command));
      if (!code || *code == "421") co_return false;
    }
  }
  if (manner.says_nonsense) {
    for (const char* const word : kNonsense) {
      std::string command = word;
      const std::optional<std::string> code = co_await session.ask(std::move(command));
      if (!code || *code == "421" || *code == "554") co_return false;
    }
    std::string again = "EHLO client.example\r\n";
    const bool is_welcome = co_await gets(session, std::move(again), "250");
    if (!is_welcome) co_return false;
  }
  co_return true;
}

}  // namespace

std::string job_body(const std::string& token) {
  std::string body;
  for (int number = 0; number < 5; ++number)
    body += token + " line " + std::to_string(number) + " of what everybody gets\r\n";
  return body;
}

std::string make_body(World& world, const std::string& token, std::size_t octets) {
  std::string body;
  body.reserve(octets + 80);
  for (unsigned number = 0; body.size() < octets; ++number) {
    if (world.random().below(16) == 0) body += ".";
    if (world.random().below(32) == 0) body += ".\r\n";
    body += token + " line " + std::to_string(number) + " of text that fills the message up\r\n";
  }
  return body;
}

base::Task<void> hand_over(SimulatedInternet& internet, net::Endpoint from, net::Endpoint relay,
                           Submissions messages, Manner manner, std::function<void()> accepted) {
  World& world = internet.world();
  std::unique_ptr<net::Stream> raw = internet.dial(from, relay);
  if (!raw) co_return;
  Session session(world, std::move(raw), manner);
  const bool is_greeted = co_await introduce(session);
  if (!is_greeted) co_return;
  Counted counted(manner.crowd);
  const bool is_known = co_await say_hello(session);
  if (!is_known) co_return;
  for (const std::shared_ptr<Submission>& mail : messages) {
    bool is_taken = false;
    mail->begun = world.steady();
    const bool goes_on = co_await send(session, mail, &is_taken);
    if (is_taken) {
      mail->is_accepted = true;
      mail->taken = world.steady();
      accepted();
    }
    if (!goes_on) co_return;
  }
  // The relay may be done with us before we hear it.
  counted.leave();
  if (manner.forgets_quit) co_return;
  std::string quit = "QUIT\r\n";
  (void)co_await session.ask(std::move(quit));
}

}  // namespace ekiden::simulation
