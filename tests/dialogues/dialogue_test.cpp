// Goal: golden SMTP transcripts, each a file, each run against the real dialogue and session.
// Method: everything around them is fake and on one thread; each transcript runs once as written,
// once octet by octet, and once more for each of its steps with the connection failing there.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ekiden/base/text.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/smtp/address.hpp"
#include "tests/support/inbound_bench.hpp"

namespace ekiden::test {
namespace {

/// One line of a transcript (docs/TESTING.md): "S: pattern", "C: text", "@ directive".
struct Line {
  std::string kind;
  std::string text;
  int number;
};

std::vector<Line> load(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Line> lines;
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    if (text.empty() || text[0] == '#') continue;
    const std::size_t space = text.find(' ');
    Line line{text.substr(0, space), space == std::string::npos ? "" : text.substr(space + 1),
              number};
    lines.push_back(std::move(line));
  }
  return lines;
}

/// "\n", "\r", "\0", "\\", "\xNN", and "{x*100}" for a hundred x.
std::string expand(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      const char c = text[++i];
      if (c == 'n') out += '\n';
      if (c == 'r') out += '\r';
      if (c == '0') out += '\0';
      if (c == '\\') out += '\\';
      if (c == 'x') {
        out += base::decode_hex(text.substr(i + 1, 2)).value();
        i += 2;
      }
      continue;
    }
    const std::size_t star = text[i] == '{' ? text.find('*', i) : std::string_view::npos;
    const std::size_t end = star == std::string_view::npos ? star : text.find('}', star);
    if (end != std::string_view::npos) {
      const std::string piece = expand(text.substr(i + 1, star - i - 1));
      const auto count = base::parse_u64(text.substr(star + 1, end - star - 1)).value();
      for (std::uint64_t n = 0; n < count; ++n) out += piece;
      i = end;
      continue;
    }
    out += text[i];
  }
  return out;
}

/// '*' is anything, '?' one character.
bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (matches(pattern.substr(1), text.substr(i))) return true;
    }
    return false;
  }
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         matches(pattern.substr(1), text.substr(1));
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

class Transcript {
 public:
  Transcript(std::string name, std::vector<Line> lines)
      : name_(std::move(name)), lines_(std::move(lines)) {
    bench_.options->tls = inbound::ListenerTls::StartTls;
    bench_.options->service = inbound::Service::Relay;
    bench_.options->trusted_networks = {*net::parse_address_block("192.0.2.0/24")};
  }

  std::size_t client_steps() const {
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(), [](const Line& l) { return l.kind.starts_with("C"); }));
  }
  bool may_be_split() const { return may_be_split_; }

  /// Fails the connection before client step `fail_at`.
  void run(std::size_t fail_at, std::size_t read_max) {
    std::size_t step = 0;
    std::string group;
    const auto send_group = [&] {
      if (group.empty() || peer_ == nullptr) return;
      peer_->send(std::exchange(group, {}));
      bench_.settle();
    };
    for (const Line& line : lines_) {
      where_ = name_ + ":" + std::to_string(line.number);
      if (line.kind != "@" && peer_ == nullptr) {
        peer_ = bench_.connect(early_);
        peer_->read_max = read_max;
        bench_.settle();
      }
      if (line.kind[0] == 'C') {
        if (step++ == fail_at) {
          send_group();
          peer_->reset();
          bench_.settle();
          expect_nothing_left();
          return;
        }
        if (line.kind == "C:") group += expand(line.text) + "\r\n";
        if (line.kind == "C-:") group += expand(line.text);
        if (line.kind.starts_with("C*")) {
          const auto count = base::parse_u64(line.kind.substr(2, line.kind.size() - 3)).value();
          for (std::uint64_t i = 0; i < count; ++i) group += expand(line.text) + "\r\n";
        }
        if (line.kind == "C.:") {  // waits for nothing, but leaves in a packet of its own
          send_group();
          group = expand(line.text) + "\r\n";
          send_group();
        }
        continue;
      }
      send_group();
      if (line.kind == "S:") {
        expect_reply(line.text);
      } else if (line.kind == "@") {
        direct(line.text);
      } else {
        FAIL() << where_ << ": what is " << line.kind << "?";
      }
      if (testing::Test::HasFailure()) return;
    }
    send_group();
    if (!peer_->is_closed) {
      peer_->end();
      bench_.settle();
    }
    EXPECT_EQ(peer_->received.substr(read_), "") << where_ << ": said and not expected";
    expect_nothing_left();
  }

 private:
  void expect_nothing_left() {
    bench_.advance(std::chrono::seconds(10));
    EXPECT_TRUE(peer_->is_closed) << where_;
    EXPECT_EQ(bench_.service->sessions(), 0u) << where_;
    EXPECT_EQ(bench_.intake.reserved, 0u) << where_;
    EXPECT_EQ(bench_.limits.connections(), 0u) << where_;
    EXPECT_EQ(bench_.spool.unfinished_files, 0) << where_;
    EXPECT_EQ(bench_.spool.messages.size(), bench_.intake.taken.size()) << where_;
  }

  std::string next_line() {
    const std::size_t end = peer_->received.find("\r\n", read_);
    if (end == std::string::npos) return {};
    std::string line = peer_->received.substr(read_, end - read_);
    read_ = end + 2;
    return line;
  }

  void expect_reply(const std::string& pattern) {
    if (pattern == "<closed>") {
      EXPECT_EQ(peer_->received.substr(read_), "") << where_;
      bench_.advance(std::chrono::seconds(3));
      EXPECT_TRUE(peer_->is_closed) << where_;
      return;
    }
    if (pattern == "<silence>") {
      EXPECT_EQ(peer_->received.substr(read_), "") << where_;
      return;
    }
    if (pattern.starts_with("<")) {  // "<250 with A without B>": a whole reply
      const auto parts = words(pattern.substr(1, pattern.size() - 2));
      std::vector<std::string> got;
      do {
        got.push_back(next_line());
        ASSERT_TRUE(got.back().starts_with(parts[0])) << where_ << ": got " << got.back();
      } while (got.back().size() > 3 && got.back()[3] == '-');
      for (std::size_t i = 1; i + 1 < parts.size(); i += 2) {
        std::string wanted = parts[i + 1];
        std::replace(wanted.begin(), wanted.end(), '_', ' ');
        const bool is_there = std::any_of(got.begin(), got.end(), [&](const std::string& l) {
          return matches(wanted, l.substr(std::min<std::size_t>(4, l.size())));
        });
        EXPECT_EQ(is_there, parts[i] == "with") << where_ << ": " << wanted;
      }
      return;
    }
    const std::string line = next_line();
    EXPECT_TRUE(matches(pattern, line))
        << where_ << ": expected \"" << pattern << "\", got \"" << line << "\"";
  }

  void direct(const std::string& text) {
    const auto w = words(text);
    inbound::ListenerOptions& options = *bench_.options;
    const std::string rest = w.size() > 1 ? text.substr(w[0].size() + 1) : "";
    if (w[0] == "service") {
      options.service = w[1] == "inbound"      ? inbound::Service::Inbound
                        : w[1] == "submission" ? inbound::Service::Submission
                                               : inbound::Service::Relay;
    } else if (w[0] == "tls") {
      options.tls = w[1] == "implicit" ? inbound::ListenerTls::Implicit
                    : w[1] == "off"    ? inbound::ListenerTls::Off
                                       : inbound::ListenerTls::StartTls;
    } else if (w[0] == "handshake-fails") {
      bench_.tls.fails = true;
    } else if (w[0] == "auth-needs-tls") {
      bench_.sasl.needs_tls = true;
    } else if (w[0] == "client") {
      bench_.client.address = boost::asio::ip::make_address(w[1]);
    } else if (w[0] == "proxy") {
      options.proxy_networks.push_back(*net::parse_address_block(w[1]));
    } else if (w[0] == "domain") {
      inbound::InboundDomain domain;
      domain.check = w[2] == "any"    ? inbound::RecipientCheck::Any
                     : w[2] == "list" ? inbound::RecipientCheck::List
                                      : inbound::RecipientCheck::Verify;
      domain.next_hop = "10.0.0." + std::to_string(options.domains.size() + 1) + ":25";
      for (std::size_t i = 3; i < w.size(); ++i) {
        domain.recipients.insert(smtp::comparison_key(*smtp::parse_address(w[i])));
      }
      options.domains[w[1]] = std::move(domain);
    } else if (w[0] == "size") {
      options.limits.message_octets = std::stoull(w[1]);
    } else if (w[0] == "large") {
      options.large_octets = std::stoull(w[1]);
    } else if (w[0] == "recipients") {
      options.limits.recipients_per_message = static_cast<std::uint32_t>(std::stoul(w[1]));
    } else if (w[0] == "messages") {
      options.limits.messages_per_connection = static_cast<std::uint32_t>(std::stoul(w[1]));
    } else if (w[0] == "connections") {
      options.limits.connections = static_cast<std::uint32_t>(std::stoul(w[1]));
    } else if (w[0] == "connection-rate") {
      options.limits.connection_rate = {static_cast<std::uint32_t>(std::stoul(w[1])),
                                        std::chrono::minutes(1)};
    } else if (w[0] == "message-rate") {
      options.limits.message_rate = {static_cast<std::uint32_t>(std::stoul(w[1])),
                                     std::chrono::minutes(1)};
    } else if (w[0] == "bare") {
      options.bare_newlines = w[1] == "fix" ? smtp::BareNewlines::Fix : smtp::BareNewlines::Refuse;
    } else if (w[0] == "long-lines") {
      options.long_lines =
          w[1] == "refuse" ? inbound::LongLines::Refuse : inbound::LongLines::Encode;
    } else if (w[0] == "commands") {
      options.limits.commands = static_cast<std::uint32_t>(std::stoul(w[1]));
    } else if (w[0] == "strict") {
      options.syntax = smtp::Syntax::Strict;
    } else if (w[0] == "greeting-delay") {
      options.greeting_delay = std::chrono::seconds(std::stoi(w[1]));
    } else if (w[0] == "early") {
      early_ = expand(rest) + "\r\n";
    } else if (w[0] == "early-proxy") {
      early_ = "PROXY " + w[1] + "\n";
    } else if (w[0] == "spool") {
      bench_.spool.accepts_messages = w[1] != "full";
      bench_.spool.refusal = w[1] == "fails"     ? make_error_code(spool::Errc::Io)
                             : w[1] == "nospace" ? make_error_code(spool::Errc::NoSpace)
                                                 : Error();
    } else if (w[0] == "memory") {
      bench_.intake.is_full = w[1] == "full";
    } else if (w[0] == "behind") {
      bench_.intake.pause = std::chrono::seconds(1);
    } else if (w[0] == "unsplit") {
      may_be_split_ = false;
    } else if (w[0] == "advance") {
      bench_.advance(std::chrono::seconds(std::stoi(w[1])));
    } else if (w[0] == "stop") {
      bench_.stop();
    } else if (w[0] == "forget") {
      bench_.accounts.picture = std::make_shared<FakeAccounts::Picture>();
    } else if (w[0] == "stored") {
      EXPECT_EQ(bench_.intake.taken.size(), std::stoul(w[1])) << where_;
    } else if (w[0] == "body-has" || w[0] == "body-lacks") {
      ASSERT_FALSE(bench_.intake.taken.empty()) << where_;
      const std::string octets = bench_.spool.octets(bench_.intake.taken.back().body);
      EXPECT_EQ(octets.find(expand(rest)) != std::string::npos, w[0] == "body-has")
          << where_ << "\n"
          << octets.substr(0, 2000);
    } else if (w[0] == "body-size") {
      EXPECT_EQ(bench_.spool.octets(bench_.intake.taken.back().body).size(),
                bench_.intake.taken.back().meta->details.size)
          << where_;
      EXPECT_GE(bench_.intake.taken.back().meta->details.size, std::stoull(w[1])) << where_;
    } else if (w[0] == "meta") {
      expect_meta(w[1], rest.size() > w[1].size() ? rest.substr(w[1].size() + 1) : "");
    } else if (w[0] == "events") {
      std::size_t count = 0;
      for (const std::string& octets : bench_.spool.events) {
        count += events::kind_name(events::decode_event(octets)->kind) == w[1];
      }
      EXPECT_EQ(count, std::stoul(w[2])) << where_;
    } else {
      FAIL() << where_ << ": unknown directive " << w[0];
    }
  }

  void expect_meta(const std::string& key, const std::string& value) {
    ASSERT_FALSE(bench_.intake.taken.empty()) << where_;
    const message::Meta& meta = *bench_.intake.taken.back().meta;
    std::string recipients, next_hops, tags;
    for (const auto& recipient : meta.envelope.recipients) {
      recipients += recipient.address + " ";
      next_hops += (recipient.next_hop.empty() ? "-" : recipient.next_hop) + " ";
    }
    for (const auto& tag : meta.details.tags) tags += tag + " ";
    const std::vector<std::pair<std::string, std::string>> all = {
        {"sender", meta.envelope.reverse_path},
        {"recipients", recipients},
        {"tenant", meta.details.tenant},
        {"stream", meta.details.stream},
        {"tags", tags},
        {"identity", meta.details.identity},
        {"protocol", meta.details.protocol},
        {"next_hops", next_hops},
        {"client", meta.details.client_address},
        {"envid", meta.envelope.envid},
        {"notify", std::to_string(meta.envelope.recipients[0].notify)},
        {"orcpt", meta.envelope.recipients[0].orcpt},
        {"smtputf8", meta.envelope.smtputf8 ? "yes" : "no"},
        {"tls_demand", std::to_string(static_cast<int>(meta.details.tls_demand))},
        {"body", std::to_string(static_cast<int>(meta.envelope.body))},
    };
    for (const auto& [name, got] : all) {
      if (name != key) continue;
      EXPECT_EQ(base::trimmed(got), value) << where_;
      return;
    }
    FAIL() << where_ << ": unknown " << key;
  }

  std::string name_;
  std::vector<Line> lines_;
  InboundBench bench_;
  std::shared_ptr<FakePeer> peer_;
  std::string early_;
  std::size_t read_ = 0;
  std::string where_;
  bool may_be_split_ = true;
};

class Golden : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Golden, RunsAsWritten) {
  Transcript(GetParam().filename(), load(GetParam())).run(SIZE_MAX, SIZE_MAX);
}

TEST_P(Golden, RunsTheSameReadInSmallPieces) {
  const auto lines = load(GetParam());
  for (const Line& line : lines) {
    if (line.text == "unsplit") return;
  }
  Transcript(GetParam().filename(), lines).run(SIZE_MAX, 7);
}

TEST_P(Golden, LeavesNothingBehindWhenTheConnectionFails) {
  const auto lines = load(GetParam());
  const std::size_t steps = Transcript("", lines).client_steps();
  for (std::size_t step = 0; step < steps; ++step) {
    Transcript(GetParam().filename(), lines).run(step, SIZE_MAX);
    ASSERT_FALSE(HasFailure()) << "step " << step;
  }
}

std::vector<std::filesystem::path> transcripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(EKIDEN_DIALOGUES)) {
    if (entry.path().extension() == ".smtp") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Dialogue, Golden, testing::ValuesIn(transcripts()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace ekiden::test
