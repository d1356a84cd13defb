#include "ekiden/inbound/smtpapi.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/account/unsubscribe_group.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mailbox.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::inbound {
namespace {

namespace json = boost::json;

constexpr std::size_t kDepthMax = 8;

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

/// False: it is of a wrong type, or an address is none.
bool read_recipients(const json::value& value, std::vector<smtp::Address>& to) {
  const json::array* list = value.if_array();
  if (list == nullptr || list->size() > kSmtpApiRecipientsMax) return false;
  for (const json::value& one : *list) {
    if (!one.is_string()) return false;
    // "Ben <ben@example.com>" as well.
    const message::Mailboxes found = message::parse_mailboxes(view(one.get_string()));
    if (found.addresses.size() != 1) return false;
    Result<smtp::Address> address = smtp::parse_address(found.addresses.front());
    if (!address || address->domain.empty() || message::has_eight_bit(address->local)) return false;
    Result<std::string> domain = smtp::canonical_domain(address->domain);
    if (!domain) return false;
    address->domain = std::move(*domain);
    to.push_back(std::move(*address));
  }
  return true;
}

/// One text, or a list of them.
bool read_categories(const json::value& value, std::vector<std::string>& categories) {
  const auto take = [&](const json::value& one) {
    if (!one.is_string() || one.get_string().size() > message::kTagOctetsMax) return false;
    categories.emplace_back(view(one.get_string()));
    return categories.size() <= message::kTagsMax;
  };
  if (const json::array* list = value.if_array()) {
    for (const json::value& one : *list)
      if (!take(one)) return false;
    return true;
  }
  return take(value);
}

bool is_empty(const json::value* value) {
  return value == nullptr || value->is_null() ||
         (value->is_object() && value->get_object().empty());
}

}  // namespace

std::optional<SmtpApi> parse_smtpapi(std::string_view value, std::string& problem) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  json::error_code error;
  const json::value parsed = json::parse({value.data(), value.size()}, error, {}, options);
  const json::object* object = error ? nullptr : parsed.if_object();
  if (object == nullptr) {
    problem = "it is no JSON object";
    return std::nullopt;
  }
  const auto fail = [&](std::string why) {
    problem = std::move(why);
    return std::nullopt;
  };
  SmtpApi api;
  for (const char* name : {"sub", "section", "send_each_at"})
    if (!is_empty(object->if_contains(name)))
      return fail(std::string(name) + " is for the API here: /v3/mail/send");
  if (const json::value* to = object->if_contains("to"))
    if (!to->is_null() && !read_recipients(*to, api.to)) return fail("to is no list of addresses");
  if (const json::value* category = object->if_contains("category"))
    if (!category->is_null() && !read_categories(*category, api.categories))
      return fail("category is no list of texts");
  if (const json::value* args = object->if_contains("unique_args"); !is_empty(args)) {
    if (!args->is_object()) return fail("unique_args is no object");
    api.unique_args = json::serialize(*args);
    if (api.unique_args.size() > message::kMetadataOctetsMax)
      return fail("unique_args are too long");
  }
  if (const json::value* at = object->if_contains("send_at"); !is_empty(at)) {
    json::error_code no_number;
    const auto seconds = at->is_number() ? at->to_number<std::int64_t>(no_number) : 0;
    constexpr std::int64_t kSecondsMax = 253'402'300'799;
    if (no_number || seconds <= 0 || seconds > kSecondsMax) return fail("send_at is no Unix time");
    api.send_at = base::from_unix_us(seconds * 1'000'000);
  }
  if (const json::value* group = object->if_contains("asm_group_id"); !is_empty(group)) {
    json::error_code no_number;
    account::UnsubscribeGroup of;
    of.id = group->is_number() ? group->to_number<std::int64_t>(no_number) : 0;
    if (no_number || of.id <= 0) return fail("asm_group_id is no number of a group");
    api.stream = of.stream();
  }
  return api;
}

}  // namespace ekiden::inbound
