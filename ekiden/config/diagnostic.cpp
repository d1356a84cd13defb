#include "ekiden/config/diagnostic.hpp"

#include <algorithm>

namespace ekiden::config {

namespace {

/// Levenshtein's distance, a swap of neighbours counting as one edit.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min(
          {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string format_diagnostic(const Diagnostic& d) {
  std::string text = d.file;
  if (d.line != 0) text += ":" + std::to_string(d.line) + ":" + std::to_string(d.column);
  text += ": ";
  if (d.severity == Severity::Warning) text += "warning: ";
  text += d.message;
  if (!d.nearest.empty()) text += "; did you mean \"" + d.nearest + "\"?";
  return text;
}

std::string find_nearest(const std::string& word, const std::vector<std::string>& candidates) {
  // Longer words are no slip of a known key, and the distance would cost their square.
  constexpr std::size_t kWordMax = 64;
  if (word.size() > kWordMax) return {};
  std::size_t best = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const std::size_t edits = distance(word, candidate);
    if (edits < best) {
      best = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace ekiden::config
