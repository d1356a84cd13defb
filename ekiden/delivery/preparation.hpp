#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/delivery/job.hpp"
#include "ekiden/smtp/client_dialogue.hpp"

namespace ekiden::delivery {

/// One job as one particular peer can take it.
///
/// Sharing: holds views into the job and into itself: neither may move while it lives.
struct Preparation {
  Preparation() = default;
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  smtp::ClientTransaction transaction;
  /// The message's recipient that each of the transaction's is.
  std::vector<std::uint32_t> recipients;
  /// What rules made of the message as it leaves; filled before `prepare`. The spool keeps the
  /// reverse-path and the octets that were accepted.
  std::optional<std::string> reverse_path;
  std::optional<std::string> header;  ///< stands for the first `header_octets` of the body
  std::size_t header_octets = 0;
  /// The signature fields, in front of everything: made of the octets as they leave.
  std::string signature;
  /// 8-bit parts are re-encoded on the way: the peer lacks 8BITMIME or BINARYMIME.
  bool needs_seven_bit = false;
  /// Decided without asking the peer, because it cannot take them.
  std::vector<RecipientResult> refused;
  std::deque<std::string> texts;  ///< addresses that had to be rewritten
};

/// How a recipient's address is written for this peer; empty: as it came.
using FormOfAddress = std::function<std::string(const std::string& address)>;

/// Decides what the peer is asked and in which form the octets travel. Pure. `out` is fresh.
void prepare(const Job& job, const smtp::PeerExtensions& peer, bool prefers_bdat, Preparation& out,
             const FormOfAddress& form_of = {});

/// What the peer's verdict on a recipient comes to.
RecipientResult result_of(std::uint32_t recipient, smtp::ClientVerdict verdict,
                          const message::Recipient& asked, const smtp::PeerExtensions& peer);

}  // namespace ekiden::delivery
