#include "tests/simulation/stage.hpp"

#include <cstdio>

#include "ekiden/auth/spf_macro.hpp"
#include "tests/simulation/faults.hpp"
#include "tests/simulation/ground.hpp"
#include "tests/simulation/signing.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::milliseconds;

/// The names of our addresses, as others may have set them up.
void misname(test::FakeResolver& dns, base::Random& random) {
  const std::string reverse = auth::reverse_name_of(kSourceIpv6);
  switch (random.below(6)) {
    case 0:
      dns.ptr(reverse, "other.example");
      break;
    case 1:
      dns.fail(reverse, dns::Status::Bogus);
      break;
    case 2:
      dns.fail("relay.example", dns::Status::Failed, dns::Type::AAAA);
      break;
    case 3:
      dns.remove("relay.example").a("relay.example", "10.0.0.1").aaaa("relay.example", "2600::12");
      break;
    default:
      break;
  }
}

/// A file that somebody has edited, or another version has written.
void damage_json(std::string& octets, base::Random& random) {
  static const std::pair<std::string_view, std::string_view> kChanges[] = {
      {"\"version\":1", "\"version\":2"},
      {"\"channels\":", "\"others\":"},
      {"\"channels\":[", "\"channels\":7,\"were\":["},
      {"\"channels\":[", "\"channels\":[7,"},
      {"\"rate\":{", "\"rate\":7,\"was\":{"},
      {"\"warm_up\":{", "\"warm_up\":7,\"was\":{"},
      {"\"rate\":", "\"was\":"},
      {"\"strikes\":", "\"strikes\":\"many\",\"were\":"},
      {"\"wary\":", "\"wary\":7,\"was\":"},
      {"\"held\":", "\"held\":18446744073709551615,\"was\":"},
      {"\"held\":", "\"held\":7,\"was\":"},
      {"\"held\":", "\"held\":null,\"was\":"},
      {"\"progress\":", "\"progress\":-7,\"was\":"},
      {"\"source\":", "\"source\":7,\"was\":"},
      {"}", "]"}};
  const auto& [from, to] = kChanges[random.below(std::size(kChanges))];
  for (std::size_t at = octets.find(from); at != std::string::npos;
       at = octets.find(from, at + to.size()))
    octets.replace(at, from.size(), to);
}

/// Its reads may fail.
class WornFile final : public PassingFile {
 public:
  WornFile(std::unique_ptr<spool::File> behind, const std::function<bool()>& fails)
      : PassingFile(std::move(behind)), fails_(fails) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    if (fails_()) return spool::Errc::Io;
    return behind_->read_at(offset, into);
  }

 private:
  std::function<bool()> fails_;
};

class WornDisk final : public PassingDisk {
 public:
  WornDisk(spool::Disk& behind, std::function<bool()> fails)
      : PassingDisk(behind), fails_(std::move(fails)) {}
  Result<std::unique_ptr<spool::File>> open(const std::string& path, spool::Open mode) override {
    if (mode == spool::Open::Existing && fails_()) return spool::Errc::Io;
    Result<std::unique_ptr<spool::File>> file = behind_.open(path, mode);
    if (!file) return file;
    return std::unique_ptr<spool::File>(std::make_unique<WornFile>(std::move(*file), fails_));
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    if (fails_()) return spool::Errc::Io;
    return behind_.list(directory);
  }

 private:
  std::function<bool()> fails_;
};

constexpr std::uint64_t kAside = 0x9e3779b97f4a7c15ULL;
/// Headers that the relay puts in front.
constexpr std::uint64_t kHeaderMax = 2000;

}  // namespace

Stage::Stage(std::uint64_t seed, Trace trace, Fault fault)
    : trace(trace),
      fault(fault),
      world(seed),
      aside(seed ^ kAside),
      conditions(world.random()),
      internet(world),
      names(world),
      disk(world.random().next()),
      sink(world),
      // Whatever the budget, one message may be read back alone.
      ledger(world, [this] { return largest + kHeaderMax; }),
      relay(ground()) {
  for (const Place& place : places()) sites[place.name].name = place.name;
  write_zones(names.script);
  if (conditions.has(Plague::Protection)) {
    protect_zones(names.script);
    if (chance(700))
      know_policies(policies, world.now(),
                    chance(700) ? policy::MtaStsMode::Enforce : policy::MtaStsMode::Testing);
  }
  if (conditions.has(Plague::Signing)) publish_keys(names.script);
  if (conditions.has(Plague::Hops)) names.script.aaaa("relay.example", "2600::11");
  if (conditions.has(Plague::Hops) && chance(500))
    names.script.ptr(auth::reverse_name_of(kSourceIpv6), "relay.example");
  if (conditions.has(Plague::Hops)) misname(names.script, aside);
  accounts.forgets_usage = fault == Fault::QuotaForgotten;
  accounts.limit(conditions.tenant_limits);
  if (fault != Fault::SuppressionIgnored) accounts.suppress(conditions.suppressed);
  disk.set_sync_lies(fault == Fault::DiskLies);
  disk.on_cut([this] {
    say("the power goes in a disk operation");
    must_end = true;
    world.stop();
  });
  // Such disks do not live long, and what the next sync would still save is lost right away.
  disk.on_failed_sync([this] {
    if (conditions.lives > 1 && chance(700)) ambush(milliseconds(chance(500) ? 4 : 150));
  });
  settings = conditions.settings;
  history.is_paced = conditions.is_paced;
  history.has_bad_network = conditions.has(Plague::BadNetwork);
  history.has_bad_peers = conditions.has(Plague::BadPeers);
  history.has_bad_clients = conditions.has(Plague::BadClients);
  history.has_operators = conditions.has(Plague::Operators);
  history.has_storms = conditions.has(Plague::Storms) || conditions.has(Plague::BadDns) ||
                       conditions.has(Plague::Reloads) || conditions.has(Plague::Tls) ||
                       conditions.has(Plague::OddPeers) || conditions.has(Plague::Rewriting) ||
                       conditions.has(Plague::Protection) || conditions.has(Plague::Signing) ||
                       conditions.has(Plague::Tenants) || conditions.has(Plague::Schedules);
  history.has_rewriting = conditions.has(Plague::Rewriting);
  history.has_protection = conditions.has(Plague::Protection);
  history.tenant_limits = conditions.tenant_limits;
  history.suppressed.insert(conditions.suppressed.begin(), conditions.suppressed.end());
}

Stage::~Stage() {
  // Coroutines go before what they refer to.
  if (relay.is_running()) relay.crash(SimulatedRelay::Crash::Kill);
}

RelayGround Stage::ground() {
  // Made before the seed's randomness is OpenSSL's: no seed is to become another one by being
  // first.
  if (conditions.has(Plague::Signing)) (void)signing_keys();
  if (conditions.has(Plague::Tls)) secrecy.emplace(world);
  RelayGround ground{world, internet, disk, sink, names};
  ground.workers = conditions.workers;
  ground.segment_octets = conditions.segment_octets;
  ground.post_delay_max = conditions.post_delay_max;
  ground.secrecy = secrecy ? &*secrecy : nullptr;
  ground.accounts = &accounts;
  if (conditions.is_paced || conditions.has(Plague::Rewriting)) ground.providers = carrier();
  if (conditions.has(Plague::Rewriting)) ground.secret = &Accounts::node_key();
  if (conditions.has(Plague::Signing)) ground.keys = &signing_keys();
  ground.judges_alignment = conditions.has(Plague::Signing);
  if (conditions.has(Plague::Protection)) {
    ground.mta_sts = &policies;
    ground.observe_tls = [this](const std::string& domain, const policy::TlsSession&) {
      if (domain.empty()) find("an attempt at nobody's domain is reported on");
    };
  }
  ground.has_jobs = conditions.has(Plague::Jobs) || conditions.has(Plague::Http);
  if (conditions.has(Plague::Tenants))
    ground.keep_copy = [this](spool::Port&, base::MessageId id, const message::Meta& meta,
                              const spool::Body&) {
      if (meta.details.is_generated || !history.archived.insert(id).second)
        find(base::format_message_id(id) + " is archived, and it should not be, or twice");
    };
  ground.learnt = &learnt;
  ground.wear_learnt = [this](std::string& octets) {
    if (!chance_aside(conditions.has(Plague::Rot) ? 600 : 200)) return;
    say("what the sources have learnt is damaged");
    damage_json(octets, aside);
  };
  ground.wrappers.push_back(wrappers_for(fault, world));
  Wrappers watching;
  watching.spool = ledger.wrap();
  watching.disk = [this](spool::Disk& real) -> std::unique_ptr<spool::Disk> {
    return std::make_unique<WornDisk>(real,
                                      [this] { return reads_fail > 0 && chance(reads_fail); });
  };
  ground.wrappers.push_back(std::move(watching));
  return ground;
}

std::unique_ptr<spool::Disk> Stage::worn_disk() {
  return std::make_unique<WornDisk>(disk,
                                    [this] { return reads_fail > 0 && chance_aside(reads_fail); });
}

void Stage::say(const std::string& text) const {
  if (trace == Trace::Off) return;
  std::printf("%s %s\n", base::format_rfc3339(world.now()).c_str(), text.c_str());
}

void Stage::find(std::string finding) {
  say("FINDING " + finding);
  report.findings.push_back(std::move(finding));
}

bool Stage::run_for(base::Duration time) {
  if (world.run_for(time)) return true;
  find("the relay does not come to rest: it spins");
  return false;
}

void Stage::ambush(base::Duration within) {
  if (is_last) return;
  world.after(up_to(within), [this] {
    if (is_calm) return;
    say("an ambush");
    must_end = true;
    world.stop();
  });
}

}  // namespace ekiden::simulation
