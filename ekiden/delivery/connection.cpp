#include "ekiden/delivery/connection.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/connector.hpp"
#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/delivery/session.hpp"
#include "ekiden/delivery/tls_observation.hpp"

namespace ekiden::delivery {
namespace {

/// RFC 3463 §3.5: bad connection.
constexpr smtp::EnhancedCode kConnectionLost{4, 4, 2};

constexpr smtp::EnhancedCode kNoRequireTls{5, 7, 30};
/// The dialogue's word for a host without STARTTLS where TLS must be.
constexpr smtp::EnhancedCode kNotOffered{4, 7, 4};

/// The targets by preference, equals in random order (RFC 5321 §5.1).
std::vector<Target> shuffled(const std::vector<Target>& targets, base::Random& random) {
  std::vector<Target> out = targets;
  std::stable_sort(out.begin(), out.end(),
                   [](const Target& a, const Target& b) { return a.preference < b.preference; });
  for (std::size_t begin = 0; begin < out.size();) {
    std::size_t end = begin + 1;
    while (end < out.size() && out[end].preference == out[begin].preference) ++end;
    for (std::size_t i = end - 1; i > begin; --i) {
      std::swap(out[i], out[begin + random.below(i - begin + 1)]);
    }
    begin = end;
  }
  return out;
}

smtp::Reply connect_failed(const Plan& plan, const Target& target, const Connected& connected) {
  std::string text =
      "connect to " + target.host + " [" + net::format_endpoint(connected.endpoint) + "]";
  if (plan.hop != nullptr) text += " by " + plan.hop->text();
  text += ": " + connected.error.message();
  return local_reply(451, {4, 4, 1}, std::move(text));
}

/// One run_connection: its targets, and what has gone wrong so far.
class Attempt {
 public:
  Attempt(ConnectionContext& context, std::shared_ptr<const Plan> plan, Feed& feed)
      : context_(context), plan_(std::move(plan)), feed_(feed) {}

  base::Task<ConnectionEnd> run() {
    const std::vector<Target> targets = shuffled(plan_->targets, context_.worker.random);
    for (const Target& target : targets) {
      if (is_over()) {
        may_change_ = true;
        break;
      }
      if (own_preference_ && target.preference >= *own_preference_) break;
      co_await try_target(target);
    }
    if (!is_over() && own_preference_ && !has_tried_) {
      // RFC 5321 §5.1: we are the best there is, so the mail would come back to us.
      note(Phase::Connect, local_reply(554, {5, 4, 6}, "the mail loops back to us"), true);
      end_.is_permanent = true;
    }
    if (!is_worked_ && unmet_ && !may_change_) {
      // RFC 8689 §4.2.1: no host is left that could meet what the sender requires.
      end_.reply = std::move(*unmet_);
      end_.is_permanent = true;
      is_reply_local_ = true;
    }
    end_.is_source_missing = !is_worked_ && is_source_missing_ && !has_reached_;
    if (end_.is_source_missing) end_.source_problem = std::move(hop_problem_);
    if (!is_worked_ && !end_.is_failure) {
      note(Phase::Connect, local_reply(451, {4, 4, 1}, "no host to connect to"), true);
    }
    end_.is_local = is_reply_local_;
    if (!is_worked_) end_.tls = std::move(observed_);
    co_return std::move(end_);
  }

 private:
  bool is_over() const {
    return is_worked_ || end_.is_permanent || sessions_ >= kSessionsMax ||
           context_.tasks.is_closed();
  }

  /// What a peer said says more than what the network did, and later more than earlier.
  void note(Phase phase, smtp::Reply reply, bool is_local) {
    if (end_.is_failure && is_local && !is_reply_local_) return;
    end_.is_failure = true;
    end_.phase = phase;
    end_.reply = std::move(reply);
    is_reply_local_ = is_local;
  }

  bool observes(const Target& target) const {
    return context_.observe_tls != nullptr && is_reported(*plan_, target);
  }

  /// For the recipient domains' reports: what came of TLS on a connection, if it came to that.
  void note_tls(const Target& target, const Protection& protection, const Session& session,
                const TlsMemory::Entry& entry) {
    const auto& failure = session.failure();
    std::string words = session.tls_error();
    if (failure && words.empty()) {
      if (static_cast<Phase>(failure->phase) != Phase::StartTls) return;
      // Not offered is a failure with a name of its own; what broke off, one with words.
      if (failure->reply.enhanced != kNotOffered) words = failure->reply.text();
    }
    if (!failure && session.tls() == nullptr && entry.level == TlsLevel::Plain) words = entry.why;
    if (!failure && session.tls() == nullptr && words.empty() && session.has_peer_starttls())
      words = session.peer().tls_verification;
    policy::TlsSession seen =
        seen_session(*plan_, target, protection, failure ? nullptr : session.tls(), words);
    if (seen.failure) {
      seen.failure->sending_ip = session.local_address();
      seen.failure->receiving_ip = session.peer().address;
    }
    observed_.push_back(std::move(seen));
  }

  /// `reply`: permanent when a host cannot meet what REQUIRETLS asks, and will not soon.
  void note_unmet(const smtp::Reply& reply) {
    if (plan_->tls_demand == message::TlsDemand::Required && reply.is_permanent()) {
      unmet_ = reply;
    } else {
      may_change_ = true;
    }
  }

  base::Task<void> try_target(const Target& target) {
    Addresses addresses = co_await find_addresses(context_, *plan_, target);
    if (addresses.is_ourselves) {
      own_preference_ = target.preference;
      co_return;
    }
    has_tried_ = true;
    if (addresses.failure) {
      note(Phase::Connect, std::move(*addresses.failure), true);
      if (end_.peer.host.empty()) end_.peer.host = target.host;
      may_change_ = true;
      co_return;
    }
    const Protection protection =
        co_await find_protection(context_.resolver, context_.options.uses_dane, *plan_, target);
    if (protection.refusal) {
      if (observes(target)) observed_.push_back(refused_session(*plan_, target, protection));
      note_unmet(*protection.refusal);
      note(Phase::StartTls, *protection.refusal, true);
      if (is_reply_local_) {
        end_.peer = Peer{};
        end_.peer.host = target.host;
      }
      co_return;
    }
    while (!addresses.endpoints.empty() && !is_over()) {
      Connected connected = co_await connect_any(context_, *plan_, addresses.endpoints);
      if (connected.stream == nullptr) {
        const bool has_hop_failed = is_hop_failure(connected.error);
        if (has_hop_failed)
          hop_problem_ = "its " + plan_->hop->text() + " fails: " + connected.error.message();
        const bool is_missing = has_hop_failed || connected.error == net::Errc::AddressUnavailable;
        is_source_missing_ = is_source_missing_ || is_missing;
        has_reached_ = has_reached_ || !is_missing;
        may_change_ = true;
        note(Phase::Connect, connect_failed(*plan_, target, connected), true);
        if (is_reply_local_) {
          end_.peer = Peer{};
          end_.peer.host = target.host;
          end_.peer.address = connected.endpoint.address.to_string();
        }
        continue;
      }
      has_reached_ = true;
      co_await try_endpoint(target, protection, std::move(connected));
    }
  }

  /// One address of a host: with opportunistic TLS up to three connections, each less protected.
  base::Task<void> try_endpoint(const Target& target, const Protection& protection,
                                Connected connected) {
    const std::string key = target.host + ":" + std::to_string(target.port);
    base::Clock& clock = context_.worker.clock;
    TlsMemory::Entry entry;
    const bool may_fall_back =
        protection.tls == TlsPolicy::Opportunistic && !target.has_implicit_tls;
    if (may_fall_back) entry = context_.tls_memory.recall(key, clock.steady());
    bool is_new = false;
    const net::Endpoint endpoint = connected.endpoint;
    while (!is_over()) {
      ++sessions_;
      Session session(Session::Parts{context_, *plan_, target, protection, feed_, observed_},
                      std::move(connected.stream), entry.level, entry.why);
      const auto stop = context_.tasks.on_stop([&session] { session.close(); });
      if (co_await session.open()) {
        // Only what then worked is remembered: a broken network is no fault of TLS.
        if (is_new) context_.tls_memory.remember(key, entry, clock.steady());
        is_worked_ = true;
        // In the clear behind a handshake that failed is no second failure.
        const bool is_told = is_new && entry.level == TlsLevel::Plain;
        if (observes(target) && !is_told) note_tls(target, protection, session, entry);
        end_ = ConnectionEnd{};
        is_reply_local_ = false;
        co_await session.work();
        end_.peer = session.peer();
        end_.transactions = session.transactions();
        take_failure(session, target, protection);
        co_return;
      }
      end_.peer = session.peer();
      take_failure(session, target, protection);
      if (observes(target)) note_tls(target, protection, session, entry);
      // A peer that offers STARTTLS and breaks off when asked for it cannot do it at any level.
      const auto& failure = session.failure();
      // One that sends octets meant to be read as if they came under TLS is not trusted at all.
      const bool is_broken_off = failure && failure->is_local &&
                                 static_cast<Phase>(failure->phase) == Phase::StartTls &&
                                 failure->reply.enhanced == kConnectionLost;
      const bool has_tls_failed = !session.tls_error().empty();
      if (!(has_tls_failed || is_broken_off) || !may_fall_back || entry.level == TlsLevel::Plain) {
        co_return;
      }
      entry.level = entry.level == TlsLevel::Modern && has_tls_failed ? TlsLevel::Compatible
                                                                      : TlsLevel::Plain;
      if (entry.why.empty())
        entry.why = has_tls_failed ? session.tls_error() : failure->reply.text();
      is_new = true;
      connected = co_await connect_one(context_, *plan_, endpoint);
      if (connected.stream == nullptr) {
        note(Phase::Connect, connect_failed(*plan_, target, connected), true);
        co_return;
      }
    }
  }

  void take_failure(const Session& session, const Target& target, const Protection& protection) {
    const auto& failure = session.failure();
    if (!failure) return;
    const auto phase = static_cast<Phase>(failure->phase);
    const bool is_unoffered = failure->is_local && failure->reply.enhanced == kNoRequireTls;
    const bool is_tls_s = phase == Phase::StartTls || !session.tls_error().empty();
    const bool is_policy_s = failure->is_local && (is_tls_s || is_unoffered);
    smtp::Reply reply =
        is_policy_s ? explained(failure->reply, protection, target) : failure->reply;
    // A peer's own refusal of STARTTLS lasts when it says so.
    const bool lasts = is_tls_s && !session.is_tls_lost() &&
                       failure->reply.enhanced != kConnectionLost &&
                       (failure->is_local || failure->reply.is_permanent());
    if (!is_unoffered) reply = unmet(std::move(reply), *plan_, lasts);
    if (!is_worked_) note_unmet(lasts || is_unoffered ? reply : smtp::Reply{});
    note(phase, std::move(reply), failure->is_local);
    // RFC 7504 §4: 556 says that the domain takes no mail, now or later.
    if (!is_worked_ && failure->reply.code == 556 && !failure->is_local) end_.is_permanent = true;
  }

  ConnectionContext& context_;
  std::shared_ptr<const Plan> plan_;
  Feed& feed_;
  ConnectionEnd end_;
  bool is_reply_local_ = false;
  bool is_worked_ = false;
  bool has_tried_ = false;
  bool is_source_missing_ = false;  ///< some address of it, or its proxy
  std::string hop_problem_;
  bool has_reached_ = false;  ///< the network: another address of it is there
  unsigned sessions_ = 0;
  std::optional<smtp::Reply> unmet_;  ///< why a host cannot take mail with REQUIRETLS
  std::vector<policy::TlsSession> observed_;
  bool may_change_ = false;  ///< another host failed for now only
  std::optional<std::uint16_t> own_preference_;
};

void log_end(const Plan& plan, const ConnectionEnd& end, base::Duration duration) {
  base::log::write(
      end.is_failure && end.transactions == 0 ? base::log::Level::Warning : base::log::Level::Info,
      "connection_ended",
      {{"route", plan.route},
       {"source", plan.source_name},
       {"host", end.peer.host},
       {"address", end.peer.address},
       {"tls", end.peer.tls_version},
       {"cipher", end.peer.tls_cipher},
       {"verification", end.peer.tls_verification},
       {"transactions", end.transactions},
       {"phase", end.is_failure ? phase_name(end.phase) : std::string_view("quit")},
       {"reply", end.is_failure ? end.reply.text() : std::string()},
       {"duration_us", duration.count()}});
}

}  // namespace

base::Task<ConnectionEnd> run_connection(ConnectionContext& context,
                                         std::shared_ptr<const Plan> plan, Feed& feed) {
  const base::Steady started = context.worker.clock.steady();
  Attempt attempt(context, plan, feed);
  ConnectionEnd end = co_await attempt.run();
  log_end(*plan, end, context.worker.clock.steady() - started);
  co_return end;
}

}  // namespace ekiden::delivery
