// Promises about many messages at once: limits, quotas, turns, paces, and what operators deleted.
#include <algorithm>

#include "tests/simulation/ground.hpp"
#include "tests/simulation/oracle.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::seconds;

/// Jobs that a connection may have been handed already when something more urgent comes.
constexpr std::size_t kHandedMax = 8;
/// What a message takes in the scheduler before it can be handed out: DNS and the like.
constexpr base::Duration kReadyWithin = seconds(2);
/// What is under way when a command comes to it is over by then.
constexpr base::Duration kTransactionMax = std::chrono::minutes(40);
/// A command's way to a host, at most, and the time until it is written.
constexpr base::Duration kUnderWay = std::chrono::milliseconds(500);
/// A session that has a message looks names up, and waits for the reply to RSET, before it says
/// MAIL.
constexpr base::Duration kPreparesMax = std::chrono::minutes(1);

}  // namespace

/// Quotas and rates: what surely fell into one day, or into one stretch of a rate's length.
void Oracle::check_tenant() {
  const account::Limits& limits = history_.tenant_limits;
  if (limits.is_none() || history_.jumped != base::Duration::zero()) return;
  std::map<std::uint64_t, std::uint64_t> by_day;
  std::vector<const Submission*> taken;
  for (const auto& mail : submissions_) {
    // What passes through from strangers is nobody's quota.
    if (!mail->is_accepted || mail->is_row || mail->is_strangers) continue;
    taken.push_back(mail.get());
    const std::uint64_t day = account::day_of(base::Time(mail->taken.time_since_epoch()));
    if (account::day_of(base::Time(mail->begun.time_since_epoch())) != day) continue;
    for (const std::string& recipient : mail->recipients)
      if (history_.suppressed.count(recipient) == 0) ++by_day[day];
  }
  for (const auto& [day, recipients] : by_day)
    if (limits.per_day > 0 && recipients > limits.per_day)
      find(std::to_string(recipients) + " recipients were taken in a day where the quota is " +
           std::to_string(limits.per_day));
  if (limits.rate.count == 0) return;
  std::sort(taken.begin(), taken.end(),
            [](const Submission* a, const Submission* b) { return a->taken < b->taken; });
  for (std::size_t first = 0; first + limits.rate.count < taken.size(); ++first) {
    base::Steady from = taken[first]->begun;
    for (std::size_t i = first; i <= first + limits.rate.count; ++i)
      from = std::min(from, taken[i]->begun);
    const base::Duration within = taken[first + limits.rate.count]->taken - from;
    if (within >= limits.rate.per) continue;
    return find(std::to_string(limits.rate.count + 1) + " messages were taken within " +
                base::format_duration(within) + " where the rate is " +
                std::to_string(limits.rate.count) + " in " +
                base::format_duration(limits.rate.per));
  }
}

/// What an operator has deleted does not leave any more, and is not tried any more.
void Oracle::check_deletions() {
  if (was_lying()) return;
  const auto fits = [](const std::string& pattern, const std::string& text) {
    return pattern.empty() || control::matches_pattern(pattern, text);
  };
  // Each message has a sender of its own.
  std::map<std::string, base::Steady> last_tried;
  for (const auto& [name, site] : sites_)
    for (const Site::Start& start : site.starts)
      last_tried[start.reverse_path] = std::max(last_tried[start.reverse_path], start.instant);
  for (const auto& mail : submissions_) {
    const auto tried = last_tried.find(mail->reverse_path);
    if (tried == last_tried.end() || !mail->is_accepted || mail->is_row) continue;
    for (const Deletion& deletion : history_.deletions) {
      const control::Filter& filter = deletion.filter;
      const bool means_all = filter.reply.empty() && fits(filter.sender, mail->reverse_path) &&
                             std::all_of(mail->recipients.begin(), mail->recipients.end(),
                                         [&](const std::string& recipient) {
                                           return fits(filter.domain, domain_of(recipient)) &&
                                                  fits(filter.recipient, recipient);
                                         });
      if (means_all && mail->taken + history_.jumped < deletion.ordered &&
          tried->second > deletion.over + kTransactionMax)
        find(mail->token + " was tried " + base::format_duration(tried->second - deletion.over) +
             " after it was deleted");
    }
  }
  for (const auto& [who, copies] : copies_) {
    const auto known = by_token_.find(who.first);
    if (known == by_token_.end() || !known->second->is_accepted) continue;
    const Submission& mail = *known->second;
    for (const Deletion& deletion : history_.deletions) {
      const control::Filter& filter = deletion.filter;
      // Rows become messages when they may, and the last reply is not seen from here.
      if (mail.is_row || mail.taken >= deletion.ordered || !filter.reply.empty() ||
          !fits(filter.domain, domain_of(who.second)) || !fits(filter.sender, mail.reverse_path) ||
          !fits(filter.recipient, who.second))
        continue;
      for (const Copy& copy : copies)
        if (copy.receipt->begun > deletion.over + kPreparesMax)
          find(who.first + " to " + who.second + " left " +
               base::format_duration(copy.receipt->begun - deletion.over) +
               " after it was deleted");
    }
  }
}

/// Bulk mail that begins at a site while urgent mail for it waits.
void Oracle::check_urgency() {
  // What was deferred or could not be resolved does not wait for its turn.
  // Sources of different pools have paces of their own.
  if (history_.has_bad_network || history_.has_bad_peers || history_.has_operators ||
      history_.has_storms || history_.is_paced)
    return;
  std::uint32_t connections = 0;
  for (const config::Settings& settings : history_.settings) {
    connections = std::max(connections, settings.delivery.connections_per_site);
    // A reload may have given the bulk listener another stream; both are bulk.
  }
  const auto one = sites_.find("mx.one.example");
  if (one == sites_.end()) return;
  std::map<std::string, const Submission*> by_sender;
  for (const auto& mail : submissions_) by_sender[mail->reverse_path] = mail.get();
  std::map<std::string, base::Steady> first;
  std::vector<base::Steady> bulk;
  for (const Site::Start& start : one->second.starts) {
    first.try_emplace(start.reverse_path, start.instant);
    const auto known = by_sender.find(start.reverse_path);
    if (known != by_sender.end() && known->second->is_bulk) bulk.push_back(start.instant);
  }
  for (const auto& mail : submissions_) {
    if (mail->is_bulk || !mail->is_accepted) continue;
    const bool is_here = std::any_of(
        mail->recipients.begin(), mail->recipients.end(),
        [](const std::string& recipient) { return recipient.ends_with("@one.example"); });
    const auto begun = first.find(mail->reverse_path);
    if (!is_here || begun == first.end()) continue;
    const base::Steady ready = mail->taken + kReadyWithin;
    bool is_excused = false;
    for (const auto* spans : {&history_.down, &history_.disk_trouble})
      for (const Span& span : *spans)
        is_excused |= span.until >= mail->taken && span.from <= begun->second;
    if (is_excused) continue;
    const auto overtook =
        static_cast<std::size_t>(std::count_if(bulk.begin(), bulk.end(), [&](base::Steady when) {
          return when > ready && when < begun->second && when < history_.healed;
        }));
    if (overtook > connections * kHandedMax)
      find(mail->token + " is transactional and " + std::to_string(overtook) +
           " bulk transactions began while it waited");
  }
}

/// What each source may do to the carrier, as its hosts saw it.
void Oracle::check_pace() {
  /// When a transaction was begun at the earliest, and at the latest.
  using Begun = std::pair<base::Steady, base::Steady>;
  std::map<net::Address, std::vector<Begun>> by_client;
  for (const char* name : kCarrierSites) {
    const auto site = sites_.find(name);
    if (site == sites_.end()) continue;
    if (site->second.messages_most > kCarrierMessages)
      find(site->first + " got " + std::to_string(site->second.messages_most) +
           " messages in a connection where its provider takes " +
           std::to_string(kCarrierMessages));
    for (const Site::Start& start : site->second.starts)
      by_client[start.client].emplace_back(start.earliest, start.instant);
  }
  for (const auto& [name, most] : history_.connections_most) {
    const bool is_carriers = std::find(std::begin(kCarrierSites), std::end(kCarrierSites), name) !=
                             std::end(kCarrierSites);
    if (is_carriers && most > kCarrierConnections * std::size(kSources))
      find(std::to_string(most) + " connections to " + name + " where its provider takes " +
           std::to_string(kCarrierConnections) + " of each source");
  }
  // Its limits are those of a source, whichever of its addresses is used.
  if (const auto other = by_client.find(kSourceIpv6); other != by_client.end()) {
    std::vector<Begun>& first = by_client[kSources[0]];
    first.insert(first.end(), other->second.begin(), other->second.end());
    by_client.erase(kSourceIpv6);
  }
  for (auto& [client, starts] : by_client) {
    if (std::find(std::begin(kSources), std::end(kSources), client) == std::end(kSources))
      find(client.to_string() + " is no source, and mail came from it");
    std::sort(starts.begin(), starts.end());
    for (const Begun& first : starts) {
      const base::Steady from = first.first;
      std::uint32_t count = 0;
      base::Steady to = from;
      for (const auto& [written, read] : starts) {
        if (written < from || read >= from + kCarrierPer - kUnderWay) continue;
        ++count;
        to = std::max(to, read);
      }
      if (count <= kCarrierRate) continue;
      // The next life knows nothing of the last one's.
      const bool is_new_life =
          std::any_of(history_.crashes.begin(), history_.crashes.end(),
                      [&](const History::Crash& c) { return c.when >= from && c.when <= to; });
      if (is_new_life) continue;
      return find(client.to_string() + " began " + std::to_string(count) +
                  " transactions with the carrier within " + std::to_string((to - from).count()) +
                  " us from " + base::format_rfc3339(base::Time(from.time_since_epoch())));
    }
  }
}

void Oracle::check_limits() {
  std::uint32_t connections = 0, clients = 0;
  std::size_t per_transaction = 0, per_connection = 0, per_message = 0;
  std::uint64_t octets = 0, budget = 0;
  for (const config::Settings& settings : history_.settings) {
    connections = std::max(connections, settings.delivery.connections_per_site);
    per_transaction =
        std::max<std::size_t>(per_transaction, settings.delivery.recipients_per_transaction);
    per_connection =
        std::max<std::size_t>(per_connection, settings.delivery.messages_per_connection);
    per_message = std::max<std::size_t>(per_message, settings.limits.recipients_per_message);
    clients = std::max(clients, settings.limits.connections);
    octets = std::max(octets, settings.limits.message_size);
    budget = std::max(budget, settings.spool.memory_budget);
  }
  for (const auto& [name, most] : history_.connections_most)
    if (most > connections)
      find(std::to_string(most) + " connections to " + name + " where the limit is " +
           std::to_string(connections));
  for (const auto& [name, site] : sites_) {
    if (site.recipients_most > per_transaction)
      find(name + " got " + std::to_string(site.recipients_most) +
           " recipients in a transaction where the limit is " + std::to_string(per_transaction));
    if (site.messages_most > per_connection)
      find(name + " got " + std::to_string(site.messages_most) +
           " messages in a connection where the limit is " + std::to_string(per_connection));
    for (const std::string& broken : site.broken_limits) find(name + ": " + broken);
  }
  if (history_.clients_most > clients)
    find(std::to_string(history_.clients_most) + " sessions at once where the limit is " +
         std::to_string(clients));
  for (const auto& mail : submissions_) {
    if (mail->taken_rcpts > per_message)
      find(mail->token + " has " + std::to_string(mail->taken_rcpts) +
           " recipients where the limit is " + std::to_string(per_message));
    if (mail->is_accepted && mail->body.size() > octets)
      find(mail->token + " has " + std::to_string(mail->body.size()) +
           " octets where the limit is " + std::to_string(octets));
    if (!mail->is_strangers) continue;
    for (const std::string& recipient : mail->recipients)
      if (domain_of(recipient) != "home.example" && domain_of(recipient) != kReturnsDomain)
        find("a stranger's " + mail->token + " was taken for " + recipient);
  }
  // Past the mark new mail is refused; a quarter is kept for what is read back.
  const std::uint64_t most = budget + budget / 4 + budget / 4;
  if (history_.memory_most > most)
    find(std::to_string(history_.memory_most) + " octets of messages in memory where " +
         std::to_string(most) + " may be");
}

}  // namespace ekiden::simulation
