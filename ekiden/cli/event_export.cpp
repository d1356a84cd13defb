#include "ekiden/cli/event_export.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::cli {

namespace {

void add_cell(std::string& line, std::string_view text) {
  if (!line.empty()) line += ',';
  constexpr std::string_view kFormula = "=+-@\t\r";
  const bool is_formula = !text.empty() && kFormula.find(text.front()) != std::string_view::npos;
  const std::string safe =
      base::is_valid_utf8(text) ? std::string(text) : base::printable(text, text.size() * 4);
  line += '"';
  if (is_formula) line += '\'';
  for (const char c : safe) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

void add_number(std::string& line, std::uint64_t number) {
  line += ',';
  if (number != 0) line += std::to_string(number);
}

}  // namespace

std::string event_csv_head() {
  return "id,time,kind,message,recipient,sender,header_from,subject,internet_message_id,tenant,"
         "stream,tags,route,source,provider,remote_host,remote_address,tls_version,tls_"
         "verification,"
         "enhanced_code,reply,phase,reason,fault,detail,reply_code,attempt,queued_us,attempt_us,"
         "size\r\n";
}

std::string event_csv_line(const events::Event& event) {
  std::string tags;
  for (const std::string& tag : event.tags) tags += (tags.empty() ? "" : " ") + tag;
  std::string line;
  const std::string texts[] = {event.id,
                               base::format_rfc3339(event.time),
                               std::string(events::kind_name(event.kind)),
                               base::format_message_id(event.message),
                               event.recipient,
                               event.sender,
                               event.header_from,
                               event.subject,
                               event.internet_message_id,
                               event.tenant,
                               event.stream,
                               tags,
                               event.route,
                               event.source,
                               event.provider,
                               event.remote_host,
                               event.remote_address,
                               event.tls_version,
                               event.tls_verification,
                               event.enhanced_code,
                               event.reply,
                               event.phase,
                               event.reason,
                               event.fault,
                               event.detail};
  for (const std::string& text : texts) add_cell(line, text);
  add_number(line, event.reply_code);
  add_number(line, event.attempt);
  add_number(line, event.queued_us);
  add_number(line, event.attempt_us);
  add_number(line, event.size);
  return line + "\r\n";
}

}  // namespace ekiden::cli
