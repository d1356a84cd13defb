#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/inbound/arrival.hpp"

namespace ekiden::inbound {

/// A whole message that did not come by a dialogue: over HTTP, from a job.
struct Submission {
  smtp::MailCommand mail;
  std::vector<smtp::RcptCommand> recipients;
  /// Header section and body, CRLF. X-Ekiden-* headers count as over SMTP.
  std::string octets;
  Client client;
  Origin origin;
  base::MessageId id;       ///< zero: a new one
  bool counts_rate = true;  ///< against limits.message_rate of the client's address
  std::string batch;        ///< of scheduled mail; empty: none
  std::string pool;         ///< to leave from; empty: as the rules say
  account::SuppressionBypass bypass;
  std::optional<SmtpApi> wishes;  ///< of X-SMTPAPI, of this message alone
};

struct Submitted {
  smtp::Reply reply;           ///< 250 once it is durable and queued, or the refusal of the message
  base::MessageId id;          ///< with 250
  std::size_t recipients = 0;  ///< that the message has now
  std::vector<std::string> suppressed;  ///< of them, those on the suppression list
  /// With a refusal: which recipient was refused, when it was one.
  std::size_t refused_recipient = SIZE_MAX;
};

/// Takes a message the way a session does: the same admission, the same limits, the same spool
/// transaction. One refused recipient refuses the message: nothing is stored then.
base::Task<Submitted> submit_message(Services& services,
                                     std::shared_ptr<const ListenerOptions> options,
                                     Submission submission);

/// A message that is admitted and made, and not stored yet.
struct Admitted {
  smtp::Reply reply;  ///< positive, or the refusal
  std::shared_ptr<const ListenerOptions> options;
  std::unique_ptr<Arrival> arrival;
  std::size_t refused_recipient = SIZE_MAX;
};

/// `submit_message` up to the disk: whoever makes many messages takes their transactions together
/// (Arrival::take_transaction). Never waits for a client's pace.
base::Task<Admitted> admit_message(Services& services,
                                   std::shared_ptr<const ListenerOptions> options,
                                   Submission submission);

}  // namespace ekiden::inbound
