#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/policy/mta_sts_policy.hpp"

namespace ekiden::policy {

/// A policy as it was fetched.
struct MtaStsEntry {
  std::string id;  ///< that the TXT record had
  MtaStsPolicy policy;
  base::Time fetched;
  base::Time used;  ///< when mail last asked for it

  base::Time expires() const { return fetched + policy.max_age; }
};

/// Every policy that we know, kept in one file over restarts: what a domain once promised holds
/// until its max_age is over, whatever the DNS and the web say meanwhile (RFC 8461 §5.1).
///
/// Limits: `kEntriesMax`; past it the one that ends first goes, and is fetched again.
/// Sharing: any thread.
class MtaStsBook {
 public:
  static constexpr std::size_t kEntriesMax = 20'000;
  static constexpr std::size_t kFileOctetsMax = 64 * 1024 * 1024;
  /// RFC 8461 §3.3: a failed fetch is not repeated sooner.
  static constexpr base::Duration kRetryPause = std::chrono::minutes(5);
  /// RFC 8461 §10.2: looked at again this often even when the id stays.
  static constexpr base::Duration kRefreshAfter = std::chrono::hours(24);
  /// A policy that no mail asked for in so long is left to end.
  static constexpr base::Duration kForgetAfter = std::chrono::hours(24 * 60);

  /// The file's contents; empty is an empty book. False when it cannot be read, and then nothing
  /// has changed. Entries that have ended, or make no sense, are left out.
  bool load(std::string_view octets, base::Time now);
  std::string encode() const;
  /// Called, on whichever thread, after each change that belongs into the file. Set before use.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

  /// The policy in force; nothing when there is none, or it has ended.
  std::optional<MtaStsEntry> find(std::string_view domain, base::Time now);

  /// Whether the caller may fetch the domain's policy now: nobody is at it, and the last try did
  /// not fail just now. Then it must end in `put` or `fail`.
  bool begin_fetch(const std::string& domain, base::Time now);
  void put(const std::string& domain, MtaStsEntry entry);
  void fail(const std::string& domain, base::Time now);
  /// The fetch was broken off by our own end.
  void give_up(const std::string& domain);

  /// Domains whose policy is due for its daily look, at most `max`.
  std::vector<std::string> due(base::Time now, std::size_t max) const;
  std::size_t size() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Trying {
    bool is_under_way = false;
    base::Time failed{};
  };
  template <class Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  void make_room();

  mutable std::mutex mutex_;
  Map<MtaStsEntry> entries_;
  Map<Trying> trying_;
  std::function<void()> changed_;
};

}  // namespace ekiden::policy
