#include "ekiden/delivery/reverse_watch.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/log.hpp"

namespace ekiden::delivery {

ReverseWatch::ReverseWatch(base::Worker& worker, dns::Resolver& resolver, Tell tell)
    : worker_(worker), resolver_(resolver), tell_(std::move(tell)), tasks_(worker) {}

void ReverseWatch::set_sources(const std::shared_ptr<const SourceSet>& sources) {
  std::map<std::string, Watched> before = std::exchange(watched_, {});
  std::vector<std::string> fresh;
  if (sources != nullptr) {
    for (const SourceOptions& source : sources->sources()) {
      if (!source.needs_ptr || !source.ipv6) continue;
      const net::Address& seen = source.public_ipv6 ? *source.public_ipv6 : *source.ipv6;
      const auto known = before.find(source.name);
      if (known != before.end() && known->second.address == seen &&
          known->second.hostname == source.ehlo_name) {
        watched_.insert(before.extract(known));
        continue;
      }
      Watched made;
      made.address = seen;
      made.hostname = source.ehlo_name;
      made.version = ++version_;
      made.told = kReverseNotLookedUp;
      watched_.emplace(source.name, std::move(made));
      fresh.push_back(source.name);
    }
  }
  for (const auto& [name, gone] : before)
    if (gone.timer != base::TimerId::None) worker_.clock.cancel(gone.timer);
  for (const std::string& name : fresh) {
    tell_(name, kReverseNotLookedUp);
    begin(name);
  }
}

void ReverseWatch::close() {
  tasks_.close();
  for (auto& [name, watched] : watched_)
    if (watched.timer != base::TimerId::None) worker_.clock.cancel(watched.timer);
  watched_.clear();
}

void ReverseWatch::begin(const std::string& source) {
  const Watched& watched = watched_.at(source);
  base::Task<void> task = look(source, watched.version, watched.address, watched.hostname);
  tasks_.spawn(std::move(task));
}

void ReverseWatch::begin_later(const std::string& source, base::Duration wait) {
  Watched& watched = watched_.at(source);
  watched.timer = worker_.clock.call_after(wait, [this, source] {
    watched_.at(source).timer = base::TimerId::None;
    begin(source);
  });
}

void ReverseWatch::say(const std::string& source, Watched& watched, const std::string& why) {
  if (watched.told == why) return;
  watched.told = why;
  if (why.empty()) {
    base::log::info("source_ipv6_usable",
                    {{"source", source}, {"address", watched.address.to_string()}});
  } else {
    base::log::error("source_ipv6_unusable",
                     {{"source", source},
                      {"address", watched.address.to_string()},
                      {"why", why},
                      {"consequence", "IPv4 is used; without it the source rests"}});
  }
  tell_(source, why);
}

base::Task<void> ReverseWatch::look(std::string source, std::uint64_t version, net::Address address,
                                    std::string hostname) {
  std::string wanted = hostname;
  const ReverseName found = co_await find_reverse_name(resolver_, address, std::move(wanted));
  const auto place = watched_.find(source);
  // A reload took it away or gave it another address meanwhile.
  if (tasks_.is_closed() || place == watched_.end() || place->second.version != version) co_return;
  Watched& watched = place->second;
  const base::Steady now = worker_.clock.steady();
  if (found.verdict == ReverseName::Verdict::Unknown) {
    if (now >= watched.known_until) say(source, watched, found.text(address, hostname));
    begin_later(source, kAskAgain);
    co_return;
  }
  const bool is_fine = found.verdict == ReverseName::Verdict::Confirmed;
  say(source, watched, is_fine ? std::string() : found.text(address, hostname));
  const base::Duration valid_for = std::clamp(found.valid_for, kValidLeast, kValidMost);
  watched.known_until = now + valid_for + kKept;
  // Whoever is mending the record wants to see it soon.
  begin_later(source, is_fine ? valid_for : kValidLeast);
}

}  // namespace ekiden::delivery
