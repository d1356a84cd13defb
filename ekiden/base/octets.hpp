#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ekiden::base {

/// Immutable octets with shared ownership. Copying copies a pointer, from any thread.
class Octets {
 public:
  Octets() = default;
  explicit Octets(std::string octets)
      : owner_(std::make_shared<const std::string>(std::move(octets))), view_(*owner_) {}

  std::string_view view() const { return view_; }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  /// A part of the same octets, sharing ownership.
  Octets part(std::size_t offset, std::size_t size) const {
    Octets part = *this;
    part.view_ = view_.substr(offset, size);
    return part;
  }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

}  // namespace ekiden::base
