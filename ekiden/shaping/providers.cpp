#include "ekiden/shaping/providers.hpp"

#include <algorithm>
#include <map>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/shaping/profile_reader.hpp"

namespace ekiden::shaping {

namespace {

constexpr std::string_view kDefault = "default";
constexpr std::size_t kNameOctetsMax = 255;

bool is_provider_name(std::string_view name) {
  return !name.empty() && name.size() <= 60 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || base::is_digit(c) || c == '_' || c == '-';
  });
}

std::string_view without_suffix(std::string_view file) {
  constexpr std::string_view kSuffix = ".toml";
  return file.ends_with(kSuffix) ? file.substr(0, file.size() - kSuffix.size()) : file;
}

/// A host's or domain's name as patterns know it.
std::string normalized_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name.size() > kNameOctetsMax ? std::string() : base::lowered(name);
}

/// What the code alone says.
Classification by_code(const ReplyFacts& facts) {
  Classification made;
  if (facts.ending != Ending::Reply) {
    made.reason = Reason::Network;
  } else if (facts.code >= 200 && facts.code < 300) {
    made.reason = Reason::Delivered;
  }
  const Meaning meaning = meaning_of(made.reason);
  made.klass = meaning.klass;
  made.fault = meaning.fault;
  if (facts.code >= 400 && facts.code < 500) made.klass = ReplyClass::Transient;
  return made;
}

}  // namespace

std::size_t Providers::Patterns::find(std::string_view name) const {
  const std::string lower = normalized_name(name);
  if (const auto it = exact.find(lower); it != exact.end()) return it->second;
  // "*.example.org" is for what lies below example.org.
  for (std::size_t dot = lower.find('.'); dot != lower.npos; dot = lower.find('.', dot + 1)) {
    if (const auto it = below.find(lower.substr(dot + 1)); it != below.end()) return it->second;
  }
  return kNone;
}

const Profile& Providers::find(std::string_view mx_host, std::string_view recipient_domain) const {
  std::size_t i = mx_.find(mx_host);
  if (i == kNone) i = domains_.find(recipient_domain);
  return i == kNone ? fallback() : *profiles_[i];
}

const Profile* Providers::find_by_name(std::string_view name) const {
  for (const auto& profile : profiles_) {
    if (profile->name == name) return profile.get();
  }
  return nullptr;
}

const RuleList& Providers::rules_of(const Profile& profile) const {
  if (const auto own = index_.find(&profile); own != index_.end()) return rules_[own->second];
  // Of the rules before a reload, which a transaction under way still has: its namesake answers.
  const Profile* const namesake = find_by_name(profile.name);
  return namesake == nullptr ? rules_.front() : rules_[index_.at(namesake)];
}

Classification Providers::classify(const ReplyFacts& raw, const Profile& profile) const {
  const PreparedReply reply(raw);
  const ReplyFacts& facts = reply.facts();
  const ReplyRule* rule = rules_of(profile).find(facts);
  if (rule == nullptr && &profile != &fallback()) rule = rules_.front().find(facts);
  Classification made = by_code(facts);
  made.provider = profile.name;
  if (rule == nullptr) return made;
  made.reason = rule->reason;
  made.klass = rule->klass;
  made.fault = rule->fault;
  made.action = rule->action;
  made.duration = rule->duration;
  made.rule = rule->origin;
  // A transient reply is never hard, whatever it says of the address: it may yet change its mind.
  const bool is_permanent =
      facts.ending == Ending::Reply && facts.code >= 500 && rule->action != Action::Defer;
  made.is_hard = rule->is_hard && (is_permanent || rule->action == Action::Bounce);
  return made;
}

class ProvidersBuilder {
 public:
  LoadedProviders build(const std::vector<RuleFile>& shipped, const std::vector<RuleFile>& own) {
    read_default(shipped, own);
    for (const RuleFile& file : shipped) read(file, false);
    for (const RuleFile& file : own) read(file, true);
    add_all();
    for (std::size_t i = 0; i < made_->profiles_.size(); ++i) {
      check_examples(i);
      // Made anew, without what the examples left in the automata.
      made_->rules_[i] = RuleList(made_->rules_[i].rules());
    }
    const bool is_fine = std::none_of(
        diagnostics_.begin(), diagnostics_.end(),
        [](const config::Diagnostic& d) { return d.severity == config::Severity::Error; });
    return {is_fine ? std::shared_ptr<const Providers>(std::move(made_)) : nullptr,
            std::move(diagnostics_)};
  }

 private:
  void complain(const std::string& place, std::string message) {
    // "file:line" of a rule, or a file.
    config::Diagnostic d{config::Severity::Error, place, 0, 0, std::move(message), {}};
    const std::size_t colon = place.rfind(':');
    const auto line = colon == place.npos
                          ? std::nullopt
                          : base::parse_u64(std::string_view(place).substr(colon + 1));
    if (line) {
      d.file = place.substr(0, colon);
      d.line = static_cast<unsigned>(*line);
      d.column = 1;
    }
    diagnostics_.push_back(std::move(d));
  }

  static std::string shown_path(const RuleFile& file) {
    return file.path.empty() ? file.name : file.path;
  }

  /// The defaults are known before anybody is read over them.
  void read_default(const std::vector<RuleFile>& shipped, const std::vector<RuleFile>& own) {
    default_.name = kDefault;
    default_.origin = "default.toml";
    for (const auto* const files : {&shipped, &own}) {
      for (const RuleFile& file : *files) {
        if (without_suffix(file.name) != kDefault) continue;
        read_into(default_, file, files == &own);
      }
    }
    if (!default_.mx.empty() || !default_.domains.empty()) {
      complain(default_.origin, "the default is for whom no pattern fits, so it has none");
    }
  }

  void read_into(Profile& profile, const RuleFile& file, bool is_own) {
    const std::size_t before = profile.rules.size();
    profile.origin = shown_path(file);
    read_profile(file.text, profile.origin, profile, diagnostics_);
    if (!is_own) return;
    for (std::size_t i = 0; i + before < profile.rules.size(); ++i) {
      own_rules_.push_back(profile.rules[i].origin);
    }
  }

  void read(const RuleFile& file, bool is_own) {
    const std::string name(without_suffix(file.name));
    if (name == kDefault) return;
    if (!is_provider_name(name)) {
      return complain(shown_path(file),
                      "a provider's file is named in lower-case letters, digits, "
                      "\"_\" and \"-\", like \"gmail.toml\"");
    }
    auto [it, is_new] = profiles_.try_emplace(name);
    Profile& profile = it->second;
    if (is_new) {
      profile.name = name;
      profile.limits = default_.limits;
      profile.tls = default_.tls;
      profile.families = default_.families;
      profile.odd_local_parts = default_.odd_local_parts;
      profile.warm_up = default_.warm_up;
    }
    read_into(profile, file, is_own);
    if (profile.mx.empty() && profile.domains.empty()) {
      complain(profile.origin, "no \"mx\" and no \"domains\": nobody is this provider");
    }
  }

  void add_all() {
    add(std::move(default_));
    for (auto& [name, profile] : profiles_) add(std::move(profile));
  }

  void add(Profile&& profile) {
    const std::size_t i = made_->profiles_.size();
    made_->rules_.emplace_back(profile.rules);
    made_->profiles_.push_back(std::make_unique<Profile>(std::move(profile)));
    const Profile& added = *made_->profiles_.back();
    made_->index_.emplace(&added, i);
    for (const std::string& pattern : added.mx) add_pattern(made_->mx_, "mx", pattern, i);
    for (const std::string& pattern : added.domains) {
      add_pattern(made_->domains_, "domains", pattern, i);
    }
  }

  void add_pattern(Providers::Patterns& patterns, const char* key, const std::string& pattern,
                   std::size_t i) {
    const bool is_below = pattern.starts_with("*.");
    auto& map = is_below ? patterns.below : patterns.exact;
    const auto [it, is_new] = map.emplace(is_below ? pattern.substr(2) : pattern, i);
    if (is_new || it->second == i) return;
    complain(made_->profiles_[i]->origin, std::string(key) + " has \"" + pattern + "\", which is " +
                                              made_->profiles_[it->second]->name + "'s as well");
  }

  bool is_own(const std::string& origin) const {
    return std::find(own_rules_.begin(), own_rules_.end(), origin) != own_rules_.end();
  }

  /// A rule that no reply can reach is a mistake, and its example shows that one can.
  void check_examples(std::size_t list) {
    const RuleList& rules = made_->rules_[list];
    for (std::size_t i = 0; i < rules.rules().size(); ++i) {
      const ReplyRule& rule = rules.rules()[i];
      for (const std::string& example : rule.examples) {
        for (std::size_t phase = 0; phase < kPhases; ++phase) {
          if (rule.phases == 0 ? phase != 0 : (rule.phases >> phase & 1) == 0) continue;
          check_example(rules, i, parse_reply_facts(example, static_cast<Phase>(phase)), example);
        }
      }
    }
  }

  void check_example(const RuleList& rules, std::size_t i, const ReplyFacts& raw,
                     const std::string& example) {
    const PreparedReply reply(raw);
    const ReplyFacts& facts = reply.facts();
    const ReplyRule& rule = rules.rules()[i];
    const std::string shown = "its example \"" + base::printable(example, 100) + "\" ";
    if (!rules.matches(i, facts)) {
      return complain(rule.origin, shown + "does not match this rule's " +
                                       (rule.matches_codes(facts) ? "text" : "codes"));
    }
    const ReplyRule* reached = rules.find(facts);
    if (reached == &rule) return;
    // One's own rules may stand before the shipped ones: that is what they are for.
    if (is_own(reached->origin) && !is_own(rule.origin)) return;
    complain(rule.origin, shown + "reaches " + reached->origin + " first");
  }

  Profile default_;
  std::map<std::string, Profile> profiles_;
  std::vector<std::string> own_rules_;
  std::vector<config::Diagnostic> diagnostics_;
  std::shared_ptr<Providers> made_ = std::make_shared<Providers>();
};

LoadedProviders build_providers(const std::vector<RuleFile>& shipped,
                                const std::vector<RuleFile>& own) {
  return ProvidersBuilder().build(shipped, own);
}

LoadedProviders load_providers(const std::string& rules_dir) {
  if (rules_dir.empty()) return build_providers(shipped_files());
  std::vector<config::Diagnostic> diagnostics;
  const std::vector<RuleFile> own = read_rule_files(rules_dir, diagnostics);
  LoadedProviders loaded = build_providers(shipped_files(), own);
  if (!diagnostics.empty()) loaded.providers = nullptr;
  loaded.diagnostics.insert(loaded.diagnostics.begin(), diagnostics.begin(), diagnostics.end());
  return loaded;
}

void check_rules(config::Loaded& loaded) {
  const std::string& folder = loaded.settings.shaping.rules_dir;
  const auto& routes = loaded.settings.route;
  const bool names_any = std::any_of(routes.begin(), routes.end(),
                                     [](const config::Route& r) { return !r.provider.empty(); });
  if (!loaded.ok() || (folder.empty() && !names_any)) return;
  const LoadedProviders made = load_providers(folder);
  loaded.diagnostics.insert(loaded.diagnostics.end(), made.diagnostics.begin(),
                            made.diagnostics.end());
  if (!made.providers) return;
  std::vector<std::string> names;
  for (const auto& profile : made.providers->all()) names.push_back(profile->name);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::string& name = routes[i].provider;
    if (name.empty() || made.providers->find_by_name(name) != nullptr) continue;
    const auto at = loaded.origins.find("route[" + std::to_string(i) + "].provider");
    const config::Origin where = at == loaded.origins.end() ? config::Origin{} : at->second;
    loaded.diagnostics.push_back(
        {config::Severity::Error, loaded.file, where.line, where.column,
         "route.provider: there is no provider \"" + base::printable(name, 60) + "\"",
         config::find_nearest(name, names)});
  }
}

}  // namespace ekiden::shaping
