#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace ekiden::queue {

/// What an operator can stop as a whole.
enum class Suspendable : std::uint8_t { Site, Domain, Tenant, Stream, Source };

/// The names that are suspended. They may be of things that do not exist yet.
class Suspended {
 public:
  void set(Suspendable kind, std::string_view name, bool is_suspended) {
    auto& names = names_[static_cast<std::size_t>(kind)];
    ++changes_;
    if (is_suspended) {
      names.emplace(name);
    } else if (const auto found = names.find(name); found != names.end()) {
      names.erase(found);
    }
  }
  bool contains(Suspendable kind, std::string_view name) const {
    return names_[static_cast<std::size_t>(kind)].contains(name);
  }
  /// Grows with each change.
  std::uint64_t changes() const { return changes_; }

 private:
  std::uint64_t changes_ = 0;
  std::array<std::set<std::string, std::less<>>, 5> names_;
};

}  // namespace ekiden::queue
