#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/config/settings.hpp"
#include "ekiden/dns/resolver.hpp"

/// What the owner of a sender domain publishes in the DNS, and what is seen of it.
namespace ekiden::policy {

enum class RecordPurpose : std::uint8_t { Proof, Dkim, Spf, Dmarc, ReturnPath };
enum class RecordState : std::uint8_t {
  Unknown,  ///< the DNS did not answer
  Missing,
  Differs,  ///< something else is there
  Live,
};
std::string_view name_of(RecordPurpose purpose);
std::string_view name_of(RecordState state);

struct DomainRecord {
  RecordPurpose purpose = RecordPurpose::Proof;
  RecordState state = RecordState::Unknown;
  std::string name;     ///< without the root's dot
  std::string type;     ///< "TXT", "MX"
  std::string value;    ///< as a zone file has it, without quotes
  std::string found;    ///< what is there instead
  bool proves = false;  ///< nobody but the domain's owner can have published it for this tenant

  /// "name. IN TXT ( "…" )", ready to paste.
  std::string zone_line() const;
};

struct DomainFacts {
  std::string domain, tenant, token;
  std::string hostname;                     ///< of the relay
  std::vector<account::DomainKey> keys;     ///< of the domain
  std::vector<std::string> bounce_domains;  ///< of return paths that the relay writes
};

/// A new domain's token.
std::string make_proof_token(base::Random& random);
/// The domains of return paths that the rules of [[rewrite]] write.
std::vector<std::string> bounce_domains_of(const config::Settings& settings);
/// As commands print it with --json and the API answers.
boost::json::object to_json(const DomainRecord& record);

/// The proof first; then what makes mail from there believed. Keys that sign no more are left out.
std::vector<DomainRecord> records_of(const DomainFacts& facts);

/// Asks the DNS about each and sets state and what was found; at most kRecordsAskedMax of them.
inline constexpr std::size_t kRecordsAskedMax = 50;
base::Task<std::vector<DomainRecord>> look_up(dns::Resolver& resolver,
                                              std::vector<DomainRecord> records);

/// By what the domain is proven: "txt", "dkim", or nothing when it is not.
std::string proof_of(const std::vector<DomainRecord>& records);
/// Whether the DNS was asked in vain for what might prove it: then nothing is known.
bool is_undecided(const std::vector<DomainRecord>& records);

}  // namespace ekiden::policy
