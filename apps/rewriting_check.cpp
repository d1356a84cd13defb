#include "apps/rewriting_check.hpp"

#include <unistd.h>

#include <chrono>

#include "apps/relay.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::apps {

cli::Found<cli::Rewriting> rewriting_for_test(const config::Settings& settings) {
  cli::Found<cli::Rewriting> found;
  cli::Rewriting made;
  made.now = std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
  account::HashKey key(std::string(account::kHashOctets, '\0'));
  if (::access((settings.node.data_dir + "/secret.key").c_str(), R_OK) == 0) {
    base::SystemRandom random;
    const Result<account::HashKey> own = account::load_node_key(settings.node.data_dir, random);
    if (own) {
      key = *own;
      made.has_own_key = true;
    }
  }
  std::optional<Rewriting> rules = rewriting_of(settings, &key, found.problem);
  if (!rules) return found;
  made.rules = std::move(*rules);
  std::shared_ptr<const delivery::RouteSet> routes = route_set(settings, found.problem);
  if (routes == nullptr) return found;
  made.route_of = [routes](std::string_view address) {
    return routes->table.find(smtp::domain_of(address)).name;
  };
  found.value = std::move(made);
  return found;
}

}  // namespace ekiden::apps
