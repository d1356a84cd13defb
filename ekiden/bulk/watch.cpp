#include "ekiden/bulk/watch.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/bulk/job_id.hpp"

namespace ekiden::bulk {
namespace {

/// An attempt was made, or there will be none.
bool is_tried(const spool::Progress& progress) {
  return progress.attempts > 0 || progress.state != spool::State::Queued;
}

std::vector<base::MessageId> tried_rows(const spool::Transaction& transaction) {
  std::vector<base::MessageId> rows;
  for (const spool::Update& update : transaction.updates) {
    if (!is_of_job(update.id) || row_of(update.id) == 0) continue;
    if (std::any_of(update.changes.begin(), update.changes.end(), is_tried))
      rows.push_back(update.id);
  }
  return rows;
}

}  // namespace

class Watch::WatchedPort : public spool::Port {
 public:
  WatchedPort(std::unique_ptr<spool::Port> port, Watch& watch)
      : port_(std::move(port)), watch_(watch) {}

  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    std::vector<base::MessageId> rows = tried_rows(transaction);
    if (rows.empty()) return port_->submit(std::move(transaction), std::move(done));
    port_->submit(std::move(transaction), [&watch = watch_, rows = std::move(rows),
                                           done = std::move(done)](Result<void> result) mutable {
      if (result) watch.tried(rows);
      done(result);
    });
  }
  void expect(int change) override { port_->expect(change); }
  void abandon() override { port_->abandon(); }
  void load(base::MessageId id, base::Completion<Result<spool::Loaded>> done) override {
    port_->load(id, std::move(done));
  }
  void load_meta(base::MessageId id, base::Completion<Result<std::string>> done) override {
    port_->load_meta(id, std::move(done));
  }
  void load_progress(base::MessageId id,
                     base::Completion<Result<std::vector<spool::Progress>>> done) override {
    port_->load_progress(id, std::move(done));
  }
  void visit_metas(std::vector<base::MessageId> ids, spool::SeeMeta see,
                   base::Completion<Result<void>> done) override {
    port_->visit_metas(std::move(ids), std::move(see), std::move(done));
  }
  void visit_progress(std::vector<base::MessageId> ids, spool::SeeProgress see,
                      base::Completion<Result<void>> done) override {
    port_->visit_progress(std::move(ids), std::move(see), std::move(done));
  }
  void read(const spool::Body& body, std::uint64_t offset, std::size_t length,
            base::Completion<Result<base::Octets>> done) override {
    port_->read(body, offset, length, std::move(done));
  }
  std::unique_ptr<spool::LargeWriter> create_large() override { return port_->create_large(); }

 private:
  std::unique_ptr<spool::Port> port_;
  Watch& watch_;
};

std::unique_ptr<spool::Port> Watch::watch(std::unique_ptr<spool::Port> port) {
  return std::make_unique<WatchedPort>(std::move(port), *this);
}

bool Watch::recover(const spool::Recovered& found) {
  if (!is_of_job(found.id)) return false;
  if (row_of(found.id) == 0) {
    jobs_.push_back({found.id, std::string(found.meta), found.progress});
    return true;
  }
  if (std::none_of(found.progress.begin(), found.progress.end(), is_tried))
    untried_.push_back(found.id);
  return false;
}

void Watch::on_tried(base::Function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void Watch::tried(const std::vector<base::MessageId>& rows) {
  const std::lock_guard lock(mutex_);
  const bool was_empty = tried_.empty();
  tried_.insert(tried_.end(), rows.begin(), rows.end());
  if (was_empty && wake_) wake_();
}

std::vector<base::MessageId> Watch::take_tried() {
  const std::lock_guard lock(mutex_);
  return std::exchange(tried_, {});
}

}  // namespace ekiden::bulk
