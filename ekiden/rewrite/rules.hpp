#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/rewrite/address_map.hpp"
#include "ekiden/rewrite/header_edit.hpp"
#include "ekiden/rewrite/template.hpp"
#include "ekiden/rewrite/token.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::rewrite {

/// Rules of one configuration; more are refused.
inline constexpr std::size_t kRulesMax = 100;
/// Recipients that one RCPT may become, and aliases behind each other; past them 451 4.3.5.
inline constexpr std::size_t kExpansionMax = 1'000;
inline constexpr unsigned kAliasDepthMax = 10;
/// Acts told of one message; the others happen untold.
inline constexpr std::size_t kActsMax = 100;

using Entries = std::vector<std::pair<std::string, std::string>>;

/// Where the text of From goes that a rule replaces.
enum class KeepOriginal : std::uint8_t { OriginalFrom, ReplyTo, Nowhere };
enum class ReturnPath : std::uint8_t { Keep, Fixed, Verp, Srs };

/// One [[rewrite]] of the configuration. Conditions that are empty hold always.
struct RuleOptions {
  std::string name;
  std::vector<std::string> listeners, tenants, streams, routes;
  Entries sender_map, recipient_map;
  Entries masquerade;
  std::vector<std::string> masquerade_except;
  Entries aliases;  ///< targets with commas between them
  std::string header_from, header_reply_to;
  KeepOriginal keep_original = KeepOriginal::OriginalFrom;
  ReturnPath return_path = ReturnPath::Keep;
  std::string return_address;  ///< for Fixed
  std::string bounce_domain;   ///< for Verp and Srs
  std::vector<std::string> remove_headers;
  Entries add_headers, replace_headers;
  std::string feedback_id;  ///< the sender's part; empty: none
  std::vector<std::string> list_unsubscribe;
};

/// What conditions look at. The route is empty while a message is accepted.
struct Circumstances {
  std::string_view listener, tenant, stream, route;
};

/// What one rule did.
struct Act {
  std::string rule;
  std::string part;           ///< "reverse-path", "recipient", or a header's name
  std::string before, after;  ///< either may be empty: added, removed
};
using Acts = std::vector<Act>;

/// What became of one RCPT.
struct Expansion {
  enum class Problem : std::uint8_t {
    None,
    Loop,     ///< the aliases lead in a circle and to nobody: 550 5.4.6
    TooMany,  ///< past kExpansionMax or kAliasDepthMax: 451 4.3.5
  };
  std::vector<smtp::Address> recipients;  ///< empty: as given
  bool is_alias = false;                  ///< an alias acted, not only a map
  Problem problem = Problem::None;
  Acts acts;
};

/// A message that is being accepted.
struct Submitted {
  Circumstances at;
  base::MessageId id;
  std::string_view reverse_path;
  std::string_view header;  ///< the section, with its blank line if there is one
  std::string_view header_from, message_id, tag;
  std::vector<std::string> aliases;  ///< that expanded to recipients of this message
  bool shows_alias = false;          ///< may name its alias in Delivered-To
};

struct Rewritten {
  std::optional<std::string> reverse_path;
  std::optional<std::string> header_from;
  HeaderEdit header;
  bool is_loop = false;  ///< it has been through one of `aliases` before: 554 5.4.6
  Acts acts;
};

/// A message that leaves, for one of its recipients.
struct Departing {
  base::MessageId id;
  const message::Meta* meta = nullptr;
  std::uint32_t recipient = 0;
  std::string_view route;
  std::string_view header;  ///< the section; needed where needs_header() says so
};

struct Departed {
  std::optional<std::string> reverse_path;
  HeaderEdit header;
  Acts acts;
};

/// What an address at a bounce domain turned out to be.
struct Bounce {
  enum class Kind : std::uint8_t {
    NotOurs,
    Refused,  ///< forged or expired
    Verp,
    Srs,
  };
  Kind kind = Kind::NotOurs;
  TokenContent token;      ///< of Verp
  smtp::Address original;  ///< of Srs: where it goes on to
};

/// All rules of one configuration, ready for use. Rules act in their order, each on what those
/// before it made.
///
/// Two moments. When a message is accepted: recipients, the sender's address, headers. When it
/// leaves: return paths, and every rule that asks for a route or for one recipient's header. The
/// spool keeps what acceptance made, so reports go to the reverse-path that stands there.
///
/// Sharing: immutable; any thread.
class RuleSet {
 public:
  /// Null when a rule cannot be used; `why` then says which. `key` may be null when no rule makes
  /// tokens.
  static std::shared_ptr<const RuleSet> make(std::vector<RuleOptions> rules,
                                             const account::HashKey* key, std::string hostname,
                                             base::Duration return_path_valid, std::string& why);
  ~RuleSet();

  /// Whether RCPT, messages, departures have rules at all; what follows is asked only then.
  bool acts_on_recipients() const { return acts_on_recipients_; }
  bool acts_on_messages() const { return acts_on_messages_; }
  bool acts_on_departure() const { return acts_on_departure_; }
  /// A departing message's listener matters: the envelope has to keep it.
  bool asks_for_listener() const { return asks_for_listener_; }

  Expansion expand(const smtp::Address& recipient, const Circumstances& at) const;
  /// `address` at RCPT of a listener for own domains.
  Bounce read_bounce(const smtp::Address& address, base::Time now) const;

  /// Errors of the header are none: what cannot be read as fields stays as it is.
  Rewritten accept(const Submitted& message) const;

  /// A transaction may carry only one recipient. The listener is not asked about.
  bool wants_single(std::string_view tenant, std::string_view stream, std::string_view route) const;
  bool needs_header(const message::Meta& meta, std::string_view route) const;
  Departed depart(const Departing& message) const;

  struct Rule;

 private:
  RuleSet();
  friend class HeaderPass;
  std::optional<std::string> new_return_path(const Rule& rule, const Departing& message) const;

  std::vector<Rule> rules_;
  std::unique_ptr<account::HashKey> key_;
  std::string hostname_;
  base::Duration return_path_valid_{};
  std::unordered_set<std::string, TextHash, std::equal_to<>> verp_domains_, srs_domains_;
  bool acts_on_recipients_ = false;
  bool acts_on_messages_ = false;
  bool acts_on_departure_ = false;
  bool asks_for_listener_ = false;
};

/// "rewritten by corp, verp": the names of the rules, once each; empty without acts.
std::string summary(const Acts& acts);

}  // namespace ekiden::rewrite
