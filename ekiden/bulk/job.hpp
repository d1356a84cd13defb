#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::bulk {

/// Where a job stands. Its messages have dispositions of their own.
enum class JobState : std::uint8_t {
  Draft,       ///< content and recipients may change
  Scheduled,   ///< committed; waits for its time
  Launching,   ///< becomes the spool's
  Sending,     ///< the spool has it; rows become messages when their turn comes
  Paused,      ///< no further row becomes a message
  Cancelling,  ///< the same for ever; the spool is being told
  Cancelled,
  Done,  ///< every row has its end
};
std::string_view state_name(JobState state);  ///< "draft", …
std::optional<JobState> parse_state(std::string_view name);

/// Which API made it: others are not shown there.
enum class Origin : std::uint8_t { Jobs, Batch, Blastengine };

/// What has become of a job's rows, counted from events: each once.
struct Counts {
  std::uint64_t accepted = 0;  ///< became messages, suppressed ones too
  std::uint64_t rejected = 0;  ///< admission said no
  std::uint64_t delivered = 0, bounced = 0, expired = 0, suppressed = 0, cancelled = 0;
  std::uint64_t deferred = 0;  ///< tried more than once
  std::uint64_t complained = 0, unsubscribed = 0, opened = 0;

  /// Rows that have their end.
  std::uint64_t ended() const {
    return rejected + delivered + bounced + expired + suppressed + cancelled;
  }
  Counts& operator+=(const Counts& other);
};

struct Job {
  std::int64_t id = 0;
  std::string tenant, name, stream;
  JobState state = JobState::Draft;
  Origin origin = Origin::Jobs;
  std::string content;  ///< a JSON object
  std::string identity;
  std::vector<std::string> sender_domains;
  std::string client_address;
  std::string token;        ///< of the request that made it; none has it twice; may be empty
  base::MessageId message;  ///< zero before it is launched
  std::uint64_t rows = 0;
  base::Time created{}, changed{}, committed{}, send_at{};
  std::string note;  ///< why it waits or failed, in words
  Counts counts;
};

/// One recipient of a job that is a draft.
struct Row {
  std::int64_t id = 0;
  std::int64_t job = 0;
  std::string address;
  std::string data;  ///< one line of JSON: what is expanded
};

/// A line of an import that was left out.
struct ImportError {
  std::uint64_t line = 0;
  std::string address, code, text;
};

struct Import {
  std::int64_t id = 0, job = 0;
  bool is_done = false;
  std::uint64_t taken = 0, refused = 0, lines = 0;
};

}  // namespace ekiden::bulk
