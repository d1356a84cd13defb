#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ekiden/account/store.hpp"
#include "ekiden/auth/arc_sealer.hpp"
#include "ekiden/auth/dkim_signer.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/message/envelope.hpp"

namespace ekiden::delivery {

/// Signatures kept for later attempts and other connections; past it the oldest is made again.
inline constexpr std::size_t kSignaturesKeptMax = 8192;
/// Signatures of one message: a domain rarely has more keys that sign than one of each kind.
inline constexpr std::size_t kSigningKeysMax = 4;

/// What the configuration says of signing.
struct SigningOptions {
  /// Whose keys add a second signature to mail that is signed or could be; empty: none.
  std::string relay_domain;
  /// Listed in h= once more than there are.
  std::vector<std::string> oversigned = {"From"};
  bool seals = true;     ///< mail that is passed on gets an ARC set
  std::string hostname;  ///< the authserv-id of our Authentication-Results
};

/// The keys that sign one message, as the control store had them when it was asked. Immutable.
struct SigningPlan {
  /// The first one's key seals (RFC 8617); nothing is signed.
  bool seals = false;
  std::shared_ptr<const SigningOptions> options;
  /// Views into `owner`. The author's come first, the relay's behind them.
  std::vector<const account::DomainKey*> keys;
  std::shared_ptr<const std::vector<account::DomainKey>> owner;
};

/// Knows which keys sign what, opens them, and remembers what they made.
///
/// An author's message is signed for the domain of its header From (RFC 6376 §3.5), or for the
/// nearest domain above it that has keys: that still aligns (RFC 9989 §4.4). Only mail of own
/// clients, and our own reports: what strangers bring with our domains in From may be forged.
///
/// Mail of others that is passed on is sealed instead, with a key of the domain that it came to, or
/// else of the relay's; only where our Authentication-Results say what we found.
///
/// Sharing: any thread. `plan_for` waits for nothing; the others are for the blocking pool, but for
/// `find_kept` and the claims, which hold a lock for the length of a lookup.
class MessageSigner {
 public:
  MessageSigner(const account::Store& store, account::HashKey node_key)
      : store_(store), node_key_(std::move(node_key)) {}

  void set_options(SigningOptions options);

  /// Null: the message leaves unsigned, because its domain has no key that signs.
  std::shared_ptr<const SigningPlan> plan_for(const message::Meta& meta) const;
  /// d= of the signatures that the message will get, without doubles.
  std::vector<std::string> signing_domains(const message::Meta& meta) const;

  /// The opened keys of a plan. Errors: auth::Errc::BadKey: one of them cannot be opened, and the
  /// message must wait; logged as `signing_key_unreadable`.
  Result<std::vector<auth::DkimIdentity>> open_keys(const SigningPlan& plan);

  /// Which octets were signed, by which keys.
  struct Kept {
    base::MessageId message;
    bool is_seven_bit = false;
    std::string header_digest;  ///< of a header that stands for the stored one; otherwise empty
    std::vector<std::int64_t> keys;
    friend auto operator<=>(const Kept&, const Kept&) = default;
  };
  std::optional<std::string> find_kept(const Kept& what) const;
  void keep(Kept what, const std::string& fields);

  /// Of connections that need the same fields at once one makes them, while the others wait.
  /// Dropped, it wakes them, and the next one tries.
  class Claim {
   public:
    Claim(MessageSigner& signer, Kept what) : signer_(&signer), what_(std::move(what)) {}
    Claim(Claim&& other) noexcept
        : signer_(std::exchange(other.signer_, nullptr)), what_(std::move(other.what_)) {}
    Claim& operator=(Claim&& other) noexcept {
      std::swap(signer_, other.signer_);
      std::swap(what_, other.what_);
      return *this;
    }
    ~Claim() {
      if (signer_ != nullptr) signer_->release(what_);
    }

   private:
    MessageSigner* signer_;
    Kept what_;
  };
  /// Nothing: somebody has it.
  std::optional<Claim> try_claim(const Kept& what);
  /// `wake` runs on `home` when nobody has it any more.
  void wait_for(const Kept& what, base::Executor& home, base::Completion<bool> wake);
  /// The threads have ended: whoever waits is dropped.
  void abandon();

  /// The keys have signed now.
  void note_signed(const SigningPlan& plan, base::Time now);
  /// Since the last call: key and time.
  std::map<std::int64_t, base::Time> take_signed();

 private:
  struct Index {
    std::shared_ptr<const std::vector<account::DomainKey>> owner;
    std::unordered_map<std::string_view, std::vector<const account::DomainKey*>> by_domain;
  };
  std::shared_ptr<const Index> index() const;
  static void add_keys(const Index& index, std::string_view domain, const std::string& tenant,
                       std::size_t max, SigningPlan& plan);
  void add_author_keys(const Index& index, const message::Details& details,
                       SigningPlan& plan) const;
  void add_sealing_key(const Index& index, const message::Meta& meta, SigningPlan& plan) const;
  void release(const Kept& what);
  struct Waiter {
    base::Executor* home;
    base::Completion<bool> wake;
  };

  const account::Store& store_;
  const account::HashKey node_key_;
  mutable std::atomic<std::shared_ptr<const Index>> index_;
  std::atomic<std::shared_ptr<const SigningOptions>> options_{
      std::make_shared<const SigningOptions>()};

  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, auth::PrivateKey> opened_;
  std::map<Kept, std::string> kept_;
  std::list<std::map<Kept, std::string>::iterator> kept_order_;
  std::map<std::int64_t, base::Time> signed_;
  std::map<Kept, std::vector<Waiter>> claims_;
};

/// The signing of one message whose octets come in pieces, as they leave: header first.
///
/// Sharing: one thread at a time.
class Signing {
 public:
  Signing(MessageSigner& signer, std::shared_ptr<const SigningPlan> plan, base::Time now,
          bool is_seven_bit);

  /// Errors: auth::Errc::BadRecord, and those of message::Converter.
  Result<void> feed(std::string_view octets);
  /// The fields to put in front. Errors: auth::Errc::BadKey, CryptoFailed, BadRecord.
  ///
  /// A message that cannot be sealed goes on without: empty, and no error.
  Result<std::string> finish();

 private:
  Result<void> take(std::string_view octets);
  Result<void> begin();
  void begin_seal();

  MessageSigner& signer_;
  const std::shared_ptr<const SigningPlan> plan_;
  const base::Time now_;
  std::optional<message::Converter> converter_;
  auth::DkimSigner dkim_;
  std::optional<auth::ArcSealer> arc_;
  auth::ArcResult chain_;
  std::string results_;  ///< ours, of the message
  std::string header_;   ///< until it is whole
  bool has_begun_ = false;
  std::string converted_;
};

}  // namespace ekiden::delivery
