#include "ekiden/api/unsubscribe.hpp"

#include <optional>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/rewrite/error.hpp"
#include "ekiden/rewrite/token.hpp"

namespace ekiden::api {
namespace {

/// Of a request's body that is looked at; RFC 8058's has 26 octets.
constexpr std::size_t kBodyLookedAt = 16 * 1024;

/// The event store is a moment behind: who clicks sooner is asked to come again.
constexpr base::Duration kEventsBehindMax = std::chrono::seconds(5);

struct Words {
  const char *title, *text, *button;
};

struct Page {
  unsigned status;
  Words english, japanese;
};

const Page kAsk{200,
                {"Unsubscribe", "Do you want no more messages of this kind?", "Unsubscribe"},
                {"配信停止", "この種類のメールの配信を停止しますか。", "配信を停止する"}};
const Page kDone{200,
                 {"Unsubscribed", "You will get no more messages of this kind.", nullptr},
                 {"配信を停止しました", "この種類のメールは今後届きません。", nullptr}};
const Page kKept{200,
                 {"Noted",
                  "This message was not part of a mailing; it follows from something you did, "
                  "such as an order. The sender has been told that you want none.",
                  nullptr},
                 {"承りました",
                  "このメールはお手続きに伴うお知らせで、配信停止の対象ではありません。"
                  "ご意向は送信者に伝えました。",
                  nullptr}};
const Page kForged{
    403,
    {"Not a valid link", "This link is damaged or was not made here. Use the one in the message.",
     nullptr},
    {"無効なリンク",
     "リンクが壊れているか、当サービスのものではありません。"
     "メールに記載のリンクをお使いください。",
     nullptr}};
const Page kOld{
    410,
    {"This link is too old", "Use the link in a newer message, or write to the sender.", nullptr},
    {"リンクの有効期限が切れています", "新しいメールのリンクを使うか、送信者にご連絡ください。",
     nullptr}};
const Page kNotOneClick{
    400,
    {"Not understood", "A request to unsubscribe says List-Unsubscribe=One-Click (RFC 8058).",
     nullptr},
    {"処理できません", "配信停止の要求には List-Unsubscribe=One-Click が必要です (RFC 8058)。",
     nullptr}};
const Page kLater{
    503,
    {"Please try again", "This could not be done now. Try again in a minute.", nullptr},
    {"しばらくしてからお試しください",
     "ただいま処理できません。1分ほどしてからもう一度お試しください。", nullptr}};

HttpResponse render(const Page& page, bool is_japanese) {
  const Words& words = is_japanese ? page.japanese : page.english;
  HttpResponse response;
  response.status = page.status;
  response.content_type = "text/html; charset=utf-8";
  std::string& body = response.body;
  body = std::string("<!doctype html>\n<html lang=\"") + (is_japanese ? "ja" : "en") +
         "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\"><title>" +
         words.title +
         "</title><style>body{font:1.1em sans-serif;max-width:32em;margin:15vh auto;padding:0 1em}"
         "button{font:inherit;padding:.5em 1em}</style></head><body><h1>" +
         words.title + "</h1><p>" + words.text + "</p>";
  if (words.button != nullptr) {
    // Without an action a form posts to where it came from.
    body += std::string(
                "<form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" "
                "value=\"One-Click\"><button>") +
            words.button + "</button></form>";
  }
  body += "</body></html>\n";
  response.headers.emplace_back("Content-Language", is_japanese ? "ja" : "en");
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; form-action "
                                "'self'; frame-ancestors 'none'; base-uri 'none'");
  // The address of this page is the right to unsubscribe.
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  if (page.status == 503) response.headers.emplace_back("Retry-After", "60");
  return response;
}

/// The event that made this recipient ours.
Result<std::optional<events::Event>> accepted_event(const std::string& directory,
                                                    const rewrite::TokenContent& content) {
  events::Reader reader(directory);
  events::Query query;
  query.message = content.id;
  query.kind = events::Kind::Accepted;
  // The id has the time of the event; a day's file more costs nothing.
  query.from = content.id.time() - std::chrono::hours(1);
  query.until = content.id.time() + std::chrono::hours(1);
  query.limit = events::Reader::kLimitMax;
  while (true) {
    auto page = reader.find(query);
    if (!page) return page.error();
    for (events::Stored& stored : page->events) {
      if (stored.event.recipient_index == content.recipient)
        return std::optional<events::Event>(std::move(stored.event));
    }
    if (!page->next) return std::optional<events::Event>();
    query.after = page->next;
  }
}

/// What the pool found and did.
struct Looked {
  enum class Kind : std::uint8_t { Suppressed, Transactional, Unknown, Failed };
  Kind kind = Kind::Failed;
  events::Event accepted;
};

/// On the pool.
Looked look_and_suppress(account::Store& store, const std::string& directory,
                         const rewrite::TokenContent& content, base::Time now,
                         const std::string& event_id) {
  Looked looked;
  auto accepted = accepted_event(directory, content);
  if (!accepted) return looked;
  const auto address = *accepted ? account::suppression_address((*accepted)->recipient)
                                 : std::optional<std::string>();
  if (!address) {
    const bool may_follow = now - content.id.time() < kEventsBehindMax;
    looked.kind = may_follow ? Looked::Kind::Failed : Looked::Kind::Unknown;
    return looked;
  }
  looked.accepted = std::move(**accepted);
  const auto snapshot = store.current();
  const account::TenantRules* rules = snapshot->find_tenant(looked.accepted.tenant);
  if (account::stream_of(rules, looked.accepted.stream).kind ==
      account::StreamKind::Transactional) {
    looked.kind = Looked::Kind::Transactional;
    return looked;
  }
  account::Suppression entry;
  entry.tenant = looked.accepted.tenant;
  entry.address = *address;
  entry.stream = looked.accepted.stream;
  entry.reason = account::SuppressionReason::Unsubscribe;
  entry.created = now;
  entry.source = event_id;
  if (store.suppress(entry)) looked.kind = Looked::Kind::Suppressed;
  return looked;
}

base::Counter& requests(base::Metrics& metrics, const char* result) {
  return metrics.counter("ekiden_unsubscribe_requests_total",
                         "POSTs to the links of List-Unsubscribe by their end.",
                         {{"result", result}});
}

}  // namespace

bool is_one_click(std::string_view content_type, std::string_view body) {
  constexpr std::string_view kField = "List-Unsubscribe=One-Click";
  body = body.substr(0, kBodyLookedAt);
  if (base::starts_with_ignoring_case(content_type, "multipart/form-data")) {
    const std::size_t name = body.find("name=\"List-Unsubscribe\"");
    if (name == std::string_view::npos) return false;
    const std::size_t value = body.find("\r\n\r\n", name);
    return value != std::string_view::npos && body.substr(value + 4).starts_with("One-Click\r\n");
  }
  while (true) {
    const std::size_t end = body.find('&');
    if (base::equals_ignoring_case(base::trimmed(body.substr(0, end)), kField)) return true;
    // RFC 8058 §8.1 writes the body as a line; some send its end along.
    const std::string_view line = body.substr(0, std::min(end, body.find_first_of("\r\n")));
    if (base::equals_ignoring_case(line, kField)) return true;
    if (end == std::string_view::npos) return false;
    body.remove_prefix(end + 1);
  }
}

bool prefers_japanese(std::string_view accept_language) {
  const std::string text = base::lowered(accept_language.substr(0, 1000));
  const std::size_t japanese = text.find("ja"), english = text.find("en");
  return japanese != std::string::npos && (english == std::string::npos || japanese < english);
}

Unsubscribing::Unsubscribing(Parts parts, UnsubscribeOptions options)
    : parts_(std::move(parts)),
      options_(options),
      done_(requests(parts_.metrics, "done")),
      refused_(requests(parts_.metrics, "refused")),
      busy_(requests(parts_.metrics, "busy")) {}

void Unsubscribing::serve_from(HttpServer& server) {
  const std::string path = std::string(kUnsubscribePath) + "*";
  const auto handler = [this](HttpRequest request) { return answer(std::move(request)); };
  server.route("GET", path, handler);
  server.route("POST", path, handler);
}

base::Task<HttpResponse> Unsubscribing::answer(HttpRequest request) {
  const bool is_japanese = prefers_japanese(request.header("accept-language"));
  std::string token = request.path.substr(std::min(kUnsubscribePath.size(), request.path.size()));
  const base::Time now = parts_.worker.clock.now();
  const auto content = rewrite::read_token(parts_.key, rewrite::TokenUse::Unsubscribe, {}, token,
                                           now, options_.age_max);
  const bool is_post = request.method == "POST";
  if (!content) {
    if (is_post) refused_.add();
    co_return render(content.error() == rewrite::Errc::Expired ? kOld : kForged, is_japanese);
  }
  if (!is_post) co_return render(kAsk, is_japanese);
  if (!is_one_click(request.header("content-type"), request.body)) {
    refused_.add();
    co_return render(kNotOneClick, is_japanese);
  }
  if (running_ >= options_.parallel_max) {
    busy_.add();
    co_return render(kLater, is_japanese);
  }
  ++running_;
  HttpResponse response = co_await unsubscribe(std::move(request), std::move(token), is_japanese);
  --running_;
  co_return response;
}

base::Task<HttpResponse> Unsubscribing::unsubscribe(HttpRequest request, std::string token,
                                                    bool is_japanese) {
  const base::Time now = parts_.worker.clock.now();
  const auto content = rewrite::read_token(parts_.key, rewrite::TokenUse::Unsubscribe, {}, token,
                                           now, options_.age_max);
  if (!content) co_return render(kForged, is_japanese);
  const rewrite::TokenContent who = *content;
  // The same for every click on this link: one event, however often it is clicked.
  const std::string id = events::event_id(who.id, who.recipient, events::Kind::Unsubscribed, 0);
  auto begin = [&](base::Completion<std::shared_ptr<Looked>> done) {
    parts_.pool.post([this, who, now, id, done = std::move(done)]() mutable {
      auto looked = std::make_shared<Looked>(
          look_and_suppress(parts_.store, parts_.events_directory, who, now, id));
      base::Executor& home = parts_.worker.executor;
      home.post([looked, done = std::move(done)]() mutable { done(std::move(looked)); });
    });
  };
  const std::shared_ptr<Looked> looked =
      co_await base::suspend<std::shared_ptr<Looked>>(std::move(begin));
  if (looked->kind == Looked::Kind::Unknown) {
    refused_.add();
    co_return render(kOld, is_japanese);
  }
  if (looked->kind == Looked::Kind::Failed) {
    busy_.add();
    co_return render(kLater, is_japanese);
  }
  const events::Event& accepted = looked->accepted;
  events::Event event;
  event.id = id;
  event.kind = events::Kind::Unsubscribed;
  event.time = now;
  event.message = who.id;
  event.recipient_index = who.recipient;
  event.recipient = accepted.recipient;
  event.sender = accepted.sender;
  event.header_from = accepted.header_from;
  event.subject = accepted.subject;
  event.tenant = accepted.tenant;
  event.stream = accepted.stream;
  event.tags = accepted.tags;
  event.metadata = accepted.metadata;
  event.internet_message_id = accepted.internet_message_id;
  event.client_address = request.remote.address.to_string();
  event.detail = "by its List-Unsubscribe link";
  std::string encoded = events::encode_event(event);
  auto record = [&](base::Completion<Result<void>> done) {
    parts_.record(std::move(encoded), std::move(done));
  };
  const Result<void> recorded = co_await base::suspend<Result<void>>(std::move(record));
  if (!recorded) {
    // The address is off the stream; the client comes again, and finds that done.
    busy_.add();
    co_return render(kLater, is_japanese);
  }
  done_.add();
  base::log::info("unsubscribed", {{"message", base::format_message_id(who.id)},
                                   {"recipient", accepted.recipient},
                                   {"tenant", accepted.tenant},
                                   {"stream", accepted.stream}});
  co_return render(looked->kind == Looked::Kind::Suppressed ? kDone : kKept, is_japanese);
}

}  // namespace ekiden::api
