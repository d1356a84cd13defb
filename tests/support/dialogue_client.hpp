#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "ekiden/smtp/client_dialogue.hpp"

/// For tests: the client's dialogue, fed with replies as text.
namespace ekiden::smtp {

inline constexpr std::string_view kFullEhlo =
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n"
    "250-CHUNKING\r\n250-BINARYMIME\r\n250 SMTPUTF8\r\n";
inline constexpr std::string_view kPlainEhlo = "250 mx.example\r\n";

inline ClientTransaction transaction_to(std::initializer_list<std::string_view> recipients) {
  ClientTransaction transaction;
  transaction.reverse_path = "a@example.org";
  for (const std::string_view recipient : recipients) {
    transaction.recipients.push_back({recipient, {}, {}});
  }
  return transaction;
}

/// A dialogue and the last action it asked for.
struct Client {
  ClientDialogue dialogue;
  ClientAction action;
  std::string written;  // by the last step

  explicit Client(ClientOptions options = {}) : dialogue(named(std::move(options))) {
    step(client_event::Connected{});
  }
  static ClientOptions named(ClientOptions options) {
    options.ehlo_name = "relay.example";
    return options;
  }
  void step(const ClientEvent& event) {
    action = dialogue.resume(event);
    written = action.write;
  }
  /// Gives octets; what is written meanwhile is kept.
  Client& got(std::string_view octets) {
    step(client_event::Received{octets});
    return *this;
  }
  Client& ready(std::string_view ehlo = kFullEhlo) {
    got("220 mx.example\r\n").got(ehlo);
    EXPECT_EQ(action.kind, ClientAction::Kind::Ready);
    return *this;
  }
  Client& begin(const ClientTransaction& transaction) {
    step(client_event::Begin{&transaction});
    return *this;
  }
  ClientVerdict::Kind kind(std::size_t i) { return dialogue.outcome().at(i).kind; }
};

}  // namespace ekiden::smtp
