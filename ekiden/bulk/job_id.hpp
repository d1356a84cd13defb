#pragma once

#include <cstdint>

#include "ekiden/base/ids.hpp"

namespace ekiden::bulk {

/// Rows of one job.
inline constexpr std::uint32_t kRowsMax = 1'000'000;

/// The ids of a job and of the messages that its rows become, one block of 2^24:
///
///     high: as of any message; low: 8 bits 0xff, 8 bits of worker, 24 bits of counter,
///     24 bits of row (0: the job itself, 1…: its rows)
///
/// No worker has the number 0xff, so they are told from all other ids; and whoever knows a job and
/// a row knows the message, now or after a crash.
inline constexpr std::uint64_t kRowMask = 0xff'ffff;

/// A job's id, from one that was given to nothing else.
inline base::MessageId make_job_id(base::MessageId fresh) {
  const std::uint64_t worker = fresh.low >> 56;
  return {fresh.high, (0xffULL << 56) | (worker << 48) | ((fresh.low & kRowMask) << 24)};
}
/// Of a job, or of a row of one.
inline bool is_of_job(base::MessageId id) {
  return id.low >> 56 == 0xff;
}
inline std::uint32_t row_of(base::MessageId id) {
  return static_cast<std::uint32_t>(id.low & kRowMask);
}
inline base::MessageId job_of(base::MessageId id) {
  return {id.high, id.low & ~kRowMask};
}
inline base::MessageId row_id(base::MessageId job, std::uint32_t row) {
  return {job.high, job.low | row};
}

}  // namespace ekiden::bulk
