#include "ekiden/base/runtime.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace ekiden::base {

void LoopThread::start(int processor) {
  thread_ = std::thread([this, processor] {
    // The kernel keeps 15 characters.
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    // Of this thread alone, on Linux; refused, it runs as the others do.
    if (niceness_ != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness_);
    if (processor >= 0) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(processor, &set);
      pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    }
    loop_.run();
  });
}

void LoopThread::stop() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

WorkerThread::WorkerThread(unsigned index)
    : thread_("worker-" + std::to_string(index)),
      worker_{index, thread_.loop().io().get_executor(), thread_.loop().executor(),
              thread_.loop().clock(), random_} {}

Runtime::Runtime(RuntimeOptions options)
    : pin_workers_(options.pin_workers),
      pool_(std::max(options.pool_threads, 1U), options.pool_queue_max) {
  const unsigned workers =
      options.workers != 0 ? options.workers : std::max(std::thread::hardware_concurrency(), 1U);
  for (unsigned i = 0; i < workers; ++i) workers_.push_back(std::make_unique<WorkerThread>(i));
}

Runtime::~Runtime() {
  stop();
  drop();
}

void Runtime::start() {
  const unsigned processors = std::max(std::thread::hardware_concurrency(), 1U);
  committer_.thread().start();
  for (unsigned i = 0; i < workers_.size(); ++i) {
    workers_[i]->thread().start(pin_workers_ ? static_cast<int>(i % processors) : -1);
  }
}

void Runtime::stop() {
  for (auto& worker : workers_) worker->thread().stop();
  committer_.thread().stop();
  pool_.stop();
}

void Runtime::drop() {
  pool_.drop();
  // What one loop drops may hold a completion of another, whose coroutine then ends there: the
  // second round takes those.
  for (int round = 0; round < 2; ++round) {
    committer_.thread().loop().drop();
    for (auto& worker : workers_) worker->thread().loop().drop();
  }
}

}  // namespace ekiden::base
