#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/control/book_file.hpp"
#include "ekiden/control/operations.hpp"
#include "ekiden/control/queue_commands.hpp"

namespace ekiden::control {

/// An operation on the queue, with all that is needed to take it up again after a restart.
struct BookedOperation {
  std::shared_ptr<Operation> operation;
  QueueAction action = QueueAction::Retry;
  Filter filter;
  std::string argument;
  base::Time began{};  ///< it means what was queued before
};

/// The operations, kept in one small file: those that run, so that a restart goes on with them, and
/// the newest of those that have ended. Counters are as of the last write.
///
/// Sharing: its worker only.
class OperationBook {
 public:
  static constexpr std::size_t kEndedMax = 100;
  static constexpr std::size_t kFileOctetsMax = 16 * 1024 * 1024;

  OperationBook(Operations& operations, SaveOctets save)
      : operations_(operations), file_(std::move(save), [this] { return encode(); }) {}

  /// The file's contents; empty is an empty book. False when it cannot be read, and then nothing
  /// has changed.
  bool load(std::string_view octets);
  /// Those that were running when the file was written, and are to go on.
  std::vector<BookedOperation> running() const;

  /// Durable when it completes. When it cannot be written the book is as before.
  base::Task<Result<void>> put(BookedOperation operation);
  /// As the operations are now.
  base::Task<Result<void>> save() { return file_.write(); }

 private:
  std::string encode();

  Operations& operations_;
  std::vector<BookedOperation> all_;  ///< oldest first
  BookFile file_;
};

}  // namespace ekiden::control
