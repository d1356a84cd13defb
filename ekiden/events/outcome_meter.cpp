#include "ekiden/events/outcome_meter.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::events {

void OutcomeMeter::count(const KeyView& keys) {
  if (keys.recipient_index == kNoRecipient) return;
  key_.clear();
  for (const std::string_view name : {keys.tenant, keys.stream, keys.provider}) {
    key_ += name.substr(0, kNameOctetsMax);
    key_ += '\0';
  }
  key_ += static_cast<char>(keys.kind);
  const auto known = series_.find(key_);
  if (known != series_.end()) return known->second->add();
  if (series_.size() >= kSeriesMax) return counter("other", "other", "other", keys.kind).add();
  base::Counter& made = counter(keys.tenant, keys.stream, keys.provider, keys.kind);
  series_.emplace(key_, &made);
  made.add();
}

base::Counter& OutcomeMeter::counter(std::string_view tenant, std::string_view stream,
                                     std::string_view provider, Kind kind) {
  const auto label = [](std::string_view text) { return base::printable(text, kNameOctetsMax); };
  return metrics_.counter("ekiden_outcomes_total",
                          "Events by tenant, stream, provider and what happened",
                          {{"tenant", label(tenant)},
                           {"stream", label(stream)},
                           {"provider", label(provider)},
                           {"outcome", std::string(kind_name(kind))}});
}

}  // namespace ekiden::events
