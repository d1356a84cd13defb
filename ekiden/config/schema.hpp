#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ekiden/config/settings.hpp"

/// The one description of every key: the reader, `config example`, `config explain` and
/// docs/CONFIG.md all walk it.
namespace ekiden::config {

/// An enumeration as words, in the order of its enumerators.
struct Choice {
  std::function<std::size_t()> get;
  std::function<void(std::size_t)> set;
  std::vector<std::string> words;
};

/// A list of such words.
struct Choices {
  std::function<std::vector<std::size_t>()> get;
  std::function<void(std::vector<std::size_t>)> set;
  std::vector<std::string> words;
};

/// The keys of [retry] as an inline table of a route.
struct RetryTable {
  Retry* value;
};

/// The member that a key fills, by type.
using Value =
    std::variant<bool*, std::uint16_t*, std::uint32_t*, double*, Duration*,
                 std::optional<Duration>*, Size*, Rate*, std::string*, std::vector<std::string>*,
                 net::Endpoint*, std::vector<net::Endpoint>*, std::vector<net::AddressBlock>*,
                 NextHop*, std::map<std::string, net::Endpoint>*, TextTable*,
                 std::optional<net::Address>*, std::optional<net::Endpoint>*, Weights*, Choice,
                 Choices, RetryTable>;

/// What a text holds beside being a text. Lists: a table's values may be lists.
enum class TextKind { Plain, HostName, File, Directory, Url, Domains, Lists };

/// One key of a section.
struct Key {
  std::string name;
  Value value;
  std::string doc;      ///< one sentence or two, for docs/CONFIG.md and the example
  std::string example;  ///< TOML; what the example shows where the default says too little
  TextKind text = TextKind::Plain;
  bool is_required = false;
  double min = 0, max = 0;  ///< inclusive, in the unit of the value; both 0: any
};

struct Section {
  std::string name;      ///< "node"
  bool is_list = false;  ///< [[name]]
  std::string doc;
};

/// Every section, in the order of the manual.
const std::vector<Section>& sections();

/// The keys of a section, bound to `settings`; of entry `index` where the section is a list.
std::vector<Key> keys_of(const Section& section, Settings& settings, std::size_t index = 0);
/// Those of one [[rewrite]].
std::vector<Key> rewrite_keys(Rewrite& rewrite);
/// Those of one [[source]] and one [[pool]].
std::vector<Key> source_keys(Source& source);
std::vector<Key> pool_keys(Pool& pool);
/// Those of [signing] and of one [[alignment]].
std::vector<Key> signing_keys(Signing& signing);
std::vector<Key> alignment_keys(Alignment& alignment);
/// Those of [delivery], one [[route]] and [dsn].
std::vector<Key> delivery_keys(Delivery& delivery);
std::vector<Key> route_keys(Route& route);
std::vector<Key> dsn_keys(Dsn& dsn);
/// The keys of [retry], bound to one value of them.
std::vector<Key> retry_keys(Retry& retry);

std::size_t entries_of(const Section& section, const Settings& settings);
void add_entry(const Section& section, Settings& settings);

/// What a key takes, for people: "duration", "one of: off, starttls, implicit".
std::string type_text(const Key& key);
/// The value as TOML that reads back to it.
std::string format_toml(const Value& value);
/// The text in TOML's quotes.
std::string quoted(std::string_view text);

}  // namespace ekiden::config
