#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace ekiden::base {

template <class Signature>
class Function;

/// A callable that moves and never copies; small ones (48 octets) need no allocation.
///
/// Dropping it without a call is allowed: a coroutine suspended behind it is then destroyed.
template <class R, class... Args>
class Function<R(Args...)> {
 public:
  Function() = default;
  Function(std::nullptr_t) {}

  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Function> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>) Function(F&& f) {
    using Callable = std::decay_t<F>;
    if constexpr (sizeof(Callable) <= kInline && alignof(Callable) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Callable>) {
      ::new (static_cast<void*>(storage_)) Callable(std::forward<F>(f));
      static constexpr Operations kOperations{
          [](void* self, Args... args) -> R {
            return (*static_cast<Callable*>(self))(std::forward<Args>(args)...);
          },
          [](void* to, void* from) {
            ::new (to) Callable(std::move(*static_cast<Callable*>(from)));
            static_cast<Callable*>(from)->~Callable();
          },
          [](void* self) { static_cast<Callable*>(self)->~Callable(); }};
      operations_ = &kOperations;
    } else {
      ::new (static_cast<void*>(storage_)) Callable*(new Callable(std::forward<F>(f)));
      static constexpr Operations kOperations{
          [](void* self, Args... args) -> R {
            return (**static_cast<Callable**>(self))(std::forward<Args>(args)...);
          },
          [](void* to, void* from) { ::new (to) Callable*(*static_cast<Callable**>(from)); },
          [](void* self) { delete *static_cast<Callable**>(self); }};
      operations_ = &kOperations;
    }
  }

  Function(Function&& other) noexcept { take(other); }
  Function& operator=(Function&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~Function() { reset(); }

  explicit operator bool() const { return operations_ != nullptr; }
  R operator()(Args... args) { return operations_->call(storage_, std::forward<Args>(args)...); }

 private:
  static constexpr std::size_t kInline = 48;
  struct Operations {
    R (*call)(void*, Args...);
    void (*move)(void* to, void* from);
    void (*destroy)(void*);
  };

  void take(Function& other) {
    operations_ = std::exchange(other.operations_, nullptr);
    if (operations_ != nullptr) operations_->move(storage_, other.storage_);
  }
  void reset() {
    if (operations_ != nullptr) std::exchange(operations_, nullptr)->destroy(storage_);
  }

  const Operations* operations_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInline];
};

/// Something to run once, later, on some executor.
using Work = Function<void()>;

}  // namespace ekiden::base
