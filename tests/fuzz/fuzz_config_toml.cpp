// The configuration file: any text is read or refused with words and a place, and what is in force
// can be written as a file that reads back to the same.
#include <boost/json/parse.hpp>

#include "ekiden/config/manual.hpp"
#include "ekiden/config/reader.hpp"
#include "ekiden/config/schema.hpp"
#include "ekiden/config/units.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::config;

/// Every file exists and says the same; nothing of this machine is looked at.
Surroundings machine() {
  return {[](const std::string& path, std::size_t, std::string& why) -> std::optional<std::string> {
            if (path.find("missing") == std::string::npos) return "a@example.org\nb@example.org\n";
            why = "it does not exist";
            return std::nullopt;
          },
          [] { return std::string("relay.example.jp"); }};
}

/// The keys that the file set, as a file.
std::string write(const Loaded& loaded) {
  std::string out;
  Settings settings = loaded.settings;
  for (const Section& section : sections()) {
    for (std::size_t i = 0; i < entries_of(section, settings); ++i) {
      std::string path = section.name;
      if (section.is_list) path += "[" + std::to_string(i) + "]";
      if (!loaded.origins.contains(path)) continue;
      out += section.is_list ? "[[" + section.name + "]]\n" : "[" + section.name + "]\n";
      for (const Key& key : keys_of(section, settings, i)) {
        if (!loaded.origins.contains(path + "." + key.name)) continue;
        out += key.name + " = " + format_toml(key.value) + "\n";
      }
    }
  }
  return out;
}

void check_units(std::string_view text) {
  if (const auto duration = parse_duration(text)) {
    FUZZ_CHECK(parse_duration(format_duration_exact(*duration)) == duration, "a duration is exact");
  }
  if (const auto size = parse_size(text)) {
    FUZZ_CHECK(parse_size(format_size_exact(*size)) == size, "a size is exact");
  }
  if (const auto rate = parse_rate(text)) {
    FUZZ_CHECK(parse_rate(format_rate(*rate)) == rate, "a rate is exact");
  }
  if (const auto host = parse_host_port(text)) {
    FUZZ_CHECK(parse_host_port(format_host_port(*host)) == host, "a host is the same again");
    FUZZ_CHECK(host->host.find('\0') == std::string::npos, "and text to its end");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_units(text);
  static const Surroundings surroundings = machine();
  const Loaded loaded = parse(text, "ekiden.toml", surroundings);
  for (const Diagnostic& d : loaded.diagnostics) {
    FUZZ_CHECK(!d.message.empty(), "a complaint says what is wrong");
    const std::string line = format_diagnostic(d);
    FUZZ_CHECK(line.starts_with("ekiden.toml"), "and where");
  }
  FUZZ_CHECK(!loaded.settings.node.hostname.empty() || !loaded.ok(), "a relay has a name");
  (void)format_explanation(loaded);
  boost::system::error_code error;
  (void)boost::json::parse(format_explanation_json(loaded), error);
  FUZZ_CHECK(!error || !loaded.ok(), "the explanation is JSON");
  if (!loaded.ok()) return 0;

  const std::string written = write(loaded);
  const Loaded again = parse(written, "ekiden.toml", surroundings);
  FUZZ_CHECK(again.ok(), "what is in force can be written as a file");
  FUZZ_CHECK(write(again) == written, "that means the same");
  return 0;
}
