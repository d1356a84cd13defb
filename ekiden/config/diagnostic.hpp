#pragma once

#include <string>
#include <vector>

namespace ekiden::config {

enum class Severity { Error, Warning };

/// One thing to say about a configuration file.
struct Diagnostic {
  Severity severity = Severity::Error;
  std::string file;
  unsigned line = 0;  ///< from 1; 0: the file as a whole
  unsigned column = 0;
  std::string message;  ///< a clause without its full stop
  std::string nearest;  ///< the key or word that was probably meant, or empty

  friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

/// `file:line:column: message; did you mean "nearest"?`, warnings with "warning: " before the
/// message.
std::string format_diagnostic(const Diagnostic& diagnostic);

/// The candidate that takes the fewest edits to become `word`, when they are few enough to be a
/// slip of the hand (a third of the word, at least one, at most three); else empty.
std::string find_nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace ekiden::config
