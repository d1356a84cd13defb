#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/delivery/hop.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/shaping/profile.hpp"

namespace ekiden::delivery {

/// One [[source]]: a local address and the name that goes with it.
struct SourceOptions {
  std::string name;
  std::string ehlo_name;
  std::optional<net::Address> ipv4, ipv6;  ///< neither: as the machine chooses
  std::vector<shaping::Family> families = {shaping::Family::Ipv6, shaping::Family::Ipv4};
  bool warms_up = false;
  std::optional<net::Address> public_ipv6;  ///< as others see it, where that differs
  bool needs_ptr = false;                   ///< IPv6 is used while its PTR record names `ehlo_name`
  std::shared_ptr<const Hop> hop;           ///< null: connections leave from this machine

  /// Without IPv6 it still has something to send from.
  bool has_ipv4() const;
};

/// Whether mail may name a pool. Only: it takes no other.
enum class ByName : std::uint8_t { No, Also, Only };

/// One [[pool]].
struct PoolOptions {
  struct Member {
    std::string source;
    std::uint32_t weight = 1;
  };
  std::string name;
  std::vector<Member> members;
  std::vector<std::string> tenants, streams, routes;  ///< empty: any
  ByName by_name = ByName::No;
};

/// The sources that mail leaves from and the pools that share it, made whole from the
/// configuration and replaced whole by a reload.
///
/// Sharing: immutable, any thread.
class SourceSet {
 public:
  /// Members name sources that exist; the last pool has no conditions and need not be named.
  /// Sources without any pool are one pool, "default".
  SourceSet(std::vector<SourceOptions> sources, std::vector<PoolOptions> pools);

  const std::vector<SourceOptions>& sources() const { return sources_; }
  const std::vector<PoolOptions>& pools() const { return pools_; }
  const SourceOptions* find(std::string_view source) const;
  /// The pool that the mail names, if that takes it; else the first that takes such mail.
  const PoolOptions& pool_for(std::string_view tenant, std::string_view stream,
                              std::string_view route, std::string_view named = {}) const;
  /// By name; mail of a pool that a reload took away goes with the last one.
  const PoolOptions& pool(std::string_view name) const;

 private:
  std::vector<SourceOptions> sources_;
  std::vector<PoolOptions> pools_;
};

/// Shares transactions between the members of one pool by weight: who has had least for its weight
/// is next. One that could send nothing for a while takes its share from then on and catches
/// nothing up.
class Shares {
 public:
  /// How many turns, of a member of average weight, one may be ahead of the others before a
  /// connection that is open leaves its work to them: connections are not opened for every message.
  static constexpr double kAheadMax = 4;

  explicit Shares(const PoolOptions& pool);

  std::size_t size() const { return turns_.size(); }
  /// Of those that may: who is next. Nothing when none may.
  std::optional<std::size_t> next(const std::vector<bool>& may) const;
  void count(std::size_t member);
  /// Whether it has had so much more than another that may that it is not its turn.
  bool is_ahead(std::size_t member, const std::vector<bool>& may) const;
  /// Than any other, whether it may or not.
  bool is_ahead(std::size_t member) const;

 private:
  double floor() const;

  std::vector<double> turns_;    ///< virtual time at which its next turn comes
  std::vector<double> strides_;  ///< what a turn costs: average weight / weight
  double now_ = 0;
};

}  // namespace ekiden::delivery
