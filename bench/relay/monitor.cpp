// Watches the memory of a control group's processes until it is told to stop.
//
//   monitor PROCS_FILE INTERVAL_MS
//
// SIGTERM ends it; then it prints "rss R pss P processes N last_rss r last_pss p": maxima, and the
// last sample, in kB. Reading smaps_rollup of a hundred processes costs 0.1 s of CPU, which is why
// it is a program of its own in a group of its own.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace {

struct Sample {
  long rss = 0, pss = 0, processes = 0;
};

Sample take(const char* procs) {
  Sample sample;
  std::FILE* list = std::fopen(procs, "r");
  if (list == nullptr) return sample;
  for (int pid = 0; std::fscanf(list, "%d", &pid) == 1;) {
    const std::string path = "/proc/" + std::to_string(pid) + "/smaps_rollup";
    std::FILE* rollup = std::fopen(path.c_str(), "r");
    if (rollup == nullptr) continue;  // It has just ended.
    ++sample.processes;
    char line[256];
    while (std::fgets(line, sizeof line, rollup) != nullptr) {
      long kb = 0;
      if (std::sscanf(line, "Rss: %ld", &kb) == 1) sample.rss += kb;
      if (std::sscanf(line, "Pss: %ld", &kb) == 1) sample.pss += kb;
    }
    std::fclose(rollup);
  }
  std::fclose(list);
  return sample;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: monitor PROCS_FILE INTERVAL_MS\n");
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const long interval_ms = std::max(1L, std::atol(argv[2]));
  const timespec interval{interval_ms / 1000, interval_ms % 1000 * 1'000'000};
  Sample most, last;
  do {
    const Sample now = take(argv[1]);
    if (now.processes > 0) last = now;
    most.rss = std::max(most.rss, now.rss);
    most.pss = std::max(most.pss, now.pss);
    most.processes = std::max(most.processes, now.processes);
  } while (sigtimedwait(&signals, nullptr, &interval) < 0);
  std::printf("rss %ld pss %ld processes %ld last_rss %ld last_pss %ld\n", most.rss, most.pss,
              most.processes, last.rss, last.pss);
  return 0;
}
