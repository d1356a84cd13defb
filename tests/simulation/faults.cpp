#include "tests/simulation/faults.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/spool/format.hpp"
#include "tests/simulation/faulty_outside.hpp"

namespace ekiden::simulation {
namespace {

/// A transaction that brings a message because of what became of another one.
bool is_report(const spool::Transaction& transaction) {
  return !transaction.messages.empty() && !transaction.updates.empty();
}

template <class Made>
Wrappers::Wrap<spool::Spool> wrap_ports(World& world) {
  class Spool final : public PassingSpool {
   public:
    Spool(spool::Spool& behind, World& world) : PassingSpool(behind), world_(world) {}
    std::unique_ptr<spool::Port> attach(base::Executor& home) override {
      return std::make_unique<Made>(behind_.attach(home), home, world_);
    }

   private:
    World& world_;
  };
  return [&world](spool::Spool& real) -> std::unique_ptr<spool::Spool> {
    return std::make_unique<Spool>(real, world);
  };
}

class FaultyPort : public PassingPort {
 public:
  FaultyPort(std::unique_ptr<spool::Port> behind, base::Executor& home, World& world)
      : PassingPort(std::move(behind)), home_(home), world_(world) {}

 protected:
  base::Executor& home_;
  World& world_;
};

class AckBeforeSync final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    if (transaction.messages.empty() || !transaction.updates.empty()) {
      behind().submit(std::move(transaction), std::move(done));
      return;
    }
    behind().submit(std::move(transaction), [](Result<void>) {});
    home_.post([done = std::move(done)]() mutable { done(Result<void>()); });
  }
};

class LostUpdate final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    if (!transaction.updates.empty() && strikes(world_)) transaction.updates.pop_back();
    behind().submit(std::move(transaction), std::move(done));
  }
};

class DoubleCompletion final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    std::vector<std::string> again;
    for (const std::string& encoded : transaction.events) {
      Result<events::Event> event = events::decode_event(encoded);
      if (!event || event->kind != events::Kind::Delivered || !strikes(world_)) continue;
      event->attempt = static_cast<std::uint16_t>(event->attempt + 1);
      event->id.clear();
      again.push_back(events::encode_event(*event));
    }
    transaction.events.insert(transaction.events.end(), again.begin(), again.end());
    behind().submit(std::move(transaction), std::move(done));
  }
};

class DsnTwice final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    if (is_report(transaction)) {
      spool::NewMessage again = transaction.messages.front();
      again.id.low ^= 1;
      transaction.messages.push_back(std::move(again));
    }
    behind().submit(std::move(transaction), std::move(done));
  }
};

class BodiesMixed final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void load(base::MessageId id, base::Completion<Result<spool::Loaded>> done) override {
    behind().load(id, [last = last_, done = std::move(done)](Result<spool::Loaded> got) mutable {
      if (got) {
        const spool::Body mine = got->body;
        if (!last->octets.empty()) got->body = *last;
        *last = mine;
      }
      done(std::move(got));
    });
  }

 private:
  std::shared_ptr<spool::Body> last_ = std::make_shared<spool::Body>();
};

/// A transaction that makes messages of a job's rows.
bool expands_job(const spool::Transaction& transaction) {
  return !transaction.messages.empty() && bulk::is_of_job(transaction.messages.front().id) &&
         !transaction.updates.empty();
}

class JobChunkTwice final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    if (expands_job(transaction))
      std::erase_if(transaction.updates, [](const spool::Update& update) {
        return bulk::is_of_job(update.id) && bulk::row_of(update.id) == 0;
      });
    behind().submit(std::move(transaction), std::move(done));
  }
};

class JobRowLost final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    if (expands_job(transaction) && strikes(world_)) {
      transaction.messages.pop_back();
      transaction.events.pop_back();
    }
    behind().submit(std::move(transaction), std::move(done));
  }
};

class OperationSkips final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void visit_metas(std::vector<base::MessageId> ids, spool::SeeMeta see,
                   base::Completion<Result<void>> done) override {
    auto see_some = [&world = world_, see = std::move(see)](auto&&... what) mutable {
      if (world.random().below(3) != 0) see(std::forward<decltype(what)>(what)...);
    };
    behind().visit_metas(std::move(ids), std::move(see_some), std::move(done));
  }
};

class MemoryKept final : public FaultyPort {
 public:
  using FaultyPort::FaultyPort;
  void submit(spool::Transaction transaction, base::Completion<Result<void>> done) override {
    for (const spool::NewMessage& message : transaction.messages)
      kept_.push_back(message.body.octets);
    behind().submit(std::move(transaction), std::move(done));
  }

 private:
  std::vector<base::Octets> kept_;
};

/// What is found at start is not what was written.
class Forgetful final : public PassingSpool {
 public:
  enum class What { Progress, Messages };
  Forgetful(spool::Spool& behind, World& world, What what)
      : PassingSpool(behind), world_(world), what_(what) {}
  Result<void> recover(const std::function<void(const spool::Recovered&)>& visit) override {
    static const std::vector<spool::Progress> kNone;
    return behind_.recover([&](const spool::Recovered& found) {
      if (what_ == What::Messages && strikes(world_)) return;
      const bool is_forgotten = what_ == What::Progress;
      visit({found.id, found.recipients, found.size, found.meta,
             is_forgotten ? kNone : found.progress});
    });
  }

 private:
  World& world_;
  What what_;
};

// --- the disk

bool is_below(const std::string& path, std::string_view directory) {
  return path.starts_with(directory);
}

/// The write that makes a segment free is lost: its earlier life may be seen again.
class UnfreedFile final : public PassingFile {
 public:
  UnfreedFile(std::unique_ptr<spool::File> behind, World& world)
      : PassingFile(std::move(behind)), world_(world) {}
  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    if (offset == 0 && !pieces.empty() && pieces.front().size() >= spool::kPage) {
      spool::SegmentHeader header;
      if (spool::decode_segment_page(pieces.front().substr(0, spool::kPage), header) ==
              spool::HeaderState::Valid &&
          !header.is_used && world_.random().below(2) == 0)
        return {};
    }
    return behind_->write_at(offset, pieces);
  }

 private:
  World& world_;
};

/// One that was not synced is taken for one that was.
class DeafFile final : public PassingFile {
 public:
  using PassingFile::PassingFile;
  Result<void> sync() override {
    (void)behind_->sync();
    return {};
  }
};

/// A sidecar's last message is cut off, and its checksums are made to fit.
class CutSidecar final : public PassingFile {
 public:
  explicit CutSidecar(std::unique_ptr<spool::File> behind) : PassingFile(std::move(behind)) {
    const Result<std::uint64_t> size = behind_->size();
    if (!size) return;
    octets_.resize(*size);
    const Result<std::size_t> got = behind_->read_at(0, octets_);
    if (!got || *got != *size || *size < kFooter) return;
    cut();
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    if (offset >= octets_.size()) return std::size_t{0};
    const std::size_t n = std::min(into.size(), octets_.size() - offset);
    std::copy_n(octets_.data() + offset, n, into.data());
    return n;
  }
  Result<std::uint64_t> size() override { return octets_.size(); }

 private:
  // spool/catalog.hpp: six sections; the fifth is of message heads, 38 octets each.
  static constexpr std::size_t kSections = 6, kHeads = 4, kHead = 38;
  static constexpr std::size_t kLengths = 4 + 4 + 4 + 6 * 8 + 4,
                               kFooter = kLengths + kSections * 12;

  void cut() {
    std::string footer = octets_.substr(octets_.size() - kFooter);
    std::string sections = octets_.substr(0, octets_.size() - kFooter);
    base::ByteReader reader(std::string_view(footer).substr(kLengths));
    std::uint64_t before = 0, heads = 0;
    for (std::size_t i = 0; i <= kHeads; ++i) {
      before += heads;
      heads = reader.u64();
      (void)reader.u32();
    }
    if (heads < kHead || before + heads > sections.size()) return;
    sections.erase(before + heads - kHead, kHead);
    heads -= kHead;
    std::string entry;
    base::ByteWriter writer(entry);
    writer.u64(heads);
    writer.u32(base::crc32c(std::string_view(sections).substr(before, heads)));
    footer.replace(kLengths + kHeads * 12, 12, entry);
    std::string crc;
    base::ByteWriter crc_writer(crc);
    crc_writer.u32(base::crc32c(std::string_view(footer).substr(8)));
    footer.replace(4, 4, crc);
    octets_ = sections + footer;
  }

  std::string octets_;
};

class FaultyDisk final : public PassingDisk {
 public:
  FaultyDisk(spool::Disk& behind, World& world, Fault fault)
      : PassingDisk(behind), world_(world), fault_(fault) {}
  Result<std::unique_ptr<spool::File>> open(const std::string& path, spool::Open mode) override {
    Result<std::unique_ptr<spool::File>> file = behind_.open(path, mode);
    if (!file) return file;
    if (fault_ == Fault::SyncFailureIgnored)
      return std::unique_ptr<spool::File>(std::make_unique<DeafFile>(std::move(*file)));
    if (fault_ == Fault::SegmentComesBack && is_below(path, "journal/"))
      return std::unique_ptr<spool::File>(std::make_unique<UnfreedFile>(std::move(*file), world_));
    if (fault_ == Fault::SidecarUnchecked && is_below(path, "sidecar/") &&
        mode == spool::Open::Existing)
      return std::unique_ptr<spool::File>(std::make_unique<CutSidecar>(std::move(*file)));
    return file;
  }

 private:
  World& world_;
  Fault fault_;
};

// --- the rest

/// What fires more than ten minutes from now fires a slot of the timer wheel late.
class LateClock final : public base::Clock {
 public:
  explicit LateClock(base::Clock& behind) : behind_(behind) {}
  base::Time now() const override { return behind_.now(); }
  base::Steady steady() const override { return behind_.steady(); }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    constexpr base::Duration kSlot{std::int64_t{1} << 34};  // 4 h 46 min
    const bool is_far = when - steady() > std::chrono::minutes(10);
    return behind_.call_at(is_far ? when + kSlot : when, std::move(work));
  }
  bool cancel(base::TimerId id) override { return behind_.cancel(id); }

 private:
  base::Clock& behind_;
};

class LosingPool final : public base::Executor {
 public:
  LosingPool(base::Executor& behind, World& world) : behind_(behind), world_(world) {}
  void post(base::Work work) override {
    if (strikes(world_)) {
      // Kept by the world, so that it goes with the process.
      world_.after(std::chrono::hours(24 * 365), std::move(work));
    } else {
      behind_.post(std::move(work));
    }
  }

 private:
  base::Executor& behind_;
  World& world_;
};

class LosingSink final : public events::Sink {
 public:
  LosingSink(events::Sink& behind, World& world) : behind_(behind), world_(world) {}
  Result<void> write(const std::vector<std::string>& encoded) override {
    std::vector<std::string> kept;
    for (const std::string& event : encoded)
      if (!strikes(world_)) kept.push_back(event);
    return behind_.write(kept);
  }

 private:
  events::Sink& behind_;
  World& world_;
};

void raise_limits(config::Settings& settings) {
  ++settings.delivery.connections_per_site;
  ++settings.delivery.recipients_per_transaction;
  ++settings.limits.recipients_per_message;
  ++settings.limits.connections;
}

}  // namespace

const std::vector<FaultName>& fault_names() {
  static const std::vector<FaultName> kNames = {
      {Fault::AckBeforeSync, "ack-before-sync", "250 does not wait for the disk"},
      {Fault::AnswerLost, "answer-lost", "one read in ten from the disk never answers"},
      {Fault::BodiesMixed, "bodies-mixed", "a message is read back with another one's octets"},
      {Fault::BulkFirst, "bulk-first", "the streams of two listeners are mixed up"},
      {Fault::CertificatesUnchecked, "certificates-unchecked",
       "any certificate of a next hop will do"},
      {Fault::DiskLies, "disk-lies", "a sync succeeds and makes nothing durable"},
      {Fault::DoubleCompletion, "double-completion", "one delivery in ten is completed twice"},
      {Fault::DsnTwice, "dsn-twice", "a report is stored twice, under two ids"},
      {Fault::EventLost, "event-lost", "one event in ten is dropped"},
      {Fault::ExpiryIgnored, "expiry-ignored", "mail is given up after four times its time"},
      {Fault::JobChunkTwice, "job-chunk-twice",
       "a job does not note how far it is, and begins anew after a crash"},
      {Fault::JobRowLost, "job-row-lost", "one part of a job in ten lacks its last row"},
      {Fault::LateTimer, "late-timer", "a far timer fires one slot of the wheel late"},
      {Fault::LimitOffByOne, "limit-off-by-one", "each limit lets one more through"},
      {Fault::LostUpdate, "lost-update", "one progress or done record in ten is not written"},
      {Fault::MemoryKept, "memory-kept", "octets are never let go"},
      {Fault::OperationSkips, "operation-skips",
       "an operator's command overlooks one message in three"},
      {Fault::PaceIgnored, "pace-ignored", "a provider's limits are not obeyed"},
      {Fault::PeerForgets, "peer-forgets", "the receiver answers 250 and loses one in ten"},
      {Fault::QuotaForgotten, "quota-forgotten",
       "a change of users forgets what a tenant has sent"},
      {Fault::RecoverySkips, "recovery-skips", "a start overlooks one message in ten"},
      {Fault::RequireTlsUnheard, "requiretls-unheard", "REQUIRETLS is answered 250 and forgotten"},
      {Fault::RetryWithoutState, "retry-without-state",
       "a start forgets which recipients are done"},
      {Fault::SegmentComesBack, "segment-comes-back",
       "a freed segment is seen again, its done records are not"},
      {Fault::SidecarUnchecked, "sidecar-unchecked", "a sidecar that lacks a message is believed"},
      {Fault::SuppressionIgnored, "suppression-ignored", "who wants no mail gets it"},
      {Fault::SyncFailureIgnored, "sync-failure-ignored", "a failed sync is taken for a success"},
      {Fault::WrongHost, "wrong-host", "one MX answer in ten is another domain's"},
  };
  return kNames;
}

Wrappers wrappers_for(Fault fault, World& world) {
  Wrappers wrappers;
  const auto forgetful = [&world](Forgetful::What what) -> Wrappers::Wrap<spool::Spool> {
    return [&world, what](spool::Spool& real) -> std::unique_ptr<spool::Spool> {
      return std::make_unique<Forgetful>(real, world, what);
    };
  };
  switch (fault) {
    case Fault::None:
    case Fault::DiskLies:
    case Fault::PeerForgets:
    case Fault::QuotaForgotten:
    case Fault::SuppressionIgnored:
      break;
    case Fault::CertificatesUnchecked:
      wrappers.start_tls = [](delivery::StartTls real) -> delivery::StartTls {
        return [real = std::move(real)](std::unique_ptr<net::Stream> stream,
                                        delivery::TlsRequest request, base::Steady deadline,
                                        std::string& why) {
          request.verify = false;
          request.dane = nullptr;
          return real(std::move(stream), std::move(request), deadline, why);
        };
      };
      break;
    case Fault::JobChunkTwice:
      wrappers.spool = wrap_ports<JobChunkTwice>(world);
      break;
    case Fault::JobRowLost:
      wrappers.spool = wrap_ports<JobRowLost>(world);
      break;
    case Fault::OperationSkips:
      wrappers.spool = wrap_ports<OperationSkips>(world);
      break;
    case Fault::RequireTlsUnheard:
      wrappers.tls = [](inbound::Layer& real) -> std::unique_ptr<inbound::Layer> {
        return std::make_unique<DeafLayer>(real);
      };
      break;
    case Fault::AckBeforeSync:
      wrappers.spool = wrap_ports<AckBeforeSync>(world);
      break;
    case Fault::BodiesMixed:
      wrappers.spool = wrap_ports<BodiesMixed>(world);
      break;
    case Fault::DoubleCompletion:
      wrappers.spool = wrap_ports<DoubleCompletion>(world);
      break;
    case Fault::DsnTwice:
      wrappers.spool = wrap_ports<DsnTwice>(world);
      break;
    case Fault::LostUpdate:
      wrappers.spool = wrap_ports<LostUpdate>(world);
      break;
    case Fault::MemoryKept:
      wrappers.spool = wrap_ports<MemoryKept>(world);
      break;
    case Fault::RecoverySkips:
      wrappers.spool = forgetful(Forgetful::What::Messages);
      break;
    case Fault::RetryWithoutState:
      wrappers.spool = forgetful(Forgetful::What::Progress);
      break;
    case Fault::SegmentComesBack:
    case Fault::SidecarUnchecked:
    case Fault::SyncFailureIgnored:
      wrappers.disk = [&world, fault](spool::Disk& real) -> std::unique_ptr<spool::Disk> {
        return std::make_unique<FaultyDisk>(real, world, fault);
      };
      break;
    case Fault::LateTimer:
      wrappers.clock = [](base::Clock& real) -> std::unique_ptr<base::Clock> {
        return std::make_unique<LateClock>(real);
      };
      break;
    case Fault::AnswerLost:
      wrappers.pool = [&world](base::Executor& real) -> std::unique_ptr<base::Executor> {
        return std::make_unique<LosingPool>(real, world);
      };
      break;
    case Fault::BulkFirst:
      wrappers.network = [](net::Network& real) -> std::unique_ptr<net::Network> {
        return std::make_unique<CrossedNetwork>(real);
      };
      break;
    case Fault::WrongHost:
      wrappers.resolver = [&world](dns::Resolver& real) -> std::unique_ptr<dns::Resolver> {
        return std::make_unique<MuddledResolver>(real, world);
      };
      break;
    case Fault::EventLost:
      wrappers.sink = [&world](events::Sink& real) -> std::unique_ptr<events::Sink> {
        return std::make_unique<LosingSink>(real, world);
      };
      break;
    case Fault::ExpiryIgnored:
      wrappers.settings = [](config::Settings& settings) { settings.retry.expire_after *= 4; };
      break;
    case Fault::LimitOffByOne:
      wrappers.settings = raise_limits;
      break;
    case Fault::PaceIgnored:
      wrappers.settings = [](config::Settings& settings) { settings.shaping.limits = false; };
      break;
  }
  return wrappers;
}

}  // namespace ekiden::simulation
