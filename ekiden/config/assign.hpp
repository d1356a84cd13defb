#pragma once

#include <string>

#include "ekiden/config/schema.hpp"

namespace toml {
inline namespace v3 {
class node;
}
}  // namespace toml

namespace ekiden::config {

/// What is wrong with one value; empty: nothing.
struct Complaint {
  std::string message;  ///< "takes a duration like "5m", not 300"
  std::string nearest;
  const toml::node* at = nullptr;  ///< the element that is wrong; nothing: the whole value
};

/// Fills a key's member from a node of the file. RetryTable is the reader's own affair.
Complaint assign(const Key& key, const toml::node& node);

}  // namespace ekiden::config
