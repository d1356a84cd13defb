#include "tests/simulation/web.hpp"

#include <sstream>

#include "ekiden/bulk/job_id.hpp"
#include "ekiden/bulk/record_writer.hpp"
#include "ekiden/inbound/submission.hpp"
#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

/// Of a job's record: what is larger goes to a file.
constexpr std::size_t kRecordOctetsMax = 64 * 1024;
/// Some rows are no addresses at all: those become no message.
constexpr std::string_view kBadRow = "nobody - -";

std::string octets_of(const Submission& mail) {
  return "From: <" + (mail.header_from.empty() ? mail.reverse_path : mail.header_from) +
         ">\r\nSubject: " + mail.token + "\r\n" + mail.header + "\r\n" + mail.body;
}

smtp::RcptCommand rcpt_to(const std::string& address) {
  smtp::RcptCommand rcpt;
  rcpt.recipient = smtp::parse_address(address).value();
  return rcpt;
}

}  // namespace

bulk::ComposeRow make_composer(const bulk::Head&) {
  return [](std::string_view row, base::Time) {
    bulk::ComposedRow composed;
    std::istringstream words{std::string(row)};
    std::string token, sender, recipient;
    words >> token >> sender >> recipient;
    composed.address = recipient;
    if (sender == "-") {
      composed.refusal = "no address";
      return composed;
    }
    Submission mail;
    mail.token = token;
    mail.reverse_path = sender;
    mail.body = job_body(token);
    composed.mail.reverse_path = smtp::parse_address(sender).value();
    composed.recipients.push_back(rcpt_to(recipient));
    composed.octets = octets_of(mail);
    return composed;
  };
}

Web::Web(World& world, SimulatedRelay& relay, JobWishes& wishes)
    : world_(world), relay_(relay), wishes_(wishes), tasks_(relay.worker(0)) {
  for (const bulk::RecoveredJob& job : relay.recovered_jobs()) {
    const auto known = wishes_.wishes.find(job.id);
    relay.expander().take(job.id,
                          known == wishes_.wishes.end() ? bulk::Expander::Wish::Go : known->second,
                          bulk::Expander::Came::Recovered);
  }
}

void Web::submit(std::shared_ptr<Submission> mail, std::function<void()> accepted) {
  tasks_.spawn(run_submit(std::move(mail), std::move(accepted)));
}

base::Task<void> Web::run_submit(std::shared_ptr<Submission> mail, std::function<void()> accepted) {
  inbound::Services& services = relay_.relay().inbound_services(0);
  inbound::Submission made;
  made.mail.reverse_path = smtp::parse_address(mail->reverse_path).value();
  if (mail->mail_parameters == " REQUIRETLS") made.mail.requiretls = true;
  for (const std::string& recipient : mail->wanted) made.recipients.push_back(rcpt_to(recipient));
  made.octets = octets_of(*mail);
  made.client.address = kClient.address;
  made.client.accounts = services.accounts.current();
  made.client.credential = &Accounts::api_credential();
  made.origin.client_address = made.client.address.to_string();
  made.origin.identity = made.client.credential->name;
  made.origin.protocol = "HTTP";
  std::shared_ptr<const inbound::ListenerOptions> options = relay_.relay().http_submission(0);
  mail->begun = world_.steady();
  // All or nothing: one refused recipient refuses the message.
  mail->recipients = mail->wanted;
  mail->is_http = mail->was_sent_whole = true;
  const inbound::Submitted done =
      co_await inbound::submit_message(services, std::move(options), std::move(made));
  mail->reply = std::to_string(done.reply.code);
  if (!done.reply.is_positive()) co_return;
  mail->is_accepted = true;
  mail->taken_rcpts = mail->wanted.size();
  mail->taken = world_.steady();
  accepted();
}

void Web::begin_job(Submissions rows, base::Time send_at, std::function<void()> accepted) {
  tasks_.spawn(run_job(std::move(rows), send_at, std::move(accepted)));
}

base::Task<void> Web::run_job(Submissions rows, base::Time send_at,
                              std::function<void()> accepted) {
  inbound::Services& services = relay_.relay().inbound_services(0);
  bulk::Head head;
  head.name = "a job";
  head.tenant = "jobs";
  head.stream = "bulk";
  head.identity = Accounts::api_credential().name;
  head.client_address = kClient.address.to_string();
  head.content = "{}";
  head.rows = static_cast<std::uint32_t>(rows.size());
  head.send_at = send_at;
  const base::MessageId id = bulk::make_job_id(services.ids.next(world_.now()));
  bulk::RecordWriter writer(services, kRecordOctetsMax);
  std::string octets = bulk::encode_head(head);
  Result<void> added = co_await writer.add(std::move(octets));
  bulk::FrameWriter frames;
  for (const auto& mail : rows) {
    mail->begun = world_.steady();
    mail->recipients = mail->wanted;
    mail->is_http = mail->was_sent_whole = true;
    frames.add(mail->token + " " + mail->reverse_path + " " + mail->wanted.front());
    if (frames.rows() % 7 == 0) frames.add(kBadRow);
    octets = frames.take();
    if (octets.empty() || !added) continue;
    added = co_await writer.add(std::move(octets));
  }
  octets = frames.end();
  if (added) added = co_await writer.add(std::move(octets));
  if (!added) co_return;
  std::string from = "sender@sender.example", subject = "a job";
  const Result<void> stored =
      co_await writer.finish(id, std::move(head), std::move(from), std::move(subject));
  if (!stored) co_return;
  for (const auto& mail : rows) {
    mail->is_accepted = true;
    mail->taken = world_.steady();
  }
  accepted();
  relay_.expander().take(id, bulk::Expander::Wish::Go, bulk::Expander::Came::Now);
  wishes_.wishes.emplace(id, bulk::Expander::Wish::Go);
}

void Web::wish(bulk::Expander::Wish wish) {
  for (auto& [id, wished] : wishes_.wishes) {
    if (wished == bulk::Expander::Wish::Cancel) continue;
    wished = wish;
    relay_.expander().set(id, wish);
  }
}

}  // namespace ekiden::simulation
