#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ekiden/base/time.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::dns {

/// Answers kept for their time to live, the least recently used leaving first.
///
/// libunbound caches too, but in a thread of its own: an answer from there costs as much as a
/// miss. This one is a hash lookup.
///
/// Sharing: one worker owns one.
class Cache {
 public:
  struct Options {
    std::size_t entries_max = 20'000;
    std::size_t octets_max = 16 << 20;  ///< of names and record data, overheads counted in
    std::uint32_t ttl_min_s = 1;        ///< a zero would ask again for every recipient
    std::uint32_t ttl_max_s = 86'400;
    std::uint32_t negative_ttl_max_s = 3'600;  ///< RFC 2308 §5 suggests one to three hours
    std::uint32_t failure_ttl_s = 5;           ///< RFC 2308 §7.1: at most five minutes
  };

  explicit Cache(Options options) : options_(options) {}

  /// The answer with the time to live that is left; nothing when there is none, or it is over.
  std::optional<Answer> find(std::string_view name, Type type, base::Steady now);

  void insert(std::string_view name, Type type, const Answer& answer, base::Steady now);

  void clear();
  std::size_t size() const { return entries_.size(); }
  std::size_t octets() const { return octets_; }

 private:
  struct Entry {
    std::string key;
    Answer answer;
    base::Steady expires;
    std::size_t octets;
  };
  using Entries = std::list<Entry>;  // most recently used first

  static std::string key_of(std::string_view name, Type type);
  std::uint32_t ttl_of(const Answer& answer) const;
  void erase(Entries::iterator entry);

  Options options_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> index_;  // views of Entry::key
  std::size_t octets_ = 0;
};

}  // namespace ekiden::dns
