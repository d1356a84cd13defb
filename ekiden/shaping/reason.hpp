#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a reply means, in words that stay the same whoever answered.
namespace ekiden::shaping {

/// Why a recipient was not taken. The names are a contract (docs/SHAPING.md): events, webhooks and
/// `ekiden classify reply` show them, and rules name them.
enum class Reason : std::uint8_t {
  Delivered,
  UserUnknown,
  MailboxFull,
  MailboxDisabled,
  Moved,
  Filtered,
  NotAccepting,
  Dns,
  SpamContent,
  Virus,
  Content,
  Policy,
  Authentication,
  AccessDenied,
  SenderRejected,
  ReputationIp,
  ReputationDomain,
  ReverseDns,
  RelayDenied,
  TlsRequired,
  RateLimited,
  Greylisted,
  OnHold,
  System,
  SystemFull,
  Network,
  TooLarge,
  Syntax,
  Undefined,
};

enum class ReplyClass : std::uint8_t {
  BadAddress,
  FullOrSuspended,
  BlockOrPolicy,
  Transient,
  Other,
};

/// Who can mend it. Infrastructure is ours: addresses, names, certificates.
enum class Fault : std::uint8_t { Recipient, Sender, Infrastructure, Provider };

/// What the relay does beside what the code says. `None`: nothing more.
enum class Action : std::uint8_t {
  None,
  SlowDown,      ///< the source's rate towards this provider goes down
  Suspend,       ///< nothing from this source to this provider for a time
  RestSource,    ///< nothing from this source to anybody for a time
  SwitchSource,  ///< the next attempt takes another source
  Bounce,        ///< permanent, whatever the code says
  Defer,         ///< transient, whatever the code says
  Alert,         ///< somebody has to look
};

std::string_view name_of(Reason reason);
std::string_view name_of(ReplyClass klass);
std::string_view name_of(Fault fault);
std::string_view name_of(Action action);

// The names in the order of the enumerators, for readers of words.
const std::vector<std::string>& reason_names();
const std::vector<std::string>& class_names();
const std::vector<std::string>& fault_names();
const std::vector<std::string>& action_names();

/// What a reason means where a rule says nothing else.
struct Meaning {
  ReplyClass klass = ReplyClass::Other;
  bool is_hard = false;  ///< of a permanent reply: the address is no good and stays so
  Fault fault = Fault::Provider;
  Action action = Action::None;
};
Meaning meaning_of(Reason reason);

}  // namespace ekiden::shaping
