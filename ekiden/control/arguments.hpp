#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/control/filter.hpp"
#include "ekiden/control/queue_commands.hpp"

namespace ekiden::control {

/// The arguments of a request, by type: nothing when one is absent. The first of a wrong type is
/// the problem.
class Arguments {
 public:
  explicit Arguments(const boost::json::object& object) : object_(object) {}

  std::string text(std::string_view name);
  std::optional<std::uint64_t> number(std::string_view name);
  Filter filter();
  std::optional<base::MessageId> message();

  bool ok() const { return problem_.empty(); }
  Problem problem() const { return {"bad_request", problem_}; }

 private:
  void complain(std::string_view name, std::string_view takes);

  const boost::json::object& object_;
  std::string problem_;
};

}  // namespace ekiden::control
