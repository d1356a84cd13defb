#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/cli/mail_file.hpp"
#include "ekiden/cli/parse_feedback.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mailbox.hpp"
#include "ekiden/message/structure.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// JSON is UTF-8; octets that are not come out as "\xNN".
json::value text_value(std::string_view text) {
  if (base::is_valid_utf8(text)) return json::string(text);
  return json::string(base::printable(text, text.size() * 4));
}

json::value text_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : text_value(text);
}

json::object describe(const smtp::Address& address) {
  const Result<std::string> canonical = smtp::canonical_domain(address.domain);
  const auto is_ascii = [](std::string_view text) { return !message::has_eight_bit(text); };
  json::object object;
  object["valid"] = true;
  object["address"] = text_value(address.text());
  object["local"] = text_value(address.local);
  object["domain"] = text_or_null(address.domain);
  object["canonical_domain"] = canonical ? text_or_null(*canonical) : json::value(nullptr);
  object["literal"] = address.is_literal();
  object["strict"] =
      smtp::is_strict_local_part(address.local) && smtp::is_strict_domain(address.domain);
  object["needs_smtputf8"] = !is_ascii(address.local) || !is_ascii(address.domain);
  return object;
}

/// With brackets as MAIL and RCPT have them, or without.
json::object parse_smtp_address(const std::string& text) {
  const json::object invalid = {{"valid", false}};
  if (!text.starts_with('<')) {
    const Result<smtp::Address> address = smtp::parse_address(text);
    return address ? describe(*address) : invalid;
  }
  Result<smtp::Path> path = smtp::parse_path(text, smtp::PathKind::Reverse);
  if (!path) path = smtp::parse_path(text, smtp::PathKind::Forward);
  if (!path || path->octets != text.size()) return invalid;
  if (!path->address) return {{"valid", true}, {"address", ""}, {"null", true}};
  json::object object = describe(*path->address);
  object["source_route"] = path->had_source_route;
  return object;
}

json::object parse_header_addresses(const std::string& text) {
  const message::Mailboxes found = message::parse_mailboxes(text);
  json::array addresses;
  for (const std::string& one : found.addresses) {
    const Result<smtp::Address> address = smtp::parse_address(one);
    if (address) {
      addresses.push_back(describe(*address));
    } else {
      addresses.push_back(json::object{{"valid", false}, {"address", text_value(one)}});
    }
  }
  return {{"count", found.count}, {"addresses", std::move(addresses)}};
}

base::Task<CheckAnswer> parse_address(CheckPlace&, CheckRequest request) {
  const auto text = find_text(request, "string");
  if (!text) co_return CheckAnswer::usage("which address?");
  const std::string mode = find_text(request, "mode").value_or("smtp");
  if (mode == "smtp") co_return CheckAnswer::done(parse_smtp_address(*text));
  if (mode == "header") co_return CheckAnswer::done(parse_header_addresses(*text));
  co_return CheckAnswer::usage("--mode is smtp or header");
}

std::string_view encoding_name(message::TransferEncoding encoding) {
  switch (encoding) {
    case message::TransferEncoding::SevenBit:
      return "7bit";
    case message::TransferEncoding::EightBit:
      return "8bit";
    case message::TransferEncoding::Binary:
      return "binary";
    case message::TransferEncoding::QuotedPrintable:
      return "quoted-printable";
    case message::TransferEncoding::Base64:
      return "base64";
    case message::TransferEncoding::Other:
      return "other";
  }
  return "other";
}

json::object describe(const message::Structure& part) {
  json::array fields;
  std::string type, disposition;
  message::HeaderScanner scanner(part.header);
  message::Field field;
  for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
    const std::string value = message::unfolded(field.value);
    if (type.empty() && base::equals_ignoring_case(field.name, "Content-Type")) type = value;
    if (disposition.empty() && base::equals_ignoring_case(field.name, "Content-Disposition")) {
      disposition = value;
    }
    fields.push_back(json::array{text_value(field.name), text_value(value)});
  }
  std::string name = message::find_parameter(disposition, "filename");
  if (name.empty()) name = message::find_parameter(type, "name");
  const std::string kind(base::trimmed(disposition.substr(0, disposition.find(';'))));
  json::object object;
  object["type"] = text_value(part.type.type + "/" + part.type.subtype);
  object["charset"] = text_or_null(base::lowered(message::find_parameter(type, "charset")));
  object["encoding"] = encoding_name(part.encoding);
  object["disposition"] = text_or_null(base::lowered(kind));
  object["name"] = text_or_null(name);
  object["size"] = part.body.size();
  object["header"] = std::move(fields);
  json::array parts;
  for (const message::Structure& inner : part.parts) parts.push_back(describe(inner));
  object["parts"] = std::move(parts);
  if (part.is_cut) object["cut"] = true;
  return object;
}

base::Task<CheckAnswer> parse_message(CheckPlace&, CheckRequest request) {
  const auto file = find_text(request, "message");
  if (!file) co_return CheckAnswer::usage("which message?");
  std::string problem;
  std::optional<std::string> octets = read_check_file(*file, problem);
  if (!octets) co_return CheckAnswer::failed(std::move(problem));
  const MailFile mail(std::move(*octets));
  const Result<message::Structure> tree = message::read_structure(mail.octets());
  if (!tree) {
    json::object object = {{"valid", false}, {"problem", tree.error().message()}};
    co_return CheckAnswer::done(std::move(object));
  }
  co_return CheckAnswer::done(describe(*tree));
}

}  // namespace

void add_parse(CLI::App& app, Context& context) {
  CLI::App* const group = app.add_subcommand("parse", "Show how ekiden reads something");
  group->require_subcommand(1);

  CheckCommand address;
  address.name = "address";
  address.description = "An address, or the addresses of a header field";
  address.footer =
      "\nExamples:\n"
      "  ekiden parse address '<a..b@docomo.ne.jp>'\n"
      "  ekiden parse address --mode header 'A <a@example.jp>, b@example.jp'\n";
  address.flags = {{"string", "STRING", "The text", CheckFlag::Kind::Place},
                   {"mode", "MODE", "smtp (default): of MAIL and RCPT; header: of From and To"}};
  address.evaluate = parse_address;
  add_check_command(*group, context, std::move(address));

  CheckCommand message;
  message.name = "message";
  message.description = "The MIME tree of a message";
  message.flags = {
      {"message", "FILE", "The message; - reads standard input", CheckFlag::Kind::Place}};
  message.evaluate = parse_message;
  add_check_command(*group, context, std::move(message));

  add_parse_feedback(*group, context);
}

}  // namespace ekiden::cli
