#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/task.hpp"

namespace ekiden::control {

/// Makes the octets durable, whole, in the place of those before; completes on the book's worker.
using SaveOctets = std::function<void(std::string octets, base::Completion<Result<void>> done)>;

/// One small file that is written anew, whole, whenever what it tells has changed: one write at a
/// time, so that the last one written is the newest; a caller's change is in the write that answers
/// it, or in one before.
///
/// Sharing: its book's worker only.
class BookFile {
 public:
  using Encode = std::function<std::string()>;

  BookFile(SaveOctets save, Encode encode) : save_(std::move(save)), encode_(std::move(encode)) {}

  base::Task<Result<void>> write() {
    auto begin = [this](base::Completion<Result<void>> done) {
      waiting_.push_back(std::move(done));
      if (!is_writing_) begin_write();
    };
    co_return co_await base::suspend<Result<void>>(std::move(begin));
  }

 private:
  void begin_write() {
    is_writing_ = true;
    auto mine = std::make_unique<std::vector<base::Completion<Result<void>>>>(std::move(waiting_));
    waiting_.clear();
    save_(encode_(), [this, mine = std::move(mine)](Result<void> result) {
      is_writing_ = false;
      if (!waiting_.empty()) begin_write();
      for (auto& done : *mine) done(result);
    });
  }

  SaveOctets save_;
  Encode encode_;
  bool is_writing_ = false;
  std::vector<base::Completion<Result<void>>> waiting_;  ///< for the write after this one
};

}  // namespace ekiden::control
