#pragma once

#include <string>
#include <vector>

#include "ekiden/config/rate.hpp"
#include "ekiden/shaping/rule_list.hpp"
#include "ekiden/shaping/warm_up.hpp"

namespace ekiden::shaping {

/// What one source may do to one provider. A rate that is off has no limit.
struct Limits {
  std::uint32_t connections = 10;
  std::uint32_t messages_per_connection = 100;
  std::uint32_t recipients_per_transaction = 100;
  config::Rate rate;             ///< transactions
  config::Rate rate_floor;       ///< below which learning never goes
  config::Rate connection_rate;  ///< new connections
};

enum class TlsWish : std::uint8_t { Opportunistic, Required, Verified, Off };
enum class Family : std::uint8_t { Ipv6, Ipv4 };
/// What holds of local parts that need quotes by RFC 5321 §4.1.2, like `a..b`, and were given out
/// without.
enum class OddLocalParts : std::uint8_t {
  Strict,  ///< none was given out: strict syntax refuses them; they are sent as they came
  Quoted,  ///< sent in quotes first; after 501 or 553 the other form is tried once
  Bare,    ///< the other way round
};

/// One provider, as its file says.
struct Profile {
  std::string name;
  std::vector<std::string> mx;       ///< "mx.example.org" or "*.example.org", lower case
  std::vector<std::string> domains;  ///< of recipients, the same way
  Limits limits;
  TlsWish tls = TlsWish::Opportunistic;
  std::vector<Family> families = {Family::Ipv6, Family::Ipv4};  ///< in the order they are tried
  OddLocalParts odd_local_parts = OddLocalParts::Strict;
  WarmUpPlan warm_up;
  std::vector<ReplyRule> rules;
  std::string origin;  ///< the file that said the last word
};

}  // namespace ekiden::shaping
