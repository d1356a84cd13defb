#include "tests/simulation/mailbag.hpp"

#include <algorithm>
#include <iterator>

#include "ekiden/base/text.hpp"
#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kMailsPerSessionMax = 3;
constexpr std::size_t kRecipientsMax = 5;
constexpr std::size_t kSurgeMax = 80;
constexpr std::size_t kRowsMax = 200;
/// Behind its others, of a program that uses an API key.
constexpr int kProgramsMailsMax = 4;

}  // namespace

std::string Mailbag::pick_recipient(bool is_strangers) {
  static const char* const kDomains[] = {
      "one.example",   "one.example",         "alias.example",   "two.example",     "two.example",
      "six.example",   "dead.example",        "null.example",    "nowhere.example", "loop.example",
      "bare.example",  "[20.0.0.5]",          "private.example", "bogus.example",   "lost.example",
      "plain.example", "mail.nowhere.example"};
  const std::uint64_t kind = stage_.random().below(20);
  std::string local = kind < 14 ? "good" : kind < 18 ? "bad" : "full";
  local += std::to_string(stage_.random().below(3));
  if (is_strangers && stage_.chance(800)) return local + "@home.example";
  // The dead ones are for a few.
  const std::size_t domain =
      stage_.chance(850) ? stage_.random().below(6) : stage_.random().below(std::size(kDomains));
  static const char* const kOdd[] = {"many.example",    "many.example",      "half.example",
                                     "crowded.example", "v6.example",        "mute.example",
                                     "mute6.example",   "malformed.example", "forged.example",
                                     "forged4.example", "[IPv6:2600::66]"};
  if (stage_.chance_aside(40)) return local + "@" + kOdd[stage_.aside.below(std::size(kOdd))];
  return local + "@" + kDomains[domain];
}

std::shared_ptr<Submission> Mailbag::make_mail(bool is_bulk, bool is_strangers) {
  auto mail = std::make_shared<Submission>();
  const std::string number = std::to_string(stage_.submissions.size() + 1);
  mail->token = "token-" + number + "-end";
  mail->reverse_path = (stage_.chance(30) ? "bad" : "sender") + number + "@sender.example";
  mail->is_bulk = is_bulk;
  mail->is_strangers = is_strangers;
  const std::size_t recipients = 1 + stage_.random().below(kRecipientsMax);
  for (std::size_t k = 0; k < recipients; ++k) {
    std::string recipient = pick_recipient(is_strangers);
    if (std::find(mail->wanted.begin(), mail->wanted.end(), recipient) == mail->wanted.end())
      mail->wanted.push_back(std::move(recipient));
  }
  static const char* const kNotify[] = {"NEVER", "FAILURE", "SUCCESS,FAILURE", "DELAY,FAILURE",
                                        "SUCCESS"};
  if (stage_.chance(200)) mail->notify = kNotify[stage_.random().below(5)];
  mail->is_eight_bit = stage_.chance(100);
  if (stage_.conditions.has(Plague::OddMail)) make_odd(*mail);
  if (is_strangers) {
    make_strange(*mail);
  } else {
    make_special(*mail);
  }
  std::size_t octets = 60 + stage_.random().below(stage_.conditions.body_octets_max);
  if (stage_.conditions.has(Plague::LargeMail) && stage_.chance(250))
    octets = 900'000 + stage_.random().below(2'000'000);
  mail->body = make_body(stage_.world, mail->token, octets);
  if (mail->is_eight_bit) {
    mail->header += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
    mail->body += "caf\xc3\xa9\r\n";
  }
  if (mail->has_long_line) mail->body += std::string(1200, 'x') + " " + mail->token + "\r\n";
  // What is larger lies in a file.
  if (octets <= (1 << 20))
    stage_.largest =
        std::max<std::uint64_t>(stage_.largest, mail->body.size() + mail->header.size());
  stage_.submissions.push_back(mail);
  return mail;
}

/// Mail of others brings what others have said of it.
void Mailbag::make_strange(Submission& mail) {
  base::Random& random = stage_.random();
  static const char* const kClaims[] = {
      "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.example; s=s1;\r\n"
      " h=from:subject; bh=AAAA; b=AAAA\r\n",
      "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.example; s=none; h=from; bh=AAAA; b=AAAA\r\n",
      "DKIM-Signature: nonsense\r\n",
      "ARC-Seal: i=1; a=rsa-sha256; t=1; cv=none; d=elsewhere.example; s=s; b=AAAA\r\n"
      "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=elsewhere.example; s=s; "
      "t=1;\r\n"
      " h=from; bh=AAAA; b=AAAA\r\n"
      "ARC-Authentication-Results: i=1; elsewhere.example; none\r\n",
      "Authentication-Results: relay.example; spf=pass\r\n"};
  if (stage_.chance(500)) mail.header += kClaims[random.below(std::size(kClaims))];
  if (stage_.chance(200)) mail.header_from = "boss@elsewhere.example";
  if (stage_.chance(50)) mail.header_from = "boss@elsewhere.example>, <other@sender.example";
  // RFC 5321 §4.5.1: that one needs no domain.
  if (stage_.chance(100)) {
    mail.wanted.emplace_back("postmaster");
    mail.stand_ins = {{"postmaster", {"postmaster@home.example"}}};
  }
}

/// What relays of today are asked for beside SMTP's own.
void Mailbag::make_special(Submission& mail) {
  const Conditions& conditions = stage_.conditions;
  base::Random& random = stage_.random();
  if (conditions.has(Plague::Rewriting)) {
    static const char* const kAliases[] = {"team@one.example", "old@one.example",
                                           "list@two.example", "circle@one.example"};
    if (stage_.chance(300)) mail.wanted.emplace_back(kAliases[random.below(4)]);
    if (stage_.chance_aside(50)) mail.wanted.emplace_back("crowd@one.example");
    mail.stand_ins = stand_ins();
    if (stage_.chance(200)) {
      mail.given_path = mail.reverse_path;
      mail.given_path.insert(mail.given_path.find('@') + 1, "host.");
    }
    if (stage_.chance(200)) mail.header += "X-Ekiden-Tag: spring\r\nReceived-SPF: none\r\n";
  }
  if (conditions.has(Plague::Schedules) && stage_.chance(300)) {
    mail.delay = stage_.up_to(stage_.chance(500) ? base::Duration(minutes(10)) : hours(20));
    mail.header +=
        "X-Ekiden-Send-At: " + base::format_rfc5322(stage_.world.now() + mail.delay) + "\r\n";
  }
  if (conditions.has(Plague::Protection) && stage_.chance(150)) {
    mail.is_tls_optional = true;
    mail.header += "TLS-Required: No\r\n";
  }
  if (conditions.has(Plague::Signing)) {
    if (stage_.chance(200)) mail.header += "Message-ID: <" + mail.token + "@sender.example>\r\n";
    // Not everybody may say so, and whoever looks refuses it.
    if (stage_.chance(250)) mail.header_from = "boss@elsewhere.example";
  }
  if (conditions.has(Plague::Tenants)) {
    static const char* const kStreams[] = {"bulk", "newsletter", "transactional", ""};
    if (stage_.chance(200))
      mail.header += "X-Ekiden-Stream: " + std::string(kStreams[random.below(4)]) + "\r\n";
    if (stage_.chance(50)) mail.header_from = "boss@elsewhere.example";
  }
  if (conditions.has(Plague::Rewriting) && stage_.chance(100))
    mail.wanted.emplace_back("good..odd.@one.example");
}

void Mailbag::begin_session() {
  const bool is_strangers = stage_.conditions.has(Plague::Strangers) && stage_.chance(400);
  const bool is_bulk = !is_strangers && stage_.chance(400);
  Submissions mails;
  const std::size_t count = 1 + stage_.random().below(kMailsPerSessionMax);
  for (std::size_t i = 0; i < count; ++i) mails.push_back(make_mail(is_bulk, is_strangers));
  if (!is_strangers && stage_.web && stage_.conditions.has(Plague::Http) && stage_.chance(400)) {
    for (const auto& mail : mails) {
      // Who comes over HTTP has neither dots to stuff nor an envelope of its own making.
      std::erase_if(mail->wanted, [](const std::string& recipient) {
        return recipient.find_first_of("\"[\xc3") != std::string::npos ||
               stand_ins().count(recipient) > 0 || recipient.starts_with("circle") ||
               recipient.starts_with("crowd");
      });
      if (mail->wanted.empty() || mail->has_bare_newline || mail->is_binary) continue;
      stage_.say("over HTTP comes " + mail->token);
      stage_.web->submit(mail, when_accepted());
    }
    return;
  }
  Manner manner;
  manner.pipelines = stage_.chance(400);
  manner.chunks = stage_.chance(300);
  manner.forgets_quit = stage_.chance(200);
  manner.crowd = stage_.conditions.has(Plague::BadNetwork) ? nullptr : &stage_.crowd;
  if (stage_.conditions.has(Plague::BadClients)) {
    if (stage_.chance(400))
      manner.hangs_up_at = 1 + static_cast<unsigned>(stage_.random().below(12));
    if (stage_.chance(100)) manner.talks_early = true;
    if (stage_.chance(300)) manner.pause = stage_.up_to(seconds(stage_.chance(100) ? 400 : 2));
    if (stage_.chance(300)) manner.slice = 500;
    manner.chats = stage_.chance(200);
    manner.says_nonsense = stage_.chance(100);
  }
  net::Endpoint to = is_strangers ? kRelayInbound : is_bulk ? kRelayBulk : kRelay;
  if (!is_strangers) choose_way(manner, to, is_bulk, mails);
  net::Endpoint from = kClient;
  if (is_strangers) from = stage_.chance(300) ? kStrangerIpv6 : kStranger;
  submit(to, from, std::move(mails), manner);
}

/// TLS, a login, a proxy in front: where the relay listens for them.
void Mailbag::choose_way(Manner& manner, net::Endpoint& to, bool is_bulk, Submissions& mails) {
  const Conditions& conditions = stage_.conditions;
  manner.says_helo = conditions.has(Plague::OddMail) && stage_.chance(100);
  // The bulk stream has one listener.
  if (!is_bulk && conditions.has(Plague::Proxies) && stage_.chance(500)) {
    to = kRelayProxied;
    static const char* const kHeaders[] = {
        "PROXY TCP4 10.0.0.5 10.0.0.1 40000 28\r\n", "PROXY UNKNOWN\r\n",
        "PROXY TCP4 30.0.0.7 10.0.0.1 40000 28\r\n", "PROXY TCP9 nonsense\r\n"};
    manner.proxy_header = kHeaders[stage_.random().below(4)];
    return;
  }
  if (!stage_.secrecy) return;
  manner.secrecy = &*stage_.secrecy;
  if (!is_bulk && conditions.has(Plague::Logins) && stage_.chance(600)) {
    const bool is_implicit = stage_.chance(300);
    to = is_implicit ? kRelaySubmissions : kRelaySubmission;
    manner.cover = is_implicit ? Cover::Implicit : Cover::StartTls;
    manner.user = Accounts::kUser;
    manner.password = stage_.chance(850) ? Accounts::kPassword : "a guess";
    manner.login = static_cast<Login>(stage_.random().below(3));
    if (stage_.chance(50)) manner.cover = Cover::None;
    if (stage_.chance(50)) manner.user.clear();
    if (stage_.chance(400)) {
      manner.user = account::kApiKeyUser;
      manner.password = Accounts::api_key();
      for (const auto& mail : mails)
        if (stage_.chance(500)) ask_by_header(*mail);
      for (int i = 0; i < kProgramsMailsMax; ++i) {
        mails.push_back(make_mail(false, false));
        if (is_header_over(*mails.back())) continue;
        stage_.chance_aside(600) ? ask_oddly(*mails.back()) : make_personal(*mails.back());
      }
    }
    need_tls(manner, mails);
    // Users may be changed between two messages.
    if (stage_.chance(200)) manner.pause = stage_.up_to(minutes(1));
    return;
  }
  if (stage_.chance(500)) manner.cover = Cover::StartTls;
  need_tls(manner, mails);
  manner.breaks_handshake = conditions.has(Plague::BadClients) && stage_.chance(100);
}

/// Some of what comes over TLS is to go on over TLS.
void Mailbag::need_tls(const Manner& manner, const Submissions& mails) {
  if (manner.cover == Cover::None || manner.says_helo || manner.talks_early ||
      !stage_.conditions.has(Plague::Protection))
    return;
  for (const auto& mail : mails) {
    if (!mail->mail_parameters.empty() || !stage_.chance(400)) continue;
    mail->mail_parameters = " REQUIRETLS";
    mail->needs_tls = true;
  }
}

/// What RFCs 1870, 3461, 6531, 3030 and 2076 let a client add, and what none of them does.
void Mailbag::make_odd(Submission& mail) {
  base::Random& random = stage_.random();
  static const char* const kMail[] = {" RET=HDRS ENVID=token", " RET=FULL", " SIZE=900", " AUTH=<>",
                                      " SIZE=99999999999",     " SMTPUTF8"};
  static const char* const kRcpt[] = {" ORCPT=rfc822;who+40elsewhere.example", " ORCPT=nonsense",
                                      " NOTIFY=NEVER,SUCCESS", " UNKNOWN=1"};
  if (stage_.chance(400)) mail.mail_parameters = kMail[random.below(std::size(kMail))];
  if (stage_.chance(300)) mail.rcpt_parameters = kRcpt[random.below(std::size(kRcpt))];
  if (mail.mail_parameters == " SMTPUTF8")
    mail.wanted.push_back(
        "g\xc3\xb6\xc3\xb6"
        "d@one.example");
  if (stage_.chance(100)) mail.wanted.push_back("\"go od\"@one.example");
  static const char* const kFields[] = {
      "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n",
      "Message-ID: <a@sender.example>\r\nBcc: hidden@one.example\r\n",
      "Return-Path: <x@sender.example>\r\nTo: someone\r\n with a folded\r\n line\r\n",
      "X-Ekiden-Tags: spring, offers\r\nX-Ekiden-Metadata: {\"order\":7}\r\n",
      "X-Ekiden-Metadata: no json\r\n",
      "From: <intruder@elsewhere.example>\r\n",
      "no field at all\r\n"};
  if (stage_.chance(500)) mail.header += kFields[random.below(std::size(kFields))];
  if (stage_.chance(20))
    for (int i = 0; i < 12'000; ++i) mail.header += "X: 1\r\n";
  if (stage_.chance(10)) mail.header += "X-Long: " + std::string(2 << 20, 'x') + "\r\n";
  if (stage_.chance(30))
    for (int i = 0; i < 60; ++i)
      mail.header += "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  mail.has_long_line = stage_.chance(150);
  mail.is_binary = stage_.chance(50);
  mail.has_bare_newline = stage_.chance(50);
  mail.is_changed =
      mail.has_long_line || mail.is_binary || mail.has_bare_newline || is_header_over(mail);
}

void Mailbag::submit(net::Endpoint to, net::Endpoint from, Submissions mails, Manner manner) {
  for (const auto& mail : mails)
    stage_.say("a client submits " + mail->token + ", " + std::to_string(mail->body.size()) +
               " octets to " + std::to_string(mail->wanted.size()));
  stage_.outside->clients.spawn(
      hand_over(stage_.internet, from, to, std::move(mails), manner, when_accepted()));
}

std::function<void()> Mailbag::when_accepted() {
  return [this] {
    if (stage_.conditions.has(Plague::Ambushes) && !stage_.is_calm && stage_.chance(150))
      stage_.ambush(milliseconds(4));
  };
}

void Mailbag::begin_job() {
  if (!stage_.web) return;
  const std::size_t count = 1 + stage_.random().below(stage_.chance(200) ? kRowsMax : 30);
  stage_.say("a job of " + std::to_string(count));
  Submissions rows;
  for (std::size_t i = 0; i < count; ++i) {
    const auto mail = std::make_shared<Submission>();
    const std::string number = std::to_string(stage_.submissions.size() + 1);
    static const char* const kDomains[] = {"one.example", "two.example", "six.example"};
    mail->token = "token-" + number + "-end";
    mail->reverse_path = "sender" + number + "@sender.example";
    mail->is_bulk = mail->is_row = true;
    mail->wanted = {(stage_.chance(900) ? "good" : "bad") + std::to_string(i) + "@" +
                    kDomains[stage_.random().below(3)]};
    mail->body = job_body(mail->token);
    stage_.submissions.push_back(mail);
    rows.push_back(mail);
  }
  const base::Time send_at =
      stage_.chance(300) ? stage_.world.now() + stage_.up_to(hours(2)) : base::Time{};
  // It waits for its time, and for the relay to be there.
  for (const auto& mail : rows) mail->delay = send_at == base::Time{} ? base::Duration{} : hours(2);
  auto accepted = [this] {
    if (stage_.conditions.lives > 1 && !stage_.is_calm && stage_.chance(300))
      stage_.ambush(stage_.chance(500) ? milliseconds(10) : milliseconds(200));
  };
  stage_.web->begin_job(std::move(rows), send_at, std::move(accepted));
}

void Mailbag::return_something() {
  std::vector<const Receipt*> ours;
  for (const auto& [name, site] : stage_.sites)
    for (const Receipt& receipt : site.receipts)
      if (receipt.reverse_path.find(kReturnsDomain) != std::string::npos) ours.push_back(&receipt);
  if (ours.empty()) return;
  const Receipt& receipt = *ours[stage_.random().below(ours.size())];
  const bool is_verp = receipt.reverse_path.starts_with("bounce-");
  const std::string& recipient = receipt.recipients.front();
  auto mail = std::make_shared<Submission>();
  const std::string number = std::to_string(stage_.world.steps());
  mail->wanted = {receipt.reverse_path};
  if (stage_.chance(100)) mail->wanted.front().insert(8, "x");  // forged
  mail->token = "something came back";
  mail->header = "Message-ID: <back-" + number +
                 "@elsewhere.example>\r\nMIME-Version: 1.0\r\n"
                 "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n";
  const std::string token = is_verp ? token_in(receipt.octets) : "the message";
  mail->body = "--b\r\nContent-Type: text/plain\r\n\r\nIt came to nothing.\r\n";
  if (stage_.chance(700)) {
    mail->body +=
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.elsewhere.example\r\n\r\n"
        "Final-Recipient: rfc822; " +
        (is_verp ? recipient : std::string("somebody@far.example")) +
        "\r\nAction: " + (stage_.chance(800) ? "failed" : "delayed") +
        "\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n";
  } else {
    mail->body +=
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
        "User-Agent: a reader/1\r\nVersion: 1\r\n\r\n";
  }
  mail->body += "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: " + token +
                "\r\n\r\nwas here\r\n--b--\r\n";
  // An answer to SRS comes to its sender as it is, and is no report of ours.
  if (is_verp)
    for (const std::string& one : receipt.recipients) stage_.history.returned.insert({token, one});
  stage_.say("something comes back to " + receipt.reverse_path);
  Manner manner;
  stage_.outside->clients.spawn(
      hand_over(stage_.internet, kStranger, kRelayInbound, {mail}, manner, [] {}));
}

void Mailbag::surge() {
  const std::size_t count = kSurgeMax / 4 + stage_.random().below(kSurgeMax);
  stage_.say("a surge of " + std::to_string(count));
  Submissions bulk;
  for (std::size_t i = 0; i < count; ++i) {
    const auto mail = std::make_shared<Submission>();
    const std::string number = std::to_string(stage_.submissions.size() + 1);
    mail->token = "token-" + number + "-end";
    mail->reverse_path = "sender" + number + "@sender.example";
    mail->is_bulk = true;
    mail->wanted = {"good" + std::to_string(i) + "@one.example"};
    mail->body = make_body(stage_.world, mail->token, 100);
    stage_.submissions.push_back(mail);
    bulk.push_back(mail);
  }
  Manner manner;
  manner.pipelines = true;
  manner.crowd = stage_.conditions.has(Plague::BadNetwork) ? nullptr : &stage_.crowd;
  submit(kRelayBulk, kClient, std::move(bulk), manner);
  stage_.world.after(stage_.up_to(seconds(10)), [this, manner] {
    const auto mail = make_mail(false, false);
    mail->wanted = {"good0@one.example"};
    submit(kRelay, kClient, {mail}, manner);
  });
}

}  // namespace ekiden::simulation
