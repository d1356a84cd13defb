#include "tests/simulation/mailbag.hpp"

#include <algorithm>
#include <iterator>

#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMailsPerSessionMax = 3;
constexpr std::size_t kRecipientsMax = 5;
constexpr std::size_t kSurgeMax = 80;

}  // namespace

std::string Mailbag::pick_recipient(bool is_strangers) {
  static const char* const kDomains[] = {
      "one.example",  "one.example",  "alias.example",  "two.example",     "two.example",
      "six.example",  "dead.example", "null.example",   "nowhere.example", "loop.example",
      "bare.example", "[20.0.0.5]",   "private.example"};
  const std::uint64_t kind = stage_.random().below(20);
  std::string local = kind < 14 ? "good" : kind < 18 ? "bad" : "full";
  local += std::to_string(stage_.random().below(3));
  if (is_strangers && stage_.chance(800)) return local + "@home.example";
  // The dead ones are for a few.
  const std::size_t domain =
      stage_.chance(850) ? stage_.random().below(6) : stage_.random().below(std::size(kDomains));
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
    stage_.largest = std::max<std::uint64_t>(stage_.largest, mail->body.size());
  stage_.submissions.push_back(mail);
  return mail;
}

void Mailbag::begin_session() {
  const bool is_strangers = stage_.conditions.has(Plague::Strangers) && stage_.chance(400);
  const bool is_bulk = !is_strangers && stage_.chance(400);
  Submissions mails;
  const std::size_t count = 1 + stage_.random().below(kMailsPerSessionMax);
  for (std::size_t i = 0; i < count; ++i) mails.push_back(make_mail(is_bulk, is_strangers));
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
  if (!is_strangers) choose_way(manner, to, is_bulk);
  submit(to, is_strangers ? kStranger : kClient, std::move(mails), manner);
}

/// TLS, a login, a proxy in front: where the relay listens for them.
void Mailbag::choose_way(Manner& manner, net::Endpoint& to, bool is_bulk) {
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
    return;
  }
  if (stage_.chance(500)) manner.cover = Cover::StartTls;
  manner.breaks_handshake = conditions.has(Plague::BadClients) && stage_.chance(100);
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
  if (stage_.chance(30))
    for (int i = 0; i < 60; ++i)
      mail.header += "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  mail.has_long_line = stage_.chance(150);
  mail.is_binary = stage_.chance(50);
  mail.has_bare_newline = stage_.chance(50);
  mail.is_changed = mail.has_long_line || mail.is_binary || mail.has_bare_newline ||
                    mail.header.find("no field") != std::string::npos;
}

void Mailbag::submit(net::Endpoint to, net::Endpoint from, Submissions mails, Manner manner) {
  for (const auto& mail : mails)
    stage_.say("a client submits " + mail->token + ", " + std::to_string(mail->body.size()) +
               " octets to " + std::to_string(mail->wanted.size()));
  auto accepted = [this] {
    if (stage_.conditions.has(Plague::Ambushes) && !stage_.is_calm && stage_.chance(150))
      stage_.ambush(milliseconds(4));
  };
  stage_.outside->clients.spawn(
      hand_over(stage_.internet, from, to, std::move(mails), manner, std::move(accepted)));
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
