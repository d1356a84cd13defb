#include "apps/egress_file.hpp"

#include "ekiden/base/log.hpp"
#include "ekiden/base/private_file.hpp"
#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::apps {
namespace {

constexpr const char* kFile = "/egress.json";
constexpr base::Duration kGatherFor = std::chrono::seconds(5);

}  // namespace

EgressFile::EgressFile(const delivery::Neighbours& neighbours, base::Worker& worker,
                       base::Executor& pool, const std::string& data_dir)
    : neighbours_(neighbours), worker_(worker), pool_(pool), path_(data_dir + kFile) {
  const Result<std::string> octets = base::load_or_create_private_file(
      path_, [] { return std::string(); }, delivery::kChannelFileOctetsMax);
  auto records = octets ? delivery::decode_channels(*octets) : std::nullopt;
  if (!records) {
    base::log::error("egress_file_unreadable",
                     {{"file", path_},
                      {"problem", octets ? "it is damaged" : octets.error().message()},
                      {"consequence", "rates are learnt and sources warmed up anew"}});
    records.emplace();
  }
  const auto known =
      std::make_shared<const std::vector<delivery::ChannelRecord>>(std::move(*records));
  for (unsigned i = 0; i < neighbours_.count(); ++i) {
    delivery::Dispatcher& dispatcher = neighbours_.at(i);
    // Each keeps what it does not own for nobody: only the owner of a provider answers for it.
    auto own = std::make_shared<std::vector<delivery::ChannelRecord>>();
    for (const delivery::ChannelRecord& record : *known)
      if (record.rest || neighbours_.owner_of(record.provider) == i) own->push_back(record);
    dispatcher.remember(std::move(own));
    dispatcher.on_learnt([this] { neighbours_.send(worker_.index, [this] { save_soon(); }); });
  }
}

void EgressFile::save_soon() {
  if (is_waiting_) return;
  is_waiting_ = true;
  worker_.clock.call_after(kGatherFor, [this] { gather(); });
}

void EgressFile::gather() {
  is_waiting_ = false;
  struct Gathered {
    unsigned left;
    std::vector<delivery::ChannelRecord> records;
  };
  auto gathered = std::make_shared<Gathered>(Gathered{neighbours_.count(), {}});
  const delivery::Dispatcher& here = neighbours_.at(worker_.index);
  here.egress().collect_rests(gathered->records, here.moment());
  for (unsigned i = 0; i < neighbours_.count(); ++i) {
    delivery::Dispatcher& there = neighbours_.at(i);
    neighbours_.send(i, [this, &there, gathered] {
      std::vector<delivery::ChannelRecord> some;
      there.egress().collect(some);
      neighbours_.send(worker_.index, [this, gathered, some = std::move(some)]() mutable {
        for (delivery::ChannelRecord& record : some) gathered->records.push_back(std::move(record));
        if (--gathered->left > 0) return;
        pool_.post([this, gathered] { write(std::move(gathered->records)); });
      });
    });
  }
}

void EgressFile::write(std::vector<delivery::ChannelRecord> records) {
  const Result<void> written =
      base::replace_private_file(path_, delivery::encode_channels(std::move(records)));
  if (written) return;
  base::log::error("egress_file_unwritable",
                   {{"file", path_}, {"problem", written.error().message()}});
}

void EgressFile::save_now() {
  std::vector<delivery::ChannelRecord> records;
  const delivery::Dispatcher& here = neighbours_.at(worker_.index);
  here.egress().collect_rests(records, here.moment());
  for (unsigned i = 0; i < neighbours_.count(); ++i) neighbours_.at(i).egress().collect(records);
  if (records.empty()) return;
  write(std::move(records));
}

}  // namespace ekiden::apps
