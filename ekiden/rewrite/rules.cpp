#include "ekiden/rewrite/rules.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/rewrite/error.hpp"
#include "ekiden/rewrite/rule.hpp"
#include "ekiden/rewrite/srs.hpp"

namespace ekiden::rewrite {
namespace {

using Rule = RuleSet::Rule;

bool is_among(const std::vector<std::string>& list, std::string_view word) {
  return list.empty() || std::find(list.begin(), list.end(), word) != list.end();
}

std::string_view domain_part(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

/// Fills a map from its entries, which are not needed afterwards.
template <class Map>
bool fill(Map& map, Entries& entries, std::string_view key, std::string& why) {
  for (const auto& [from, to] : entries) {
    if (map.add(from, to, why)) continue;
    why = std::string(key) + ": " + why;
    return false;
  }
  Entries().swap(entries);
  return true;
}

bool read_fields(Rule& rule, Entries& entries, bool replaces, std::string& why) {
  for (const auto& [name, text] : entries) {
    auto value = Template::parse(text, why);
    if (!is_field_name(name)) why = "\"" + base::printable(name, 80) + "\" is no header name";
    if (!value || !is_field_name(name)) return false;
    rule.fields.push_back({name, std::move(*value), replaces});
  }
  return true;
}

bool complete(Rule& rule, std::string& why) {
  RuleOptions& options = rule.options;
  if (!fill(rule.senders, options.sender_map, "sender_map", why) ||
      !fill(rule.recipients, options.recipient_map, "recipient_map", why) ||
      !fill(rule.masquerade, options.masquerade, "masquerade", why) ||
      !fill(rule.aliases, options.aliases, "aliases", why))
    return false;
  for (const std::string& who : options.masquerade_except) rule.masquerade.except(who);
  for (const std::string* address :
       {&options.header_from, &options.header_reply_to, &options.return_address}) {
    if (address->empty() || smtp::parse_address(*address)) continue;
    why = "\"" + base::printable(*address, 80) + "\" is no address";
    return false;
  }
  for (const std::string& name : options.remove_headers)
    rule.removes.push_back(base::lowered(name));
  if (!read_fields(rule, options.replace_headers, true, why) ||
      !read_fields(rule, options.add_headers, false, why))
    return false;
  for (const std::string& link : options.list_unsubscribe) {
    auto made = Template::parse(link, why);
    if (!made) return false;
    rule.unsubscribe.push_back(std::move(*made));
  }
  if (options.return_path == ReturnPath::Verp || options.return_path == ReturnPath::Srs) {
    const Result<std::string> domain = smtp::canonical_domain(options.bounce_domain);
    if (!domain) {
      why = "\"" + base::printable(options.bounce_domain, 80) + "\" is no domain";
      return false;
    }
    rule.bounce_domain = *domain;
  }
  return true;
}

}  // namespace

bool Rule::unsubscribes_at(Moment now) const {
  const bool departs = moment() == Moment::Departure ||
                       std::any_of(unsubscribe.begin(), unsubscribe.end(),
                                   [](const Template& t) { return t.needs_departure(); });
  return (now == Moment::Departure) == departs;
}

bool Rule::edits_headers(Moment now) const {
  if (moment() == now &&
      (maps_addresses() || !options.header_from.empty() || !options.header_reply_to.empty() ||
       !removes.empty() || !options.feedback_id.empty()))
    return true;
  if (!unsubscribe.empty() && unsubscribes_at(now)) return true;
  return std::any_of(fields.begin(), fields.end(),
                     [&](const Field& field) { return is_at(field.value, now); });
}

bool Rule::is_per_recipient() const {
  const auto needs = [](const Template& t) { return t.needs_recipient(); };
  return options.return_path == ReturnPath::Verp ||
         std::any_of(unsubscribe.begin(), unsubscribe.end(), needs) ||
         std::any_of(fields.begin(), fields.end(),
                     [&](const Field& field) { return needs(field.value); });
}

bool Rule::holds_but_listener(std::string_view tenant, std::string_view stream,
                              std::string_view route) const {
  // While a message is accepted no route is known; what asks for one waits until it leaves.
  const bool fits_route = route.empty() ? true : is_among(options.routes, route);
  return fits_route && is_among(options.tenants, tenant) && is_among(options.streams, stream);
}

bool Rule::holds(const Circumstances& at) const {
  return holds_but_listener(at.tenant, at.stream, at.route) &&
         is_among(options.listeners, at.listener);
}

RuleSet::RuleSet() = default;
RuleSet::~RuleSet() = default;

std::shared_ptr<const RuleSet> RuleSet::make(std::vector<RuleOptions> options,
                                             const account::HashKey* key, std::string hostname,
                                             base::Duration return_path_valid, std::string& why) {
  std::shared_ptr<RuleSet> set(new RuleSet());
  set->hostname_ = std::move(hostname);
  set->return_path_valid_ = return_path_valid;
  if (key != nullptr) set->key_ = std::make_unique<account::HashKey>(*key);
  if (options.size() > kRulesMax) {
    why = "more than 100 rules";
    return nullptr;
  }
  for (RuleOptions& one : options) {
    Rule rule;
    rule.options = std::move(one);
    if (!complete(rule, why)) {
      why = "rewrite \"" + rule.options.name + "\": " + why;
      return nullptr;
    }
    const bool needs_key = !rule.bounce_domain.empty() || rule.is_per_recipient();
    if (needs_key && key == nullptr) {
      why = "rewrite \"" + rule.options.name + "\" needs the node's secret key";
      return nullptr;
    }
    const ReturnPath path = rule.options.return_path;
    if (path == ReturnPath::Verp) set->verp_domains_.insert(rule.bounce_domain);
    if (path == ReturnPath::Srs) set->srs_domains_.insert(rule.bounce_domain);
    const bool departs = path != ReturnPath::Keep || rule.edits_headers(Rule::Moment::Departure);
    set->acts_on_recipients_ = set->acts_on_recipients_ || !rule.recipients.is_empty() ||
                               !rule.aliases.is_empty() || !rule.bounce_domain.empty();
    set->acts_on_messages_ = set->acts_on_messages_ || !rule.aliases.is_empty() ||
                             rule.edits_headers(Rule::Moment::Acceptance);
    set->acts_on_departure_ = set->acts_on_departure_ || departs;
    set->asks_for_listener_ =
        set->asks_for_listener_ || (departs && !rule.options.listeners.empty());
    set->rules_.push_back(std::move(rule));
  }
  return set;
}

Expansion RuleSet::expand(const smtp::Address& recipient, const Circumstances& at) const {
  Expansion made;
  std::vector<const Rule*> rules;
  for (const Rule& rule : rules_) {
    if (rule.moment() == Rule::Moment::Acceptance && rule.holds(at) &&
        (!rule.recipients.is_empty() || !rule.aliases.is_empty()))
      rules.push_back(&rule);
  }
  if (rules.empty()) return made;

  smtp::Address start = recipient;
  for (const Rule* rule : rules) {
    auto found = rule->recipients.find(start);
    if (!found) continue;
    note(made.acts, rule->options.name, "recipient", start.text(), found->text());
    start = std::move(*found);
    made.recipients = {start};
  }

  struct Step {
    smtp::Address address;
    unsigned depth;
  };
  std::unordered_set<std::string> expanded, taken;
  std::vector<smtp::Address> results;
  std::vector<Step> waiting{{start, 0}};
  std::size_t steps = 0;
  while (!waiting.empty()) {
    const Step step = std::move(waiting.back());
    waiting.pop_back();
    if (++steps > 10 * kExpansionMax) {
      made.problem = Expansion::Problem::TooMany;
      return made;
    }
    std::string key = map_key(step.address);
    // Seen before: a circle, or a second way to the same place.
    if (expanded.contains(key)) continue;
    const std::vector<smtp::Address>* targets = nullptr;
    const Rule* by = nullptr;
    for (const Rule* rule : rules) {
      if ((targets = rule->aliases.find(step.address)) != nullptr) {
        by = rule;
        break;
      }
    }
    if (targets == nullptr) {
      if (!taken.insert(std::move(key)).second) continue;
      if (results.size() == kExpansionMax) {
        made.problem = Expansion::Problem::TooMany;
        return made;
      }
      results.push_back(step.address);
      continue;
    }
    if (step.depth == kAliasDepthMax) {
      made.problem = Expansion::Problem::TooMany;
      return made;
    }
    made.is_alias = true;
    expanded.insert(key);
    std::string shown;
    for (auto target = targets->rbegin(); target != targets->rend(); ++target) {
      if (map_key(*target) == key) {
        // An alias that names itself keeps a copy where it is.
        if (taken.insert(key).second) results.push_back(step.address);
      } else {
        waiting.push_back({*target, step.depth + 1});
      }
    }
    for (const smtp::Address& target : *targets) {
      if (shown.size() > 500) break;
      shown.append(shown.empty() ? "" : ", ").append(target.text());
    }
    note(made.acts, by->options.name, "recipient", step.address.text(), shown);
  }
  if (!made.is_alias) return made;
  if (results.empty()) made.problem = Expansion::Problem::Loop;
  made.recipients = std::move(results);
  return made;
}

Bounce RuleSet::read_bounce(const smtp::Address& address, base::Time now) const {
  Bounce bounce;
  if (key_ == nullptr || (verp_domains_.empty() && srs_domains_.empty())) return bounce;
  const Result<std::string> domain = smtp::canonical_domain(address.domain);
  if (!domain) return bounce;
  if (verp_domains_.contains(*domain) &&
      base::starts_with_ignoring_case(address.local, kVerpPrefix)) {
    const auto found = read_token(*key_, TokenUse::ReturnPath, *domain,
                                  std::string_view(address.local).substr(kVerpPrefix.size()), now,
                                  return_path_valid_);
    // Whatever stands behind our prefix is a token, or nobody's address.
    bounce.kind = found ? Bounce::Kind::Verp : Bounce::Kind::Refused;
    if (found) bounce.token = *found;
    return bounce;
  }
  if (srs_domains_.contains(*domain)) {
    auto original = read_srs(*key_, address, now, return_path_valid_);
    if (original) {
      bounce.kind = Bounce::Kind::Srs;
      bounce.original = std::move(*original);
    } else if (original.error() != make_error_code(Errc::NotOurs)) {
      bounce.kind = Bounce::Kind::Refused;
    }
  }
  return bounce;
}

Rewritten RuleSet::accept(const Submitted& message) const {
  Rewritten out;
  HeaderPass pass(*this, Rule::Moment::Acceptance, message.at, out.acts);
  std::string sender(message.reverse_path);
  for (const Rule* rule : pass.rules()) {
    if (sender.empty() || rule->moment() != Rule::Moment::Acceptance) continue;
    if (HeaderPass::map_address({rule}, true, sender, "reverse-path", out.acts))
      out.reverse_path = sender;
  }
  const std::string_view delivered_to = message.shows_alias && !message.aliases.empty()
                                            ? std::string_view(message.aliases.front())
                                            : std::string_view();
  if (!pass.has_work() && message.aliases.empty()) return out;
  Values values;
  values[Variable::Id] = base::format_message_id(message.id);
  values[Variable::MessageId] = message.message_id;
  values[Variable::Tenant] = message.at.tenant;
  values[Variable::Stream] = message.at.stream;
  values[Variable::Listener] = message.at.listener;
  values[Variable::Hostname] = hostname_;
  values[Variable::Tag] = message.tag;
  values[Variable::Sender] = sender;
  values[Variable::SenderDomain] = domain_part(sender);
  values[Variable::From] = message.header_from;
  values[Variable::FromDomain] = domain_part(message.header_from);
  out.header = pass.run(message.header, std::move(values), delivered_to, message.aliases);
  out.header_from = pass.header_from();
  out.is_loop = pass.is_loop();
  return out;
}

bool RuleSet::wants_single(std::string_view tenant, std::string_view stream,
                           std::string_view route) const {
  return acts_on_departure_ && std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
           return rule.is_per_recipient() && rule.holds_but_listener(tenant, stream, route);
         });
}

bool RuleSet::needs_header(const message::Meta& meta, std::string_view route) const {
  if (!acts_on_departure_ || meta.details.is_generated) return false;
  const message::Details& details = meta.details;
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.edits_headers(Rule::Moment::Departure) &&
           rule.holds({details.listener, details.tenant, details.stream, route});
  });
}

namespace {

bool asks_failure(const message::Envelope& envelope, std::uint32_t recipient) {
  return (envelope.recipients[recipient].notify & message::kNotifyFailure) != 0;
}

}  // namespace

std::optional<std::string> RuleSet::new_return_path(const Rule& rule,
                                                    const Departing& message) const {
  const message::Envelope& envelope = message.meta->envelope;
  switch (rule.options.return_path) {
    case ReturnPath::Keep:
      return std::nullopt;
    case ReturnPath::Fixed:
      return rule.options.return_address;
    case ReturnPath::Verp:
      return std::string(kVerpPrefix) +
             make_token(
                 *key_, TokenUse::ReturnPath, rule.bounce_domain,
                 {message.id, message.recipient, asks_failure(envelope, message.recipient)}) +
             "@" + rule.bounce_domain;
    case ReturnPath::Srs: {
      // Mail for our own domains is not forwarded: it has arrived.
      if (!envelope.recipients[message.recipient].next_hop.empty()) return std::nullopt;
      const Result<smtp::Address> sender = smtp::parse_address(envelope.reverse_path);
      if (!sender) return std::nullopt;
      const auto made =
          make_srs(*key_, rule.bounce_domain, *sender, message.meta->details.received);
      if (!made) return std::nullopt;
      return made->text();
    }
  }
  return std::nullopt;
}

Departed RuleSet::depart(const Departing& message) const {
  Departed out;
  const message::Details& details = message.meta->details;
  const message::Envelope& envelope = message.meta->envelope;
  // Our own reports say what they say, and never get one.
  if (!acts_on_departure_ || details.is_generated) return out;
  const Circumstances at{details.listener, details.tenant, details.stream, message.route};
  HeaderPass pass(*this, Rule::Moment::Departure, at, out.acts);
  for (const Rule* rule : pass.rules()) {
    if (envelope.reverse_path.empty() || out.reverse_path) break;
    out.reverse_path = new_return_path(*rule, message);
    if (out.reverse_path)
      note(out.acts, rule->options.name, "reverse-path", envelope.reverse_path, *out.reverse_path);
  }
  if (!pass.has_work() || message.header.empty()) return out;
  const std::string& recipient = envelope.recipients[message.recipient].address;
  Values values;
  values[Variable::Id] = base::format_message_id(message.id);
  values[Variable::MessageId] = details.message_id;
  values[Variable::Tenant] = details.tenant;
  values[Variable::Stream] = details.stream;
  values[Variable::Listener] = details.listener;
  values[Variable::Hostname] = hostname_;
  if (!details.tags.empty()) values[Variable::Tag] = details.tags.front();
  values[Variable::Sender] = envelope.reverse_path;
  values[Variable::SenderDomain] = domain_part(envelope.reverse_path);
  values[Variable::From] = details.header_from;
  values[Variable::FromDomain] = domain_part(details.header_from);
  values[Variable::Route] = message.route;
  values[Variable::Recipient] = recipient;
  values[Variable::RecipientDomain] = domain_part(recipient);
  if (key_ != nullptr)
    values[Variable::Token] =
        make_token(*key_, TokenUse::Unsubscribe, {}, {message.id, message.recipient});
  out.header = pass.run(message.header, std::move(values), {}, {});
  return out;
}

std::string summary(const Acts& acts) {
  std::vector<std::string_view> names;
  for (const Act& act : acts) {
    if (std::find(names.begin(), names.end(), act.rule) == names.end()) names.push_back(act.rule);
  }
  std::string text;
  for (const std::string_view name : names)
    text.append(text.empty() ? "rewritten by " : ", ").append(name);
  return text;
}

}  // namespace ekiden::rewrite
