#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ekiden::base {

/// Where randomness comes from: the operating system, or a seed.
///
/// Sharing: one worker owns one.
class Random {
 public:
  virtual ~Random() = default;

  /// 64 uniform bits. The system's source is fit for secrets.
  virtual std::uint64_t next() = 0;

  /// Fills `out`.
  void fill(std::span<std::byte> out);

  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);

  /// Uniform in [0, 1).
  double unit();
};

/// getrandom(2), buffered.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;

 private:
  static constexpr std::size_t kWords = 32;
  std::uint64_t words_[kWords];
  std::size_t left_ = 0;
};

/// splitmix64: the same numbers from the same seed, for simulation and tests.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::uint64_t state_;
};

}  // namespace ekiden::base
