#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <iostream>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mailbox.hpp"
#include "ekiden/rewrite/rules.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

constexpr std::size_t kRecipientsMax = 1000;

struct TestOptions {
  std::string listener, tenant, stream, route, from, tag;
  std::vector<std::string> to;
  bool has_from = false;
};

/// The header section from standard input, with CRLF however its lines end there.
std::string read_header() {
  std::string header;
  std::string line;
  while (header.size() <= message::kHeaderOctetsMax && std::getline(std::cin, line)) {
    if (line.ends_with('\r')) line.pop_back();
    header += line + "\r\n";
    if (line.empty()) break;
  }
  return header;
}

/// The address of the first field of that name.
std::vector<std::string> addresses_of(std::string_view header, std::string_view name) {
  message::HeaderScanner scanner(header);
  message::Field field;
  for (;;) {
    const Result<bool> more = scanner.next(field);
    if (!more || !*more) return {};
    if (base::equals_ignoring_case(field.name, name))
      return message::parse_mailboxes(field.value).addresses;
  }
}

std::string text_of(std::string_view header, std::string_view name) {
  message::HeaderScanner scanner(header);
  message::Field field;
  for (;;) {
    const Result<bool> more = scanner.next(field);
    if (!more || !*more) return {};
    if (base::equals_ignoring_case(field.name, name)) return message::unfolded(field.value);
  }
}

json::array to_json(const rewrite::Acts& acts) {
  json::array list;
  for (const rewrite::Act& act : acts) {
    json::object one{{"rule", act.rule}, {"part", act.part}};
    if (!act.before.empty()) one["before"] = act.before;
    if (!act.after.empty()) one["after"] = act.after;
    list.push_back(std::move(one));
  }
  return list;
}

void print_acts(Context& context, const rewrite::Acts& acts, const std::string& indent) {
  for (const rewrite::Act& act : acts) {
    std::string line = indent + act.rule + ": " + act.part + " ";
    if (act.before.empty()) {
      line += "added: " + base::printable(act.after, 2000);
    } else if (act.after.empty()) {
      line += "removed: " + base::printable(act.before, 2000);
    } else {
      line += base::printable(act.before, 1000) + " -> " + base::printable(act.after, 1000);
    }
    context.print(line + "\n");
  }
}

void print_header(Context& context, std::string_view header, const std::string& indent) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find("\r\n"), header.size());
    if (end > 0) context.print(indent + base::printable(header.substr(0, end), 1000) + "\n");
    header.remove_prefix(std::min(end + 2, header.size()));
  }
}

/// What a running relay would do, step by step with the same rules.
class Trial {
 public:
  Trial(Context& context, const Rewriting& rewriting, const TestOptions& options)
      : context_(context), rewriting_(rewriting), rules_(*rewriting.rules), options_(options) {}

  void run(std::string header) {
    header_ = std::move(header);
    at_ = {options_.listener, options_.tenant, options_.stream, {}};
    meta_.envelope.reverse_path = options_.from;
    meta_.details.tenant = options_.tenant;
    meta_.details.stream = options_.stream;
    meta_.details.listener = options_.listener;
    meta_.details.message_id = text_of(header_, "Message-ID");
    if (!options_.tag.empty()) meta_.details.tags = {options_.tag};
    const std::vector<std::string> from = addresses_of(header_, "From");
    if (!from.empty()) meta_.details.header_from = from.front();
    for (const std::string& to : options_.to) {
      if (!recipient(to)) return;
    }
    accept();
    depart();
    report();
  }

 private:
  bool recipient(const std::string& text) {
    const Result<smtp::Address> address = smtp::parse_address(text);
    if (!address) {
      context_.fail(kUsage, "--to \"" + base::printable(text, 80) + "\" is no address");
      return false;
    }
    const rewrite::Expansion made = rules_.expand(*address, at_);
    acts_.insert(acts_.end(), made.acts.begin(), made.acts.end());
    if (made.problem == rewrite::Expansion::Problem::Loop) {
      refusals_.push_back(text + ": 550 5.4.6 its aliases lead in a circle");
      return true;
    }
    if (made.problem == rewrite::Expansion::Problem::TooMany) {
      refusals_.push_back(text + ": 451 4.3.5 its aliases are too many");
      return true;
    }
    if (made.is_alias) {
      aliases_.push_back(text);
      alias_recipients_ += made.recipients.size();
    }
    if (made.recipients.empty()) meta_.envelope.recipients.push_back({text, {}, 0, {}});
    for (const smtp::Address& one : made.recipients)
      meta_.envelope.recipients.push_back({one.text(), {}, 0, {}});
    return true;
  }

  void accept() {
    rewrite::Submitted message;
    message.at = at_;
    message.reverse_path = meta_.envelope.reverse_path;
    message.header = header_;
    message.header_from = meta_.details.header_from;
    message.message_id = meta_.details.message_id;
    message.tag = options_.tag;
    message.aliases = aliases_;
    message.shows_alias =
        aliases_.size() == 1 && alias_recipients_ == meta_.envelope.recipients.size();
    rewrite::Rewritten made = rules_.accept(message);
    acts_.insert(acts_.end(), made.acts.begin(), made.acts.end());
    if (made.is_loop) refusals_.push_back("the message: 554 5.4.6 it has been forwarded before");
    header_ = made.header.apply(header_);
    if (made.reverse_path) meta_.envelope.reverse_path = *made.reverse_path;
    if (made.header_from) meta_.details.header_from = *made.header_from;
  }

  struct Leaving {
    std::string recipient, route, reverse_path, header;
    rewrite::Acts acts;
  };

  void depart() {
    const std::size_t count = std::min(meta_.envelope.recipients.size(), kRecipientsMax);
    for (std::uint32_t i = 0; i < count; ++i) {
      Leaving leaving;
      leaving.recipient = meta_.envelope.recipients[i].address;
      leaving.route =
          options_.route.empty() ? rewriting_.route_of(leaving.recipient) : options_.route;
      rewrite::Departing departing;
      departing.meta = &meta_;
      departing.recipient = i;
      departing.route = leaving.route;
      departing.header = header_;
      rewrite::Departed made = rules_.depart(departing);
      leaving.reverse_path = made.reverse_path ? *made.reverse_path : meta_.envelope.reverse_path;
      if (!made.header.is_empty()) leaving.header = made.header.apply(header_);
      leaving.acts = std::move(made.acts);
      leaving_.push_back(std::move(leaving));
    }
  }

  void report() {
    if (!refusals_.empty()) context_.exit_code = kRefused;
    if (context_.is_json) {
      json::array recipients, refused, leaving;
      for (const message::Recipient& one : meta_.envelope.recipients)
        recipients.push_back(json::string(one.address));
      for (const std::string& one : refusals_) refused.push_back(json::string(one));
      for (const Leaving& one : leaving_) {
        json::object object{{"recipient", one.recipient},
                            {"route", one.route},
                            {"reverse_path", one.reverse_path},
                            {"acts", to_json(one.acts)}};
        if (!one.header.empty()) object["header"] = one.header;
        leaving.push_back(std::move(object));
      }
      return context_.print_json({{"reverse_path", meta_.envelope.reverse_path},
                                  {"recipients", std::move(recipients)},
                                  {"refused", std::move(refused)},
                                  {"acts", to_json(acts_)},
                                  {"header", header_},
                                  {"leaving", std::move(leaving)},
                                  {"has_own_key", rewriting_.has_own_key}});
    }
    for (const std::string& one : refusals_) context_.print("refused: " + one + "\n");
    context_.print(acts_.empty() ? "when it is accepted: no rule acts\n"
                                 : "when it is accepted:\n");
    print_acts(context_, acts_, "  ");
    context_.print("kept:\n");
    context_.print_field("reverse-path", "<" + meta_.envelope.reverse_path + ">", 2);
    for (const Leaving& one : leaving_)
      context_.print_field("recipient", "<" + one.recipient + ">", 2);
    context_.print("  header\n");
    print_header(context_, header_, "    ");
    for (const Leaving& one : leaving_) {
      if (one.acts.empty()) continue;
      context_.print("when it leaves for <" + one.recipient + "> by route " + one.route + ":\n");
      print_acts(context_, one.acts, "  ");
      if (!one.header.empty()) {
        context_.print("  header\n");
        print_header(context_, one.header, "    ");
      }
    }
    if (!rewriting_.has_own_key)
      context_.print("note: the node's secret.key could not be read; tokens above are examples\n");
  }

  Context& context_;
  const Rewriting& rewriting_;
  const rewrite::RuleSet& rules_;
  const TestOptions& options_;
  rewrite::Circumstances at_;
  message::Meta meta_;
  std::string header_;
  rewrite::Acts acts_;
  std::vector<std::string> aliases_, refusals_;
  std::size_t alias_recipients_ = 0;
  std::vector<Leaving> leaving_;
};

/// The rules of the configuration, or a word about why there are none.
std::optional<Rewriting> load_rules(Context& context, std::optional<config::Loaded>& loaded) {
  loaded = context.load_config();
  if (!loaded) return std::nullopt;
  if (!context.hooks.rewriting) {
    context.fail(kFailed, "this build cannot rewrite");
    return std::nullopt;
  }
  Found<Rewriting> found = context.hooks.rewriting(loaded->settings);
  if (!found.value) {
    context.fail(kRefused, found.problem);
    return std::nullopt;
  }
  if (found.value->rules == nullptr) {
    context.fail(kRefused, "no [[rewrite]] in " + context.config_file);
    return std::nullopt;
  }
  return std::move(*found.value);
}

void test(Context& context, TestOptions options) {
  std::optional<config::Loaded> loaded;
  const std::optional<Rewriting> rewriting = load_rules(context, loaded);
  if (!rewriting) return;
  const config::Settings& settings = loaded->settings;
  const config::Listener* listener = nullptr;
  for (const config::Listener& one : settings.listener) {
    const bool is_wanted =
        options.listener.empty() || net::format_endpoint(one.address) == options.listener;
    if (is_wanted && listener == nullptr) listener = &one;
  }
  if (listener == nullptr && !options.listener.empty())
    return context.fail(kUsage, "no [[listener]] has the address " + options.listener);
  if (listener != nullptr) {
    options.listener = net::format_endpoint(listener->address);
    if (options.tenant.empty()) options.tenant = listener->tenant;
    if (options.stream.empty()) options.stream = listener->stream;
  }
  const std::string header = read_header();
  if (!options.has_from) {
    const std::vector<std::string> from = addresses_of(header, "From");
    if (!from.empty()) options.from = from.front();
  }
  if (options.to.empty()) options.to = addresses_of(header, "To");
  if (!options.from.empty() && !smtp::parse_address(options.from))
    return context.fail(kUsage,
                        "--from \"" + base::printable(options.from, 80) + "\" is no address");
  Trial(context, *rewriting, options).run(header);
}

void decode(Context& context, const std::string& text) {
  std::optional<config::Loaded> loaded;
  const std::optional<Rewriting> rewriting = load_rules(context, loaded);
  if (!rewriting) return;
  if (!rewriting->has_own_key)
    return context.fail(kFailed, "the node's secret.key cannot be read: nothing can be decoded");
  const Result<smtp::Address> address = smtp::parse_address(text);
  if (!address) return context.fail(kUsage, "\"" + base::printable(text, 80) + "\" is no address");
  const rewrite::Bounce bounce = rewriting->rules->read_bounce(*address, rewriting->now);
  switch (bounce.kind) {
    case rewrite::Bounce::Kind::NotOurs:
      return context.fail(kRefused, "not a return path of this node");
    case rewrite::Bounce::Kind::Refused:
      return context.fail(kRefused, "its signature is not ours, or it has expired");
    case rewrite::Bounce::Kind::Verp: {
      const std::string id = base::format_message_id(bounce.token.id);
      if (context.is_json)
        return context.print_json(
            {{"kind", "verp"}, {"message", id}, {"recipient_index", bounce.token.recipient}});
      context.print_field("message", id);
      context.print_field("recipient", "number " + std::to_string(bounce.token.recipient + 1));
      return;
    }
    case rewrite::Bounce::Kind::Srs:
      if (context.is_json)
        return context.print_json({{"kind", "srs"}, {"original", bounce.original.text()}});
      return context.print_field("original", bounce.original.text());
  }
}

}  // namespace

void add_rewrite(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("rewrite", "Addresses and headers that rules rewrite");
  group->require_subcommand(1);
  group->footer(
      "\nExample:\n  ekiden rewrite test --from root@web1.corp.example --to x@gmail.example < "
      "message\n");
  auto options = std::make_shared<TestOptions>();
  CLI::App* trial = group->add_subcommand(
      "test", "Show what a message on standard input would become, and by which rules");
  trial->add_option("--listener", options->listener, "That it comes by; default: the first")
      ->type_name("ADDRESS:PORT");
  trial->add_option("--tenant", options->tenant, "Default: the listener's")->type_name("NAME");
  trial->add_option("--stream", options->stream, "Default: the listener's")->type_name("NAME");
  trial->add_option("--tag", options->tag, "Its first tag")->type_name("TAG");
  trial->add_option("--route", options->route, "That it leaves by; default: as [[route]] says")
      ->type_name("NEXT_HOP");
  CLI::Option* from = trial->add_option("--from", options->from, "Reverse-path; default: From's")
                          ->type_name("ADDRESS");
  trial->add_option("--to", options->to, "Recipient, repeatable; default: To's")
      ->type_name("ADDRESS");
  trial->callback([&context, options, from] {
    options->has_from = from->count() > 0;
    test(context, *options);
  });
  auto address = std::make_shared<std::string>();
  CLI::App* reading = group->add_subcommand(
      "decode", "Say which message or sender a return path of ours stands for");
  reading->add_option("address", *address, "As in a bounce's recipient")->required();
  reading->callback([&context, address] { decode(context, *address); });
}

}  // namespace ekiden::cli
