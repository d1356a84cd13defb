#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/auth/alignment.hpp"
#include "ekiden/auth/domain_book.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/message/envelope.hpp"

namespace ekiden::auth {

/// What becomes of a tenant's mail that would fail.
enum class AlignmentMode {
  Off,     ///< it is not looked at
  Warn,    ///< it leaves; event `warned`
  Hold,    ///< it is held
  Refuse,  ///< it is refused by what is known; what is found out later is held
};

struct AlignmentOptions {
  SendingPlace place;
  std::vector<std::pair<std::string, AlignmentMode>> modes;  ///< by tenant
  AlignmentMode mode = AlignmentMode::Warn;                  ///< of the other tenants
};

/// What of a message is judged.
struct AlignmentCase {
  AlignmentQuestion question;
  bool is_for_carrier = false;  ///< a recipient is docomo's or SoftBank's
  bool has_message_id = true;
};

struct AlignmentRuling {
  AlignmentVerdict all;      ///< for everybody
  AlignmentVerdict carrier;  ///< for carriers; Aligned when there is none
};

/// Judges mail before it leaves, by what is known, and finds out what is not.
///
/// Sharing: one per worker; the book is everybody's.
class AlignmentDesk {
 public:
  /// d= of the signatures that a message will get.
  using SigningDomains = std::function<std::vector<std::string>(const message::Meta&)>;
  struct Parts {
    base::Worker& worker;
    dns::Resolver& resolver;
    DomainBook& book;
    const PublicSuffixList* suffixes = nullptr;  ///< may be null
    SigningDomains signing_domains;              ///< empty: nothing is signed
  };
  AlignmentDesk(Parts parts, AlignmentOptions options);

  AlignmentMode mode_of(std::string_view tenant) const;
  /// `return_path`: as it leaves. `header`: for signatures that the message has; may be empty.
  AlignmentCase make_case(const message::Meta& meta, std::string_view return_path,
                          std::vector<std::string> brought_domains) const;

  /// By what is known now; begins to look up what is not, or is old. Never waits.
  AlignmentRuling judge(const AlignmentCase& what);
  /// Waits for the DNS, kDomainFactsTimeMax at most; what is Pending then stays so.
  base::Task<AlignmentRuling> decide(AlignmentCase what);
  /// Decides behind the caller's back; `done` runs on this worker, unless the desk closes before.
  void decide_later(AlignmentCase what, base::Function<void(AlignmentRuling)> done);

  /// What is known of domains depends on our addresses: whoever changes them clears the book.
  void set_options(AlignmentOptions options);
  const AlignmentOptions& options() const { return options_; }
  void close() { tasks_.close(); }
  void abandon() { tasks_.abandon(); }

 private:
  base::Task<void> look(std::string domain);
  base::Task<void> decide_and_tell(AlignmentCase what,
                                   std::shared_ptr<base::Function<void(AlignmentRuling)>> done);
  AlignmentRuling rule(const AlignmentCase& what) const;

  Parts parts_;
  AlignmentOptions options_;
  base::TaskGroup tasks_;
};

/// All problems of a ruling as one sentence, for events and logs.
std::string problems_text(const AlignmentRuling& ruling);

}  // namespace ekiden::auth
