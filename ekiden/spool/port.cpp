#include "ekiden/spool/port.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/checksum.hpp"
#include "ekiden/spool/bulk_read.hpp"

namespace ekiden::spool {
namespace {

/// Posts the answer home; there it is dropped if the port has gone meanwhile.
template <class T>
void answer(const std::shared_ptr<PortState>& state, base::Completion<Result<T>> done,
            Result<T> result) {
  state->home.post([state, done = std::move(done), result = std::move(result)]() mutable {
    if (state->is_attached) done(std::move(result));
  });
}

class JournalPort final : public Port {
 public:
  JournalPort(PortServices services, base::Executor& home)
      : services_(services), state_(std::make_shared<PortState>(home, services.state.expected)) {}
  ~JournalPort() override { state_->is_attached = false; }

  void submit(Transaction transaction, base::Completion<Result<void>> done) override {
    if (!services_.state.is_open.load(std::memory_order_relaxed)) {
      answer<void>(state_, std::move(done), Errc::Closed);
      return;
    }
    auto submission = std::make_unique<Submission>();
    submission->transaction = std::move(transaction);
    submission->done = std::move(done);
    // Summed here, on the worker, where the octets are warm and there are many of us.
    for (const NewMessage& message : submission->transaction.messages)
      submission->body_crcs.push_back(base::crc32c(message.body.octets.view()));
    submission->measure();
    const bool is_first = state_->first == nullptr;
    Submission* const raw = submission.release();
    if (is_first) {
      state_->first = raw;
    } else {
      state_->last->next = raw;
    }
    state_->last = raw;
    // What one loop turn submits is pushed once.
    if (is_first) {
      state_->home.post([state = state_, committer = &services_.committer] {
        Submission* const first = std::exchange(state->first, nullptr);
        // Named only now: until it is pushed, the state owns it.
        for (Submission* s = first; s != nullptr; s = s->next) s->port = state;
        if (first != nullptr) committer->submit(first, std::exchange(state->last, nullptr));
      });
    }
  }

  void expect(int change) override {
    state_->expected->fetch_add(change, std::memory_order_relaxed);
  }

  void abandon() override { state_->clear(); }

  void load(base::MessageId id, base::Completion<Result<Loaded>> done) override {
    load_with<Loaded>(id, WithBody::Yes, std::move(done), [](Loaded loaded) { return loaded; });
  }

  void load_meta(base::MessageId id, base::Completion<Result<std::string>> done) override {
    load_with<std::string>(id, WithBody::No, std::move(done),
                           [](Loaded loaded) { return std::move(loaded.meta); });
  }

  void load_progress(base::MessageId id,
                     base::Completion<Result<std::vector<Progress>>> done) override {
    services_.pool.post(
        [state = state_, reader = &services_.reader, id, done = std::move(done)]() mutable {
          answer<std::vector<Progress>>(state, std::move(done), reader->load_progress(id));
        });
  }

  void visit_metas(std::vector<base::MessageId> ids, SeeMeta see,
                   base::Completion<Result<void>> done) override {
    begin<BulkRead>(std::move(ids), std::move(see), std::move(done));
  }

  void visit_progress(std::vector<base::MessageId> ids, SeeProgress see,
                      base::Completion<Result<void>> done) override {
    begin<BulkProgressRead>(std::move(ids), std::move(see), std::move(done));
  }

  void read(const Body& body, std::uint64_t offset, std::size_t length,
            base::Completion<Result<base::Octets>> done) override {
    if (body.is_in_memory()) {
      const std::size_t from = std::min<std::uint64_t>(offset, body.octets.size());
      answer<base::Octets>(state_, std::move(done),
                           body.octets.part(from, std::min(length, body.octets.size() - from)));
      return;
    }
    services_.pool.post([state = state_, disk = &services_.state.disk, body, offset, length,
                         done = std::move(done)]() mutable {
      answer<base::Octets>(state, std::move(done), read_large(*disk, body, offset, length));
    });
  }

  std::unique_ptr<LargeWriter> create_large() override {
    return services_.large.create(state_->home);
  }

 private:
  BulkServices bulk() const {
    return {services_.state, services_.reader, services_.committer, services_.pool};
  }
  /// Starts a bulk read on the pool; its end is answered at home.
  template <class Read, class See>
  void begin(std::vector<base::MessageId> ids, See see, base::Completion<Result<void>> done) {
    const auto read = std::make_shared<Read>(
        bulk(), std::move(ids), std::move(see),
        [state = state_, done = std::move(done)](Result<void> result) mutable {
          answer<void>(state, std::move(done), std::move(result));
        });
    services_.pool.post([read] { read->run(); });
  }

  template <class T, class Pick>
  void load_with(base::MessageId id, WithBody with, base::Completion<Result<T>> done, Pick pick) {
    services_.pool.post([state = state_, reader = &services_.reader,
                         committer = &services_.committer, id, with, pick,
                         done = std::move(done)]() mutable {
      bool must_quarantine = false;
      Result<Loaded> loaded = reader->load(id, with, must_quarantine);
      if (must_quarantine) {
        auto submission = std::make_unique<Submission>();
        submission->quarantined.push_back(id);
        submission->measure();
        committer->submit(std::move(submission));
      }
      answer<T>(state, std::move(done),
                loaded ? Result<T>(pick(std::move(*loaded))) : Result<T>(loaded.error()));
    });
  }

  PortServices services_;
  std::shared_ptr<PortState> state_;
};

}  // namespace

std::unique_ptr<Port> make_port(PortServices services, base::Executor& home) {
  return std::make_unique<JournalPort>(services, home);
}

}  // namespace ekiden::spool
