// Takes a recording of the real binary's disk, cuts the power at many points of it, opens the
// spool on what each cut may leave, and compares with what clients had been told by then.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "ekiden/base/log.hpp"
#include "ekiden/base/random.hpp"
#include "tests/powerloss/platter.hpp"
#include "tests/powerloss/recording.hpp"
#include "tests/powerloss/witness.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::powerloss;

/// Where cuts fall: after records that changed something or told somebody something.
std::vector<std::size_t> cut_points(const std::vector<Record>& records, std::size_t count,
                                    base::Random& random) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < records.size(); ++i)
    if (records[i].is_in_spool && records[i].kind != faultdisk::Kind::SyncBegin) all.push_back(i);
  std::vector<std::size_t> chosen;
  // Fewer points than cuts: each point is cut several times, and leaves another disk each time.
  while (!all.empty() && chosen.size() < count)
    chosen.push_back(all[static_cast<std::size_t>(random.below(all.size()))]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void print(const Recording& recording, std::size_t points, const Witness& witness) {
  const Witness::Counts& counts = witness.counts();
  const auto row = [](const char* what, std::uint64_t n) {
    std::printf("| %-42s | %9llu |\n", what, static_cast<unsigned long long>(n));
  };
  std::printf("| %-42s | %9s |\n|%s|%s:|\n", "power cuts, the real binary", "count",
              std::string(44, '-').c_str(), std::string(10, '-').c_str());
  row("changes of the disk recorded", recording.records().size());
  row("power cuts", counts.cuts);
  row("at different points", points);
  row("messages answered 250", witness.acked());
  row("messages refused with 4xx", witness.refusals());
  row("messages found after cuts, in all", counts.found);
  row("of them read back and compared", counts.read);
  row("lost", counts.lost);
  row("shown twice", counts.doubled);
  row("refused and there nevertheless", counts.refused);
  row("delivered long ago and queued again", counts.again);
  row("damaged", counts.damaged);
  row("spool not opened", counts.unopened);
  row("disks read whole by spool verify", counts.verified);
  row("where it disagreed", counts.disagreed);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Cuts the power at many points of a recording.");
  std::string file;
  std::size_t cuts = 1000, only = 0;
  std::uint64_t seed = 1;
  app.add_option("recording", file, "what libfaultdisk.so wrote")->required();
  app.add_option("--cuts", cuts, "how many");
  app.add_option("--seed", seed, "which points, and what each leaves");
  app.add_option("--only", only, "this cut of them alone, with the relay's log");
  std::uint64_t ignored = 0;
  app.add_option("--ignore-syncs", ignored, "one sync in so many did nothing: must be found out");
  CLI11_PARSE(app, argc, argv);

  Recording recording;
  std::string problem;
  if (!recording.open(file, problem)) {
    std::fprintf(stderr, "powerloss: %s\n", problem.c_str());
    return 2;
  }
  base::SeededRandom random(seed);
  const std::vector<std::size_t> points = cut_points(recording.records(), cuts, random);
  base::log::start(only == 0 ? base::log::Level::Error : base::log::Level::Info,
                   base::log::Format::Logfmt);

  Platter platter(seed, ignored);
  Witness witness;
  std::size_t next = 0, different = 0;
  for (std::size_t i = 0; i < recording.records().size(); ++i) {
    platter.follow(recording.records()[i]);
    witness.follow(recording.records()[i]);
    if (next < points.size() && points[next] == i) ++different;
    for (; next < points.size() && points[next] == i; ++next) {
      if (only != 0 && next + 1 != only) continue;
      base::SeededRandom lot(seed * 1'000'003 + next);
      ImageDisk disk = platter.cut(lot);
      witness.check(disk, lot.next());
    }
  }
  base::log::stop();
  print(recording, different, witness);
  for (const std::string& finding : witness.findings()) std::printf("%s\n", finding.c_str());
  return witness.findings().empty() ? 0 : 1;
}
