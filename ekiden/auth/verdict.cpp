#include "ekiden/auth/verdict.hpp"

#include <array>
#include <utility>

#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

constexpr std::array<std::pair<Verdict, std::string_view>, 8> kNames = {{
    {Verdict::None, "none"},
    {Verdict::Pass, "pass"},
    {Verdict::Fail, "fail"},
    {Verdict::SoftFail, "softfail"},
    {Verdict::Neutral, "neutral"},
    {Verdict::Policy, "policy"},
    {Verdict::TemporaryError, "temperror"},
    {Verdict::PermanentError, "permerror"},
}};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  for (const auto& [value, name] : kNames) {
    if (value == verdict) return name;
  }
  return "none";
}

std::optional<Verdict> parse_verdict(std::string_view text) {
  for (const auto& [value, name] : kNames) {
    if (base::equals_ignoring_case(text, name)) return value;
  }
  return std::nullopt;
}

}  // namespace ekiden::auth
