#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/task.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::dns {

/// RFC 1035 §3.2.2, and those that mail needs besides.
enum class Type : std::uint16_t {
  A = 1,
  CNAME = 5,
  PTR = 12,
  MX = 15,
  TXT = 16,
  AAAA = 28,
  TLSA = 52
};

enum class Status : std::uint8_t {
  Ok,        ///< records follow
  NoData,    ///< the name exists, without such records
  NoDomain,  ///< NXDOMAIN
  Failed,    ///< SERVFAIL, time-out, malformed: try later
  Bogus,     ///< DNSSEC validation failed: never use the data; try later
};

struct Answer {
  Status status = Status::Failed;
  bool is_secure = false;          ///< DNSSEC-validated
  std::string canonical_name;      ///< after CNAMEs, or the name asked
  std::vector<std::string> rdata;  ///< raw, as on the wire with names uncompressed
  std::uint32_t ttl_s = 0;
  std::string reason;  ///< for Failed and Bogus, in words
};

struct Mx {
  std::uint16_t preference = 0;
  std::string host;  ///< lower case, no trailing dot; empty: the root (null MX, RFC 7505)
};

/// RFC 6698 §2.1: what a server's certificate chain is held to.
struct Tlsa {
  std::uint8_t usage = 0;     ///< 2: an authority in the chain, 3: the server's own
  std::uint8_t selector = 0;  ///< 0: the whole certificate, 1: its public key
  std::uint8_t matching = 0;  ///< 0: as it is, 1: SHA-256, 2: SHA-512
  std::string data;           ///< raw octets

  friend bool operator==(const Tlsa&, const Tlsa&) = default;
};

/// Typed readings of rdata; a malformed record is left out.
std::vector<net::Address> addresses_of(const Answer& answer);
std::vector<Mx> mx_of(const Answer& answer);
/// The strings of each TXT record joined (RFC 7208 §3.3).
std::vector<std::string> texts_of(const Answer& answer);
std::vector<std::string> names_of(const Answer& answer);
/// Every record with data, usable or not.
std::vector<Tlsa> tlsa_of(const Answer& answer);

/// Asks the DNS without ever blocking a worker. One per worker; caches by TTL, negative answers
/// too (RFC 2308); concurrent equal questions share one query.
class Resolver {
 public:
  virtual ~Resolver() = default;

  /// `done` runs on this worker, never inside the call. Every question ends, within the
  /// resolver's own time limit at the latest.
  virtual void resolve(std::string name, Type type, base::Completion<Answer> done) = 0;

  /// The threads have ended: drops who waits, while what they refer to still stands.
  virtual void abandon() {}
};

/// The same for coroutines.
base::Task<Answer> resolve(Resolver& resolver, std::string name, Type type);

}  // namespace ekiden::dns
