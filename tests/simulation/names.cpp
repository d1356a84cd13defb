#include "tests/simulation/names.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kGivesUp = std::chrono::seconds(15);

}  // namespace

void SimulatedResolver::resolve(std::string name, dns::Type type,
                                base::Completion<dns::Answer> done) {
  base::Random& random = names_.world().random();
  const bool has_timed_out = random.below(1000) < names_.times_out;
  const bool has_failed = has_timed_out || random.below(1000) < names_.fails;
  const auto delay = base::Duration(static_cast<std::int64_t>(
      random.below(static_cast<std::uint64_t>(names_.delay_max.count()) + 1)));
  auto answer = [&names = names_, name = std::move(name), type, has_timed_out, has_failed,
                 done = std::move(done)]() mutable {
    dns::Answer given = names.script.answer_for(name, type);
    if (has_failed) {
      given = dns::Answer{};
      given.canonical_name = name;
      given.reason = has_timed_out ? "timed out" : "SERVFAIL";
    }
    done(std::move(given));
  };
  clock_.call_after(has_timed_out ? kGivesUp : delay, std::move(answer));
}

}  // namespace ekiden::simulation
