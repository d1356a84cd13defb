#include "ekiden/config/reader.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "ekiden/base/text.hpp"
#include "ekiden/config/assign.hpp"
#include "ekiden/config/document.hpp"
#include "ekiden/config/schema.hpp"
#include "ekiden/config/toml.hpp"
#include "ekiden/config/validate.hpp"

namespace ekiden::config {

namespace {

class Reader {
 public:
  explicit Reader(Loaded& loaded) : loaded_(loaded) {}

  /// Keys and sections that were refused: what they hold is not what the writer meant.
  const std::set<std::string>& refused() const { return refused_; }

  void read(const toml::table& root) {
    // Routes start from [retry], so it comes first.
    for (const bool is_retry_pass : {true, false}) {
      for (const Section& section : sections()) {
        if ((section.name == "retry") != is_retry_pass) continue;
        if (const toml::node* node = root.get(section.name)) read_section(section, *node);
      }
    }
    std::vector<std::string> names;
    for (const Section& section : sections()) names.push_back(section.name);
    for (const auto& [key, node] : root) {
      const std::string name(key.str());
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      std::string nearest = find_nearest(name, names);
      if (nearest.empty()) nearest = section_with(name);
      const bool is_section = node.is_table() || node.is_array_of_tables();
      complain(key.source().begin,
               is_section
                   ? "unknown section [" + base::printable(name, 60) + "]"
                   : "unknown key \"" + base::printable(name, 60) + "\" outside of a section",
               std::move(nearest));
    }
  }

 private:
  void complain(const toml::source_position& at, std::string message, std::string nearest = {}) {
    loaded_.diagnostics.push_back({Severity::Error, loaded_.file, at.line, at.column,
                                   std::move(message), std::move(nearest)});
  }
  void remember(const std::string& path, const toml::node& node) {
    const auto at = node.source().begin;
    loaded_.origins[path] = Origin{at.line, at.column};
  }

  /// "limits.message_size" for "message_size": the key exists, in another section.
  std::string section_with(const std::string& name) {
    Settings scratch;
    for (const Section& section : sections()) {
      if (section.is_list) add_entry(section, scratch);
      for (const Key& key : keys_of(section, scratch)) {
        if (key.name == name) return section.name + "." + name;
      }
    }
    return {};
  }

  void read_section(const Section& section, const toml::node& node) {
    constexpr std::size_t kEntriesMax = 100'000;
    Settings& settings = loaded_.settings;
    if (!section.is_list) {
      const auto* table = node.as_table();
      if (table == nullptr) {
        return complain(node.source().begin, "[" + section.name +
                                                 "] is a section that stands once" +
                                                 ", so write [" + section.name + "] on a line");
      }
      remember(section.name, node);
      return read_keys(section.name, section.name, keys_of(section, settings), *table);
    }
    const auto* list = node.as_array();
    if (list == nullptr || !list->is_homogeneous<toml::table>()) {
      refused_.insert(section.name);
      return complain(node.source().begin, "[" + section.name + "] is a section that may stand " +
                                               "several times, so write [[" + section.name + "]]");
    }
    if (list->size() > kEntriesMax) {
      return complain(node.source().begin, "more than 100000 sections [[" + section.name + "]]");
    }
    for (const toml::node& element : *list) {
      const std::size_t index = entries_of(section, settings);
      add_entry(section, settings);
      if (section.name == "route") settings.route.back().retry = settings.retry;
      const std::string path = section.name + "[" + std::to_string(index) + "]";
      remember(path, element);
      read_keys(section.name, path, keys_of(section, settings, index), *element.as_table());
    }
  }

  /// `name` is the section for messages, `path` that with its index for origins.
  void read_keys(const std::string& name, const std::string& path, const std::vector<Key>& keys,
                 const toml::table& table) {
    for (const Key& key : keys) {
      const toml::node* node = table.get(key.name);
      if (node != nullptr) {
        read_value(name, path, key, *node);
      } else if (key.is_required) {
        complain(table.source().begin, "[[" + name + "]] lacks its key \"" + key.name + "\"");
      }
    }
    std::vector<std::string> names;
    for (const Key& key : keys) names.push_back(key.name);
    for (const auto& [key, node] : table) {
      const std::string word(key.str());
      if (std::find(names.begin(), names.end(), word) != names.end()) continue;
      std::string nearest = find_nearest(word, names);
      if (nearest.empty()) nearest = section_with(word);
      complain(key.source().begin,
               "unknown key \"" + base::printable(word, 60) + "\" in [" + name + "]",
               std::move(nearest));
    }
  }

  void read_value(const std::string& name, const std::string& path, const Key& key,
                  const toml::node& node) {
    const std::string key_path = path + "." + key.name;
    remember(key_path, node);
    if (const auto* list = node.as_array()) {
      for (std::size_t i = 0; i < list->size(); ++i) {
        remember(key_path + "[" + std::to_string(i) + "]", (*list)[i]);
      }
    }
    if (const auto* retry = std::get_if<RetryTable>(&key.value)) {
      const auto* table = node.as_table();
      if (table == nullptr) {
        return complain(node.source().begin,
                        name + "." + key.name + " takes a table like " + key.example);
      }
      return read_keys(name + "." + key.name, key_path, retry_keys(*retry->value), *table);
    }
    Complaint complaint = assign(key, node);
    if (complaint.message.empty()) return;
    refused_.insert(key_path);
    const toml::node& at = complaint.at != nullptr ? *complaint.at : node;
    complain(at.source().begin, name + "." + key.name + " " + complaint.message,
             std::move(complaint.nearest));
  }

  Loaded& loaded_;
  std::set<std::string> refused_;
};

std::optional<std::string> read_system_file(const std::string& path, std::size_t size_max,
                                            std::string& why) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error || !std::filesystem::exists(status)) {
    why = error && error != std::errc::no_such_file_or_directory ? error.message()
                                                                 : "it does not exist";
    return std::nullopt;
  }
  if (std::filesystem::is_directory(status)) {
    why = "it is a directory";
    return std::nullopt;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    why = "permission denied";
    return std::nullopt;
  }
  std::string text;
  char buffer[65536];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
    if (text.size() > size_max) {
      why = "it is larger than " + std::to_string(size_max) + " octets";
      return std::nullopt;
    }
  }
  if (in.bad()) {
    why = "reading it failed";
    return std::nullopt;
  }
  return text;
}

std::string system_host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return {};
  return base::lowered(name);
}

std::vector<Diagnostic> of(const std::vector<Diagnostic>& all, Severity severity) {
  std::vector<Diagnostic> some;
  for (const Diagnostic& d : all) {
    if (d.severity == severity) some.push_back(d);
  }
  return some;
}

}  // namespace

bool Loaded::ok() const {
  return errors().empty();
}
std::vector<Diagnostic> Loaded::errors() const {
  return of(diagnostics, Severity::Error);
}
std::vector<Diagnostic> Loaded::warnings() const {
  return of(diagnostics, Severity::Warning);
}

Surroundings Surroundings::system() {
  return {&read_system_file, &system_host_name};
}

Loaded load(const std::string& file, const Surroundings& surroundings) {
  std::string why;
  const auto text = surroundings.read_file(file, kFileOctetsMax, why);
  if (text) return parse(*text, file, surroundings);
  Loaded loaded;
  loaded.file = file;
  loaded.diagnostics.push_back(
      {Severity::Error, file, 0, 0, "the configuration cannot be read: " + why, {}});
  return loaded;
}

Loaded parse(std::string_view toml, const std::string& file, const Surroundings& surroundings) {
  Loaded loaded;
  loaded.file = file;
  read_document(toml, file, loaded.diagnostics, [&](const toml::table& root) {
    Reader reader(loaded);
    reader.read(root);
    validate(loaded, reader.refused(), surroundings);
  });
  return loaded;
}

}  // namespace ekiden::config
