#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

std::optional<shaping::ReplyFacts> read_facts(const CheckRequest& request, std::string& text,
                                              std::string& problem) {
  shaping::ReplyFacts facts;
  const auto phase_word = find_text(request, "phase");
  if (phase_word && !phase_word->empty()) {
    const auto phase = shaping::parse_phase(*phase_word);
    if (!phase) {
      problem = "--phase takes connect, ehlo, mail, rcpt, data or eod, not '" + *phase_word + "'";
      return std::nullopt;
    }
    facts.phase = *phase;
  }
  text = find_text(request, "text").value_or("");
  const std::string code = find_text(request, "code").value_or("");
  if (const auto ending = shaping::parse_ending(code)) {
    facts.ending = *ending;
    return facts;
  }
  // Without --code the text says it.
  const auto number =
      code.empty()
          ? std::optional<std::uint64_t>(shaping::parse_reply_facts(text, facts.phase).code)
          : base::parse_u64(code);
  if (!number || *number < 200 || *number > 599) {
    problem = code.empty()
                  ? "--code is needed, or a --text that begins with one"
                  : "--code takes a reply code, reset, closed or timeout, not '" + code + "'";
    return std::nullopt;
  }
  facts.code = static_cast<std::uint16_t>(*number);
  const std::string enhanced = find_text(request, "enhanced").value_or("");
  if (!enhanced.empty()) {
    const auto parsed = smtp::parse_enhanced_code(enhanced);
    if (!parsed) {
      problem = "--enhanced takes a code like 5.1.1, not '" + enhanced + "'";
      return std::nullopt;
    }
    facts.enhanced = *parsed;
  }
  facts.text = text;
  return facts;
}

CheckAnswer classify(const shaping::Providers& providers, const CheckRequest& request) {
  std::string text, problem;
  const auto facts = read_facts(request, text, problem);
  if (!facts) return CheckAnswer::usage(std::move(problem));
  const shaping::Classification made =
      providers.classify(*facts, find_text(request, "host").value_or(""),
                         find_text(request, "rcpt-domain").value_or(""));
  json::object object;
  object["reason"] = shaping::name_of(made.reason);
  object["class"] = shaping::name_of(made.klass);
  object["hard"] = made.is_hard;
  object["fault"] = shaping::name_of(made.fault);
  object["action"] = shaping::name_of(made.action);
  if (made.duration.count() > 0) object["for"] = config::format_duration_exact(made.duration);
  object["provider"] = made.provider;
  object["rule"] = made.rule;
  return CheckAnswer::done(std::move(object));
}

/// Read at the first request, for all of them.
struct Rules {
  Context& context;
  bool is_read = false;
  std::shared_ptr<const shaping::Providers> providers;

  void read() {
    if (is_read) return;
    is_read = true;
    std::string folder;
    std::error_code error;
    if (std::filesystem::exists(context.config_file, error)) {
      const auto loaded = context.load_config();
      if (!loaded) return;
      folder = loaded->settings.shaping.rules_dir;
    }
    shaping::LoadedProviders loaded = shaping::load_providers(folder);
    for (const auto& d : loaded.diagnostics) {
      std::fprintf(stderr, "%s\n", format_diagnostic(d).c_str());
    }
    providers = std::move(loaded.providers);
  }
};

base::Task<CheckAnswer> classify_reply(std::shared_ptr<Rules> rules, CheckRequest request) {
  rules->read();
  if (!rules->providers) {
    co_return CheckAnswer{{}, kRefused, "the settings or the rules have mistakes"};
  }
  co_return classify(*rules->providers, request);
}

}  // namespace

void add_classify(CLI::App& app, Context& context) {
  CLI::App* const group = app.add_subcommand("classify", "Say what something received means");
  group->require_subcommand(1);
  CheckCommand command;
  command.name = "reply";
  command.description = "What a next hop's reply means, and what follows (docs/SHAPING.md)";
  command.footer =
      "\nExample:\n"
      "  ekiden classify reply --phase eod --code 550 --host mfsmax.docomo.ne.jp \\\n"
      "    --rcpt-domain docomo.ne.jp --text 'Unknown user a@docomo.ne.jp'\n"
      "\nThe rules are those of [shaping] rules_dir over the shipped ones.\n";
  command.flags = {
      {"phase", "PHASE", "What was answered: connect, ehlo, mail, rcpt, data or eod"},
      {"code", "CODE", "The reply's code; reset, closed or timeout where there was no reply"},
      {"enhanced", "CODE", "The enhanced code, where the text does not begin with it"},
      {"host", "NAME", "The MX host that answered"},
      {"rcpt-domain", "NAME", "The recipient's domain"},
      {"text", "TEXT", "The reply's text"},
  };
  const auto rules = std::make_shared<Rules>(Rules{context});
  command.evaluate = [rules](CheckPlace&, CheckRequest request) {
    return classify_reply(rules, std::move(request));
  };
  add_check_command(*group, context, std::move(command));
}

}  // namespace ekiden::cli
