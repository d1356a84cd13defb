#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/control/book_file.hpp"
#include "ekiden/control/queue_commands.hpp"

namespace ekiden::control {

/// What operators have suspended, kept in one small file that is written anew at each change.
///
/// Sharing: its worker only.
class SuspensionBook {
 public:
  static constexpr std::size_t kMax = 10'000;
  static constexpr std::size_t kFileOctetsMax = 16 * 1024 * 1024;

  explicit SuspensionBook(SaveOctets save) : file_(std::move(save), [this] { return encode(); }) {}

  /// The file's contents; empty is an empty book. False when it cannot be read, and then nothing
  /// has changed.
  bool load(std::string_view octets);

  /// Durable when it completes. One with the same scope is replaced. When it cannot be written the
  /// book is as before.
  base::Task<Result<void>> put(Suspension suspension);
  base::Task<Result<void>> remove(SuspendScope scope);

  const Suspension* find(SuspendScope::Kind kind, std::string_view name) const;
  const std::vector<Suspension>& all() const { return all_; }
  bool is_full() const { return all_.size() >= kMax; }
  /// When the next one ends by itself.
  std::optional<base::Time> next_end() const;

 private:
  std::string encode() const;

  std::vector<Suspension> all_;
  BookFile file_;
};

}  // namespace ekiden::control
