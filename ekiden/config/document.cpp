#include "ekiden/config/document.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/text.hpp"
#include "ekiden/config/toml.hpp"

namespace ekiden::config {

namespace {

struct Place {
  unsigned line = 0, column = 0;
};

/// toml++'s words, made ours.
std::string grammar_message(std::string text) {
  constexpr std::string_view kTwice = "cannot redefine existing ";
  if (text.find(kTwice) != std::string::npos) {
    const std::size_t begin = text.find('\'');
    const std::size_t end = text.rfind('\'');
    if (end > begin) return "\"" + text.substr(begin + 1, end - begin - 1) + "\" stands twice";
  }
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (text.starts_with(kPrefix)) text = "not TOML: " + text.substr(kPrefix.size());
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  return text;
}

/// TOML has no control characters beside tab and line ends, anywhere; toml++ has no words for them.
bool has_control(std::string_view text, const std::string& file,
                 std::vector<Diagnostic>& diagnostics) {
  unsigned line = 1, column = 1;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if ((octet < 0x20 && c != '\t' && c != '\n' && c != '\r') || octet == 0x7f) {
      diagnostics.push_back(
          {Severity::Error,
           file,
           line,
           column,
           "not TOML: a control character (" + base::printable(std::string_view(&c, 1)) + ")",
           {}});
      return true;
    }
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
  return false;
}

bool meets_assertion(std::string_view text) {
  try {
    (void)toml::parse(text);
  } catch (const TomlAssertion&) {
    return true;
  } catch (const toml::parse_error&) {
  }
  return false;
}

/// Where toml++ met its assertion: it reads from front to back, so that is the end of the shortest
/// prefix with which it does.
Place find_assertion(std::string_view text) {
  std::size_t good = 0, bad = text.size();
  while (good + 1 < bad) {
    const std::size_t middle = good + (bad - good) / 2;
    (meets_assertion(text.substr(0, middle)) ? bad : good) = middle;
  }
  const std::string_view before = text.substr(0, good);
  const auto lines = static_cast<unsigned>(std::count(before.begin(), before.end(), '\n'));
  // npos + 1 is 0, the start of the first line.
  return {lines + 1, static_cast<unsigned>(good - (before.rfind('\n') + 1)) + 1};
}

}  // namespace

void read_document(std::string_view text, const std::string& file,
                   std::vector<Diagnostic>& diagnostics,
                   const std::function<void(const toml::table&)>& read) {
  if (has_control(text, file, diagnostics)) return;
  try {
    const toml::table root = toml::parse(text, file);
    read(root);
  } catch (const toml::parse_error& error) {
    // toml++ stops at the first mistake in the grammar; nothing after it can be trusted.
    const auto at = error.source().begin;
    diagnostics.push_back({Severity::Error,
                           file,
                           at.line,
                           at.column,
                           grammar_message(std::string(error.description())),
                           {}});
  } catch (const TomlAssertion&) {
    const Place at = find_assertion(text);
    diagnostics.push_back({Severity::Error,
                           file,
                           at.line,
                           at.column,
                           "not TOML: this character cannot stand here",
                           {}});
  }
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                   });
}

}  // namespace ekiden::config
