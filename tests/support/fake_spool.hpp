#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/spool/spool.hpp"

namespace ekiden::test {

/// Keeps what is submitted, or refuses it as told; completions are posted to `home`.
class FakeSpool : public spool::Spool, public spool::Port {
 public:
  explicit FakeSpool(base::Executor& home) : home_(home) {}

  std::vector<spool::NewMessage> messages;
  std::vector<std::string> events;
  std::map<std::string, std::string> files;
  Error refusal;                 ///< of submit, append and finish; none: everything is kept
  bool accepts_messages = true;  ///< status()
  int unfinished_files = 0;
  bool is_holding = false;  ///< completions wait for `let_go`

  void let_go() {
    is_holding = false;
    for (auto& held : std::exchange(held_, {})) home_.post(std::move(held));
  }

  /// The octets of a body, wherever they lie.
  std::string octets(const spool::Body& body) const {
    return body.is_in_memory() ? std::string(body.octets.view()) : files.at(body.file);
  }

  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    if (refusal) {
      finish<Result<void>>(std::move(done), refusal);
      return;
    }
    for (auto& message : transaction.messages) messages.push_back(std::move(message));
    for (auto& event : transaction.events) events.push_back(std::move(event));
    finish<Result<void>>(std::move(done), Result<void>());
  }
  void load(base::MessageId, base::Completion<Result<spool::Loaded>> done) override {
    finish<Result<spool::Loaded>>(std::move(done), spool::Errc::NotFound);
  }
  void load_meta(base::MessageId, base::Completion<Result<std::string>> done) override {
    finish<Result<std::string>>(std::move(done), spool::Errc::NotFound);
  }
  void load_progress(base::MessageId,
                     base::Completion<Result<std::vector<spool::Progress>>> done) override {
    finish<Result<std::vector<spool::Progress>>>(std::move(done), spool::Errc::NotFound);
  }
  void visit_metas(std::vector<base::MessageId>, spool::SeeMeta,
                   base::Completion<Result<void>> done) override {
    finish<Result<void>>(std::move(done), Result<void>());
  }
  void visit_progress(std::vector<base::MessageId>, spool::SeeProgress,
                      base::Completion<Result<void>> done) override {
    finish<Result<void>>(std::move(done), Result<void>());
  }
  void read(const spool::Body&, std::uint64_t, std::size_t,
            base::Completion<Result<base::Octets>> done) override {
    finish<Result<base::Octets>>(std::move(done), spool::Errc::NotFound);
  }
  std::unique_ptr<spool::LargeWriter> create_large() override {
    return std::make_unique<Writer>(*this);
  }

  Result<void> recover(const std::function<void(const spool::Recovered&)>&) override { return {}; }
  std::unique_ptr<spool::Port> attach(base::Executor&) override { return nullptr; }
  spool::Status status() const override {
    spool::Status status;
    status.accepts_messages = accepts_messages;
    return status;
  }
  void on_events(base::Function<void()>) override {}
  Result<spool::EventBatch> next_events(std::size_t) override { return spool::EventBatch{}; }
  void events_stored(std::uint64_t) override {}
  void close(base::Work done) override { done(); }

 private:
  class Writer final : public spool::LargeWriter {
   public:
    explicit Writer(FakeSpool& spool) : spool_(spool) { ++spool_.unfinished_files; }
    ~Writer() override { spool_.unfinished_files -= is_finished_ ? 0 : 1; }
    void append(std::string octets, base::Completion<Result<void>> done) override {
      octets_ += octets;
      spool_.finish<Result<void>>(std::move(done),
                                  spool_.refusal ? Result<void>(spool_.refusal) : Result<void>());
    }
    void read(std::uint64_t offset, std::size_t length,
              base::Completion<Result<base::Octets>> done) override {
      const std::uint64_t at = std::min<std::uint64_t>(offset, octets_.size());
      Result<base::Octets> piece = base::Octets(octets_.substr(at, length));
      if (spool_.refusal) piece = spool_.refusal;
      spool_.finish<Result<base::Octets>>(std::move(done), std::move(piece));
    }
    void finish(base::Completion<Result<spool::Body>> done) override {
      if (spool_.refusal) {
        spool_.finish<Result<spool::Body>>(std::move(done), spool_.refusal);
        return;
      }
      is_finished_ = true;
      --spool_.unfinished_files;
      spool::Body body;
      body.file = "large/" + std::to_string(spool_.files.size());
      body.size = octets_.size();
      spool_.files[body.file] = std::move(octets_);
      spool_.finish<Result<spool::Body>>(std::move(done), std::move(body));
    }

   private:
    FakeSpool& spool_;
    std::string octets_;
    bool is_finished_ = false;
  };

  template <class T>
  void finish(base::Completion<T> done, T result) {
    base::Work work = [d = std::move(done), r = std::move(result)]() mutable { d(std::move(r)); };
    if (is_holding) {
      held_.push_back(std::move(work));
    } else {
      home_.post(std::move(work));
    }
  }

  base::Executor& home_;
  std::vector<base::Work> held_;
};

}  // namespace ekiden::test
