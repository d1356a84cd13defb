#include "tests/simulation/peers.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "ekiden/account/scram.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kPatience = std::chrono::minutes(15);
constexpr std::uint16_t kImplicitTls = 465;
constexpr std::size_t kReadOctets = 16 * 1024;

std::string between_brackets(const std::string& line) {
  const std::size_t open = line.find('<');
  const std::size_t close = line.find('>', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

/// RFC 5321 §4.1.2: one mailbox has both forms, where quotes are not needed.
std::string unquoted(std::string address) {
  const std::size_t end = address.find("\"@");
  if (!address.starts_with('"') || end == std::string::npos) return address;
  const bool is_plain =
      std::all_of(address.begin() + 1, address.begin() + static_cast<std::ptrdiff_t>(end),
                  [](unsigned char c) { return std::isalnum(c) != 0 || c == '.'; });
  return is_plain ? address.substr(1, end - 1) + address.substr(end + 1) : address;
}

/// The number behind `name`, as in SIZE=; 0 when it is not there.
std::uint64_t parameter(const std::string& line, const std::string& name) {
  const std::size_t at = line.find(" " + name + "=");
  return at == std::string::npos ? 0
                                 : std::strtoull(line.c_str() + at + name.size() + 2, nullptr, 10);
}

std::string unstuffed(std::string_view octets) {
  std::string out;
  out.reserve(octets.size());
  while (!octets.empty()) {
    const std::size_t end = octets.find("\r\n");
    std::string_view line = octets.substr(0, end == std::string_view::npos ? end : end + 2);
    octets.remove_prefix(line.size());
    if (line.front() == '.') line.remove_prefix(1);
    out.append(line);
  }
  return out;
}

}  // namespace

base::Task<bool> LineStream::more(base::Steady deadline) {
  if (taken_ > kReadOctets || taken_ == buffer_.size()) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadOctets);
  std::span<char> into(buffer_.data() + before, kReadOctets);
  const Result<std::size_t> got = co_await net::read_some(*stream_, into, deadline);
  buffer_.resize(before + (got ? *got : 0));
  co_return got.has_value();
}

base::Task<std::optional<std::string>> LineStream::line(base::Steady deadline) {
  for (;;) {
    const std::size_t end = buffer_.find("\r\n", taken_);
    if (end != std::string::npos) {
      std::string text = buffer_.substr(taken_, end - taken_);
      taken_ = end + 2;
      co_return text;
    }
    const bool has_more = co_await more(deadline);
    if (!has_more) co_return std::nullopt;
  }
}

base::Task<std::optional<std::string>> LineStream::reply(base::Steady deadline) {
  for (;;) {
    const std::optional<std::string> text = co_await line(deadline);
    if (!text || text->size() < 3) co_return std::nullopt;
    if (text->size() == 3 || (*text)[3] != '-') co_return text->substr(0, 3);
  }
}

base::Task<std::optional<std::string>> LineStream::message(base::Duration patience, World& world) {
  std::size_t looked = 0;  // behind taken_
  for (;;) {
    const std::string_view rest = std::string_view(buffer_).substr(taken_);
    std::size_t end = rest.starts_with(".\r\n") ? 0 : std::string_view::npos;
    if (end != 0) {
      end = rest.find("\r\n.\r\n", looked);
      if (end != std::string_view::npos) end += 2;
    }
    if (end != std::string_view::npos) {
      std::string octets = unstuffed(rest.substr(0, end));
      taken_ += end + 3;
      co_return octets;
    }
    looked = rest.size() < 4 ? 0 : rest.size() - 4;
    const bool has_more = co_await more(world.steady() + patience);
    if (!has_more) co_return std::nullopt;
  }
}

base::Task<std::optional<std::string>> LineStream::exactly(std::size_t octets,
                                                           base::Steady deadline) {
  while (buffer_.size() - taken_ < octets) {
    const bool has_more = co_await more(deadline);
    if (!has_more) co_return std::nullopt;
  }
  std::string text = buffer_.substr(taken_, octets);
  taken_ += octets;
  co_return text;
}

base::Task<bool> LineStream::write(std::string octets, base::Steady deadline) {
  const std::string_view view = octets;
  const Result<void> written = co_await net::write_all(*stream_, view, deadline);
  co_return written.has_value();
}

Receiver::Receiver(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where,
                   Site& site, Secrecy* secrecy)
    : internet_(internet),
      tasks_(worker),
      network_(internet, where.address),
      port_(where.port),
      site_(site),
      secrecy_(secrecy) {
  auto accept = [this](std::unique_ptr<net::Stream> stream) {
    if (temper.is_down) return;
    tasks_.spawn(serve(std::move(stream)));
  };
  Result<std::unique_ptr<net::Listener>> listener = network_.listen(where, {}, std::move(accept));
  listener_ = std::move(*listener);
}

std::string Receiver::extensions(Veil veil) const {
  const bool is_covered = veil != Veil::Clear;
  std::string reply = "250-" + site_.name + "\r\n";
  if (temper.has_pipelining) reply += "250-PIPELINING\r\n";
  if (temper.has_eight_bit) reply += "250-8BITMIME\r\n";
  if (temper.has_chunking) reply += "250-CHUNKING\r\n";
  if (temper.has_dsn) reply += "250-DSN\r\n";
  if (temper.has_utf8) reply += "250-SMTPUTF8\r\n";
  if (temper.has_binary) reply += "250-BINARYMIME\r\n";
  if (temper.has_starttls && secrecy_ != nullptr && !is_covered) reply += "250-STARTTLS\r\n";
  if (temper.has_requiretls && is_covered) reply += "250-REQUIRETLS\r\n";
  std::string mechanisms;
  if (temper.has_plain && is_covered) mechanisms += " PLAIN LOGIN";
  if (temper.has_login && is_covered) mechanisms = " LOGIN";
  if (temper.has_scram && !temper.has_login) mechanisms += " SCRAM-SHA-256";
  if (!mechanisms.empty()) reply += "250-AUTH" + mechanisms + "\r\n";
  if (temper.size_max > 0) reply += "250-SIZE " + std::to_string(temper.size_max) + "\r\n";
  if (temper.recipients_max > 0 || temper.messages_max > 0) {
    reply += "250-LIMITS";
    if (temper.recipients_max > 0) reply += " RCPTMAX=" + std::to_string(temper.recipients_max);
    if (temper.messages_max > 0) reply += " MAILMAX=" + std::to_string(temper.messages_max);
    reply += "\r\n";
  }
  return reply + "250 ENHANCEDSTATUSCODES\r\n";
}

/// False: the connection is over.
base::Task<bool> Receiver::say(LineStream& stream, std::string reply) {
  World& world = internet_.world();
  base::Duration pause = temper.slowness;
  if (happens(temper.stalls)) pause = std::chrono::hours(1);
  if (pause.count() > 0) {
    auto begin = [&world, pause](base::Completion<bool> done) {
      world.after(pause, [done = std::move(done)]() mutable { done(true); });
    };
    (void)co_await base::suspend<bool>(std::move(begin));
  }
  bool is_last = false;
  if (happens(temper.leaves)) {
    reply = "421 4.3.2 leaving\r\n";
    is_last = true;
  }
  if (happens(temper.half_replies)) {
    reply.resize(world.random().below(reply.size()));
    is_last = true;
  }
  if (happens(temper.says_nonsense)) {
    static const char* const kNonsense[] = {"what?\r\n", "250_ok\r\n", "999 ok\r\n",
                                            "250-one\r\n251 two\r\n", "\r\n"};
    reply = kNonsense[world.random().below(std::size(kNonsense))];
    is_last = true;
  }
  if (reply.empty()) co_return false;
  const bool is_written = co_await stream.write(std::move(reply), world.steady() + kPatience);
  co_return is_written && !is_last;
}

/// Takes a message and answers for it.
base::Task<bool> Receiver::store(LineStream& stream, Receipt receipt, bool has_announced) {
  World& world = internet_.world();
  std::string reply = "250 2.0.0 taken\r\n";
  if (temper.size_max > 0 && receipt.octets.size() > temper.size_max) {
    // RFC 1870 §6.1 asks the sender not to try.
    if (has_announced)
      site_.broken_limits.push_back("a message of " + std::to_string(receipt.octets.size()) +
                                    " octets came where SIZE is " +
                                    std::to_string(temper.size_max));
    reply = "552 5.3.4 too large\r\n";
    co_return co_await say(stream, std::move(reply));
  }
  if (happens(temper.defers_message)) reply = "451 4.3.0 not now\r\n";
  if (happens(temper.refuses_message)) reply = "554 5.7.1 not this\r\n";
  if (!reply.starts_with("250")) co_return co_await say(stream, std::move(reply));
  receipt.time = world.now();
  receipt.instant = world.steady();
  const std::size_t at = site_.receipts.size();
  const bool is_kept = !happens(temper.forgets);
  if (is_kept) site_.receipts.push_back(std::move(receipt));
  if (happens(temper.drops_after_dot)) co_return false;
  const bool goes_on = co_await say(stream, std::move(reply));
  if (goes_on && is_kept) {
    stream.when_read([&site = site_, at, &world] { site.receipts[at].confirmed = world.steady(); });
  }
  co_return goes_on;
}

/// False: the connection is over.
base::Task<bool> Receiver::start_tls(LineStream& stream, Veil& veil) {
  World& world = internet_.world();
  std::string go = "220 2.0.0 go\r\n";
  const bool went = co_await say(stream, std::move(go));
  if (!went) co_return false;
  if (happens(temper.breaks_tls)) {
    std::string nonsense = "this is no handshake at all, and long enough to be seen as none\r\n";
    (void)co_await stream.write(std::move(nonsense), world.steady() + kPatience);
    co_return false;
  }
  const bool is_covered = co_await handshake(stream, veil);
  co_return is_covered;
}

base::Task<bool> Receiver::handshake(LineStream& stream, Veil& veil) {
  World& world = internet_.world();
  if (secrecy_ == nullptr) co_return false;
  std::unique_ptr<net::Stream> raw = stream.release();
  const bool is_strange = temper.is_strange;
  tls::ServerContext& context = is_strange ? secrecy_->stranger() : secrecy_->server();
  Result<std::unique_ptr<net::Stream>> secured =
      co_await tls::accept(context, std::move(raw), world.steady() + kPatience);
  if (!secured) co_return false;
  veil = is_strange ? Veil::Strange : Veil::Proven;
  stream.cover(std::move(*secured));
  co_return true;
}

/// The reply that ends the exchange; empty: the connection is over.
base::Task<std::string> Receiver::log_in(LineStream& stream, std::string line) {
  World& world = internet_.world();
  const auto hear = [&world, &stream] { return stream.line(world.steady() + kPatience); };
  const auto decoded = [](const std::string& text) {
    return base::decode_base64(text).value_or(std::string());
  };
  const std::string failed = "535 5.7.8 no\r\n", is_in = "235 2.7.0 welcome\r\n";
  std::string first = line.size() > 5 ? line.substr(5) : std::string();
  const std::size_t space = first.find(' ');
  const std::string mechanism = base::lowered(first.substr(0, space));
  first = space == std::string::npos ? std::string() : first.substr(space + 1);
  const bool is_odd = happens(temper.logs_in_oddly);
  const bool says_nonsense = temper.says_nonsense > 0 && world.random().below(3) == 0;
  if (mechanism == "scram-sha-256" && (is_odd || says_nonsense)) {
    const std::string bare = decoded(first);
    const std::size_t at = bare.find("r=");
    const std::string own = at == std::string::npos ? "r=x" : bare.substr(at);
    // RFC 5802 §5.1: nothing of it, somebody else's nonce, nothing added to ours, a salt that is
    // none, counts that are too low, too high and no number.
    const std::string nonsense[] = {"nonsense",
                                    "r=x,s=AAAA,i=4096",
                                    own + ",s=AAAA,i=4096",
                                    own + "x,s=,i=4096",
                                    own + "x,s=*,i=4096",
                                    own + "x,s=AAAA,i=1",
                                    own + "x,s=AAAA,i=99999999",
                                    own + "x,s=AAAA,i=many",
                                    own + "x,s=AAAA",
                                    own + "x,i=4096",
                                    "r="};
    std::string challenge =
        "334 " + base::encode_base64(nonsense[world.random().below(std::size(nonsense))]) + "\r\n";
    const bool is_asked = co_await say(stream, std::move(challenge));
    if (!is_asked) co_return std::string();
    const std::optional<std::string> end = co_await hear();
    co_return end ? failed : std::string();
  }
  if (mechanism == "scram-sha-256") {
    account::ScramExchange exchange({false, false, "nonce of the server", {}});
    if (!exchange.read_first(decoded(first))) co_return failed;
    const account::ScramKeys keys = account::make_scram_keys(
        exchange.name() == kUser ? kPassword : "nobody's",
        std::string(account::kScramSaltOctets, 'p'), account::kScramIterationsMin);
    std::string challenge = "334 " + base::encode_base64(exchange.challenge(keys)) + "\r\n";
    const bool is_asked = co_await say(stream, std::move(challenge));
    if (!is_asked) co_return std::string();
    const std::optional<std::string> proof = co_await hear();
    if (!proof) co_return std::string();
    std::optional<std::string> last = exchange.read_final(decoded(*proof));
    if (!last) co_return failed;
    // It does not know the password either, or finds something to say.
    if (happens(temper.fails_proof))
      last = world.random().below(3) == 0   ? "e=other-error"
             : world.random().below(2) == 0 ? "v=AAAA"
                                            : "v=";
    std::string own_proof = "334 " + base::encode_base64(*last) + "\r\n";
    const bool is_told = co_await say(stream, std::move(own_proof));
    if (!is_told) co_return std::string();
    const std::optional<std::string> end = co_await hear();
    if (!end) co_return std::string();
    co_return *end == "*" ? failed : is_in;
  }
  std::string user, password;
  // Questions that the mechanism does not have.
  for (int i = 0; is_odd && i < 3; ++i) {
    std::string prompt = "334 \r\n";
    const bool is_asked = co_await say(stream, std::move(prompt));
    if (!is_asked) co_return std::string();
    const std::optional<std::string> given = co_await hear();
    if (!given) co_return std::string();
    if (*given == "*") co_return failed;
  }
  if (mechanism == "plain") {
    const std::string both = decoded(first);
    const std::size_t end = both.find('\0', 1);
    if (end == std::string::npos) co_return failed;
    user = both.substr(1, end - 1);
    password = both.substr(end + 1);
  } else {
    for (std::string* const answer : {&user, &password}) {
      std::string prompt = "334 VXNlcg==\r\n";
      const bool is_asked = co_await say(stream, std::move(prompt));
      if (!is_asked) co_return std::string();
      const std::optional<std::string> given = co_await hear();
      if (!given) co_return std::string();
      *answer = decoded(*given);
    }
  }
  co_return user == kUser&& password == kPassword ? is_in : failed;
}

/// Of a recipient that does not exist, as different servers put it.
std::string Receiver::refusal() const {
  static const char* const kWords[] = {"550 5.1.1 no such user\r\n", "550 No such user\r\n",
                                       "553-5.1.3 We know nobody\r\n553 5.1.3 of that name\r\n"};
  return kWords[temper.words];
}

/// As providers put it (ground.cpp).
std::string Receiver::policy() {
  static const char* const kPolicies[] = {"421 4.7.0 You are sending too fast\r\n",
                                          "451 4.7.1 nothing from you today\r\n",
                                          "451 4.7.1 your address is listed\r\n",
                                          "451 4.7.1 rest everywhere\r\n",
                                          "451 4.7.5 call us\r\n",
                                          "450 4.2.0 stop asking\r\n",
                                          "550 5.7.1 only for now\r\n",
                                          "553 5.1.3 what an odd address\r\n"};
  return kPolicies[internet_.world().random().below(std::size(kPolicies))];
}

base::Task<void> Receiver::serve(std::unique_ptr<net::Stream> raw) {
  World& world = internet_.world();
  const net::Address client = raw->remote().address;
  LineStream stream(std::move(raw));
  Veil veil = Veil::Clear;
  if (port_ == kImplicitTls) {
    const bool is_covered = co_await handshake(stream, veil);
    if (!is_covered) co_return;
  }
  std::string reply = "220 " + site_.name + " ESMTP\r\n";
  if (happens(temper.defers_connection)) reply = "421 4.3.2 later\r\n";
  if (happens(temper.refuses_connection)) reply = "554 5.7.1 not you\r\n";
  const bool is_refused = !reply.starts_with("220");
  Receipt receipt;
  bool has_sender = false, has_announced = false;  // its limits, in reply to EHLO
  std::size_t asked = 0, messages = 0;             // recipients of this transaction
  std::string chunks;
  for (;;) {
    if (!reply.empty()) {
      const bool goes_on = co_await say(stream, std::move(reply));
      if (!goes_on || is_refused) co_return;
    }
    const std::optional<std::string> line = co_await stream.line(world.steady() + kPatience);
    if (!line) co_return;
    const std::string verb = base::lowered(line->substr(0, 4));
    if (verb == "ehlo") {
      has_announced = !temper.refuses_ehlo;
      reply = has_announced ? extensions(veil) : "502 5.5.1 what\r\n";
    } else if (verb == "helo") {
      reply = "250 " + site_.name + "\r\n";
    } else if (verb == "star") {
      reply.clear();
      if (happens(temper.refuses_tls)) {
        reply = "454 4.7.0 not now\r\n";
        continue;
      }
      const bool is_secured = co_await start_tls(stream, veil);
      if (!is_secured) co_return;
    } else if (verb == "auth") {
      std::string command = *line;
      reply = co_await log_in(stream, std::move(command));
      if (reply.empty()) co_return;
    } else if (verb == "mail") {
      receipt = {};
      chunks.clear();
      receipt.reverse_path = between_brackets(*line);
      receipt.begun = world.steady();
      receipt.veil = veil;
      receipt.has_requiretls = line->find(" REQUIRETLS") != std::string::npos;
      site_.starts.push_back({world.steady(), receipt.reverse_path, client});
      site_.messages_most = std::max(site_.messages_most, ++messages);
      if (has_announced && temper.messages_max > 0 && messages > temper.messages_max)
        site_.broken_limits.push_back("message " + std::to_string(messages) +
                                      " came where MAILMAX is " +
                                      std::to_string(temper.messages_max));
      asked = 0;
      has_sender = true;
      reply = "250 2.1.0 ok\r\n";
      if (temper.size_max > 0 && parameter(*line, "SIZE") > temper.size_max) {
        has_sender = false;
        reply = "552 5.3.4 too large\r\n";
      }
    } else if (verb == "rcpt") {
      const std::string recipient = unquoted(between_brackets(*line));
      site_.recipients_most = std::max(site_.recipients_most, ++asked);
      if (has_announced && temper.recipients_max > 0 && asked > temper.recipients_max)
        site_.broken_limits.push_back("recipient " + std::to_string(asked) +
                                      " came where RCPTMAX is " +
                                      std::to_string(temper.recipients_max));
      if (!has_sender) {
        reply = "503 5.5.1 MAIL first\r\n";
      } else if (recipient.starts_with("bad")) {
        reply = refusal();
      } else if (recipient.starts_with("full")) {
        reply = "452 4.2.2 mailbox full\r\n";
      } else if (temper.recipients_taken > 0 &&
                 receipt.recipients.size() >= temper.recipients_taken) {
        reply = "452 4.5.3 too many\r\n";
      } else if (happens(temper.has_policies)) {
        reply = policy();
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
      const bool went = co_await say(stream, std::move(go));
      if (!went || happens(temper.drops_in_data)) co_return;
      std::optional<std::string> octets = co_await stream.message(kPatience, world);
      if (!octets) co_return;
      receipt.octets = std::move(*octets);
      Receipt whole = std::exchange(receipt, {});
      const bool goes_on = co_await store(stream, std::move(whole), has_announced);
      if (!goes_on) co_return;
      has_sender = false;
      reply.clear();
    } else if (verb == "bdat") {
      const std::size_t octets = std::strtoull(line->c_str() + 5, nullptr, 10);
      std::optional<std::string> chunk =
          co_await stream.exactly(octets, world.steady() + kPatience);
      if (!chunk || happens(temper.drops_in_data)) co_return;
      chunks += *chunk;
      if (receipt.recipients.empty()) {
        reply = "554 5.5.1 no valid recipients\r\n";
      } else if (base::lowered(*line).ends_with(" last")) {
        receipt.octets = std::exchange(chunks, {});
        Receipt whole = std::exchange(receipt, {});
        const bool goes_on = co_await store(stream, std::move(whole), has_announced);
        if (!goes_on) co_return;
        has_sender = false;
        reply.clear();
      } else {
        reply = "250 2.0.0 more\r\n";
      }
    } else if (verb == "rset") {
      has_sender = false;
      receipt = {};
      reply = "250 2.0.0 ok\r\n";
    } else if (verb == "quit") {
      std::string bye = "221 2.0.0 bye\r\n";
      (void)co_await say(stream, std::move(bye));
      co_return;
    } else if (verb == "noop") {
      reply = "250 2.0.0 ok\r\n";
    } else {
      reply = "500 5.5.2 what\r\n";
    }
  }
}

}  // namespace ekiden::simulation
