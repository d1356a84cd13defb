#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/shaping/reply_rule.hpp"

namespace ekiden::feedback {

/// Lines of a text for people that are looked at; what a bounce has to say stands at its top.
inline constexpr std::size_t kBounceLinesMax = 400;

/// A reply that a text quotes, or a sentence that stands for one.
struct QuotedReply {
  std::string text;  ///< with its codes in front, as far as it has any
  std::uint16_t code = 0;
  std::string enhanced;
  std::string host;
  shaping::Phase phase = shaping::Phase::Unknown;
};

/// Somebody of whom a text for people tells, with the lines that are about them.
struct Told {
  std::string address;
  std::string about;
};

/// The text up to where it quotes the mail that it is about.
std::string_view without_original(std::string_view text);

/// Addresses that begin a line, or stand behind a label, each with what follows it.
std::vector<Told> find_told(std::string_view text);

/// The most telling reply in the lines: one with code and enhanced code, else with a code, else
/// all of it.
QuotedReply find_reply(std::string_view text);

/// What a sentence means that only bounce mails have, in no reply's words.
std::optional<shaping::Reason> reason_of_sentence(std::string_view text);

/// "in reply to RCPT TO command", ">>> DATA": which command it was that failed.
shaping::Phase find_phase(std::string_view text);

/// "5.1.1" that stands somewhere in the text, first one; empty without.
std::string find_enhanced_code(std::string_view text);

}  // namespace ekiden::feedback
