#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace ekiden {

using Error = boost::system::error_code;

/// A value, or the error of the module that noticed. Exceptions stay inside a module.
template <class T>
using Result = boost::system::result<T>;

namespace base {

/// The error category of one module's `enum class Errc`.
///
/// A module writes, in its error.hpp: the enum, `Error make_error_code(Errc)`, and a
/// specialisation of boost::system::is_error_code_enum; and in its error.cpp one
/// `ErrorCategory<Errc>` with the module's name and a function that words each enumerator.
template <class Errc>
class ErrorCategory final : public boost::system::error_category {
 public:
  using Describe = std::string_view (*)(Errc);
  constexpr ErrorCategory(const char* name, Describe describe) : name_(name), describe_(describe) {}
  const char* name() const noexcept override { return name_; }
  std::string message(int value) const override {
    return std::string(describe_(static_cast<Errc>(value)));
  }

 private:
  const char* name_;
  Describe describe_;
};

}  // namespace base
}  // namespace ekiden
