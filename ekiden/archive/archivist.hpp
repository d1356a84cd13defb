#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/archive/seal.hpp"
#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/octets.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/events/day_file.hpp"
#include "ekiden/events/sqlite.hpp"

namespace ekiden::archive {

/// What is archived of a message.
struct Accepted {
  base::MessageId id;
  std::string meta;                     ///< message::encode_meta
  std::vector<std::string> recipients;  ///< addresses
  base::Octets octets;
};

/// Writes copies of accepted messages, and removes old ones. Mail never waits for it: what it has
/// no room for is accepted all the same, left out and counted.
///
/// Sharing: `reserve`, `keep` and `release` on any thread; the rest on `home`, an executor of its
/// own that may block. It outlives what is posted there.
class Archivist {
 public:
  struct Options {
    std::string directory;  ///< made when missing, mode 0700
    base::Duration retention = std::chrono::days(30);
    std::uint64_t message_max = 25u << 20;
    std::uint64_t size_max = 10ull << 30;
    std::uint64_t backlog_max = 64u << 20;
  };

  Archivist(base::Executor& home, base::Clock& clock, const account::HashKey& node_key,
            base::Random& random, base::Metrics& metrics, Options options);
  ~Archivist();

  /// Asks for room for a message that will be given to `keep`; false, and counted, when it is too
  /// large or too many wait.
  bool reserve(std::uint64_t octets);
  /// With the room of `octets`, which it gives back.
  void keep(Accepted message, std::uint64_t octets);
  /// The message could not be read after all.
  void release(std::uint64_t octets);

  /// Removes days past the retention, and the oldest ones past the size. Today stays: when
  /// it is too much alone, messages are left out until the next.
  void remove_old() { remove_old(0); }

 private:
  struct Open;
  enum class Written { Yes, NoRoom };
  Result<Written> write(const Accepted& message);
  void remove_old(std::uint64_t wanted);
  Result<Open*> open(events::Day day);

  base::Executor& home_;
  base::Clock& clock_;
  account::HashKey node_key_;
  base::Random& random_;
  Options options_;
  base::Counter &kept_, &too_large_, &no_room_, &failed_;
  base::Gauge& size_gauge_;
  std::atomic<std::uint64_t> waiting_{0};
  std::uint64_t size_ = 0;  ///< of the files, as far as it is known
  bool is_measured_ = false;
  std::unique_ptr<Open> open_;
};

}  // namespace ekiden::archive
