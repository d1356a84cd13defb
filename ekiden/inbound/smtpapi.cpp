#include "ekiden/inbound/smtpapi.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/account/scheduled_send.hpp"
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
bool read_recipients(const json::value& value, SmtpApi& api) {
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
    api.to.push_back(std::move(*address));
    api.to_names.emplace_back(view(one.get_string()));
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

std::optional<base::Time> read_time(const json::value& value) {
  constexpr std::int64_t kSecondsMax = 253'402'300'799;
  json::error_code no_number;
  const auto seconds = value.is_number() ? value.to_number<std::int64_t>(no_number) : 0;
  if (no_number || seconds <= 0 || seconds > kSecondsMax) return std::nullopt;
  return base::from_unix_us(seconds * 1'000'000);
}

bool read_times(const json::value& value, SmtpApi& api) {
  const json::array* list = value.if_array();
  if (list == nullptr || list->empty() || list->size() > kSmtpApiRecipientsMax) return false;
  for (const json::value& one : *list) {
    const auto time = read_time(one);
    if (!time) return false;
    api.send_each_at.push_back(*time);
  }
  return true;
}

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kSmtpApiTagOctetsMax;
}

bool read_substitutions(const json::value& value, SmtpApi& api) {
  const json::object* tags = value.if_object();
  if (tags == nullptr || tags->size() > kSmtpApiTagsMax) return false;
  for (const auto& [name, values] : *tags) {
    const json::array* list = values.if_array();
    if (!is_tag({name.data(), name.size()}) || list == nullptr ||
        list->size() > kSmtpApiRecipientsMax)
      return false;
    SmtpApi::Substitution substitution{std::string(name), {}};
    for (const json::value& one : *list) {
      if (one.is_object() || one.is_array() || one.is_null()) return false;
      substitution.values.push_back(one.is_string() ? std::string(view(one.get_string()))
                                                    : json::serialize(one));
    }
    api.substitutions.push_back(std::move(substitution));
  }
  return true;
}

bool read_sections(const json::value& value, SmtpApi& api) {
  const json::object* sections = value.if_object();
  if (sections == nullptr || sections->size() > kSmtpApiTagsMax) return false;
  for (const auto& [name, text] : *sections) {
    if (!is_tag({name.data(), name.size()}) || !text.is_string()) return false;
    api.sections.emplace_back(name, view(text.get_string()));
  }
  return true;
}

/// {"filters": {NAME: {"settings": {"enable": 1}}}}
bool is_on(const json::object& filters, const char* name) {
  const json::value* filter = filters.if_contains(name);
  const json::object* object = filter == nullptr ? nullptr : filter->if_object();
  const json::value* settings = object == nullptr ? nullptr : object->if_contains("settings");
  object = settings == nullptr ? nullptr : settings->if_object();
  const json::value* enable = object == nullptr ? nullptr : object->if_contains("enable");
  if (enable == nullptr) return false;
  if (enable->is_bool()) return enable->get_bool();
  return enable->is_number() ? *enable != 0 : enable->is_string() && enable->get_string() == "1";
}

/// False: what excludes each other is on.
bool read_bypass(const json::object& object, account::SuppressionBypass& bypass) {
  const json::value* given = object.if_contains("filters");
  const json::object* filters = given == nullptr ? nullptr : given->if_object();
  if (filters == nullptr) return true;
  using account::SuppressionReason;
  if (is_on(*filters, "bypass_spam_management")) bypass.add(SuppressionReason::Complaint);
  if (is_on(*filters, "bypass_bounce_management")) {
    bypass.add(SuppressionReason::Bounce);
    bypass.add(SuppressionReason::Soft);
  }
  if (is_on(*filters, "bypass_unsubscribe_management")) {
    bypass.add(SuppressionReason::Unsubscribe);
    bypass.keeps_left_streams = true;
  }
  if (!is_on(*filters, "bypass_list_management")) return true;
  if (bypass.is_any()) return false;
  bypass.reasons = account::SuppressionBypass::kAll;
  return true;
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
  if (const json::value* to = object->if_contains("to"))
    if (!to->is_null() && !read_recipients(*to, api)) return fail("to is no list of addresses");
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
    api.send_at = read_time(*at);
    if (!api.send_at) return fail("send_at is no Unix time");
  }
  if (const json::value* times = object->if_contains("send_each_at"); !is_empty(times)) {
    if (!read_times(*times, api)) return fail("send_each_at is no list of Unix times");
    if (api.send_at) return fail("send_at and send_each_at exclude each other");
  }
  if (const json::value* sub = object->if_contains("sub"); !is_empty(sub))
    if (!read_substitutions(*sub, api))
      return fail("sub is no object of lists of texts, or has too many");
  if (const json::value* section = object->if_contains("section"); !is_empty(section))
    if (!read_sections(*section, api))
      return fail("section is no object of texts, or has too many");
  if (const json::value* batch = object->if_contains("batch_id"); !is_empty(batch)) {
    if (!batch->is_string() || !account::send_batch_time(view(batch->get_string())))
      return fail("batch_id is none that was given here");
    api.batch = view(batch->get_string());
  }
  if (!read_bypass(*object, api.bypass))
    return fail("bypass_list_management cannot be combined with the other bypass filters");
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
