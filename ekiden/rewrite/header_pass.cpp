// One walk over a header section: addresses mapped, fields removed, fields added.
#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/rewrite/address_spans.hpp"
#include "ekiden/rewrite/rule.hpp"

namespace ekiden::rewrite {
namespace {

/// RFC 5322 §2.1.1.
constexpr std::size_t kLineOctetsMax = 998;
/// A line that rewriting made longer is folded behind an address once it has this many.
constexpr std::size_t kLineOctetsFull = 800;

enum class FieldKind : std::uint8_t { Other, Sender, Recipient };

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view n) { return base::equals_ignoring_case(name, n); });
}

FieldKind kind_of(std::string_view name) {
  switch (base::to_lower(name.front())) {
    case 'f':
    case 's':
    case 'e':
    case 'd':
      return is_one_of(name, {"From", "Sender", "Errors-To", "Disposition-Notification-To"})
                 ? FieldKind::Sender
                 : FieldKind::Other;
    case 'r':
      if (is_one_of(name, {"Reply-To", "Resent-From", "Resent-Sender", "Resent-Reply-To",
                           "Return-Receipt-To"}))
        return FieldKind::Sender;
      return is_one_of(name, {"Resent-To", "Resent-Cc"}) ? FieldKind::Recipient : FieldKind::Other;
    case 't':
    case 'c':
    case 'b':
      return is_one_of(name, {"To", "Cc", "Bcc"}) ? FieldKind::Recipient : FieldKind::Other;
    default:
      return FieldKind::Other;
  }
}

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// One of the words of Feedback-ID, which has colons between them.
std::string feedback_word(std::string_view text) {
  if (text.empty()) return "-";
  std::string word;
  for (const char c : text.substr(0, 64)) {
    const bool is_plain =
        base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_' || c == '.';
    word += is_plain ? c : '_';
  }
  return word;
}

/// A field under another name: its octets as they stand, folds included.
std::string renamed(std::string_view name, std::string_view value) {
  std::string field(name);
  field += ':';
  const std::size_t first = std::min(value.find("\r\n"), value.size());
  if (field.size() + first > kLineOctetsMax) field += "\r\n";
  if (!value.starts_with(' ') && !value.starts_with('\t') && !value.starts_with("\r\n"))
    field += ' ';
  field += value;
  field += "\r\n";
  return field;
}

}  // namespace

void note(Acts& acts, std::string_view rule, std::string_view part, std::string_view before,
          std::string_view after) {
  if (acts.size() >= kActsMax) return;
  acts.push_back({std::string(rule), std::string(part), std::string(before), std::string(after)});
}

HeaderPass::HeaderPass(const RuleSet& set, RuleSet::Rule::Moment moment, const Circumstances& at,
                       Acts& acts)
    : set_(set), moment_(moment), acts_(acts) {
  for (const RuleSet::Rule& rule : set_.rules_) {
    if (!rule.holds(at)) continue;
    rules_.push_back(&rule);
    if (!rule.edits_headers(moment)) continue;
    has_work_ = true;
    if (rule.moment() == moment) {
      maps_ = maps_ || rule.maps_addresses();
      sets_from_ = sets_from_ || !rule.options.header_from.empty();
      sets_reply_to_ = sets_reply_to_ || !rule.options.header_reply_to.empty();
      removes_ = removes_ || !rule.removes.empty();
    }
    for (const RuleSet::Rule::Field& field : rule.fields)
      removes_ = removes_ || (field.replaces && rule.is_at(field.value, moment));
  }
}

bool HeaderPass::map_address(const std::vector<const RuleSet::Rule*>& rules, bool is_sender,
                             std::string& address, std::string_view part, Acts& acts) {
  Result<smtp::Address> parsed = smtp::parse_address(address);
  if (!parsed) return false;
  bool has_changed = false;
  for (const RuleSet::Rule* rule : rules) {
    if (!rule->maps_addresses()) continue;
    const std::string before = has_changed ? parsed->text() : address;
    bool acted = false;
    if (auto found = (is_sender ? rule->senders : rule->recipients).find(*parsed)) {
      *parsed = std::move(*found);
      acted = true;
    }
    if (auto found = rule->masquerade.find(*parsed)) {
      *parsed = std::move(*found);
      acted = true;
    }
    if (!acted) continue;
    has_changed = true;
    note(acts, rule->options.name, part, before, parsed->text());
  }
  if (has_changed) address = parsed->text();
  return has_changed;
}

/// The value with its addresses mapped; the value itself when none was.
std::string HeaderPass::map_value(std::string_view value, bool is_sender, std::string_view name) {
  std::string out;
  std::size_t at = 0;
  std::size_t line_start = 0;
  for (const AddressSpan& span : find_addresses(value)) {
    std::string address = span.address;
    const std::size_t told = acts_.size();
    bool has_changed = false;
    for (const RuleSet::Rule* rule : rules_) {
      if (rule->moment() != moment_) continue;
      has_changed = map_address({rule}, is_sender, address, name, acts_) || has_changed;
    }
    // A header of plain octets stays one: such mail could not go on without SMTPUTF8.
    if (has_changed && !is_ascii(address)) {
      acts_.resize(told);
      has_changed = false;
    }
    if (!has_changed) continue;
    out += value.substr(at, span.at - at);
    out += address;
    at = span.at + span.octets;
    if (const std::size_t fold = out.rfind("\r\n"); fold != std::string::npos)
      line_start = fold + 2;
    const bool is_full = out.size() - line_start + name.size() + 1 > kLineOctetsFull;
    const std::size_t comma = value.find_first_not_of('>', at);
    if (is_full && comma != std::string_view::npos && value[comma] == ',') {
      out += value.substr(at, comma + 1 - at);
      at = comma + 1;
      const bool has_space = at < value.size() && (value[at] == ' ' || value[at] == '\t');
      if (value.substr(at, 2) != "\r\n") out += has_space ? "\r\n" : "\r\n ";
    }
  }
  if (at == 0 && out.empty()) return std::string(value);
  out += value.substr(at);
  return out;
}

/// Every address replaced by one.
std::string HeaderPass::set_addresses(std::string_view value, const std::string& address,
                                      bool& has_changed) {
  std::string out;
  std::size_t at = 0;
  has_changed = false;
  for (const AddressSpan& span : find_addresses(value)) {
    if (span.address == address) continue;
    has_changed = true;
    out += value.substr(at, span.at - at);
    out += address;
    at = span.at + span.octets;
  }
  out += value.substr(at);
  return out;
}

void HeaderPass::rewrite_from(std::string_view name, std::string& value) {
  for (const RuleSet::Rule* rule : rules_) {
    const RuleOptions& options = rule->options;
    if (options.header_from.empty() || rule->moment() != moment_) continue;
    bool has_changed = false;
    std::string replaced = set_addresses(value, options.header_from, has_changed);
    if (!has_changed) continue;
    note(acts_, options.name, name, base::trimmed(value), base::trimmed(replaced));
    switch (options.keep_original) {
      case KeepOriginal::OriginalFrom:
        added_.push_back({"X-Original-From", renamed("X-Original-From", value)});
        break;
      case KeepOriginal::ReplyTo:
        if (kept_from_.empty()) {
          kept_from_ = value;
          kept_by_ = options.name;
        }
        break;
      case KeepOriginal::Nowhere:
        break;
    }
    value = std::move(replaced);
  }
}

void HeaderPass::rewrite_reply_to(std::string_view name, std::string& value) {
  for (const RuleSet::Rule* rule : rules_) {
    const RuleOptions& options = rule->options;
    if (options.header_reply_to.empty() || rule->moment() != moment_) continue;
    bool has_changed = false;
    std::string replaced = set_addresses(value, options.header_reply_to, has_changed);
    if (!has_changed) continue;
    note(acts_, options.name, name, base::trimmed(value), base::trimmed(replaced));
    if (options.keep_original != KeepOriginal::Nowhere)
      added_.push_back({"X-Original-Reply-To", renamed("X-Original-Reply-To", value)});
    value = std::move(replaced);
  }
}

bool HeaderPass::is_removed(std::string_view lower_name, const std::string*& rule_name) const {
  for (const RuleSet::Rule* rule : rules_) {
    rule_name = &rule->options.name;
    if (rule->moment() == moment_ &&
        std::find(rule->removes.begin(), rule->removes.end(), lower_name) != rule->removes.end())
      return true;
    for (const RuleSet::Rule::Field& field : rule->fields) {
      if (field.replaces && rule->is_at(field.value, moment_) &&
          base::equals_ignoring_case(field.name, lower_name))
        return true;
    }
  }
  return false;
}

void HeaderPass::look_for_loop(std::string_view value, const std::vector<std::string>& aliases) {
  const Result<smtp::Address> parsed = smtp::parse_address(message::unfolded(value));
  if (!parsed) return;
  const std::string key = map_key(*parsed);
  for (const std::string& alias : aliases) {
    const Result<smtp::Address> ours = smtp::parse_address(alias);
    if (ours && map_key(*ours) == key) is_loop_ = true;
  }
}

HeaderEdit HeaderPass::run(std::string_view header, Values values, std::string_view delivered_to,
                           const std::vector<std::string>& aliases) {
  HeaderEdit edit;
  message::HeaderScanner scanner(header);
  message::Field field;
  for (;;) {
    const Result<bool> more = scanner.next(field);
    if (!more || !*more) break;
    const auto at = static_cast<std::size_t>(field.octets.data() - header.data());
    if (!aliases.empty() && base::equals_ignoring_case(field.name, "Delivered-To"))
      look_for_loop(field.value, aliases);
    const std::string* rule_name = nullptr;
    if (removes_ && is_removed(base::lowered(field.name), rule_name)) {
      note(acts_, *rule_name, field.name, message::unfolded(field.value), {});
      edit.changes.push_back({at, field.octets.size(), {}});
      continue;
    }
    const auto is = [&](std::string_view name) {
      return base::equals_ignoring_case(field.name, name);
    };
    has_feedback_id_ = has_feedback_id_ || is("Feedback-ID");
    has_unsubscribe_ = has_unsubscribe_ || is("List-Unsubscribe");
    has_unsubscribe_post_ = has_unsubscribe_post_ || is("List-Unsubscribe-Post");
    const FieldKind kind = kind_of(field.name);
    if (kind == FieldKind::Other) continue;
    const bool is_from = is("From");
    const bool is_reply_to = is("Reply-To");
    has_reply_to_ = has_reply_to_ || is_reply_to;
    const bool is_first_from = is_from && !has_from_;
    has_from_ = has_from_ || is_from;
    if (!maps_ && !(is_from && sets_from_) && !(is_reply_to && sets_reply_to_)) continue;
    std::string value(field.value);
    if (maps_) value = map_value(value, kind == FieldKind::Sender, field.name);
    if (is_from && sets_from_) rewrite_from(field.name, value);
    if (is_reply_to && sets_reply_to_) rewrite_reply_to(field.name, value);
    if (value == field.value) continue;
    if (is_first_from) {
      const std::vector<AddressSpan> found = find_addresses(value);
      if (!found.empty()) header_from_ = found.front().address;
    }
    const auto value_at = static_cast<std::size_t>(field.value.data() - header.data());
    edit.changes.push_back({value_at, field.value.size(), std::move(value)});
  }
  if (!delivered_to.empty()) {
    edit.changes.insert(edit.changes.begin(), {0, 0, format_field("Delivered-To", delivered_to)});
  }
  if (header_from_) {
    values[Variable::From] = *header_from_;
    values[Variable::FromDomain] = domain_of(*header_from_);
  }
  add_fields(values);
  if (!added_.empty()) {
    const std::size_t end = scanner.consumed() - (scanner.has_blank_line() ? 2 : 0);
    std::string text;
    // BDAT can end a message in the middle of a line.
    if (end > 0 && !header.substr(0, end).ends_with("\r\n")) text += "\r\n";
    for (const Added& added : added_) text += added.text;
    edit.changes.push_back({end, 0, std::move(text)});
  }
  return edit;
}

void HeaderPass::add(const std::string& rule, std::string name, std::string text,
                     std::string shown) {
  if (text.empty()) return;
  note(acts_, rule, name, {}, shown);
  added_.push_back({std::move(name), std::move(text)});
}

void HeaderPass::add_fields(const Values& values) {
  const auto replace = [&](std::string_view name) {
    std::erase_if(added_, [&](const Added& a) { return base::equals_ignoring_case(a.name, name); });
  };
  for (const RuleSet::Rule* rule : rules_) {
    const RuleOptions& options = rule->options;
    const bool is_now = rule->moment() == moment_;
    if (is_now && !options.header_reply_to.empty() && !has_reply_to_) {
      has_reply_to_ = true;
      add(options.name, "Reply-To", format_field("Reply-To", options.header_reply_to),
          options.header_reply_to);
    }
    for (const RuleSet::Rule::Field& field : rule->fields) {
      if (!rule->is_at(field.value, moment_)) continue;
      if (field.replaces) replace(field.name);
      std::string value = field.value.expand(values);
      // An empty value means that the variable has none: so has the message.
      if (base::trimmed(value).empty()) continue;
      add(options.name, field.name, format_field(field.name, value), value);
    }
    if (is_now && !options.feedback_id.empty() && !has_feedback_id_) {
      has_feedback_id_ = true;
      const std::string value = feedback_word(values[Variable::Tag]) + ":" +
                                feedback_word(values[Variable::Tenant]) + ":" +
                                feedback_word(values[Variable::Stream]) + ":" + options.feedback_id;
      add(options.name, "Feedback-ID", format_field("Feedback-ID", value), value);
    }
    if (!rule->unsubscribe.empty() && !has_unsubscribe_ && rule->unsubscribes_at(moment_)) {
      has_unsubscribe_ = true;
      std::string value;
      bool has_link = false;
      for (const Template& link : rule->unsubscribe) {
        const std::string text = link.expand(values, Escape::Url);
        has_link = has_link || text.starts_with("https:");
        value.append(value.empty() ? "<" : ", <").append(text).append(">");
      }
      add(options.name, "List-Unsubscribe", format_field("List-Unsubscribe", value), value);
      // RFC 8058 §3.1: it needs an HTTPS link, and says that one POST is enough.
      if (has_link && !has_unsubscribe_post_) {
        const std::string post = "List-Unsubscribe=One-Click";
        add(options.name, "List-Unsubscribe-Post", format_field("List-Unsubscribe-Post", post),
            post);
      }
    }
  }
  if (!kept_from_.empty()) {
    const char* name = has_reply_to_ ? "X-Original-From" : "Reply-To";
    add(kept_by_, name, renamed(name, kept_from_), message::unfolded(kept_from_));
  }
}

}  // namespace ekiden::rewrite
