#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ekiden/events/reader.hpp"

namespace CLI {
class App;
}

namespace ekiden::cli {

/// "2026-11-22", "2026-11-22T06:10:11Z", "2026-11-22T15:10:11.5+09:00" (RFC 3339), or a duration
/// that is over: "2h". Nothing when it is none of them.
std::optional<base::Time> parse_time(std::string_view text, base::Time now);

/// The flags that choose events: --recipient, --domain, …
struct EventFilter {
  std::string recipient, domain, message, sender, subject, tag, tenant, stream, kind, code, source,
      provider;
  std::string from, until;

  enum class Range { None, FromUntil };
  void add_to(CLI::App& app, Range range);
  /// The query, or nothing and a sentence.
  std::optional<events::Query> read(base::Time now, std::string& problem) const;
};

}  // namespace ekiden::cli
