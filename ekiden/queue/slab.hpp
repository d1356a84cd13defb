#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ekiden/base/assert.hpp"

namespace ekiden::queue {

/// No slot.
inline constexpr std::uint32_t kNone = UINT32_MAX;

/// Entries named by 32-bit slots that stay put: grows by chunks, reuses freed slots.
///
/// A freed entry is reset to T{}, so that what it owned is gone.
template <class T>
class Slab {
 public:
  std::uint32_t take() {
    if (!free_.empty()) {
      const std::uint32_t slot = free_.back();
      free_.pop_back();
      return slot;
    }
    EKIDEN_ASSERT(used_ < kNone, "the memory budget ends long before 2^32 entries");
    if (used_ % kChunk == 0) chunks_.push_back(std::make_unique<T[]>(kChunk));
    return used_++;
  }
  void give_back(std::uint32_t slot) {
    (*this)[slot] = T{};
    free_.push_back(slot);
  }
  T& operator[](std::uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  const T& operator[](std::uint32_t slot) const { return chunks_[slot / kChunk][slot % kChunk]; }

  /// One past the highest slot ever taken: for walks, which meet freed entries too.
  std::uint32_t end() const { return used_; }
  std::size_t size() const { return used_ - free_.size(); }

 private:
  static constexpr std::uint32_t kChunk = 4096;
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::vector<std::uint32_t> free_;
  std::uint32_t used_ = 0;
};

}  // namespace ekiden::queue
