#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/config/diagnostic.hpp"

namespace toml {
inline namespace v3 {
class table;
}
}  // namespace toml

namespace ekiden::config {

/// Reads TOML, hands its root to `read`, and sorts `diagnostics` by place. What is no TOML is a
/// diagnostic with line and column, and `read` is not called. No text ends the process.
void read_document(std::string_view text, const std::string& file,
                   std::vector<Diagnostic>& diagnostics,
                   const std::function<void(const toml::table&)>& read);

}  // namespace ekiden::config
