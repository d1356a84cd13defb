#include "ekiden/smtp/extensions.hpp"

namespace ekiden::smtp {

Reply format_ehlo(const std::string& hostname, const std::string& greeting,
                  const Extensions& extensions) {
  Reply reply{250, {}, {}};
  reply.lines.push_back(hostname + " " + greeting);
  reply.lines.emplace_back("PIPELINING");  // RFC 2920
  reply.lines.push_back(extensions.size_max == 0 ? "SIZE"
                                                 : "SIZE " + std::to_string(extensions.size_max));
  reply.lines.emplace_back("8BITMIME");                           // RFC 6152
  reply.lines.emplace_back("SMTPUTF8");                           // RFC 6531
  reply.lines.emplace_back("CHUNKING");                           // RFC 3030
  reply.lines.emplace_back("BINARYMIME");                         // RFC 3030
  reply.lines.emplace_back("DSN");                                // RFC 3461
  reply.lines.emplace_back("ENHANCEDSTATUSCODES");                // RFC 2034
  if (extensions.starttls) reply.lines.emplace_back("STARTTLS");  // RFC 3207
  if (extensions.requiretls) reply.lines.emplace_back("REQUIRETLS");
  if (!extensions.mechanisms.empty()) {
    std::string line = "AUTH";  // RFC 4954
    for (const std::string& mechanism : extensions.mechanisms) line += " " + mechanism;
    reply.lines.push_back(std::move(line));
  }
  if (extensions.recipients_max != 0 || extensions.messages_max != 0) {
    std::string line = "LIMITS";
    if (extensions.messages_max != 0) {
      line += " MAILMAX=" + std::to_string(extensions.messages_max);
    }
    if (extensions.recipients_max != 0) {
      line += " RCPTMAX=" + std::to_string(extensions.recipients_max);
    }
    reply.lines.push_back(std::move(line));
  }
  reply.lines.emplace_back("HELP");
  return reply;
}

}  // namespace ekiden::smtp
