#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/snapshot.hpp"
#include "ekiden/auth/alignment_desk.hpp"
#include "ekiden/auth/public_suffix.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/inbound/client_limits.hpp"
#include "ekiden/inbound/layer.hpp"
#include "ekiden/inbound/recipient_verifier.hpp"
#include "ekiden/queue/intake.hpp"
#include "ekiden/shaping/providers.hpp"
#include "ekiden/smtp/sasl.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::inbound {

/// The figures of all listeners.
struct Instruments {
  explicit Instruments(base::Metrics& metrics);

  base::Gauge& connections;
  base::Counter& connections_total;
  base::Counter& connections_refused;
  base::Counter& messages;
  base::Counter& message_octets;
  base::Counter& recipients;
  base::Counter& generated;   ///< recipients of reports on aliases
  base::Counter& suppressed;  ///< recipients on the suppression list
  base::Counter& recipients_refused;
  base::Counter& messages_refused;
  base::Counter& logins;
  base::Counter& logins_failed;
  base::Counter& handshakes_failed;
  base::Histogram& time_to_250;  ///< from the last octet of the message to its reply
};

/// The event of a recipient's acceptance, from the store; blocks, so on the pool.
using FindAccepted =
    std::function<std::optional<events::Event>(base::MessageId, std::uint32_t recipient)>;

/// Takes a copy of an accepted message of a tenant or stream that asks for it. Never waits.
using KeepCopy = std::function<void(spool::Port& port, base::MessageId id,
                                    const message::Meta& meta, const spool::Body& body)>;

/// What one worker's sessions work with. Everything outlives the sessions; what may be null says
/// so.
struct Services {
  base::Worker& worker;
  spool::Spool& spool;
  spool::Port& port;
  queue::Intake& intake;
  base::MessageIdSource& ids;
  const account::SnapshotSource& accounts;
  ClientLimits& limits;
  Instruments& instruments;
  smtp::SaslServer* sasl = nullptr;       ///< null: no AUTH
  RecipientVerifier* verifier = nullptr;  ///< null: a recipient to verify gets 451
  Layer* tls = nullptr;                   ///< null: no STARTTLS, no implicit TLS
  Layer* proxy = nullptr;                 ///< null: no PROXY header is understood
  dns::Resolver* resolver = nullptr;      ///< null: nothing is authenticated
  const auth::PublicSuffixList* suffixes =
      nullptr;                               ///< null: DMARC of RFC 7489 knows no organizations
  auth::AlignmentDesk* alignment = nullptr;  ///< null: own clients' mail is not judged
  base::Executor* pool = nullptr;            ///< null: bounces are not read
  std::shared_ptr<const shaping::Providers> providers = nullptr;  ///< what replies mean; or null
  FindAccepted find_accepted = nullptr;  ///< empty: nobody is told of what comes back
  KeepCopy keep_copy = nullptr;          ///< empty: nothing is archived
};

/// One worker's own: what its sessions share beside the services.
struct WorkerState {
  /// Every session reads into it and eats it before it waits: an idle one owns no buffer.
  std::vector<char> scratch = std::vector<char>(64 * 1024);
  /// `rejected` events left in this second.
  base::Steady second{-std::chrono::hours(1)};
  std::uint32_t rejected_events = 0;
};

}  // namespace ekiden::inbound
