#include "apps/mta_sts_file.hpp"

#include "ekiden/base/log.hpp"
#include "ekiden/base/private_file.hpp"

namespace ekiden::apps {
namespace {

constexpr const char* kFile = "/mta-sts.json";
constexpr base::Duration kGatherFor = std::chrono::seconds(1);

}  // namespace

MtaStsFile::MtaStsFile(policy::MtaStsBook& book, base::Worker& worker, base::Executor& pool,
                       const std::string& data_dir)
    : book_(book), worker_(worker), pool_(pool), path_(data_dir + kFile) {
  const Result<std::string> octets = base::load_or_create_private_file(
      path_, [] { return std::string(); }, policy::MtaStsBook::kFileOctetsMax);
  const bool is_read = octets && book_.load(*octets, worker_.clock.now());
  if (!is_read) {
    base::log::error("mta_sts_file_unreadable",
                     {{"file", path_},
                      {"problem", octets ? "it is damaged" : octets.error().message()},
                      {"consequence", "policies are fetched anew"}});
  }
  book_.on_change([this] { save_soon(); });
}

void MtaStsFile::save_soon() {
  if (is_changed_.exchange(true)) return;
  worker_.executor.post([this] {
    worker_.clock.call_after(kGatherFor, [this] { pool_.post([this] { save_now(); }); });
  });
}

void MtaStsFile::save_now() {
  if (!is_changed_.exchange(false)) return;
  const Result<void> written = base::replace_private_file(path_, book_.encode());
  if (written) return;
  base::log::error("mta_sts_file_unwritable",
                   {{"file", path_}, {"problem", written.error().message()}});
}

}  // namespace ekiden::apps
