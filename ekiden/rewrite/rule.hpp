#pragma once

#include "ekiden/rewrite/rules.hpp"

namespace ekiden::rewrite {

/// One rule as the set keeps it: maps filled, templates read.
struct RuleSet::Rule {
  struct Field {
    std::string name;
    Template value;
    bool replaces = false;
  };

  /// Which of the two moments something belongs to.
  enum class Moment : std::uint8_t { Acceptance, Departure };
  Moment moment() const { return options.routes.empty() ? Moment::Acceptance : Moment::Departure; }
  bool is_at(const Template& value, Moment now) const {
    const bool departs = moment() == Moment::Departure || value.needs_departure();
    return (now == Moment::Departure) == departs;
  }
  bool unsubscribes_at(Moment now) const;
  bool maps_addresses() const {
    return !senders.is_empty() || !recipients.is_empty() || !masquerade.is_empty();
  }
  /// Does anything at all to headers at that moment.
  bool edits_headers(Moment now) const;
  bool is_per_recipient() const;

  bool holds(const Circumstances& at) const;
  bool holds_but_listener(std::string_view tenant, std::string_view stream,
                          std::string_view route) const;

  RuleOptions options;  ///< its maps are empty: they are below
  AddressMap senders, recipients;
  Masquerade masquerade;
  AliasMap aliases;
  std::vector<std::string> removes;  ///< lower case
  std::vector<Field> fields;
  std::vector<Template> unsubscribe;
  std::string bounce_domain;  ///< canonical
};

/// One walk over a header section with the rules that hold at one moment.
class HeaderPass {
 public:
  HeaderPass(const RuleSet& set, RuleSet::Rule::Moment moment, const Circumstances& at, Acts& acts);

  bool has_work() const { return has_work_; }
  /// `values` are completed with what the header says after the rewriting of addresses.
  /// `delivered_to`: put in front when not empty. `aliases`: looked for in Delivered-To.
  HeaderEdit run(std::string_view header, Values values, std::string_view delivered_to,
                 const std::vector<std::string>& aliases);

  /// The first address of From, when it changed.
  const std::optional<std::string>& header_from() const { return header_from_; }
  bool is_loop() const { return is_loop_; }

  /// A sender's or recipient's address through all maps; true when it changed.
  static bool map_address(const std::vector<const RuleSet::Rule*>& rules, bool is_sender,
                          std::string& address, std::string_view part, Acts& acts);
  const std::vector<const RuleSet::Rule*>& rules() const { return rules_; }

 private:
  struct Added {
    std::string name, text;
  };
  std::string map_value(std::string_view value, bool is_sender, std::string_view name);
  std::string set_addresses(std::string_view value, const std::string& address, bool& has_changed);
  void rewrite_from(std::string_view name, std::string& value);
  void rewrite_reply_to(std::string_view name, std::string& value);
  void look_for_loop(std::string_view value, const std::vector<std::string>& aliases);
  void add_fields(const Values& values);
  void add(const std::string& rule, std::string name, std::string text, std::string shown);
  bool is_removed(std::string_view lower_name, const std::string*& rule) const;

  const RuleSet& set_;
  RuleSet::Rule::Moment moment_;
  Acts& acts_;
  std::vector<const RuleSet::Rule*> rules_;
  bool has_work_ = false;
  bool maps_ = false, sets_from_ = false, sets_reply_to_ = false, removes_ = false;
  std::optional<std::string> header_from_;
  std::vector<Added> added_;
  bool has_feedback_id_ = false, has_unsubscribe_ = false, has_unsubscribe_post_ = false;
  bool has_reply_to_ = false, has_from_ = false;
  std::string kept_from_;  ///< waits for knowing whether there is a Reply-To
  std::string kept_by_;
  bool is_loop_ = false;
};

void note(Acts& acts, std::string_view rule, std::string_view part, std::string_view before,
          std::string_view after);

}  // namespace ekiden::rewrite
