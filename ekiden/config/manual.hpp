#pragma once

#include <string>

#include "ekiden/config/reader.hpp"

/// What can be told about settings from their one description (schema.hpp).
namespace ekiden::config {

/// A complete file with every key, its sentence and its default, commented out where the default
/// is in force. It reads back without a warning.
std::string format_example();

/// docs/CONFIG.md.
std::string format_reference();

/// Every key in force with its value and where it comes from, as a table or as JSON:
/// `[{"key","value","origin","line"}]`, `value` being TOML.
std::string format_explanation(const Loaded& loaded);
std::string format_explanation_json(const Loaded& loaded);

}  // namespace ekiden::config
