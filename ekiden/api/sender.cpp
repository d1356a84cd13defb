#include "ekiden/api/sender.hpp"

#include <algorithm>
#include <unordered_set>

#include "ekiden/api/frame.hpp"
#include "ekiden/api/idempotent.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/line_length.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// A checked address as the envelope has it: its domain in A-labels where that keeps the message
/// from needing SMTPUTF8.
std::optional<smtp::Address> envelope_address(const std::string& text) {
  Result<smtp::Address> address = smtp::parse_address(text);
  if (!address || address->domain.empty()) return std::nullopt;
  if (!is_ascii(address->domain)) {
    Result<std::string> domain = smtp::canonical_domain(address->domain);
    if (!domain) return std::nullopt;
    address->domain = std::move(*domain);
  }
  return std::move(*address);
}

void add_recipients(const std::vector<Mailbox>& list, const std::string& base, Prepared& prepared,
                    std::unordered_set<std::string>& seen) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::optional<smtp::Address> address = envelope_address(list[i].address);
    if (!address || !seen.insert(smtp::comparison_key(*address)).second) continue;
    smtp::RcptCommand rcpt;
    rcpt.recipient = std::move(*address);
    prepared.mail.smtputf8 = prepared.mail.smtputf8 || !is_ascii(rcpt.recipient.local);
    prepared.recipients.push_back(std::move(rcpt));
    prepared.pointers.push_back(base + "/" + std::to_string(i));
  }
}

bool has_utf8_local(const std::vector<Mailbox>& list) {
  return std::any_of(list.begin(), list.end(),
                     [](const Mailbox& one) { return !is_ascii(one.address); });
}

std::string code_point(char32_t character) {
  char text[16];
  std::snprintf(text, sizeof text, "U+%04X", static_cast<unsigned>(character));
  return text;
}

Problem unmappable_problem(const std::vector<Unmapped>& unmapped, const std::string& base) {
  std::vector<FieldProblem> fields;
  for (const Unmapped& one : unmapped) {
    const std::string name = "\"" + one.text + "\" (" + code_point(one.character) + ")";
    fields.push_back(
        {base + "/charset",
         "unmappable",
         {"ISO-2022-JP does not have " + name, "ISO-2022-JPには " + name + " がありません"}});
  }
  return invalid_request(std::move(fields));
}

/// LF and CR alone as CRLF.
std::string canonical_lines(std::string octets) {
  if (!message::scan_lines(octets).has_bare_newline) return octets;
  std::string out;
  out.reserve(octets.size() + octets.size() / 32);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\r') {
      out += "\r\n";
      if (i + 1 < octets.size() && octets[i + 1] == '\n') ++i;
    } else if (octets[i] == '\n') {
      out += "\r\n";
    } else {
      out += octets[i];
    }
  }
  return out;
}

inbound::Origin origin_of(const Call& call) {
  inbound::Origin origin;
  origin.client_address = call.caller.address.to_string();
  origin.identity = call.caller.key->credential.name;
  origin.protocol = "HTTP";
  return origin;
}

}  // namespace

HttpResponse own_problem(const Problem& problem, const Caller& caller) {
  return to_response(problem, caller.language, caller.request_id);
}

Problem problem_of(const smtp::Reply& reply) {
  const std::string said = reply.text();
  const auto with = [&](std::string english, std::string japanese) {
    return Text{std::move(english) + " (" + said + ")", std::move(japanese) + "（" + said + "）"};
  };
  Problem problem;
  switch (reply.code) {
    case 450:
      problem =
          make_problem(429, "rate-limited",
                       with("Too many messages in a short time", "送信の頻度が上限を超えました"));
      problem.retry_after_s = 60;
      return problem;
    case 553:
      return make_problem(403, "forbidden",
                          with("This API key may not send from that address",
                               "このAPIキーではこの差出人を使えません"));
    case 552:
      return make_problem(413, "too-large",
                          with("The message is too large", "メッセージが大きすぎます"));
    case 535:
      return make_problem(401, "unauthorized",
                          with("The API key has expired", "APIキーの期限が切れています"));
    default:
      break;
  }
  if (reply.enhanced == smtp::EnhancedCode{4, 7, 1}) {
    problem =
        make_problem(429, "quota-used-up", with("The quota is used up", "送信枠を使い切りました"));
    problem.retry_after_s = 3600;
    return problem;
  }
  // RFC 5321 §4.5.3.1.10 has a client send the others later; here the request itself is too large.
  if (reply.enhanced == smtp::EnhancedCode{4, 5, 3})
    return make_problem(422, "refused", with("Too many recipients", "宛先が多すぎます"));
  if (reply.is_transient())
    return unavailable(with("The message was not taken; try again",
                            "メッセージを受け取れませんでした。再送してください"),
                       reply.code == 452 ? 30 : 5);
  if (reply.code == 550 && reply.enhanced == smtp::EnhancedCode{5, 7, 1})
    return make_problem(403, "forbidden",
                        with("This API key may not do that", "このAPIキーでは許されていません"));
  return make_problem(422, "refused",
                      with("The message is refused", "メッセージは受け付けられません"));
}

Prepared prepare(const Draft& draft, base::Time now, const std::string& base_pointer) {
  Prepared prepared;
  Findings findings(base_pointer);
  check_draft(draft, now, findings);
  if (!findings.is_empty()) {
    prepared.problem = invalid_request(findings.take());
    return prepared;
  }
  prepared.mail.reverse_path =
      envelope_address(draft.return_path.empty() ? draft.from.address : draft.return_path);
  std::unordered_set<std::string> seen;
  add_recipients(draft.to, base_pointer + "/to", prepared, seen);
  add_recipients(draft.cc, base_pointer + "/cc", prepared, seen);
  add_recipients(draft.bcc, base_pointer + "/bcc", prepared, seen);
  // RFC 6531: addresses in headers and envelope whose local part is not ASCII.
  prepared.mail.smtputf8 = prepared.mail.smtputf8 || !is_ascii(draft.from.address) ||
                           has_utf8_local(draft.to) || has_utf8_local(draft.cc) ||
                           has_utf8_local(draft.reply_to);
  Composed composed = compose(draft);
  if (!composed.unmapped.empty() && draft.unmappable == Unmappable::Refuse) {
    prepared.problem = unmappable_problem(composed.unmapped, base_pointer);
    return prepared;
  }
  prepared.octets = std::move(composed.octets);
  prepared.unmapped = std::move(composed.unmapped);
  if (draft.send_at && *draft.send_at > now) prepared.send_at = draft.send_at;
  prepared.batch = draft.batch;
  prepared.pool = draft.pool;
  prepared.stream = draft.stream;
  prepared.bypass = draft.bypass;
  return prepared;
}

Prepared prepare_raw(RawMessage raw) {
  Prepared prepared;
  Findings findings;
  const auto bad = [&](std::string pointer, const std::string& text) {
    findings.add(std::move(pointer), "bad_address",
                 {"\"" + base::printable(text, 100) + "\" is no mail address",
                  "「" + base::printable(text, 100) + "」はメールアドレスとして正しくありません"});
  };
  if (!raw.return_path.empty()) {
    prepared.mail.reverse_path = envelope_address(raw.return_path);
    if (!prepared.mail.reverse_path) bad("/return_path", raw.return_path);
  }
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < raw.recipients.size() && i <= kRecipientsMax; ++i) {
    std::optional<smtp::Address> address = envelope_address(raw.recipients[i]);
    if (!address) {
      bad("/recipients/" + std::to_string(i), raw.recipients[i]);
      continue;
    }
    if (!seen.insert(smtp::comparison_key(*address)).second) continue;
    smtp::RcptCommand rcpt;
    rcpt.recipient = std::move(*address);
    prepared.mail.smtputf8 = prepared.mail.smtputf8 || !is_ascii(rcpt.recipient.local);
    prepared.recipients.push_back(std::move(rcpt));
    prepared.pointers.push_back("/recipients/" + std::to_string(i));
  }
  if (raw.recipients.empty() || raw.recipients.size() > kRecipientsMax) {
    const std::string max = std::to_string(kRecipientsMax);
    findings.add("/recipients", raw.recipients.empty() ? "required" : "too_many",
                 {"1 to " + max + " recipients", "宛先は1件から" + max + "件までです"});
  }
  prepared.octets = canonical_lines(std::move(raw.octets));
  if (prepared.octets.empty())
    findings.add("/message", "required", {"there is no message", "メッセージがありません"});
  const message::Scan scan = message::scan_lines(prepared.octets);
  if (scan.has_nul)
    findings.add("/message", "nul", {"the message has a NUL in it", "メッセージにNULがあります"});
  prepared.mail.body = scan.has_eight_bit ? smtp::BodyKind::EightBitMime : smtp::BodyKind::SevenBit;
  if (!findings.is_empty()) prepared.problem = invalid_request(findings.take());
  return prepared;
}

PreparedBatch one_problem(Problem problem) {
  PreparedBatch batch;
  batch.problem = std::move(problem);
  return batch;
}

PreparedBatch prepare_one(const HttpRequest& request, const PrepareObject& prepare) {
  JsonBody body = read_json_body(request);
  if (body.problem) return one_problem(std::move(*body.problem));
  PreparedBatch batch;
  batch.messages.push_back(prepare(body.object));
  return batch;
}

base::Task<HttpResponse> Sender::handle(std::shared_ptr<Call> call,
                                        base::Function<PreparedBatch()> prepare, MakeAnswer answer,
                                        FormatProblem refuse, Where where) {
  const std::size_t octets = where == Where::Pool ? SIZE_MAX : call->request.body.size();
  PreparedBatch batch = co_await work_on<PreparedBatch>(octets, std::move(prepare));
  if (batch.problem) co_return refuse(*batch.problem, call->caller);
  co_return co_await send_all(std::move(call), std::move(batch.messages), std::move(answer),
                              std::move(refuse));
}

/// draft-ietf-httpapi-ratelimit-headers: where a limit stands, how much of it is left.
void Sender::tell_allowance(const Call& call, HttpResponse& response) const {
  const inbound::Limits limits = parts_.submission()->limits;
  if (limits.message_rate.count == 0) return;
  const auto seconds = [](base::Duration duration) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(duration).count());
  };
  const inbound::ClientLimits::Allowance allowance = parts_.services.limits.messages_left(
      call.caller.address, limits, parts_.worker.clock.steady());
  const std::string limit = std::to_string(limits.message_rate.count);
  const std::string left = std::to_string(allowance.left), next = seconds(allowance.next);
  const auto add = [&](const char* name, std::string value) {
    response.headers.emplace_back(name, std::move(value));
  };
  add("RateLimit-Policy", "\"messages\";q=" + limit + ";w=" + seconds(limits.message_rate.per));
  add("RateLimit", "\"messages\";r=" + left + ";t=" + next);
  const std::string& path = call.request.path;
  const bool is_sendgrid = path.starts_with("/v3/");
  if (is_sendgrid || path.starts_with("/api/v1/")) add("X-RateLimit-Remaining", left);
  if (is_sendgrid) {
    add("X-RateLimit-Limit", limit);
    const base::Time reset = parts_.worker.clock.now() + allowance.next;
    add("X-RateLimit-Reset", std::to_string(base::to_unix_us(reset) / 1'000'000));
  }
  if (response.status != 429) return;
  for (auto& [name, value] : response.headers)
    if (name == "Retry-After" || name == "X-Rate-Limit-Retry-After-Seconds") value = next;
}

namespace {

base::Task<HttpResponse> do_once(Sender& sender, std::shared_ptr<Call> call, Endpoint endpoint,
                                 FormatProblem refuse) {
  Sender::Claimed claimed = co_await sender.claim(call, 0, std::move(refuse));
  if (claimed.answer) co_return std::move(*claimed.answer);
  HttpResponse response = co_await endpoint(call);
  std::string body = response.body;
  const auto outcome = response.status < 300 ? Sender::Outcome::Done : Sender::Outcome::Nothing;
  co_await sender.settle(std::move(claimed.request), response.status, std::move(body), outcome);
  co_return response;
}

}  // namespace

Endpoint Sender::once(Endpoint endpoint, FormatProblem refuse) {
  return [this, endpoint = std::move(endpoint),
          refuse = std::move(refuse)](std::shared_ptr<Call> call) {
    return do_once(*this, std::move(call), endpoint, refuse);
  };
}

base::Task<bool> Sender::is_stored(base::MessageId id) {
  auto begin = [&](base::Completion<Result<std::string>> done) {
    parts_.services.port.load_meta(id, std::move(done));
  };
  const Result<std::string> meta = co_await base::suspend<Result<std::string>>(std::move(begin));
  if (meta) co_return true;
  co_return co_await parts_.was_stored(id);
}

base::Task<Sent> Sender::send(std::shared_ptr<Call> call, Prepared prepared, base::MessageId id,
                              bool is_resumed) {
  Sent sent;
  if (prepared.problem) {
    sent.problem = std::move(prepared.problem);
    co_return sent;
  }
  if (!prepared.pool.empty()) {
    sent.problem = may_name_pool(*call, prepared.stream, prepared.pool);
    if (sent.problem) co_return sent;
  }
  sent.send_at = prepared.send_at;
  sent.unmapped = std::move(prepared.unmapped);
  if (is_resumed) {
    const bool is_there = co_await is_stored(id);
    if (is_there) {
      sent.id = id;
      sent.recipients = prepared.recipients.size();
      co_return sent;
    }
  }
  inbound::Submission submission;
  submission.mail = std::move(prepared.mail);
  submission.recipients = std::move(prepared.recipients);
  submission.octets = std::move(prepared.octets);
  submission.client = call->caller.client();
  submission.origin = origin_of(*call);
  submission.id = id;
  submission.batch = std::move(prepared.batch);
  submission.pool = std::move(prepared.pool);
  submission.bypass = prepared.bypass;
  std::shared_ptr<const inbound::ListenerOptions> options = parts_.submission();
  inbound::Submitted done =
      co_await inbound::submit_message(parts_.services, std::move(options), std::move(submission));
  if (!done.reply.is_positive()) {
    sent.problem = problem_of(done.reply);
    if (done.refused_recipient < prepared.pointers.size()) {
      sent.problem->fields.push_back({prepared.pointers[done.refused_recipient],
                                      "refused",
                                      {done.reply.text(), done.reply.text()}});
    }
    co_return sent;
  }
  sent.id = done.id;
  sent.recipients = done.recipients;
  sent.suppressed = std::move(done.suppressed);
  co_return sent;
}

std::optional<Problem> Sender::may_send(const Call& call, const std::string& from,
                                        const std::string& return_path,
                                        const std::string& stream) const {
  const std::shared_ptr<const inbound::ListenerOptions> options = parts_.submission();
  const inbound::Admission admission(*options);
  inbound::Client client = call.caller.client();
  inbound::find_rules(client, options->tenant);
  smtp::MailCommand mail;
  mail.reverse_path = envelope_address(return_path.empty() ? from : return_path);
  smtp::Reply reply = admission.admit_mail(client, mail);
  if (reply.is_positive()) reply = admission.admit_header_from(client, {from});
  if (reply.is_positive() && !stream.empty()) reply = admission.admit_stream(client, stream);
  if (reply.is_positive()) return std::nullopt;
  return problem_of(reply);
}

std::optional<Problem> Sender::may_name_pool(const Call& call, const std::string& stream,
                                             const std::string& pool) const {
  const std::shared_ptr<const inbound::ListenerOptions> options = parts_.submission();
  const smtp::Reply reply = inbound::Admission(*options).admit_pool(
      call.caller.tenant(), stream.empty() ? call.caller.key->credential.stream : stream, pool);
  if (reply.is_positive()) return std::nullopt;
  return invalid_request(
      {{"/pool",
        "bad_value",
        {"there is no pool of this name that this tenant's mail on this stream may name",
         "このテナントのこのストリームから指定できるその名前のプールはありません"}}});
}

base::Task<Sender::Claimed> Sender::claim(std::shared_ptr<Call> call, std::size_t ids,
                                          FormatProblem refuse) {
  Claimed claimed;
  claimed.ids.reserve(ids);
  for (std::size_t i = 0; i < ids; ++i)
    claimed.ids.push_back(parts_.services.ids.next(parts_.worker.clock.now()));
  const std::string key(base::trimmed(call->request.header("idempotency-key")));
  if (key.empty()) co_return claimed;
  if (!is_idempotency_key(key)) {
    claimed.answer = refuse(bad_idempotency_key(), call->caller);
    co_return claimed;
  }
  IdempotencyBook::Request request{call->caller.tenant(), key, {}};
  base::Function<std::string()> digest = [call] { return fingerprint_of(call->request); };
  request.fingerprint = co_await work_on<std::string>(call->request.body.size(), std::move(digest));
  IdempotencyBook::Claim claim =
      co_await parts_.idempotency.claim(parts_.worker, request, std::move(claimed.ids));
  if (claim.kind == IdempotencyBook::Claim::Kind::Replay) {
    claimed.answer = replayed(claim.status, std::move(claim.body));
  } else if (const auto problem = problem_of(claim.kind)) {
    claimed.answer = refuse(*problem, call->caller);
  } else {
    claimed.ids = std::move(claim.ids);
    claimed.ids.resize(ids);
    claimed.is_resumed = claim.is_resumed;
    claimed.request = std::move(request);
  }
  co_return claimed;
}

base::Task<void> Sender::settle(std::optional<IdempotencyBook::Request> request, unsigned status,
                                std::string body, Outcome outcome) {
  if (!request) co_return;
  // What changed nothing may be tried again with the same key.
  if (outcome == Outcome::Done) {
    (void)co_await parts_.idempotency.finish(parts_.worker, std::move(*request), status,
                                             std::move(body));
  } else {
    (void)co_await parts_.idempotency.release(parts_.worker, std::move(*request));
  }
}

base::Task<HttpResponse> Sender::send_all(std::shared_ptr<Call> call,
                                          std::vector<Prepared> prepared, MakeAnswer answer,
                                          FormatProblem refuse) {
  Claimed claimed = co_await claim(call, prepared.size(), std::move(refuse));
  if (claimed.answer) co_return std::move(*claimed.answer);
  std::vector<Sent> sent;
  sent.reserve(prepared.size());
  bool is_any_sent = false;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    Sent one = co_await send(call, std::move(prepared[i]), claimed.ids[i], claimed.is_resumed);
    is_any_sent = is_any_sent || !one.problem;
    sent.push_back(std::move(one));
  }
  HttpResponse response = answer(*call, std::move(sent));
  std::string body = response.body;
  co_await settle(std::move(claimed.request), response.status, std::move(body),
                  is_any_sent ? Outcome::Done : Outcome::Nothing);
  co_return response;
}

}  // namespace ekiden::api
