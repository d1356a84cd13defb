// The spool alone, on a real disk with real threads: stores and finishes messages from a number of
// callers and reports what each cost; or fills a queue and measures the start.
//
//   spool_bench DIR store   [messages=20000] [octets=10240] [callers=20]
//   spool_bench DIR restart [live=1000000] [dead=3000000] [octets=1024]
//   spool_bench DIR fill    [messages=1000000] [octets=1024] [domains=10000] [tenants=1000]
//
// What `fill` leaves is a queue that a relay may start on (bench/operations.py): bulk mail of many
// tenants, each message for one recipient in one of dN.bulk.test.
#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "ekiden/base/random.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/spool/journal.hpp"
#include "ekiden/spool/posix_disk.hpp"

namespace {

using namespace ekiden;

/// One thread with a queue and timers: executor and clock at once.
class Thread final : public base::Executor, public base::Clock {
 public:
  Thread() : thread_([this] { run(); }) {}
  ~Thread() override {
    {
      const std::scoped_lock lock(mutex_);
      is_stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  void post(base::Work work) override {
    {
      const std::scoped_lock lock(mutex_);
      queue_.push_back(std::move(work));
    }
    wake_.notify_one();
  }
  base::Time now() const override {
    return base::from_unix_us(steady().time_since_epoch().count());
  }
  base::Steady steady() const override {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return base::Steady(std::chrono::duration_cast<base::Duration>(since));
  }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    const auto id = static_cast<base::TimerId>(++last_);
    timers_.emplace(std::make_pair(when, id), std::move(work));
    return id;
  }
  bool cancel(base::TimerId id) override {
    for (auto i = timers_.begin(); i != timers_.end(); ++i)
      if (i->first.second == id) return timers_.erase(i), true;
    return false;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (!queue_.empty()) {
        base::Work work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
        work = {};
        lock.lock();
      } else if (!timers_.empty() && timers_.begin()->first.first <= steady()) {
        auto node = timers_.extract(timers_.begin());
        lock.unlock();
        node.mapped()();
        lock.lock();
      } else if (is_stopping_) {
        return;
      } else if (timers_.empty()) {
        wake_.wait(lock);
      } else {
        wake_.wait_for(lock, timers_.begin()->first.first - steady());
      }
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<base::Work> queue_;
  std::map<std::pair<base::Steady, base::TimerId>, base::Work> timers_;  // its own thread only
  std::uint64_t last_ = 0;
  bool is_stopping_ = false;
  std::thread thread_;
};

double cpu_seconds() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

double user_seconds() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec) * 1e-6;
}

std::size_t memory_kib(const char* field) {
  std::ifstream status("/proc/self/status");
  std::string key;
  std::size_t value = 0;
  while (status >> key) {
    if (key == field && status >> value) return value;
    status.ignore(1000, '\n');
  }
  return 0;
}

/// What the messages of a load are.
using Make = std::function<void(std::uint64_t number, spool::NewMessage& message)>;

/// Nothing that a relay could read.
void make_plain(std::uint64_t number, spool::NewMessage& message) {
  message.id = {1, number};
  message.meta.assign(400, 'm');
}

/// Bulk mail of many tenants for many domains.
Make make_bulk(std::uint64_t domains, std::uint64_t tenants, std::uint64_t octets) {
  // Ids are of one millisecond, a second ago: an operator's command means what came before it.
  const auto since = std::chrono::system_clock::now().time_since_epoch() - std::chrono::seconds(1);
  const auto received = base::Time(std::chrono::duration_cast<base::Duration>(since));
  return [=](std::uint64_t number, spool::NewMessage& message) {
    const auto ms = static_cast<std::uint64_t>(base::to_unix_us(received) / 1000);
    message.id = {ms << 16, number};
    message::Meta meta;
    const std::string tenant = "tenant" + std::to_string(number % tenants);
    const std::string name = std::to_string(number);
    meta.envelope.reverse_path = "bounces+" + name + "@" + tenant + ".example";
    meta.envelope.recipients.push_back(
        {.address = "user" + name + "@d" + std::to_string(number * 7919 % domains) + ".bulk.test"});
    meta.details.tenant = tenant;
    meta.details.stream = "bulk";
    meta.details.received = received;
    meta.details.client_address = "127.0.0.1";
    meta.details.client_name = "load.example";
    meta.details.protocol = "ESMTP";
    meta.details.header_from = "news@" + tenant + ".example";
    meta.details.subject = "The news of this week, number " + name;
    meta.details.message_id = "<" + name + "@" + tenant + ".example>";
    meta.details.size = octets;
    meta.details.is_own = true;
    message.meta = message::encode_meta(meta);
  };
}

std::string letter(std::size_t octets) {
  std::string text = "From: news@example.com\r\nSubject: The news of this week\r\n\r\n";
  while (text.size() < octets)
    text += "Seventy-six octets of news in each line, as long as it takes to fill it.\r\n";
  text.resize(std::max<std::size_t>(octets, 64) - 2);
  return text + "\r\n";
}

/// Keeps `callers` messages on their way; each is stored and, unless it shall stay, finished.
class Load {
 public:
  Load(spool::Journal& journal, Thread& worker, std::size_t octets, std::uint64_t first, Make make)
      : port_(journal.attach(worker)),
        worker_(worker),
        body_(letter(octets)),
        make_(std::move(make)),
        next_(first) {}

  void run(std::uint64_t count, unsigned callers, unsigned keep_every) {
    left_ = count;
    running_ = callers;
    keep_every_ = keep_every;
    worker_.post([this, callers] {
      for (unsigned i = 0; i < callers; ++i) step();
    });
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }
  void detach() {
    bool is_done = false;
    worker_.post([&] {
      port_.reset();
      const std::scoped_lock lock(mutex_);
      is_done = true;
      ended_.notify_one();
    });
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return is_done; });
  }

 private:
  void step() {
    if (left_ == 0) {
      const std::scoped_lock lock(mutex_);
      if (--running_ == 0) ended_.notify_one();
      return;
    }
    --left_;
    spool::Transaction t;
    spool::NewMessage& message = t.messages.emplace_back();
    make_(next_++, message);
    const base::MessageId id = message.id;
    message.recipients = 1;
    message.body.octets = body_;
    message.body.size = body_.size();
    if (keep_every_ != 1) t.events.emplace_back(300, 'e');
    port_->submit(std::move(t), [this, id](Result<void> stored) {
      if (!stored) std::abort();
      if (keep_every_ != 0 && id.low % keep_every_ == 0) return step();
      spool::Transaction done;
      spool::Progress progress;
      progress.state = spool::State::Delivered;
      done.updates.push_back({id, {progress}});
      done.events.emplace_back(300, 'e');
      port_->submit(std::move(done), [this](Result<void> finished) {
        if (!finished) std::abort();
        step();
      });
    });
  }
  std::unique_ptr<spool::Port> port_;
  Thread& worker_;
  base::Octets body_;
  Make make_;
  std::uint64_t next_, left_ = 0;
  unsigned running_ = 0, keep_every_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
};

/// The consumer of events, here one that only counts.
void take_events(spool::Journal& journal, Thread& reader) {
  journal.on_events([&journal, &reader] {
    reader.post([&journal] {
      for (;;) {
        const Result<spool::EventBatch> batch = journal.next_events(1000);
        if (!batch || batch->cursor == 0) return;
        journal.events_stored(batch->cursor);
      }
    });
  });
}

void close(spool::Journal& journal) {
  std::mutex mutex;
  std::condition_variable ended;
  bool is_closed = false;
  journal.close([&] {
    const std::scoped_lock lock(mutex);
    is_closed = true;
    ended.notify_one();
  });
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return is_closed; });
}

std::uint64_t argument(int argc, char** argv, int i, std::uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: spool_bench DIR store|restart|fill|recover [numbers]\n");
    return 2;
  }
  auto disk = spool::PosixDisk::open_root(argv[1]);
  if (!disk) {
    std::fprintf(stderr, "%s: %s\n", argv[1], disk.error().message().c_str());
    return 1;
  }
  const bool is_store = std::strcmp(argv[2], "store") == 0;
  const bool is_recover = std::strcmp(argv[2], "recover") == 0;
  const bool is_fill = std::strcmp(argv[2], "fill") == 0;
  base::SystemRandom random;
  Thread committer, pool, worker, reader;
  spool::JournalOptions options;
  options.drain_after = std::chrono::hours(1);
  spool::Journal journal(options, **disk, committer, committer, pool, random);
  const auto before = std::chrono::steady_clock::now();
  std::uint64_t found = 0;
  if (!journal.recover([&](const spool::Recovered&) { ++found; })) return 1;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
  std::printf("recovered %llu messages in %.2f s; index %.1f MB; resident %zu kB, peak %zu kB\n",
              static_cast<unsigned long long>(found), took.count(),
              static_cast<double>(journal.index_octets()) * 1e-6, memory_kib("VmRSS:"),
              memory_kib("VmHWM:"));
  take_events(journal, reader);
  if (!is_recover) {
    const std::uint64_t live = is_store ? 0 : argument(argc, argv, 3, 1'000'000);
    const std::uint64_t dead = is_store || is_fill ? 0 : argument(argc, argv, 4, 3'000'000);
    const std::uint64_t count = is_store ? argument(argc, argv, 3, 20'000) : live + dead;
    const std::uint64_t octets =
        argument(argc, argv, is_store || is_fill ? 4 : 5, is_store ? 10'240 : 1024);
    const auto callers = static_cast<unsigned>(is_store ? argument(argc, argv, 5, 20) : 2000);
    const Make make =
        is_fill ? make_bulk(argument(argc, argv, 5, 10'000), argument(argc, argv, 6, 1000), octets)
                : make_plain;
    Load load(journal, worker, octets, 1, make);
    const double cpu = cpu_seconds(), user = user_seconds();
    const auto start = std::chrono::steady_clock::now();
    load.run(count, callers,
             is_store ? 0 : static_cast<unsigned>(count / std::max<std::uint64_t>(live, 1)));
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const spool::Status status = journal.status();
    const auto n = static_cast<double>(count);
    std::printf(
        "%.0f messages/s, CPU %.1f us a message (user %.1f), %.3f syncs a message, %llu live\n",
        n / wall.count(), (cpu_seconds() - cpu) * 1e6 / n, (user_seconds() - user) * 1e6 / n,
        static_cast<double>(status.syncs) / n, static_cast<unsigned long long>(status.messages));
    load.detach();
  }
  close(journal);
  return 0;
}
