#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/dmarc_record.hpp"
#include "ekiden/auth/dns_budget.hpp"

namespace ekiden::auth {

/// RFC 9989 §4.10: names asked about in one walk, however many labels there are.
inline constexpr std::size_t kTreeWalkNamesMax = 8;

/// What the DNS has at _dmarc.NAME.
struct DmarcAnswer {
  enum class Kind {
    None,     ///< no record
    Found,    ///< one
    Several,  ///< more than one, so that none counts
    Bad,      ///< one with a mistake that makes it void
    Failed,   ///< try later
  };
  Kind kind = Kind::None;
  DmarcRecord record;   ///< Found
  std::string problem;  ///< Bad, Several and Failed, in words
};

/// A walk from a name towards the root (RFC 9989 §4.10).
struct TreeWalk {
  struct Finding {
    std::string domain;
    DmarcRecord record;
  };
  std::vector<Finding> findings;  ///< longest name first
  /// RFC 9989 §4.10.2; the name itself when no record says more.
  std::string organizational_domain;
  bool has_failed = false;  ///< a name could not be asked about: the rest may be wrong
  std::string problem;

  const DmarcRecord* find(std::string_view domain) const;
};

/// The DMARC records of one evaluation, each asked for once.
class DmarcRecords {
 public:
  explicit DmarcRecords(DnsBudget& dns) : dns_(dns) {}

  /// `domain`: canonical.
  base::Task<DmarcAnswer> ask(std::string domain);
  base::Task<TreeWalk> walk(std::string domain);

 private:
  DnsBudget& dns_;
  std::map<std::string, DmarcAnswer> known_;  ///< bounded by the budget's questions
};

}  // namespace ekiden::auth
