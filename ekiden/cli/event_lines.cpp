#include "ekiden/cli/event_lines.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::cli {

std::string event_line(const events::Event& event) {
  std::string line = base::format_rfc3339(event.time) + "  ";
  std::string kind(events::kind_name(event.kind));
  kind.resize(std::max<std::size_t>(kind.size(), 10), ' ');
  line += kind + " " + base::format_message_id(event.message);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) line += std::string("  ") + name + base::printable(value, 300);
  };
  add("", event.recipient);
  if (event.kind == events::Kind::Accepted)
    add("from ", event.sender.empty() ? "<>" : event.sender);
  add("by ", event.identity);
  add("client ", event.client_address);
  add("to ", event.remote_host);
  if (!event.remote_address.empty()) add("", "[" + event.remote_address + "]");
  add("", event.tls_version);
  if (event.tls_verification != "none") add("", event.tls_verification);
  if (event.reply_code != 0) {
    std::string reply = std::to_string(event.reply_code);
    if (event.reply.starts_with(reply)) {
      reply = event.reply;  // whole, as a peer's reply is kept
    } else {
      if (!event.enhanced_code.empty()) reply += " " + event.enhanced_code;
      if (!event.reply.empty()) reply += " " + event.reply;
    }
    add("reply ", reply);
    add("at ", event.phase);
  }
  add("reason ", event.reason);
  if (event.attempt > 0) add("attempt ", std::to_string(event.attempt));
  if (event.may_be_duplicate) add("", "(may arrive twice)");
  add("", event.detail);
  return line;
}

std::string transcript_lines(const events::Event& event) {
  std::string lines;
  std::string_view rest = event.transcript;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    lines += "    " + base::printable(rest.substr(0, end), 600) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

}  // namespace ekiden::cli
