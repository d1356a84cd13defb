#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/net/stream.hpp"
#include "ekiden/smtp/command.hpp"

namespace ekiden::cli {

/// One transaction as the sink saw it.
struct SinkTransaction {
  smtp::MailCommand mail;
  std::vector<smtp::RcptCommand> recipients;
  std::string helo;
  std::string auth;  ///< user, or empty
  net::Endpoint client;
  const net::TlsInfo* tls = nullptr;  ///< null in the clear
  base::Time received{};
};

/// The envelope as JSON: from, to, helo, client, tls, params, received, auth, size.
std::string format_envelope(const SinkTransaction& transaction, std::uint64_t size);

/// A maildir: tmp/, new/ and envelope/ under one directory.
class SinkStore {
 public:
  /// Makes the directories. Errors: those of the system.
  static Result<SinkStore> open(const std::string& directory);

  /// Writes envelope/NAME.json, then new/NAME, each whole when it appears.
  Result<void> put(const std::string& name, std::string_view octets,
                   std::string_view envelope) const;

 private:
  explicit SinkStore(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace ekiden::cli
