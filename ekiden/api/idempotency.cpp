#include "ekiden/api/idempotency.hpp"

#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "ekiden/account/database.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/pool_task.hpp"

namespace ekiden::api {
namespace {

constexpr std::int64_t kApplicationId = 0x656b6970;  // "ekip"
/// Old keys are looked for once in so many claims.
constexpr std::uint64_t kClaimsBetweenPrunes = 1000;

std::string join_ids(const std::vector<base::MessageId>& ids) {
  std::string text;
  for (const base::MessageId id : ids) {
    if (!text.empty()) text += ' ';
    text += base::format_message_id(id);
  }
  return text;
}

std::vector<base::MessageId> split_ids(std::string_view text) {
  std::vector<base::MessageId> ids;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (const auto id = base::parse_message_id(text.substr(0, end))) ids.push_back(*id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

}  // namespace

struct IdempotencyBook::State {
  State(base::Executor& p, std::string d, base::Clock& c, base::Duration k)
      : pool(p), path(std::move(d) + "/idempotency.db"), clock(c), kept(k) {}

  base::Executor& pool;
  const std::string path;
  base::Clock& clock;
  const base::Duration kept;
  std::mutex mutex;
  std::optional<account::Database> database;
  std::set<std::pair<std::string, std::string>> under_way;
  std::uint64_t claims = 0;

  Result<void> open() {
    if (database) return {};
    std::string problem;
    auto opened = account::Database::open(path, &problem);
    if (!opened) {
      base::log::error("idempotency_file", {{"file", path}, {"reason", problem}});
      return opened.error();
    }
    const Result<void> made = opened->run(
        "CREATE TABLE IF NOT EXISTS answers("
        "tenant TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, ids TEXT NOT NULL, "
        "status INTEGER NOT NULL, body TEXT NOT NULL, at_us INTEGER NOT NULL, "
        "PRIMARY KEY(tenant, key)) STRICT, WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS answers_by_age ON answers(at_us);"
        "PRAGMA application_id=" +
        std::to_string(kApplicationId));
    if (!made) return made.error();
    database.emplace(std::move(*opened));
    return {};
  }

  Result<Claim> find(const Request& request) {
    auto select = database->prepare(
        "SELECT fingerprint, ids, status, body FROM answers WHERE tenant=? AND key=?");
    if (!select) return select.error();
    const auto row = select->bind(request.tenant).bind(request.key).step();
    if (!row) return row.error();
    Claim claim;
    claim.kind = Claim::Kind::Begun;
    if (*row == account::Statement::Step::End) return claim;
    claim.is_resumed = true;
    claim.ids = split_ids(select->text(1));
    claim.status = static_cast<unsigned>(select->integer(2));
    claim.body = select->text(3);
    if (select->text(0) != request.fingerprint) {
      claim.kind = Claim::Kind::Reused;
    } else if (claim.status != 0) {
      claim.kind = Claim::Kind::Replay;
    }
    return claim;
  }

  Result<void> prune(base::Time now) {
    if (claims++ % kClaimsBetweenPrunes != 0) return {};
    auto erase = database->prepare("DELETE FROM answers WHERE at_us < ?");
    if (!erase) return erase.error();
    return erase->bind(base::to_unix_us(now - kept)).run();
  }

  Result<Claim> try_claim(const Request& request, std::vector<base::MessageId> ids) {
    if (const auto ready = open(); !ready) return ready.error();
    const base::Time now = clock.now();
    if (const auto pruned = prune(now); !pruned) return pruned.error();
    Result<Claim> found = find(request);
    if (!found || found->kind != Claim::Kind::Begun) return found;
    if (under_way.contains({request.tenant, request.key})) {
      found->kind = Claim::Kind::InUse;
      return found;
    }
    // A claim that was cut short goes on with its ids; a fresh one writes its own.
    if (!found->is_resumed) {
      auto insert = database->prepare("INSERT INTO answers VALUES(?,?,?,?,0,'',?)");
      if (!insert) return insert.error();
      insert->bind(request.tenant).bind(request.key).bind_octets(request.fingerprint);
      insert->bind(join_ids(ids)).bind(base::to_unix_us(now));
      if (const auto done = insert->run(); !done) return done.error();
      found->ids = std::move(ids);
    }
    under_way.emplace(request.tenant, request.key);
    return found;
  }

  Result<void> try_finish(const Request& request, unsigned status, const std::string& body) {
    under_way.erase({request.tenant, request.key});
    if (const auto ready = open(); !ready) return ready.error();
    auto update = database->prepare("UPDATE answers SET status=?, body=? WHERE tenant=? AND key=?");
    if (!update) return update.error();
    update->bind(static_cast<std::int64_t>(status)).bind(body);
    return update->bind(request.tenant).bind(request.key).run();
  }

  Result<void> try_release(const Request& request) {
    under_way.erase({request.tenant, request.key});
    if (const auto ready = open(); !ready) return ready.error();
    auto erase = database->prepare("DELETE FROM answers WHERE tenant=? AND key=?");
    if (!erase) return erase.error();
    return erase->bind(request.tenant).bind(request.key).run();
  }
};

IdempotencyBook::IdempotencyBook(base::Executor& pool, std::string data_dir, base::Clock& clock,
                                 base::Duration kept)
    : state_(std::make_shared<State>(pool, std::move(data_dir), clock, kept)) {}

IdempotencyBook::~IdempotencyBook() = default;

base::Task<IdempotencyBook::Claim> IdempotencyBook::claim(base::Worker& worker, Request request,
                                                          std::vector<base::MessageId> ids) {
  base::Function<Claim()> work = [state = state_, request = std::move(request),
                                  ids = std::move(ids)]() mutable {
    const std::lock_guard lock(state->mutex);
    Result<Claim> claim = state->try_claim(request, std::move(ids));
    if (claim) return std::move(*claim);
    base::log::error("idempotency_file",
                     {{"file", state->path}, {"reason", claim.error().message()}});
    return Claim();
  };
  co_return co_await base::run_on<Claim>(state_->pool, worker, std::move(work));
}

base::Task<bool> IdempotencyBook::finish(base::Worker& worker, Request request, unsigned status,
                                         std::string body) {
  base::Function<bool()> work = [state = state_, request = std::move(request), status,
                                 body = std::move(body)] {
    const std::lock_guard lock(state->mutex);
    return static_cast<bool>(state->try_finish(request, status, body));
  };
  co_return co_await base::run_on<bool>(state_->pool, worker, std::move(work));
}

base::Task<bool> IdempotencyBook::release(base::Worker& worker, Request request) {
  base::Function<bool()> work = [state = state_, request = std::move(request)] {
    const std::lock_guard lock(state->mutex);
    return static_cast<bool>(state->try_release(request));
  };
  co_return co_await base::run_on<bool>(state_->pool, worker, std::move(work));
}

}  // namespace ekiden::api
