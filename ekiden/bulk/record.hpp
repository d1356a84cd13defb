#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::bulk {

/// What all rows of a job share, and who may send it: the permission was given when the job was,
/// and does not end with the key.
struct Head {
  std::string name;
  std::string tenant, stream;
  std::string identity;                     ///< of the credential: "apikey:7"
  std::vector<std::string> sender_domains;  ///< that it may use; empty: any
  std::string client_address;
  std::string content;  ///< a JSON object, whoever composes reads it
  std::uint32_t rows = 0;
  base::Time send_at{};  ///< zero: at once
  std::int64_t job = 0;  ///< its number in the store; zero: a batch, which has none yet
};

// How a job lies in the spool, as the body of a message: frames, the head first, then the rows in
// order. All integers are little-endian.
//
//     offset  size  field
//     0       4     magic "EKJ1"
//     4       4     CRC-32C of everything behind it
//     8       4     octets behind this header
//     12      4     number of the first row; 0: the head
//     16            the head as a JSON object, or one row in each line

inline constexpr std::size_t kFrameHeaderOctets = 16;
/// Rows of one frame, which are expanded together, and their octets: the row that passes it is the
/// last.
inline constexpr std::uint32_t kFrameRowsMax = 64;
inline constexpr std::size_t kFrameOctetsMax = 64 * 1024;
/// One row: address, merge data, metadata.
inline constexpr std::size_t kRowOctetsMax = 64 * 1024;

std::string encode_head(const Head& head);

/// Writes rows as frames. A row is one line of JSON.
class FrameWriter {
 public:
  /// The first row is 1.
  void add(std::string_view row);
  /// What is whole so far; `end`: everything.
  std::string take();
  std::string end();
  std::uint32_t rows() const { return next_ - 1; }

 private:
  void close();
  std::string out_, open_;
  std::uint32_t next_ = 1, first_ = 1;
};

struct Frame {
  std::uint32_t first_row = 0;
  std::string_view payload;  ///< into what was read
  std::size_t size = 0;      ///< with its header
};
enum class FrameError : std::uint8_t { None, Partial, Damaged };
/// The frame at the front of `octets`; Partial: more octets are needed, `needed` in all.
FrameError read_frame(std::string_view octets, Frame& frame, std::size_t& needed);
std::optional<Head> decode_head(const Frame& frame);
/// The rows of a frame that is not the head.
std::vector<std::string_view> rows_of(const Frame& frame);

/// Where a job stands: the frame to be read next, and its row. What the spool keeps as the last
/// reply of the job's one recipient.
struct Mark {
  std::uint64_t offset = 0;  ///< zero: nothing is expanded yet
  std::uint32_t row = 1;

  friend bool operator==(const Mark&, const Mark&) = default;
};
std::string format_mark(Mark mark);
/// The beginning when it is none.
std::optional<Mark> parse_mark(std::string_view text);

}  // namespace ekiden::bulk
