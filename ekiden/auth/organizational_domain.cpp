#include "ekiden/auth/organizational_domain.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/dns/records.hpp"

namespace ekiden::auth {
namespace {

std::size_t count_labels(std::string_view domain) {
  return static_cast<std::size_t>(std::count(domain.begin(), domain.end(), '.')) + 1;
}

/// Without its leftmost label; empty above the top.
std::string parent_of(std::string_view domain) {
  const std::size_t dot = domain.find('.');
  return dot == std::string_view::npos ? std::string() : std::string(domain.substr(dot + 1));
}

/// RFC 9989 §4.10, step 4: the name one up, or the last seven labels when there are eight or more.
std::string next_name(std::string domain) {
  do {
    domain = parent_of(domain);
  } while (count_labels(domain) >= kTreeWalkNamesMax);
  return domain;
}

/// RFC 9989 §4.10.2. `start` is where the walk began.
std::string choose(const std::vector<TreeWalk::Finding>& findings, const std::string& start) {
  for (const TreeWalk::Finding& finding : findings) {
    if (finding.record.psd == DmarcPsd::No) return finding.domain;
    if (finding.record.psd == DmarcPsd::Yes && finding.domain != start) {
      // One label below the finding, on the way to `start`.
      const std::size_t end = start.size() - finding.domain.size() - 1;
      const std::size_t dot = end == 0 ? std::string::npos : start.rfind('.', end - 1);
      return dot == std::string::npos ? start : start.substr(dot + 1);
    }
  }
  return findings.empty() ? start : findings.back().domain;
}

}  // namespace

const DmarcRecord* TreeWalk::find(std::string_view domain) const {
  for (const Finding& finding : findings) {
    if (finding.domain == domain) return &finding.record;
  }
  return nullptr;
}

base::Task<DmarcAnswer> DmarcRecords::ask(std::string domain) {
  if (const auto known = known_.find(domain); known != known_.end()) co_return known->second;
  std::string name = "_dmarc." + domain;
  const dns::Answer answer = co_await dns_.ask(std::move(name), dns::Type::TXT);
  DmarcAnswer found;
  std::vector<std::string> texts = dns::texts_of(answer);
  std::erase_if(texts, [](const std::string& text) { return !is_dmarc_record(text); });
  if (answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus) {
    found.kind = DmarcAnswer::Kind::Failed;
    found.problem =
        "DNS: _dmarc." + base::printable(domain) + ": " + base::printable(answer.reason);
  } else if (texts.size() > 1) {
    found.kind = DmarcAnswer::Kind::Several;
    found.problem = "_dmarc." + base::printable(domain) + " has several records";
  } else if (texts.size() == 1) {
    Result<DmarcRecord> record = parse_dmarc_record(texts.front());
    found.kind = record ? DmarcAnswer::Kind::Found : DmarcAnswer::Kind::Bad;
    if (record) found.record = std::move(*record);
    if (!record) found.problem = "_dmarc." + base::printable(domain) + " is malformed";
  }
  known_[domain] = found;
  co_return found;
}

base::Task<TreeWalk> DmarcRecords::walk(std::string domain) {
  TreeWalk walk;
  std::string name = domain;
  for (std::size_t asked = 0; !name.empty() && asked < kTreeWalkNamesMax; ++asked) {
    std::string next = name;
    DmarcAnswer answer = co_await ask(std::move(next));
    if (answer.kind == DmarcAnswer::Kind::Failed) {
      // What is above would decide nothing without it.
      walk.has_failed = true;
      walk.problem = std::move(answer.problem);
      break;
    }
    if (answer.kind == DmarcAnswer::Kind::Found) {
      const bool is_last = answer.record.psd != DmarcPsd::Unknown;
      walk.findings.push_back({name, std::move(answer.record)});
      if (is_last) break;
    }
    name = next_name(name);
  }
  walk.organizational_domain = choose(walk.findings, domain);
  co_return walk;
}

}  // namespace ekiden::auth
