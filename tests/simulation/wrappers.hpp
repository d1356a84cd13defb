#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/config/settings.hpp"
#include "ekiden/delivery/connection.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/events/sink.hpp"
#include "ekiden/inbound/layer.hpp"
#include "ekiden/net/network.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::simulation {

/// What is put between a relay and the ground it stands on, by the interfaces of release code.
/// Each may be empty. What one returns lives as long as one life of the relay.
struct Wrappers {
  template <class T>
  using Wrap = std::function<std::unique_ptr<T>(T& real)>;
  Wrap<spool::Disk> disk;
  Wrap<spool::Spool> spool;
  Wrap<base::Clock> clock;    ///< of each worker
  Wrap<base::Executor> pool;  ///< for what blocks
  Wrap<net::Network> network;
  Wrap<dns::Resolver> resolver;
  Wrap<events::Sink> sink;
  Wrap<inbound::Layer> tls;                                              ///< of those who connect
  std::function<delivery::StartTls(delivery::StartTls real)> start_tls;  ///< with next hops
  std::function<void(config::Settings&)> settings;
};

/// One after the other, the first nearest to the ground.
template <class T>
class Layered {
 public:
  explicit Layered(T& real) : top_(&real) {}
  void add(const Wrappers::Wrap<T>& wrap) {
    if (!wrap) return;
    layers_.push_back(wrap(*top_));
    top_ = layers_.back().get();
  }
  T& top() const { return *top_; }

 private:
  std::vector<std::unique_ptr<T>> layers_;
  T* top_;
};

/// Hands everything on. Those who change something override it.
class PassingPort : public spool::Port {
 public:
  explicit PassingPort(std::unique_ptr<spool::Port> behind) : behind_(std::move(behind)) {}
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    behind_->submit(std::move(transaction), std::move(done));
  }
  void load(base::MessageId id, base::Completion<Result<spool::Loaded>> done) override {
    behind_->load(id, std::move(done));
  }
  void load_meta(base::MessageId id, base::Completion<Result<std::string>> done) override {
    behind_->load_meta(id, std::move(done));
  }
  void load_progress(base::MessageId id,
                     base::Completion<Result<std::vector<spool::Progress>>> done) override {
    behind_->load_progress(id, std::move(done));
  }
  void read(const spool::Body& body, std::uint64_t offset, std::size_t length,
            base::Completion<Result<base::Octets>> done) override {
    behind_->read(body, offset, length, std::move(done));
  }
  void visit_metas(std::vector<base::MessageId> ids, spool::SeeMeta see,
                   base::Completion<Result<void>> done) override {
    behind_->visit_metas(std::move(ids), std::move(see), std::move(done));
  }
  void visit_progress(std::vector<base::MessageId> ids, spool::SeeProgress see,
                      base::Completion<Result<void>> done) override {
    behind_->visit_progress(std::move(ids), std::move(see), std::move(done));
  }
  void expect(int change) override { behind_->expect(change); }
  void abandon() override { behind_->abandon(); }
  std::unique_ptr<spool::LargeWriter> create_large() override { return behind_->create_large(); }

 protected:
  spool::Port& behind() { return *behind_; }

 private:
  std::unique_ptr<spool::Port> behind_;
};

class PassingSpool : public spool::Spool {
 public:
  explicit PassingSpool(spool::Spool& behind) : behind_(behind) {}
  Result<void> recover(const std::function<void(const spool::Recovered&)>& visit) override {
    return behind_.recover(visit);
  }
  std::unique_ptr<spool::Port> attach(base::Executor& home) override {
    return behind_.attach(home);
  }
  spool::Status status() const override { return behind_.status(); }
  void on_events(base::Function<void()> wake) override { behind_.on_events(std::move(wake)); }
  Result<spool::EventBatch> next_events(std::size_t count_max) override {
    return behind_.next_events(count_max);
  }
  void events_stored(std::uint64_t cursor) override { behind_.events_stored(cursor); }
  void close(base::Work done) override { behind_.close(std::move(done)); }

 protected:
  spool::Spool& behind_;
};

class PassingFile : public spool::File {
 public:
  explicit PassingFile(std::unique_ptr<spool::File> behind) : behind_(std::move(behind)) {}
  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    return behind_->write_at(offset, pieces);
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    return behind_->read_at(offset, into);
  }
  Result<void> sync() override { return behind_->sync(); }
  Result<void> allocate(std::uint64_t size) override { return behind_->allocate(size); }
  Result<void> truncate(std::uint64_t size) override { return behind_->truncate(size); }
  Result<std::uint64_t> size() override { return behind_->size(); }

 protected:
  std::unique_ptr<spool::File> behind_;
};

class PassingDisk : public spool::Disk {
 public:
  explicit PassingDisk(spool::Disk& behind) : behind_(behind) {}
  Result<std::unique_ptr<spool::File>> open(const std::string& path, spool::Open mode) override {
    return behind_.open(path, mode);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return behind_.rename(from, to);
  }
  Result<void> remove(const std::string& path) override { return behind_.remove(path); }
  Result<void> make_directory(const std::string& path) override {
    return behind_.make_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return behind_.list(directory);
  }
  Result<void> sync_directory(const std::string& directory) override {
    return behind_.sync_directory(directory);
  }
  Result<std::uint64_t> free_space() override { return behind_.free_space(); }

 protected:
  spool::Disk& behind_;
};

}  // namespace ekiden::simulation
