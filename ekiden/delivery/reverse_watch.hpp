#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/reverse_name.hpp"
#include "ekiden/delivery/source_set.hpp"

namespace ekiden::delivery {

/// Looks whether the PTR record of each source's IPv6 address names the source, again and again,
/// and tells when that changes.
///
/// A record counts for its TTL, within kValidLeast and kValidMost. While the DNS does not say, what
/// it said last counts for kKept more; then nothing is known. It is asked again each kAskAgain.
///
/// Sharing: its worker only.
class ReverseWatch {
 public:
  static constexpr base::Duration kValidLeast = std::chrono::minutes(5);
  static constexpr base::Duration kValidMost = std::chrono::hours(1);
  static constexpr base::Duration kAskAgain = std::chrono::minutes(1);
  static constexpr base::Duration kKept = std::chrono::hours(1);

  /// `why` is empty where the address may be used.
  using Tell = std::function<void(const std::string& source, const std::string& why)>;
  ReverseWatch(base::Worker& worker, dns::Resolver& resolver, Tell tell);

  /// The configuration's, at the start and by a reload. What is known of an address and its name
  /// is kept; null: there are none.
  void set_sources(const std::shared_ptr<const SourceSet>& sources);
  void close();
  void abandon() { tasks_.abandon(); }

 private:
  struct Watched {
    net::Address address;
    std::string hostname;
    std::uint64_t version = 0;  ///< of the reload that brought it: an older look tells nothing
    std::string told;           ///< what was said last
    base::Steady known_until{};
    base::TimerId timer = base::TimerId::None;
  };

  base::Task<void> look(std::string source, std::uint64_t version, net::Address address,
                        std::string hostname);
  void begin(const std::string& source);
  void begin_later(const std::string& source, base::Duration wait);
  void say(const std::string& source, Watched& watched, const std::string& why);

  base::Worker& worker_;
  dns::Resolver& resolver_;
  Tell tell_;
  base::TaskGroup tasks_;
  std::map<std::string, Watched> watched_;  ///< by source
  std::uint64_t version_ = 0;
};

/// What a source that needs a PTR record is told until something is known.
inline constexpr const char* kReverseNotLookedUp = "its PTR record is not looked up yet";

}  // namespace ekiden::delivery
