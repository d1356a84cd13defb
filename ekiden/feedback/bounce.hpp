#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/shaping/providers.hpp"

namespace ekiden::feedback {

/// Recipients that one mail tells of; further ones are left out.
inline constexpr std::size_t kBounceRecipientsMax = 1000;
/// Octets of a reply that are kept.
inline constexpr std::size_t kBounceReplyMax = 1000;

/// What a mail that came back is.
enum class BounceKind : std::uint8_t {
  None,       ///< it tells of no delivery
  Failed,     ///< RFC 3464 §2.3.3
  Delayed,    ///< further attempts follow
  Delivered,  ///< so are Relayed and Expanded
  Relayed,
  Expanded,
  Complaint,  ///< an abuse report (RFC 5965)
  AutoReply,  ///< RFC 3834: a person is away
};
/// "none", "failed", "delayed", …
std::string_view bounce_kind_name(BounceKind kind);

/// What a mail says of one recipient. Texts may be empty where it does not say.
struct BouncedRecipient {
  BounceKind kind = BounceKind::None;
  std::string recipient;           ///< the address that was delivered to, as far as it says
  std::string original_recipient;  ///< RFC 3461 ORCPT, without its type
  std::string action;              ///< as given, lower case
  std::string status;              ///< "5.1.1"
  std::string reply;               ///< the next hop's words, or those of whoever wrote the mail
  std::uint16_t code = 0;          ///< of that reply, 0: none
  std::string remote_host;         ///< whose reply it is
  shaping::Phase phase = shaping::Phase::Unknown;
  shaping::Classification why;
};

struct Bounce {
  BounceKind kind = BounceKind::None;  ///< of the first recipient
  std::vector<BouncedRecipient> recipients;
  std::string message_id;     ///< of the mail that it is about, with its brackets
  std::string feedback_type;  ///< of a Complaint: "abuse"
};

/// Reads a mail that came back: RFC 3464 reports, Japanese carriers, qmail, Exim, Exchange and
/// whoever else writes for people. `mail` has CRLF line ends.
///
/// Never fails: what it cannot make out has kind None.
Bounce parse_bounce(std::string_view mail, const shaping::Providers& providers);

}  // namespace ekiden::feedback
