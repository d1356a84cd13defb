#include "ekiden/api/store_desk.hpp"

#include "ekiden/account/domain_key.hpp"
#include "ekiden/api/idempotent.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

/// The purpose under which kept answers are sealed.
constexpr std::string_view kAnswerPurpose = "idempotent answer";

bool is_write(const HttpRequest& request) {
  return request.method != "GET" && request.method != "HEAD";
}

Problem too_busy() {
  return unavailable(
      {"Too many requests of this kind are under way.", "この種類のリクエストが混み合っています。"},
      2);
}

Text store_text(account::Errc errc, const std::string& what) {
  using account::Errc;
  const std::string error = account::make_error_code(errc).message();
  switch (errc) {
    case Errc::DuplicateName:
    case Errc::DuplicateKey:
    case Errc::DuplicateTenant:
      return {what + " exists already", what + " は既にあります"};
    case Errc::DuplicateCertificate:
      return {error, "この証明書は別の利用者のものです"};
    case Errc::BadName:
      return {"a name has 1 to 255 octets of UTF-8 without control characters",
              "名前は制御文字を含まない255オクテットまでのUTF-8です"};
    case Errc::BadLabel:
      return {error, "テナントとストリームの名前は1〜63文字の英小文字、数字、-_.です"};
    case Errc::BadPassword:
      return {error, "パスワードは制御文字を含まない8〜1024オクテットです"};
    case Errc::BadCertificate:
      return {error, "証明書はSHA-256の16進64桁で指定します"};
    case Errc::BadScope:
      return {error, "そのようなスコープはありません"};
    case Errc::TooMany:
      return {what + ": there are too many", what + ": 数が上限に達しています"};
    case Errc::InUse:
      return {what + ": " + error, what + " はまだ使われています"};
    default:
      return {error, "制御ストアを読み書きできません"};
  }
}

}  // namespace

/// Lets the pool's threads share one source.
class StoreDesk::LockedRandom final : public base::Random {
 public:
  LockedRandom(std::mutex& mutex, base::Random& random) : mutex_(mutex), random_(random) {}
  std::uint64_t next() override {
    const std::lock_guard lock(mutex_);
    return random_.next();
  }

 private:
  std::mutex& mutex_;
  base::Random& random_;
};

Answer created(const boost::json::object& object, std::string location) {
  HttpResponse response = json_response(201, object);
  response.headers.emplace_back("Location", std::move(location));
  return response;
}

Answer no_content() {
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

Problem no_such(std::string_view what) {
  const std::string name = base::printable(what, 100);
  return make_problem(404, "no-such-object",
                      {"There is no " + name + ".", name + " はありません。"});
}

Problem conflict(Text detail) {
  return make_problem(409, "conflict", std::move(detail));
}

Problem problem_of(const Error& error, std::string_view what) {
  using account::Errc;
  const std::string name = base::printable(what, 100);
  for (const Errc errc : {Errc::NotFound, Errc::NoSuchKey, Errc::UnknownTenant})
    if (error == errc) return no_such(name);
  for (const Errc errc : {Errc::DuplicateName, Errc::DuplicateKey, Errc::DuplicateTenant,
                          Errc::DuplicateCertificate, Errc::InUse, Errc::TooMany})
    if (error == errc) return conflict(store_text(errc, name));
  for (const Errc errc :
       {Errc::BadName, Errc::BadLabel, Errc::BadPassword, Errc::BadCertificate, Errc::BadScope})
    if (error == errc) return invalid_request({{"", "bad_value", store_text(errc, name)}});
  return unavailable({error.message(), "制御ストアを読み書きできません。"});
}

Chosen StoreCall::choose(std::string_view named, bool may_be_all) const {
  if (named.empty()) return {caller().is_operator() && may_be_all ? "" : caller().tenant(), {}};
  if (may_see(named)) return {std::string(named), {}};
  return {
      {},
      make_problem(403, "forbidden",
                   {"This API key is another tenant's.", "このAPIキーは別のテナントのものです。"})};
}

base::Task<std::shared_ptr<const config::Settings>> StoreDesk::settings(base::Worker& asking) {
  using Settings = std::shared_ptr<const config::Settings>;
  auto begin = [this, &asking](base::Completion<Settings> done) {
    parts_.home.executor.post([this, &to = asking.executor, done = std::move(done)]() mutable {
      to.post(
          [now = parts_.settings(), done = std::move(done)]() mutable { done(std::move(now)); });
    });
  };
  co_return co_await base::suspend<Settings>(std::move(begin));
}

base::Task<Answer> StoreDesk::ask(base::Worker& worker, std::shared_ptr<Call> call,
                                  StoreWork work) {
  if (waiting_.fetch_add(1) >= kWaitingMax) {
    waiting_.fetch_sub(1);
    Problem busy = too_busy();
    co_return Answer(std::move(busy));
  }
  std::shared_ptr<const config::Settings> now = co_await settings(worker);
  account::Author author = call->caller.author(worker.clock.now());
  base::Function<Answer()> task = [this, call = std::move(call), work = std::move(work),
                                   settings = std::move(now), author = std::move(author)] {
    LockedRandom random(random_mutex_, random_);
    StoreCall on{*call, parts_.store, parts_.node_key, parts_.ledger, random, settings, author};
    return work(on);
  };
  Answer answer = co_await base::run_on<Answer>(parts_.pool, worker, std::move(task));
  waiting_.fetch_sub(1);
  co_return answer;
}

void StoreDesk::add(Frame& frame, std::string method, std::string path, Access access,
                    StoreWork work, FormatProblem format) {
  Handler handle = [this, &frame, work = std::move(work)](std::shared_ptr<Call> call) {
    return ask(frame.worker(), std::move(call), work);
  };
  add_handler(frame, std::move(method), std::move(path), std::move(access), std::move(handle),
              std::move(format));
}

void StoreDesk::add_handler(Frame& frame, std::string method, std::string path, Access access,
                            Handler handle, FormatProblem format) {
  frame.add(std::move(method), std::move(path), std::move(access),
            [this, &frame, handle = std::move(handle),
             format = std::move(format)](std::shared_ptr<Call> call) {
              return guard(frame.worker(), std::move(call), handle, format);
            });
}

base::Task<HttpResponse> StoreDesk::guard(base::Worker& worker, std::shared_ptr<Call> call,
                                          Handler handle, FormatProblem format) {
  const std::string key(base::trimmed(call->request.header("idempotency-key")));
  const bool is_kept = !key.empty() && is_write(call->request);
  IdempotencyBook::Request request{call->caller.tenant(), key, {}};
  if (is_kept) {
    if (!is_idempotency_key(key)) co_return format(bad_idempotency_key(), call->caller);
    base::Function<std::string()> digest = [call] { return fingerprint_of(call->request); };
    if (call->request.body.size() <= Sender::kInlineOctetsMax)
      request.fingerprint = digest();
    else
      request.fingerprint =
          co_await base::run_on<std::string>(parts_.pool, worker, std::move(digest));
    std::vector<base::MessageId> none;
    IdempotencyBook::Claim claim =
        co_await parts_.idempotency.claim(worker, request, std::move(none));
    if (claim.kind == IdempotencyBook::Claim::Kind::Replay) {
      const auto sealed = base::decode_base64(claim.body);
      const auto body =
          sealed ? account::unseal(parts_.node_key, kAnswerPurpose, *sealed) : std::nullopt;
      co_return replayed(claim.status, body ? std::string(body->view()) : std::move(claim.body));
    }
    if (const auto problem = problem_of(claim.kind)) co_return format(*problem, call->caller);
  }
  Answer answer = co_await handle(call);
  if (is_kept && answer.problem) {
    (void)co_await parts_.idempotency.release(worker, std::move(request));
  } else if (is_kept) {
    LockedRandom random(random_mutex_, random_);
    std::string body = base::encode_base64(
        account::seal(parts_.node_key, kAnswerPurpose, answer.response.body, random));
    (void)co_await parts_.idempotency.finish(worker, std::move(request), answer.response.status,
                                             std::move(body));
  }
  if (answer.problem) co_return format(*answer.problem, call->caller);
  co_return std::move(answer.response);
}

}  // namespace ekiden::api
