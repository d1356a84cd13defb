#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "ekiden/account/store.hpp"
#include "ekiden/account/stored_snapshot.hpp"
#include "ekiden/account/template_store.hpp"
#include "ekiden/api/api.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "tests/support/inbound_bench.hpp"

namespace ekiden::api {

/// The whole API of one worker over stores in a folder of its own, with one key, "shop".
class TestApi {
 public:
  explicit TestApi(test::InboundBench& bench)
      : bench_(bench), folder_(make_folder()), node_key_(bench.random) {
    store_ = std::move(*account::Store::open(folder_, bench.clock.now()));
    templates_ = std::move(*account::TemplateStore::open(folder_));
    ledger_ = std::move(*webhook::Ledger::open(folder_));
    std::string why;
    job_store_ = std::move(*bulk::Store::open(folder_, &why));
    jobs_.emplace(bulk::Desk::Parts{bench.worker, bench.loop.executor(), bench.loop.executor(),
                                    *job_store_, bench.services, [this] { return bench_.options; },
                                    jobs::make_composer, watch_, bench.metrics,
                                    folder_ + "/events"});
    shared_.emplace(Shared::Parts{bench.loop.executor(), folder_, bench.clock, *store_, node_key_,
                                  *ledger_, bench.worker, [this] { return settings_; }, *jobs_,
                                  *templates_});
    account::ApiKey key;
    key.id = 7;
    key.name = "shop";
    key.credential.name = account::api_key_identity(key.id);
    const account::MadeApiKey made = account::make_api_key(key.name, node_key_, bench.random);
    key.credential.key_hash = made.key_hash;
    key.credential.sender_domains = {"client.test"};
    secret_ = made.secret;
    tenant_ = key.credential.tenant;
    accounts_.snapshot = std::make_shared<account::StoredSnapshot>(
        std::vector<account::Credential>{}, std::vector<account::ApiKey>{std::move(key)});
    api_.emplace(Api::Parts{bench.worker, bench.loop.executor(), [] { return nullptr; },
                            bench.services, [this] { return bench_.options; }, accounts_, node_key_,
                            bench.metrics, *shared_});
  }
  ~TestApi() { std::filesystem::remove_all(folder_); }

  Frame& frame() { return api_->frame(); }
  const std::string& folder() const { return folder_; }
  const std::string& secret() const { return secret_; }
  const std::string& tenant() const { return tenant_; }
  const account::HashKey& node_key() const { return node_key_; }

 private:
  class Accounts final : public account::SnapshotSource {
   public:
    std::shared_ptr<const account::Snapshot> current() const override { return snapshot; }
    std::shared_ptr<const account::Snapshot> snapshot;
  };

  static std::string make_folder() {
    std::string pattern = testing::TempDir() + "ekiden-api-XXXXXX";
    return ::mkdtemp(pattern.data());
  }

  test::InboundBench& bench_;
  std::string folder_, secret_, tenant_;
  account::HashKey node_key_;
  Accounts accounts_;
  std::unique_ptr<account::Store> store_;
  std::unique_ptr<account::TemplateStore> templates_;
  std::unique_ptr<webhook::Ledger> ledger_;
  std::unique_ptr<bulk::Store> job_store_;
  bulk::Watch watch_;
  std::optional<bulk::Desk> jobs_;
  std::shared_ptr<const config::Settings> settings_ = std::make_shared<const config::Settings>();
  std::optional<Shared> shared_;
  std::optional<Api> api_;
};

}  // namespace ekiden::api
