#include "apps/bulk_node.hpp"

#include "ekiden/api/jobs/content.hpp"

namespace ekiden::apps {
namespace {

/// How much composing rows gives way: a newsletter takes the time that is left.
constexpr int kNiceness = 10;

}  // namespace

BulkNode::BulkNode() : composing_("composer", kNiceness) {}

bool BulkNode::open(const std::string& data_dir, std::string& problem) {
  std::string why;
  Result<std::unique_ptr<bulk::Store>> store = bulk::Store::open(data_dir, &why);
  if (!store) {
    problem = "the bulk jobs in " + data_dir + "/jobs.db cannot be opened: " + why;
    return false;
  }
  store_ = std::move(*store);
  if (const Result<void> swept = store_->forget_unfinished_imports(); !swept) {
    problem = "the bulk jobs in " + data_dir + "/jobs.db: " + swept.error().message();
    return false;
  }
  return true;
}

void BulkNode::attach(Relay& relay, base::Worker& worker, base::Executor& pool,
                      base::Metrics& metrics, const std::string& data_dir) {
  desk_.emplace(bulk::Desk::Parts{worker, pool, composing_.loop().executor(), *store_,
                                  relay.inbound_services(0),
                                  [&relay] { return relay.http_submission(0); },
                                  api::jobs::make_composer, watch_, metrics, data_dir + "/events"});
  composing_.start();
}

void BulkNode::abandon() {
  composing_.stop();
  desk_->abandon();
  // Jobs that waited for their rows end on their worker's loop, which still takes posts.
  composing_.loop().drop();
}

}  // namespace ekiden::apps
