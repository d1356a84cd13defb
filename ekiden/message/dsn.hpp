#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::message {

/// RFC 3464 §2.3.3, the Action of every recipient in one report.
enum class DsnKind {
  Failed,
  Delayed,
  Relayed,  ///< handed to a next hop that knows no DSN
  Delivered,
  Expanded,
};

/// RFC 3461 §4.1, §5.2: whether a report of this kind may go out for the recipient. Never for mail
/// that is a report itself. A delay may be told without being asked for: whether it is then told
/// is the caller's setting.
bool may_notify(const Recipient& recipient, DsnKind kind, std::string_view reverse_path);
/// The sender asked for this kind in so many words.
bool asks_for_notice(const Recipient& recipient, DsnKind kind, std::string_view reverse_path);

struct DsnRecipient {
  std::string address;
  std::string orcpt;        ///< as given: "rfc822;xtext", or empty
  smtp::Reply reply;        ///< the last one; code 0: nobody answered
  bool is_local = false;    ///< the reply is ours, no peer said it
  std::string remote_host;  ///< whose reply it is, or empty
  std::string remote_address;
  smtp::EnhancedCode status;  ///< none: taken from the reply
  base::Time last_attempt{};  ///< zero: none was made
};

/// RFC 3461 §4.3: with RET=FULL, or without RET, a failed message of up to this comes back whole.
inline constexpr std::size_t kDsnOriginalOctetsMax = 64 * 1024;
/// Recipients written out one by one; the report says how many more there are.
inline constexpr std::size_t kDsnRecipientsMax = 1000;

struct DsnRequest {
  DsnKind kind = DsnKind::Failed;
  std::string host;    ///< ours: Reporting-MTA and the domain of From
  base::MessageId id;  ///< of the report
  base::Time now{};
  const Meta* meta = nullptr;   ///< of the message it is about
  base::MessageId original_id;  ///< of the message it is about
  std::string_view original;    ///< its octets: all, or the header section at least
  bool is_original_whole = false;
  std::vector<DsnRecipient> recipients;
  base::Time will_retry_until{};  ///< for Delayed
};

struct Dsn {
  std::string octets;  ///< CRLF, ready to be spooled; 8BITMIME
  bool needs_smtputf8 = false;
};

/// Writes a delivery status notification (RFC 3461, RFC 3464, RFC 6522, RFC 6533). It goes to the
/// reverse-path of `meta` with the null reverse-path.
Dsn compose_dsn(const DsnRequest& request);

}  // namespace ekiden::message
