#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ekiden/spool/testing/rig.hpp"

namespace ekiden::spool::testing {

/// What a spool must show after a restart, kept beside it while a random workload runs. Says in
/// words what is wrong.
///
/// An answer of success binds at once. A refusal binds when the journal is healthy again; what has
/// no answer may have happened or not, but wholly.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {}

  /// Submits one random transaction: new messages, updates, events.
  void act(Rig& rig, SimulatedDisk& disk, std::size_t body_max);
  /// Compares with what a restart found, reads bodies back, then takes the answers that were
  /// missing from what was found.
  void check(Rig& rig);

  const std::vector<std::string>& faults() const { return faults_; }
  std::size_t stored() const { return stored_; }
  std::size_t refused() const { return refused_; }
  std::size_t finished() const { return finished_; }

 private:
  enum class Answer { None, Yes, No };
  struct Recipient {
    std::optional<Progress> newest;  ///< acknowledged
    std::optional<Progress> flying;
  };
  struct Message {
    Answer stored = Answer::None;
    std::uint64_t transaction = 0;
    std::size_t size = 0;
    std::vector<Recipient> recipients;
  };
  struct Flight {
    std::vector<base::MessageId> messages;
    std::vector<std::pair<base::MessageId, std::uint32_t>> updates;
    std::vector<std::string> events;
    bool is_new_mail = false;
  };

  void answered(Rig& rig, SimulatedDisk& disk, std::uint64_t number, const Result<void>& result);
  void fault(const std::string& what) { faults_.push_back(what); }
  void check_events(Rig& rig);

  base::SeededRandom random_;
  std::uint64_t next_message_ = 1, next_transaction_ = 1;
  std::map<base::MessageId, Message> messages_;
  std::map<std::uint64_t, Flight> flights_;
  std::map<std::string, Answer> events_;
  std::set<std::string> stored_events_;
  std::set<base::MessageId> dead_;  ///< finished or refused for good
  std::vector<std::string> faults_;
  std::size_t stored_ = 0, refused_ = 0, finished_ = 0;
  std::uint16_t attempts_ = 0;
};

}  // namespace ekiden::spool::testing
