#include "ekiden/policy/domain_records.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::policy {
namespace {

DomainRecord record(RecordPurpose purpose, std::string name, std::string type, std::string value) {
  DomainRecord made;
  made.purpose = purpose;
  made.name = std::move(name);
  made.type = std::move(type);
  made.value = std::move(value);
  return made;
}

/// The value of p= of a DKIM record, without spaces; RFC 6376 §3.6.1.
std::string public_key_of(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    const std::string_view tag = base::trimmed(text.substr(0, end));
    if (tag.starts_with("p=") || tag.starts_with("p =")) {
      std::string key;
      for (const char c : tag.substr(tag.find('=') + 1))
        if (c != ' ' && c != '\t') key += c;
      return key;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

/// Whether an SPF record has this term. RFC 7208 §4.6.1: terms are set apart by spaces.
bool has_term(std::string_view spf, std::string_view term) {
  while (!spf.empty()) {
    const std::size_t end = std::min(spf.find(' '), spf.size());
    if (base::equals_ignoring_case(spf.substr(0, end), term)) return true;
    spf.remove_prefix(std::min(end + 1, spf.size()));
  }
  return false;
}

bool is_spf(std::string_view text) {
  return base::equals_ignoring_case(text, "v=spf1") ||
         base::starts_with_ignoring_case(text, "v=spf1 ");
}

bool belongs(const DomainRecord& wanted, const std::string& text) {
  switch (wanted.purpose) {
    case RecordPurpose::Proof:
      return true;
    case RecordPurpose::Dkim:
      return !public_key_of(text).empty();
    case RecordPurpose::Spf:
      return is_spf(text);
    case RecordPurpose::Dmarc:
      return base::starts_with_ignoring_case(text, "v=DMARC1");
    case RecordPurpose::ReturnPath:
      return true;
  }
  return false;
}

bool is_what_we_want(const DomainRecord& wanted, const std::string& text) {
  switch (wanted.purpose) {
    case RecordPurpose::Proof:
      return base::trimmed(text) == wanted.value;
    case RecordPurpose::Dkim:
      return public_key_of(text) == public_key_of(wanted.value);
    case RecordPurpose::Spf: {
      // The term behind "v=spf1 " is ours.
      const std::string_view ours = std::string_view(wanted.value).substr(7);
      return has_term(text, ours.substr(0, ours.find(' ')));
    }
    case RecordPurpose::Dmarc:
      return true;  // any policy is the owner's to choose
    case RecordPurpose::ReturnPath:
      return text == wanted.value.substr(wanted.value.find(' ') + 1);
  }
  return false;
}

std::vector<std::string> texts_of(const DomainRecord& wanted, const dns::Answer& answer) {
  if (wanted.type != "MX") return dns::texts_of(answer);
  std::vector<std::string> hosts;
  for (const dns::Mx& mx : dns::mx_of(answer)) hosts.push_back(mx.host);
  return hosts;
}

void judge(DomainRecord& wanted, const dns::Answer& answer) {
  if (answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus) {
    wanted.state = RecordState::Unknown;
    wanted.found = answer.reason;
    return;
  }
  wanted.state = RecordState::Missing;
  for (const std::string& text : texts_of(wanted, answer)) {
    if (!belongs(wanted, text)) continue;
    if (is_what_we_want(wanted, text)) {
      wanted.state = RecordState::Live;
      wanted.found.clear();
      return;
    }
    wanted.state = RecordState::Differs;
    wanted.found = text;
  }
  // There may be only one SPF record: ours goes into the one that is there (RFC 7208 §3.2).
  if (wanted.purpose == RecordPurpose::Spf && wanted.state == RecordState::Differs) {
    const std::string_view ours = std::string_view(wanted.value).substr(7);
    const std::string term(ours.substr(0, ours.find(' ')));
    wanted.value = "v=spf1 " + term + wanted.found.substr(6);
  }
}

}  // namespace

std::string_view name_of(RecordPurpose purpose) {
  switch (purpose) {
    case RecordPurpose::Proof:
      return "proof";
    case RecordPurpose::Dkim:
      return "dkim";
    case RecordPurpose::Spf:
      return "spf";
    case RecordPurpose::Dmarc:
      return "dmarc";
    case RecordPurpose::ReturnPath:
      return "return-path";
  }
  return "unknown";
}

std::string_view name_of(RecordState state) {
  switch (state) {
    case RecordState::Unknown:
      return "unknown";
    case RecordState::Missing:
      return "missing";
    case RecordState::Differs:
      return "differs";
    case RecordState::Live:
      return "live";
  }
  return "unknown";
}

std::string DomainRecord::zone_line() const {
  if (type != "TXT") return name + ". IN " + type + " " + value + ".";
  // RFC 1035 §3.3: a string has 255 octets at most.
  constexpr std::size_t kStringOctetsMax = 255;
  std::string line = name + ". IN TXT (";
  for (std::size_t at = 0; at < value.size(); at += kStringOctetsMax)
    line += " \"" + value.substr(at, kStringOctetsMax) + "\"";
  return line + " )";
}

std::string make_proof_token(base::Random& random) {
  std::array<std::byte, 16> octets;
  random.fill(octets);
  return base::encode_hex(
      std::string_view(reinterpret_cast<const char*>(octets.data()), octets.size()));
}

std::vector<std::string> bounce_domains_of(const config::Settings& settings) {
  std::vector<std::string> domains;
  for (const config::Rewrite& rule : settings.rewrite) {
    const auto bounces = smtp::canonical_domain(rule.bounce_domain);
    if (bounces && std::find(domains.begin(), domains.end(), *bounces) == domains.end())
      domains.push_back(*bounces);
  }
  return domains;
}

boost::json::object to_json(const DomainRecord& record) {
  const auto text = [](std::string_view of) { return boost::json::string(of); };
  boost::json::object object{{"purpose", text(name_of(record.purpose))},
                             {"name", record.name},
                             {"type", record.type},
                             {"value", record.value},
                             {"zone_line", record.zone_line()},
                             {"state", text(name_of(record.state))}};
  if (!record.found.empty()) object["found"] = record.found;
  return object;
}

std::vector<DomainRecord> records_of(const DomainFacts& facts) {
  std::vector<DomainRecord> records;
  records.push_back(record(RecordPurpose::Proof, "_ekiden." + facts.domain, "TXT",
                           "ekiden-verify=" + facts.token));
  records.back().proves = true;
  for (const account::DomainKey& key : facts.keys) {
    const bool signs = key.state == account::DomainKeyState::Pending ||
                       key.state == account::DomainKeyState::Active;
    if (!signs || (!key.tenant.empty() && key.tenant != facts.tenant)) continue;
    records.push_back(record(RecordPurpose::Dkim, key.record_name(), "TXT", key.record));
    // A key that signs everybody's mail was published for somebody, who need not be this tenant.
    records.back().proves = key.tenant == facts.tenant;
  }
  records.push_back(
      record(RecordPurpose::Spf, facts.domain, "TXT", "v=spf1 a:" + facts.hostname + " ~all"));
  records.push_back(record(RecordPurpose::Dmarc, "_dmarc." + facts.domain, "TXT",
                           "v=DMARC1; p=none; rua=mailto:postmaster@" + facts.domain));
  for (const std::string& bounces : facts.bounce_domains) {
    const bool is_below = bounces.size() > facts.domain.size() && bounces.ends_with(facts.domain) &&
                          bounces[bounces.size() - facts.domain.size() - 1] == '.';
    if (bounces != facts.domain && !is_below) continue;
    records.push_back(record(RecordPurpose::ReturnPath, bounces, "MX", "10 " + facts.hostname));
  }
  if (records.size() > kRecordsAskedMax) records.resize(kRecordsAskedMax);
  return records;
}

base::Task<std::vector<DomainRecord>> look_up(dns::Resolver& resolver,
                                              std::vector<DomainRecord> records) {
  if (records.empty()) co_return records;
  // All at once: a server that is silent costs its time limit once. Only the questions hold the
  // completion, so that they can be dropped.
  struct Asked {
    std::shared_ptr<std::vector<DomainRecord>> records;
    std::size_t left = 0;
    base::Completion<bool> done;
  };
  auto shared = std::make_shared<std::vector<DomainRecord>>(std::move(records));
  auto begin = [&resolver, shared](base::Completion<bool> done) {
    auto asked = std::make_shared<Asked>();
    asked->records = shared;
    asked->left = shared->size();
    asked->done = std::move(done);
    for (std::size_t i = 0; i < shared->size(); ++i) {
      const DomainRecord& wanted = (*shared)[i];
      const dns::Type type = wanted.type == "MX" ? dns::Type::MX : dns::Type::TXT;
      resolver.resolve(wanted.name, type, [asked, i](dns::Answer answer) {
        judge((*asked->records)[i], answer);
        if (--asked->left == 0) asked->done(true);
      });
    }
  };
  (void)co_await base::suspend<bool>(std::move(begin));
  co_return std::move(*shared);
}

std::string proof_of(const std::vector<DomainRecord>& records) {
  for (const DomainRecord& record : records) {
    if (!record.proves || record.state != RecordState::Live) continue;
    return record.purpose == RecordPurpose::Proof ? "txt" : "dkim";
  }
  return {};
}

bool is_undecided(const std::vector<DomainRecord>& records) {
  return proof_of(records).empty() &&
         std::any_of(records.begin(), records.end(), [](const DomainRecord& record) {
           return record.proves && record.state == RecordState::Unknown;
         });
}

}  // namespace ekiden::policy
