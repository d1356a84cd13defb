// A start after anything: a journal works as the fuzzer says, is killed, its files are damaged,
// and the next journal starts on what is left. It starts; what it shows was stored once, with its
// own octets or with none; the start after it shows the same; `spool verify` reads it all.
//
// Octets: operations (one each with its argument), 0xff, then for each change of a file its number
// and the damage (spool_input.hpp).
#include <map>
#include <memory>

#include "ekiden/spool/testing/rig.hpp"
#include "ekiden/spool/verify.hpp"
#include "tests/fuzz/spool_input.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::spool;
using namespace ekiden::spool::testing;

struct Stored {
  std::string meta;
  std::string octets;
  std::uint32_t recipients = 1;
};

struct World {
  SimulatedDisk disk{1};
  std::map<base::MessageId, Stored> stored;
  std::uint64_t number = 0;
};

/// So small that a few messages fill a segment, and an input is done in a millisecond.
JournalOptions tiny_options() {
  JournalOptions options = small_options();
  options.segment_octets = 24 << 10;
  options.disk_reserve = 48 << 10;
  options.large_octets = 8 << 10;
  return options;
}

Progress progress_of(std::uint8_t about) {
  return make_progress(about & 1, static_cast<State>((about >> 1) % 7), about >> 4);
}

void act(World& world, Rig& rig, std::uint8_t operation, std::uint8_t argument) {
  Transaction transaction;
  const auto id_of = [](std::uint64_t number) {
    return base::MessageId{1'800'000'000'000ULL << 16, number};
  };
  switch (operation % 6) {
    case 0:
    case 1: {
      NewMessage message = make_message(++world.number, argument * (operation % 6 == 0 ? 8u : 24u),
                                        1 + argument % 2);
      world.stored[message.id] = {message.meta, std::string(message.body.octets.view()),
                                  message.recipients};
      transaction.messages.push_back(std::move(message));
      break;
    }
    case 2:
    case 3: {
      if (world.number == 0) return;
      Update update;
      update.id = id_of(1 + argument % world.number);
      if (!world.stored.contains(update.id)) return;
      Progress change = progress_of(static_cast<std::uint8_t>(argument ^ operation));
      if (change.recipient >= world.stored[update.id].recipients) change.recipient = 0;
      if (operation % 6 == 3) change.state = State::Delivered;
      update.changes.push_back(std::move(change));
      transaction.updates.push_back(std::move(update));
      break;
    }
    case 4:
      transaction.events.push_back("event " + std::to_string(argument));
      break;
    default:
      rig.run_for(std::chrono::seconds(1 + argument % 8));
      return;
  }
  (void)rig.submit(std::move(transaction));
}

/// Everything that a start shows, checked against what was stored.
std::map<base::MessageId, Rig::Found> start(World& world, Rig& rig, bool is_damaged) {
  const auto started = rig.start();
  FUZZ_CHECK(started, "a spool on a disk that works starts");
  FUZZ_CHECK(rig.visits() == rig.found().size(), "each message is shown once");
  for (const auto& [id, found] : rig.found()) {
    const auto stored = world.stored.find(id);
    FUZZ_CHECK(stored != world.stored.end(), "what is shown was stored");
    FUZZ_CHECK(found.meta == stored->second.meta, "with its own meta");
    FUZZ_CHECK(found.recipients == stored->second.recipients, "and its own recipients");
    FUZZ_CHECK(found.size == stored->second.octets.size(), "and its own size");
    for (const Progress& progress : found.progress) {
      FUZZ_CHECK(progress.recipient < found.recipients, "progress of a recipient that there is");
      FUZZ_CHECK(progress.state <= State::Expanded, "in a state that there is");
    }
    (void)is_damaged;
  }
  return rig.found();
}

void check_bodies(World& world, Rig& rig, bool is_damaged) {
  std::vector<base::MessageId> ids;
  for (const auto& [id, found] : rig.found()) ids.push_back(id);
  for (const base::MessageId& id : ids) {
    const auto loaded = rig.load(id);
    FUZZ_CHECK(loaded || is_damaged, "what was not damaged can be read");
    if (loaded) {
      FUZZ_CHECK(loaded->meta == world.stored[id].meta, "its own meta");
      FUZZ_CHECK(loaded->body.octets.view() == world.stored[id].octets, "its own octets");
    }
    (void)rig.load_progress(id);
  }
  std::uint64_t cursor = 0;
  for (int i = 0; i < 300; ++i) {
    const auto events = rig.journal().next_events(4);
    FUZZ_CHECK(events || is_damaged, "events can be read");
    if (!events || events->cursor <= cursor) break;
    for (const std::string& event : events->events) {
      FUZZ_CHECK(event.starts_with("event "), "an event is what was stored");
    }
    cursor = events->cursor;
    rig.journal().events_stored(cursor);
    rig.run();
  }
}

std::vector<std::string> files_of(SimulatedDisk& disk) {
  std::vector<std::string> files;
  for (const char* directory : {"journal", "sidecar", "quarantine"}) {
    const auto names = disk.list(directory);
    if (!names) continue;
    for (const std::string& name : *names) files.push_back(std::string(directory) + "/" + name);
  }
  return files;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  World world;
  {
    Rig rig(world.disk, 1, tiny_options());
    FUZZ_CHECK(rig.start(), "a new spool starts");
    for (int i = 0; i < 40 && !input.is_empty(); ++i) {
      const std::uint8_t operation = input.octet();
      if (operation == 0xff) break;
      act(world, rig, operation, input.octet());
    }
    const bool is_stopped = input.flag();
    if (is_stopped) rig.stop();
  }
  world.disk.kill();
  std::size_t changes = 0;
  for (int i = 0; i < 3 && !input.is_empty(); ++i) {
    const auto files = files_of(world.disk);
    if (files.empty()) break;
    const std::string& path = files[input.octet() % files.size()];
    std::string octets = world.disk.contents(path);
    changes += fuzz::damage(octets, input, 2);
    fuzz::put_file(world.disk, path, octets);
  }
  const auto verified = verify_spool(world.disk);
  FUZZ_CHECK(verified, "a spool can be verified");
  if (changes == 0) {
    FUZZ_CHECK(verified->findings.empty(), "what is whole is found whole");
  }
  FUZZ_CHECK(verified->recipients <= 2 * world.stored.size(), "recipients are counted");
  {
    Rig rig(world.disk, 2, tiny_options());
    const auto first = start(world, rig, changes > 0);
    rig.run();
    rig.drop();
    world.disk.kill();
    Rig next(world.disk, 3, tiny_options());
    const auto second = start(world, next, changes > 0);
    for (const auto& [id, found] : second) {
      FUZZ_CHECK(first.contains(id), "nothing comes back that was gone");
    }
    FUZZ_CHECK(first.size() == second.size(), "a second start shows the same");
    check_bodies(world, next, changes > 0);
    // It still works.
    Transaction transaction;
    NewMessage message = make_message(++world.number, 100);
    const base::MessageId id = message.id;
    transaction.messages.push_back(std::move(message));
    FUZZ_CHECK(next.submit(std::move(transaction)), "a started spool takes mail");
    FUZZ_CHECK(next.load(id), "and gives it back");
    next.drop();
  }
  return 0;
}
