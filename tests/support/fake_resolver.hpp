#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/clock.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::test {

/// A resolver that answers from a script, on the clock it is given: the same questions at the
/// same times get the same answers.
///
///     FakeResolver dns(clock);
///     dns.mx("example.com", 10, "mx.example.com").a("mx.example.com", "192.0.2.1");
///     dns.fail("broken.example").delay("slow.example", 3s);
///
/// A name without records is NoDomain, unless a name below it has some. CNAMEs are followed.
class FakeResolver final : public dns::Resolver {
 public:
  explicit FakeResolver(base::Clock& clock) : clock_(clock) {}

  FakeResolver& a(std::string_view name, std::string_view address) {
    return record(name, dns::Type::A, must(dns::rdata_of_address(address)));
  }
  FakeResolver& aaaa(std::string_view name, std::string_view address) {
    return record(name, dns::Type::AAAA, must(dns::rdata_of_address(address)));
  }
  FakeResolver& mx(std::string_view name, std::uint16_t preference, std::string_view host) {
    return record(name, dns::Type::MX, must(dns::rdata_of_mx(preference, host)));
  }
  /// RFC 7505: takes no mail.
  FakeResolver& null_mx(std::string_view name) { return mx(name, 0, "."); }
  FakeResolver& txt(std::string_view name, std::string_view text) {
    return record(name, dns::Type::TXT, dns::rdata_of_text(text));
  }
  FakeResolver& cname(std::string_view name, std::string_view target) {
    return record(name, dns::Type::CNAME, must(dns::rdata_of_name(target)));
  }
  FakeResolver& ptr(std::string_view name, std::string_view target) {
    return record(name, dns::Type::PTR, must(dns::rdata_of_name(target)));
  }
  FakeResolver& record(std::string_view name, dns::Type type, std::string rdata) {
    names_[dns::canonical_name(name)].records[type].push_back(std::move(rdata));
    return *this;
  }

  /// Forgets everything about a name.
  FakeResolver& remove(std::string_view name) {
    names_.erase(dns::canonical_name(name));
    return *this;
  }
  /// Every question about the name ends like this, or those of one type.
  FakeResolver& fail(std::string_view name, dns::Status status = dns::Status::Failed,
                     std::optional<dns::Type> type = std::nullopt) {
    Name& entry = names_[dns::canonical_name(name)];
    (type ? entry.failures[*type] : entry.failure) = status;
    return *this;
  }
  FakeResolver& heal(std::string_view name) {
    Name& entry = names_[dns::canonical_name(name)];
    entry.failures.clear();
    entry.failure.reset();
    return *this;
  }
  FakeResolver& delay(std::string_view name, base::Duration delay) {
    names_[dns::canonical_name(name)].delay = delay;
    return *this;
  }
  FakeResolver& default_delay(base::Duration delay) {
    default_delay_ = delay;
    return *this;
  }
  /// Answers about the name are DNSSEC-validated; its absence too.
  FakeResolver& secure(std::string_view name) {
    names_[dns::canonical_name(name)].is_secure = true;
    return *this;
  }
  FakeResolver& ttl(std::uint32_t ttl_s) {
    ttl_s_ = ttl_s;
    return *this;
  }

  /// The questions so far, in order.
  struct Question {
    std::string name;
    dns::Type type;
    friend bool operator==(const Question&, const Question&) = default;
  };
  const std::vector<Question>& questions() const { return questions_; }
  std::size_t asked(std::string_view name, dns::Type type) const {
    const Question wanted{dns::canonical_name(name), type};
    std::size_t count = 0;
    for (const Question& question : questions_) count += question == wanted ? 1 : 0;
    return count;
  }

  void resolve(std::string name, dns::Type type, base::Completion<dns::Answer> done) override {
    name = dns::canonical_name(name);
    questions_.push_back({name, type});
    base::Duration delay = default_delay_;
    const auto found = names_.find(name);
    if (found != names_.end() && found->second.delay) delay = *found->second.delay;
    // The answer is made when it is given, so that a script changed meanwhile counts.
    auto answer = [this, name = std::move(name), type, done = std::move(done)]() mutable {
      done(answer_for(name, type));
    };
    clock_.call_after(delay, std::move(answer));
  }

  /// The answer as it stands, at once.
  dns::Answer answer_for(std::string_view asked, dns::Type type) const {
    constexpr int kCnamesMax = 8;
    dns::Answer answer;
    answer.canonical_name = dns::canonical_name(asked);
    answer.ttl_s = ttl_s_;
    answer.is_secure = true;
    for (int hops = 0; hops <= kCnamesMax; ++hops) {
      const auto found = names_.find(answer.canonical_name);
      if (found == names_.end() || found->second.is_empty()) {
        answer.is_secure &= found != names_.end() && found->second.is_secure;
        answer.status =
            has_names_below(answer.canonical_name) ? dns::Status::NoData : dns::Status::NoDomain;
        return answer;
      }
      const Name& entry = found->second;
      answer.is_secure &= entry.is_secure;
      const auto failure = entry.failures.find(type);
      const std::optional<dns::Status> status =
          failure != entry.failures.end() ? failure->second : entry.failure;
      if (status) {
        answer.status = *status;
        if (*status == dns::Status::Failed || *status == dns::Status::Bogus) {
          answer.reason = "scripted";
          answer.is_secure = false;
        }
        return answer;
      }
      if (const auto records = entry.records.find(type); records != entry.records.end()) {
        answer.status = dns::Status::Ok;
        answer.rdata = records->second;
        return answer;
      }
      const auto cname = entry.records.find(dns::Type::CNAME);
      if (cname == entry.records.end()) {
        answer.status = dns::Status::NoData;
        return answer;
      }
      std::string_view wire = cname->second.front();
      answer.canonical_name = must(dns::take_name(wire));
    }
    answer.status = dns::Status::Failed;
    answer.reason = "too many CNAMEs";
    answer.is_secure = false;
    return answer;
  }

 private:
  struct Name {
    std::map<dns::Type, std::vector<std::string>> records;
    std::map<dns::Type, std::optional<dns::Status>> failures;
    std::optional<dns::Status> failure;
    std::optional<base::Duration> delay;
    bool is_secure = false;

    bool is_empty() const { return records.empty() && failures.empty() && !failure; }
  };

  static std::string must(std::optional<std::string> value) {
    EKIDEN_ASSERT(value.has_value(), "a script names things that exist");
    return std::move(*value);
  }

  bool has_names_below(const std::string& name) const {
    const std::string suffix = "." + name;
    for (const auto& [other, entry] : names_) {
      if (!entry.records.empty() && other.ends_with(suffix)) return true;
    }
    return false;
  }

  base::Clock& clock_;
  std::map<std::string, Name> names_;
  std::vector<Question> questions_;
  base::Duration default_delay_{0};
  std::uint32_t ttl_s_ = 300;
};

}  // namespace ekiden::test
