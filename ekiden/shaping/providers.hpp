#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ekiden/config/diagnostic.hpp"
#include "ekiden/shaping/profile.hpp"
#include "ekiden/shaping/rule_files.hpp"

namespace ekiden::shaping {

/// Who takes mail how, and what their replies mean. Never changes after it is built: shared by all
/// workers, swapped whole at a reload.
class Providers {
 public:
  /// The profile of a next hop: by the longest pattern that fits the MX host's name, else by the
  /// longest that fits the recipient's domain, else "default". Either may be empty or any text.
  const Profile& find(std::string_view mx_host, std::string_view recipient_domain) const;
  const Profile* find_by_name(std::string_view name) const;
  const Profile& fallback() const { return *profiles_.front(); }
  /// "default" first, the others by name.
  const std::vector<std::unique_ptr<Profile>>& all() const { return profiles_; }

  /// The provider's rules first, then the default's; where none matches, by the code alone.
  Classification classify(const ReplyFacts& facts, const Profile& profile) const;
  Classification classify(const ReplyFacts& facts, std::string_view mx_host,
                          std::string_view recipient_domain) const {
    return classify(facts, find(mx_host, recipient_domain));
  }

 private:
  friend class ProvidersBuilder;

  /// Patterns by their name without "*.", longest match by walking up the labels.
  struct Patterns {
    std::unordered_map<std::string, std::size_t> exact, below;
    std::size_t find(std::string_view name) const;  ///< npos: none
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  const RuleList& rules_of(const Profile& profile) const;

  std::vector<std::unique_ptr<Profile>> profiles_;
  std::vector<RuleList> rules_;  ///< of each profile
  std::unordered_map<const Profile*, std::size_t> index_;
  Patterns mx_, domains_;
};

struct LoadedProviders {
  std::shared_ptr<const Providers> providers;  ///< nothing when there are errors
  std::vector<config::Diagnostic> diagnostics;
};

/// Puts the shipped files and one's own together. "gmail.toml" of one's own is read over the
/// shipped one, and its rules go before it. Errors, besides those of `read_profile`: a provider
/// without a pattern, one pattern of two providers, a rule that its own example does not reach.
LoadedProviders build_providers(const std::vector<RuleFile>& shipped,
                                const std::vector<RuleFile>& own = {});
/// The shipped files with those of `rules_dir` (empty: none) over them.
LoadedProviders load_providers(const std::string& rules_dir);
/// Reads the folder that settings without errors name, and adds what is wrong with it to their
/// diagnostics: the rules belong to the configuration, though another module reads them.
void check_rules(config::Loaded& loaded);

}  // namespace ekiden::shaping
