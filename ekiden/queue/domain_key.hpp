#pragma once

#include <string>
#include <string_view>

namespace ekiden::queue {

/// To a key without one; an empty `pool` adds nothing.
inline void add_pool(std::string& key, std::string_view pool) {
  if (pool.empty()) return;
  key += '#';
  key += pool;
}

/// What its sender asks of TLS, as a key says it (RFC 8689); empty: nothing special.
inline constexpr std::string_view kTlsRequired = "required", kTlsOptional = "optional";

/// By what the scheduler knows where a recipient goes: its domain's canonical name; behind "^" what
/// its sender asks of TLS, where that is something special ("example.org^required"); behind "=" the
/// next hop where the recipient brings its own; behind "#" the pool that it leaves from, where
/// there are pools ("example.org=10.0.0.5:25#bulk"). A deferral may bind it to one source of the
/// pool ("#bulk@mail1") or keep it away from one ("#bulk!mail1"). Recipients with one key go the
/// same way.
inline std::string domain_key(std::string domain, std::string_view next_hop,
                              std::string_view pool = {}, std::string_view tls = {}) {
  if (!tls.empty()) {
    domain += '^';
    domain += tls;
  }
  if (!next_hop.empty()) {
    domain += '=';
    domain += next_hop;
  }
  add_pool(domain, pool);
  return domain;
}

inline std::string_view domain_of_key(std::string_view key) {
  return key.substr(0, key.find_first_of("^=#"));
}

/// kTlsRequired, kTlsOptional or empty.
inline std::string_view tls_of_key(std::string_view key) {
  const std::size_t at = key.find_first_of("^=#");
  if (at == std::string_view::npos || key[at] != '^') return {};
  key.remove_prefix(at + 1);
  return key.substr(0, key.find_first_of("=#"));
}

/// Empty: as the routes say.
inline std::string_view next_hop_of_key(std::string_view key) {
  key = key.substr(0, key.find('#'));
  const std::size_t at = key.find('=');
  return at == std::string_view::npos ? std::string_view() : key.substr(at + 1);
}

/// The pool with its wish for a source, as it stands behind "#"; empty without pools.
inline std::string_view way_of_key(std::string_view key) {
  const std::size_t at = key.find('#');
  return at == std::string_view::npos ? std::string_view() : key.substr(at + 1);
}
inline std::string_view pool_of_way(std::string_view way) {
  return way.substr(0, way.find_first_of("@!"));
}
/// The source that it keeps to, or stays away from; empty: any.
inline std::string_view kept_source_of_way(std::string_view way) {
  const std::size_t at = way.find('@');
  return at == std::string_view::npos ? std::string_view() : way.substr(at + 1);
}
inline std::string_view shunned_source_of_way(std::string_view way) {
  const std::size_t at = way.find('!');
  return at == std::string_view::npos ? std::string_view() : way.substr(at + 1);
}
/// The same key with another wish: '@' and a source, '!' and a source.
inline std::string with_wish(std::string_view key, char wish, std::string_view source) {
  std::string made(key.substr(0, key.find_first_of("@!", key.find('#'))));
  made += wish;
  made += source;
  return made;
}

}  // namespace ekiden::queue
