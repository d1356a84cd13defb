#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/account/snapshot.hpp"
#include "ekiden/bulk/expander.hpp"
#include "ekiden/bulk/record.hpp"
#include "ekiden/message/envelope.hpp"

/// What the files of the expander share.
namespace ekiden::bulk {

struct Expander::Job {
  base::MessageId id;
  Wish wish = Wish::Go;
  message::Meta meta;
  Mark mark;
  Head head;
  account::Credential credential;
  ComposeRow compose;
  spool::Body body;
  bool is_open = false;  ///< head, compose and body are there
  std::string slice;     ///< of the record, from `slice_at`
  std::uint64_t slice_at = 0;
  bool has_slot = false;
  bool is_gone = false;  ///< from the spool
  base::Completion<int> waiting;
  base::TimerId timer = base::TimerId::None;
  bool is_full = false;  ///< it waits for room in the queue
  std::string why;       ///< that was noted last
  std::optional<base::Duration> later;
};

/// What becomes one transaction.
struct Expander::Chunk {
  spool::Transaction transaction;
  std::vector<inbound::Admitted> made;
  std::vector<std::uint32_t> rows;  ///< of `made`, and where each of them goes
  std::vector<std::string> domains;
  std::uint32_t next = 1;  ///< behind the last row that is in it
  std::size_t octets = 0;
  std::uint64_t rejected = 0;
};

}  // namespace ekiden::bulk
