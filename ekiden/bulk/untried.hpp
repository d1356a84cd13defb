#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ekiden::bulk {

/// The rows of one job whose messages wait for their first attempt, and whether more may join them.
///
/// A job goes no further than its messages leave, so that what it has not expanded can still be
/// paused and cancelled. But of one domain only the first kCountedOfDomain count: where a list is
/// sorted, or one provider takes little, the rows of the others behind them have their turn all the
/// same, up to kMost, which is what the queue has to bear.
///
/// Sharing: one thread at a time.
class Untried {
 public:
  /// Rows that count; the job waits here, and goes on below half of it.
  static constexpr std::size_t kCountedMax = 5000;
  static constexpr std::size_t kCountedOfDomain = 1000;
  /// Rows in all, counted or not.
  static constexpr std::size_t kMost = 50'000;
  /// Domains that are told apart; the rest is one.
  static constexpr std::size_t kDomainsMax = 4096;

  /// `domain` in any case; empty: not known, as at start. False: it was there.
  bool add(std::uint32_t row, std::string_view domain);
  /// False: it was not there.
  bool remove(std::uint32_t row);

  bool is_full() const { return counted_ >= kCountedMax || rows_.size() >= kMost; }
  /// A job that waited may go on.
  bool has_room() const {
    return counted_ <= kCountedMax / 2 && rows_.size() <= kMost - kMost / 10;
  }
  std::size_t size() const { return rows_.size(); }
  std::size_t counted() const { return counted_; }

 private:
  std::uint32_t number_of(std::string_view domain);

  std::unordered_map<std::uint32_t, std::uint32_t> rows_;  ///< with the domain's number
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::vector<std::size_t> of_domain_ = {0};  ///< by number; 0 is the rest
  std::size_t counted_ = 0;
};

}  // namespace ekiden::bulk
