#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/account/suppression.hpp"
#include "ekiden/feedback/bounce.hpp"
#include "ekiden/inbound/admission.hpp"
#include "ekiden/inbound/authentication.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/inbound/smtpapi.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/message/dsn.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::inbound {

/// How the message comes; texts are copied into its record.
struct Origin {
  std::string client_address;
  std::string helo;
  std::string identity;
  std::string tls_version, tls_cipher;
  bool is_esmtp = false;
  bool is_tls = false;
  std::string protocol = {};  ///< "HTTP"; empty: as RFC 3848 calls what SMTP said
};

/// What the dialogue saw of the octets.
struct Octets {
  std::size_t longest_line = 0;
  bool is_eight_bit = false;
};

/// One message on its way in: envelope, budget, octets; then the spool, and the queue.
///
/// Dropped before `complete`, it leaves nothing behind.
class Arrival {
 public:
  Arrival(Services& services, const ListenerOptions& options, smtp::MailCommand mail);
  ~Arrival();
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  /// `next_hop`: the recipient's own; empty: as the routes say.
  void add(const smtp::RcptCommand& rcpt, const std::string& next_hop);
  const message::Envelope& envelope() const { return meta_->envelope; }
  bool wants_tls() const { return meta_->details.tls_demand == message::TlsDemand::Required; }

  /// What rewriting did with a recipient, for headers, events and reports. `recipients`: that
  /// stand for it now, which have been added; an alias that became several owes its sender a
  /// report when it asked for one.
  void note_alias(const smtp::RcptCommand& rcpt, std::size_t recipients);
  /// The message goes to the return path of another one.
  void note_bounce(const rewrite::TokenContent& about);
  void note_acts(rewrite::Acts acts);

  /// Whoever asked for this message named it before: it is stored under that id, so that a request
  /// that is repeated after a crash finds it.
  void set_id(base::MessageId id) { id_ = id; }

  void set_batch(std::string batch) { meta_->details.batch = std::move(batch); }
  /// Whether the client may is asked when the stream is known.
  void set_pool(std::string pool) { meta_->details.pool = std::move(pool); }
  /// The client may (Admission::admit_bypass).
  void set_bypass(const account::SuppressionBypass& bypass) { bypass_ = bypass; }

  /// What X-SMTPAPI said of this recipient's message, which has no such field any more.
  void set_wishes(SmtpApi wishes) { wishes_ = std::make_unique<SmtpApi>(std::move(wishes)); }

  /// Counts so many octets, in all, against the memory budget. False: 452 4.3.1.
  bool reserve(std::uint64_t octets);

  /// Takes a part of a body that is too large for memory. Positive, or the refusal.
  base::Task<smtp::Reply> part(std::string octets, Octets seen, Client client, Origin origin);

  /// Takes the rest, makes the message durable and hands it to the queue. 250, or the refusal.
  base::Task<smtp::Reply> complete(std::string octets, Octets seen, Client client, Origin origin);

  /// The two halves of `complete`, for whoever makes many messages durable at once: `make` does all
  /// that comes before the disk; then the transaction is taken and submitted, and `hand_over` or
  /// `refuse` follows.
  base::Task<smtp::Reply> make(std::string octets, Octets seen, Client client, Origin origin);
  spool::Transaction take_transaction() { return std::move(made_->transaction); }
  /// It is durable: its recipients go to the queue.
  void hand_over();
  /// It is not: what was counted against limits is given back.
  void refuse();
  /// Submits what `make` made, alone.
  base::Task<smtp::Reply> store();

  /// Parts of it came already, and lie in a file.
  bool has_file() const { return writer_ != nullptr; }
  /// Recipients that are not suppressed.
  std::size_t mailed() const { return meta_->envelope.recipients.size() - suppressed_.size(); }
  /// The addresses of those that are.
  std::vector<std::string> suppressed() const;
  base::MessageId id() const { return id_; }
  std::uint64_t size() const { return meta_->details.size; }

 private:
  void stop_expecting();
  /// Rewrites the header section at the front of `octets` and fills the details. `header` is what
  /// replaces the first `header_octets`.
  smtp::Reply take_header(std::string_view octets, const Client& client, const Origin& origin,
                          std::string& header, std::size_t& header_octets);
  smtp::Reply take_ekiden_headers(const std::vector<std::pair<std::string, std::string>>& headers,
                                  const Client& client);
  /// Whether X-SMTPAPI is this client's to say (arrival_smtpapi.cpp), and what it says.
  bool takes_smtpapi(const Origin& origin) const;
  smtp::Reply take_smtpapi(std::string_view value, const Client& client);
  smtp::Reply take_wishes(SmtpApi api, const Client& client);
  /// Sender, header and details as the rules have them. Positive, or the refusal.
  smtp::Reply rewrite_message(std::string& header);
  /// The reports that aliases owe (RFC 3461), and `returned` events; into the transaction.
  void add_reports(spool::Transaction& transaction, const spool::Body& body);
  void add_report(spool::Transaction& transaction, const message::DsnRequest& request,
                  const std::string& to, const std::string& tenant);
  /// Who asked to be told of a failure is told of what came back (RFC 3461 §6.2).
  void add_returned_report(spool::Transaction& transaction, const events::Event& original);
  /// What a bounce in memory says, and whom to tell; on the pool.
  base::Task<void> read_bounce(const spool::Body& body);
  /// Whether the message as it will leave aligns (arrival_alignment.cpp). Positive, or the refusal.
  smtp::Reply align(std::string_view header);
  /// Who is held, and the warning; into the transaction.
  void add_alignment(spool::Transaction& transaction);
  void decide_alignment_later();
  spool::Transaction make_transaction(spool::Body body);
  /// Recipients on the suppression list, with why; fills suppressed_.
  void find_suppressed(const Client& client);
  bool is_suppressed(std::uint32_t recipient) const {
    return std::any_of(suppressed_.begin(), suppressed_.end(),
                       [recipient](const auto& one) { return one.first == recipient; });
  }
  bool must_shorten(const Octets& seen, const Client& client) const;
  /// Strangers' mail for our own domains, unless told otherwise.
  bool must_authenticate(const Client& client) const;
  /// Begins with the header at the front of `octets`, of which the body's first part follows.
  /// Comes before `take_header`: the sender counts as given, not as rewritten.
  base::Task<void> begin_authentication(std::string_view octets, const Client& client,
                                        const Origin& origin);
  /// Appends to the file, with its overlong lines broken where there is a shortener.
  base::Task<smtp::Reply> write(std::string octets);
  base::Task<smtp::Reply> rewrite_shorter();
  /// Appends all of `first` to the file.
  base::Task<smtp::Reply> copy(spool::LargeWriter& first, std::uint64_t size);
  /// A large message is evaluated when it is written: a second file begins with `field`.
  base::Task<smtp::Reply> rewrite_behind(std::string field);
  base::Task<smtp::Reply> end_shortening();

  /// What only mail that is rewritten has.
  struct Rewriting {
    rewrite::Acts acts;
    std::vector<std::string> aliases;
    std::size_t alias_recipients = 0;
    std::vector<rewrite::TokenContent> bounces;
    feedback::Bounce said;                     ///< by the message itself, when it is one
    std::vector<events::Event> originals;      ///< acceptances of what came back, to be reported
    std::vector<message::Recipient> expanded;  ///< with NOTIFY=SUCCESS, now several
    std::vector<queue::Accepted> reports;
  };
  Rewriting& rewriting();

  /// What only mail has whose alignment is wrong, or not known yet.
  struct AlignmentNote {
    auth::AlignmentRuling ruling;
    std::vector<std::uint32_t> held;  ///< recipients
    bool warns = false;
    std::optional<auth::AlignmentCase> later;
  };

  /// What waits for the disk.
  struct Made {
    Client client;
    spool::Transaction transaction;
    std::vector<spool::Progress> progress;
    spool::Body body;
  };

  Services& services_;
  const ListenerOptions& options_;
  std::unique_ptr<Made> made_;
  std::unique_ptr<Rewriting> rewriting_;
  std::unique_ptr<AlignmentNote> alignment_;
  /// Recipients that get nothing, by index.
  std::vector<std::pair<std::uint32_t, account::SuppressionReason>> suppressed_;
  account::SuppressionBypass bypass_;
  std::unique_ptr<SmtpApi> wishes_;
  /// Recipients that get it only because of that.
  std::vector<std::pair<std::uint32_t, account::SuppressionReason>> passed_over_;
  base::MessageId id_;
  std::shared_ptr<message::Meta> meta_;
  std::unique_ptr<spool::LargeWriter> writer_;
  std::unique_ptr<message::Converter> shortener_;  ///< of a large message with overlong lines
  message::LineScanner shortened_;                 ///< what it made
  std::unique_ptr<Authentication> authentication_;
  std::uint64_t written_ = 0;
  std::uint64_t reserved_ = 0;
  bool is_expected_ = true;  ///< by the spool's batches
};

/// What a client is told when the spool refuses.
smtp::Reply reply_for(Error error);
/// And when the memory budget does.
smtp::Reply no_memory();

}  // namespace ekiden::inbound
