// What was said to a peer, for people who ask why: commands and replies, bounded, without secrets.
#include <algorithm>
#include <utility>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/client_dialogue.hpp"

namespace ekiden::smtp {
namespace {

constexpr std::size_t kLineOctetsMax = 512;
/// EHLO has the longest replies, of a line for each extension.
constexpr std::size_t kReplyLinesMax = 30;

void append_line(std::string& out, char who, std::string_view text) {
  if (text.ends_with("\r\n")) text.remove_suffix(2);
  std::string line{who, ':', ' '};
  line += base::printable(text, kLineOctetsMax);
  line += '\n';
  const std::size_t room = ClientDialogue::kTranscriptOctetsMax;
  if (out.size() + line.size() <= room) {
    out += line;
  } else if (constexpr std::string_view kCut = "#: …\n"; !out.ends_with(kCut)) {
    if (out.size() + kCut.size() <= room) out += kCut;
  }
}

void append_replies(std::string& out, const Reply& reply) {
  const std::size_t count = std::min(reply.lines.size(), kReplyLinesMax);
  for (std::size_t i = 0; i < count || i == 0; ++i) {
    std::string line = std::to_string(reply.code);
    line += i + 1 < reply.lines.size() ? '-' : ' ';
    if (reply.enhanced) line += format_enhanced_code(reply.enhanced) + " ";
    if (i < reply.lines.size()) line += reply.lines[i];
    append_line(out, 'S', line);
  }
}

}  // namespace

void ClientDialogue::note_opening(char who, std::string_view text) {
  if (options_.keeps_transcript && begun_ == 0) append_line(opening_, who, text);
}

void ClientDialogue::note_opening(const Reply& reply) {
  if (!options_.keeps_transcript || begun_ != 0) return;
  // A challenge is made of what the peer knows about the password.
  if (reply.code == 334) return append_line(opening_, 'S', "334 ***");
  append_replies(opening_, reply);
}

void ClientDialogue::keep_rcpt_reply(Running& running, std::size_t recipient) {
  if (!options_.keeps_transcript) return;
  if (running.rcpt_replies.empty()) running.rcpt_replies.resize(running.verdicts.size());
  running.rcpt_replies[recipient] = std::move(running.verdicts[recipient].reply);
}

std::string ClientDialogue::transcript(std::size_t recipient) const {
  std::string out;
  const Running& running = current_;
  if (!options_.keeps_transcript || running.transaction == nullptr) return out;
  const ClientVerdict& verdict = running.verdicts[recipient];
  const auto answer_at = [&](ClientPhase phase, const Reply* kept) {
    if (kept != nullptr && kept->code != 0) {
      append_replies(out, *kept);
    } else if (verdict.phase == phase && verdict.reply.code != 0) {
      if (verdict.is_local) return append_line(out, '#', verdict.reply.text());
      append_replies(out, verdict.reply);
    }
  };
  if (!running.is_mail_written) {
    answer_at(verdict.phase, nullptr);
    return out;
  }
  std::string command;
  append_mail(command, *running.transaction);
  append_line(out, 'C', command);
  answer_at(ClientPhase::Mail, &running.mail_reply);
  if (verdict.phase == ClientPhase::Mail || recipient >= running.written) return out;
  command.clear();
  append_rcpt(command, running.transaction->recipients[recipient]);
  append_line(out, 'C', command);
  answer_at(ClientPhase::Rcpt,
            recipient < running.rcpt_replies.size() ? &running.rcpt_replies[recipient] : nullptr);
  if (verdict.phase == ClientPhase::Rcpt) return out;
  if (running.transaction->uses_bdat) {
    append_line(out, 'C', "BDAT " + std::to_string(running.transaction->size) + " LAST");
  } else {
    append_line(out, 'C', "DATA");
    answer_at(ClientPhase::Data, &running.data_reply);
    if (verdict.phase == ClientPhase::Data && running.data_reply.code != 0) {
      answer_at(ClientPhase::Data, nullptr);
    }
    if (verdict.phase == ClientPhase::Data) return out;
    append_line(out, '#', "the message, and a dot");
  }
  answer_at(ClientPhase::Eod, nullptr);
  return out;
}

}  // namespace ekiden::smtp
