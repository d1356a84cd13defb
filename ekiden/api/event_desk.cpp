#include "ekiden/api/event_desk.hpp"

namespace ekiden::api {
namespace {

/// What one slice of a scan came to.
struct Slice {
  bool is_read = false;
  bool is_over = false;
  std::optional<events::Position> next;
};

Slice read_slice(events::Reader& reader, const events::Query& query, const EventDesk::See& see) {
  Slice slice;
  const Result<events::Page> page = reader.find(query);
  if (!page) return slice;
  slice.is_read = true;
  for (const events::Stored& stored : page->events) {
    slice.is_over = !see(stored);
    if (slice.is_over) break;
  }
  slice.next = page->next;
  return slice;
}

}  // namespace

base::Task<EventDesk::Scan> EventDesk::scan(base::Worker& worker, events::Query query, See see) {
  query.limit = kSliceEvents;
  query.rows_max = kSliceRows;
  const auto shared = std::make_shared<const See>(std::move(see));
  for (std::size_t slices = 0; slices < kSlicesMax; ++slices) {
    base::Function<Slice(events::Reader&)> question = [query, shared](events::Reader& reader) {
      return read_slice(reader, query, *shared);
    };
    const std::optional<Slice> slice = co_await ask<Slice>(worker, std::move(question));
    if (!slice || !slice->is_read) co_return Scan::Busy;
    if (slice->is_over || !slice->next) co_return Scan::Done;
    query.after = slice->next;
  }
  co_return Scan::Cut;
}

base::Task<std::optional<events::Stats>> EventDesk::count(base::Worker& worker,
                                                          events::StatsQuery query) {
  using Step = events::StatsCount::Step;
  const auto counting = std::make_shared<events::StatsCount>(query);
  while (true) {
    base::Function<std::optional<Step>(events::Reader&)> question =
        [counting](events::Reader& reader) -> std::optional<Step> {
      const Result<Step> step = counting->step(reader);
      if (!step) return std::nullopt;
      return *step;
    };
    const std::optional<std::optional<Step>> step =
        co_await ask<std::optional<Step>>(worker, std::move(question));
    if (!step || !*step) co_return std::nullopt;
    if (**step == Step::Done) co_return counting->finish();
  }
}

}  // namespace ekiden::api
