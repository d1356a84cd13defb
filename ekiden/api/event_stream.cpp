#include "ekiden/api/event_stream.hpp"

#include <boost/json/serialize.hpp>

#include "ekiden/api/api.hpp"
#include "ekiden/api/event_query.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

/// What is read of the store at once.
struct Piece {
  bool is_readable = true;
  events::Followed followed;
  events::Cursor before, after;
};

Piece read_piece(events::Reader& reader, const std::string& tenant, events::Cursor cursor) {
  Piece piece;
  piece.before = cursor;
  events::Following following;
  following.tenant = tenant;
  Result<events::Followed> followed = reader.follow(cursor, following);
  piece.is_readable = followed.has_value();
  if (followed) piece.followed = std::move(*followed);
  piece.after = std::move(cursor);
  return piece;
}

/// Each event that is wanted, with the cursor behind it.
std::string format(const Piece& piece, const Asked& asked) {
  std::string text;
  events::Cursor cursor = piece.before;
  for (const events::Stored& stored : piece.followed.events) {
    cursor[stored.position.day] = stored.position.seq;
    if (!fits(asked, stored.event)) continue;
    text += "id: " + events::format_cursor(cursor) + "\nevent: ";
    text += events::kind_name(stored.event.kind);
    text += "\ndata: " + json::serialize(to_json(stored.event)) + "\n\n";
  }
  return text;
}

}  // namespace

std::shared_ptr<const void> StreamSlots::take(const std::string& tenant) {
  const std::lock_guard lock(state_->mutex);
  std::size_t& of_tenant = state_->of_tenant[tenant];
  if (state_->all >= kStreamsMax || of_tenant >= kOfTenantMax) return nullptr;
  ++of_tenant;
  ++state_->all;
  return std::shared_ptr<const void>(static_cast<const void*>(state_.get()),
                                     [state = state_, tenant](const void*) {
                                       const std::lock_guard freeing(state->mutex);
                                       --state->all;
                                       const auto found = state->of_tenant.find(tenant);
                                       if (--found->second == 0) state->of_tenant.erase(found);
                                     });
}

/// What one stream stands on. It may outlive the request, and ends with the server.
struct EventStreams::Stream {
  EventStreams& streams;
  Asked asked;
  std::optional<events::Cursor> cursor;  ///< nothing: from now on
  std::shared_ptr<const void> slot;
};

EventStreams::EventStreams(Parts parts)
    : parts_(parts),
      streams_(
          parts_.metrics.gauge("ekiden_event_streams", "Event streams over HTTP that are open")),
      dropped_(parts_.metrics.counter("ekiden_event_streams_dropped_total",
                                      "Event streams ended because their reader was too slow")) {}

base::Task<HttpResponse> EventStreams::open(std::shared_ptr<Call> call) {
  auto stream = std::make_shared<Stream>(Stream{*this, read_query(*call), std::nullopt, nullptr});
  std::string_view from = call->request.header("last-event-id");
  if (from.empty()) from = call->query.get("cursor");
  if (!from.empty()) {
    stream->cursor = events::parse_cursor(from);
    if (!stream->cursor)
      stream->asked.problem =
          bad_parameter("cursor", {"no cursor of ours", "カーソルが正しくありません"});
  }
  // A stream has no past but what its cursor names, and no end.
  if (stream->asked.query.from || stream->asked.query.until || !stream->asked.status.empty())
    stream->asked.problem = bad_parameter("from", {"a stream takes no times and no status",
                                                   "ストリームでは日時とstatusを指定できません"});
  if (stream->asked.problem) co_return own_problem(*stream->asked.problem, call->caller);
  const bool is_head = call->request.method == "HEAD";
  if (!is_head) stream->slot = parts_.shared.streams().take(call->caller.tenant());
  if (!is_head && stream->slot == nullptr) {
    Problem problem = make_problem(
        429, "rate-limited",
        {"There are too many event streams.", "イベントストリームの数が上限に達しています。"});
    problem.retry_after_s = 5;
    co_return own_problem(problem, call->caller);
  }
  HttpResponse response;
  response.content_type = "text/event-stream; charset=utf-8";
  // Proxies such as nginx would otherwise gather it.
  response.headers.emplace_back("X-Accel-Buffering", "no");
  response.streamer = [stream](HttpStream& out) { return run(stream, out); };
  co_return response;
}

base::Task<void> EventStreams::run(std::shared_ptr<Stream> stream, HttpStream& out) {
  struct Counted {
    explicit Counted(base::Gauge& g) : gauge(g) { gauge.add(1); }
    ~Counted() { gauge.add(-1); }
    base::Gauge& gauge;
  };
  EventStreams& self = stream->streams;
  const Counted counted(self.streams_);
  base::Worker& worker = self.parts_.worker;
  EventDesk& desk = self.parts_.shared.events();
  const base::Steady end = worker.clock.steady() + kLifeMax;
  if (!stream->cursor) {
    base::Function<std::optional<events::Cursor>(events::Reader&)> question =
        [](events::Reader& reader) -> std::optional<events::Cursor> {
      const Result<events::Cursor> now = reader.end();
      return now ? std::optional(*now) : std::nullopt;
    };
    auto now = co_await desk.ask<std::optional<events::Cursor>>(worker, std::move(question));
    // Without a place to begin at there is nothing to resume: the client comes again.
    if (!now || !*now) co_return;
    stream->cursor = std::move(**now);
  }
  // The first id lets a client resume that has not seen an event.
  std::string text =
      "retry: 2000\nid: " + events::format_cursor(*stream->cursor) + "\n: events of ekiden\n\n";
  base::Steady heard = worker.clock.steady();
  bool has_more = false;
  while (worker.clock.steady() < end) {
    if (!text.empty()) {
      const base::Steady begun = worker.clock.steady();
      const bool is_written = co_await out.write(std::move(text), kStuck);
      heard = worker.clock.steady();
      const bool is_slow = heard - begun >= kSlow;
      if (is_slow) {
        self.dropped_.add();
        base::log::info("event_stream_dropped",
                        {{"tenant", stream->asked.query.tenant}, {"reason", "its reader is slow"}});
      }
      if (is_written && is_slow) {
        std::string last = "event: dropped\ndata: {\"reason\":\"too slow\",\"resume\":\"" +
                           events::format_cursor(*stream->cursor) + "\"}\n\n";
        (void)co_await out.write(std::move(last), kSlow);
      }
      if (!is_written || is_slow) co_return;
    }
    if (!has_more) {
      const bool goes_on = co_await out.pause(kPoll);
      if (!goes_on) co_return;
    }
    base::Function<Piece(events::Reader&)> question =
        [tenant = stream->asked.query.tenant, cursor = *stream->cursor](events::Reader& reader) {
          return read_piece(reader, tenant, cursor);
        };
    std::optional<Piece> piece = co_await desk.ask<Piece>(worker, std::move(question));
    text.clear();
    has_more = false;
    if (piece && piece->is_readable) {
      text = format(*piece, stream->asked);
      has_more = piece->followed.has_more;
      stream->cursor = std::move(piece->after);
    }
    if (text.empty() && worker.clock.steady() - heard >= kHeartbeat)
      text = "id: " + events::format_cursor(*stream->cursor) + "\n: still here\n\n";
  }
}

void add_stream_routes(Frame& frame, EventStreams& streams) {
  frame.add("GET", "/v1/events/stream", Access{"events:read"},
            [&streams](std::shared_ptr<Call> call) { return streams.open(std::move(call)); });
}

}  // namespace ekiden::api
