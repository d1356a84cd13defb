#include "ekiden/feedback/delivery_status.hpp"

#include "ekiden/base/text.hpp"
#include "ekiden/feedback/bounce.hpp"
#include "ekiden/message/mailbox.hpp"

namespace ekiden::feedback {
namespace {

/// "rfc822; a@b" is "a@b", its type apart.
std::string_view untyped(std::string_view value, std::string* type = nullptr) {
  const std::size_t semicolon = value.find(';');
  // An address may hold one; a type is a word.
  if (semicolon == std::string_view::npos ||
      value.substr(0, semicolon).find_first_of("@<\"") != std::string_view::npos)
    return base::trimmed(value);
  if (type != nullptr) *type = base::lowered(base::trimmed(value.substr(0, semicolon)));
  return base::trimmed(value.substr(semicolon + 1));
}

/// Some write "<a@b>", some "(a@b)", some put words around it.
std::string address_in(std::string_view value) {
  value = untyped(value);
  const message::Mailboxes found = message::parse_mailboxes(value);
  if (!found.addresses.empty()) return found.addresses.front();
  while (!value.empty() && (value.front() == '<' || value.front() == '(')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == '>' || value.back() == ')')) value.remove_suffix(1);
  return std::string(value);
}

void take(std::string_view name, std::string_view value, DeliveryStatus& status, StatusBlock& block,
          bool& has_recipient) {
  const auto is = [&](std::string_view other) { return base::equals_ignoring_case(name, other); };
  if (is("Reporting-MTA")) {
    status.reporting_host = untyped(value);
  } else if (is("Final-Recipient") || (is("X-Actual-Recipient") && block.final_recipient.empty())) {
    block.final_recipient = address_in(value);
    has_recipient = has_recipient || !block.final_recipient.empty();
  } else if (is("Original-Recipient")) {
    block.original_recipient = address_in(value);
    has_recipient = has_recipient || !block.original_recipient.empty();
  } else if (is("Action")) {
    block.action = base::lowered(base::trimmed(value.substr(0, value.find_first_of(" (;"))));
  } else if (is("Status")) {
    block.status = base::trimmed(value.substr(0, value.find_first_of(" (\t")));
  } else if (is("Diagnostic-Code")) {
    block.diagnostic = untyped(value, &block.diagnostic_type);
  } else if (is("Remote-MTA")) {
    block.remote_host = untyped(value);
    const std::size_t end = block.remote_host.find_first_of(" (");
    if (end != std::string::npos) block.remote_host.resize(end);
  }
}

}  // namespace

DeliveryStatus read_delivery_status(std::string_view body) {
  DeliveryStatus status;
  StatusBlock block;
  bool has_recipient = false;
  std::string name, value;
  const auto end_field = [&] {
    if (!name.empty()) take(name, base::trimmed(value), status, block, has_recipient);
    name.clear();
    value.clear();
  };
  const auto end_block = [&] {
    end_field();
    if (has_recipient && status.recipients.size() < kBounceRecipientsMax)
      status.recipients.push_back(std::move(block));
    if (has_recipient || block.action.empty()) block = {};
    has_recipient = false;
  };
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (base::trimmed(line).empty()) {
      end_block();
      continue;
    }
    if ((line.front() == ' ' || line.front() == '\t') && !name.empty()) {
      value.append(" ").append(base::trimmed(line));
      continue;
    }
    end_field();
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    name = base::trimmed(line.substr(0, colon));
    value = line.substr(colon + 1);
    // Some forget the blank line between two recipients.
    if (has_recipient && !block.final_recipient.empty() &&
        base::equals_ignoring_case(name, "Final-Recipient")) {
      std::string kept_name = std::move(name), kept_value = std::move(value);
      name.clear();
      end_block();
      name = std::move(kept_name);
      value = std::move(kept_value);
    }
  }
  end_block();
  return status;
}

}  // namespace ekiden::feedback
