#include "ekiden/rewrite/error.hpp"

namespace ekiden::rewrite {
namespace {

constexpr base::ErrorCategory<Errc> kCategory("rewrite", [](Errc value) -> std::string_view {
  switch (value) {
    case Errc::NotOurs:
      return "not a return path of ours";
    case Errc::Forged:
      return "its signature is not ours";
    case Errc::Expired:
      return "it has expired";
  }
  return "unknown error";
});

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::rewrite
