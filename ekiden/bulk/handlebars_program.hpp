#pragma once

#include <string>
#include <vector>

#include "ekiden/bulk/handlebars.hpp"

namespace ekiden::bulk {

/// A value that a template names: a literal, a path into the data, or a helper's result.
struct Handlebars::Expression {
  enum class Kind : std::uint8_t { Path, Text, Number, Boolean, Null, Call };
  Kind kind = Kind::Path;
  std::size_t line = 1, column = 1;
  std::string text;  ///< literal, or the helper's name, or the path as written
  double number = 0;
  bool boolean = false;
  // A path: `ups` times "../", then names; "@root" and "@index" stand in `at`.
  std::size_t ups = 0;
  std::string at;
  std::vector<std::string> names;
  std::vector<Expression> arguments;  ///< of a call
};

struct Handlebars::Node {
  enum class Kind : std::uint8_t { Text, Value, Raw, If, Unless, Each, With, Section, Inverted };
  Kind kind = Kind::Text;
  std::string text;
  Expression expression;
  std::vector<Node> body, otherwise;
};

struct Handlebars::Program {
  std::vector<Node> nodes;
};

}  // namespace ekiden::bulk
