// How a message gets its signatures on the way out (delivery/message_signer.hpp): made on the
// blocking pool, of the octets exactly as this peer will see them.
#include <utility>

#include "ekiden/auth/sha256.hpp"
#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/delivery/session.hpp"
#include "ekiden/message/error.hpp"
#include "ekiden/spool/error.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::size_t kSliceOctets = 256 * 1024;

enum class Last { No, Yes };

/// Feeds octets on the pool; behind the last ones comes the result, before them nothing. What the
/// pool works on is its own: a connection may end meanwhile.
base::Task<Result<std::string>> feed_on_pool(ConnectionContext& context,
                                             std::shared_ptr<Signing> signing,
                                             std::vector<base::Octets> pieces, Last last) {
  base::Executor& home = context.worker.executor;
  auto begin = [&](base::Completion<Result<std::string>> done) {
    auto work = [signing, pieces = std::move(pieces), last, &home,
                 done = std::move(done)]() mutable {
      Result<std::string> made = std::string();
      for (const base::Octets& piece : pieces) {
        const Result<void> fed = signing->feed(piece.view());
        if (fed) continue;
        made = fed.error();
        break;
      }
      if (made && last == Last::Yes) made = signing->finish();
      signing.reset();
      home.post(
          [made = std::move(made), done = std::move(done)]() mutable { done(std::move(made)); });
    };
    context.pool.post(std::move(work));
  };
  co_return co_await base::suspend<Result<std::string>>(std::move(begin));
}

MessageSigner::Kept kept_of(const Job& job, const Preparation& preparation,
                            const SigningPlan& plan) {
  MessageSigner::Kept what;
  what.message = job.id;
  what.is_seven_bit = preparation.needs_seven_bit;
  if (preparation.header) {
    auth::Sha256 hash;
    hash.update(*preparation.header);
    what.header_digest = auth::view_of(hash.finish());
  }
  for (const account::DomainKey* key : plan.keys) what.keys.push_back(key->id);
  return what;
}

bool cannot_be_converted(const Error& error) {
  return error == message::Errc::Unalterable || error == message::Errc::TooDeep ||
         error == message::Errc::HeaderTooLarge;
}

}  // namespace

/// Puts the signatures into the preparation. False: there are none and should be, and everybody
/// has been told.
base::Task<bool> Session::sign(Flight& flight) {
  MessageSigner* const signer = parts_.context.signer;
  if (signer == nullptr || flight.job.is_probe) co_return true;
  const std::shared_ptr<const SigningPlan> plan = signer->plan_for(*flight.job.meta);
  if (plan == nullptr) co_return true;

  Preparation& preparation = flight.preparation;
  MessageSigner::Kept what = kept_of(flight.job, preparation, *plan);
  std::optional<std::string> kept = signer->find_kept(what);
  std::optional<MessageSigner::Claim> claim;
  while (!kept) {
    claim = signer->try_claim(what);
    // Whoever had it before may have made them between the two questions.
    kept = signer->find_kept(what);
    if (claim) break;
    auto begin = [&](base::Completion<bool> wake) {
      signer->wait_for(what, parts_.context.worker.executor, std::move(wake));
    };
    (void)co_await base::suspend<bool>(std::move(begin));
    kept = signer->find_kept(what);
  }
  if (kept) {
    preparation.signature = std::move(*kept);
  } else {
    const bool converts = preparation.needs_seven_bit && !flight.job.body.is_in_memory();
    auto signing =
        std::make_shared<Signing>(*signer, plan, parts_.context.worker.clock.now(), converts);
    Result<std::string> made = co_await make_signature(flight, std::move(signing));
    if (!made) {
      const bool is_message = cannot_be_converted(made.error());
      for (const std::uint32_t recipient : preparation.recipients) {
        RecipientResult result;
        result.recipient = recipient;
        result.outcome = is_message ? Outcome::Bounced : Outcome::Deferred;
        result.phase = Phase::Mail;
        result.is_local = true;
        // RFC 3463 §3.8: a cryptographic failure of ours is nobody's verdict, so it waits.
        result.reply =
            is_message
                ? local_reply(554, {5, 6, 3},
                              "the next hop takes 7-bit mail only and this message cannot be "
                              "converted: " +
                                  made.error().message())
                : local_reply(451, {4, 7, 5},
                              "the message could not be signed: " + made.error().message());
        flight.result.recipients.push_back(std::move(result));
      }
      co_return false;
    }
    signer->keep(std::move(what), *made);
    preparation.signature = std::move(*made);
  }
  // Zero: not declared.
  if (preparation.transaction.size != 0) {
    preparation.transaction.size += preparation.signature.size();
  }
  co_return true;
}

base::Task<Result<std::string>> Session::make_signature(const Flight& flight,
                                                        std::shared_ptr<Signing> signing) {
  const Preparation& preparation = flight.preparation;
  const spool::Body& body = flight.job.body;
  std::vector<base::Octets> pieces;
  if (body.is_in_memory() && preparation.needs_seven_bit) {
    pieces.emplace_back(flight.converted);
  } else {
    if (preparation.header) pieces.emplace_back(*preparation.header);
    if (body.is_in_memory()) {
      pieces.push_back(body.octets.part(preparation.header_octets,
                                        body.octets.size() - preparation.header_octets));
    }
  }
  if (body.is_in_memory()) {
    co_return co_await feed_on_pool(parts_.context, std::move(signing), std::move(pieces),
                                    Last::Yes);
  }
  for (std::uint64_t offset = preparation.header_octets;;) {
    auto begin = [&](base::Completion<Result<base::Octets>> done) {
      parts_.context.spool.read(body, offset, kSliceOctets, std::move(done));
    };
    const Result<base::Octets> slice =
        co_await base::suspend<Result<base::Octets>>(std::move(begin));
    if (!slice) co_return slice.error();
    if (slice->empty() && offset < body.size) co_return make_error_code(spool::Errc::Corrupt);
    offset += slice->size();
    pieces.push_back(*slice);
    const Last last = offset >= body.size ? Last::Yes : Last::No;
    std::vector<base::Octets> next = std::exchange(pieces, {});
    Result<std::string> made =
        co_await feed_on_pool(parts_.context, signing, std::move(next), last);
    if (!made || last == Last::Yes) co_return made;
  }
}

}  // namespace ekiden::delivery
