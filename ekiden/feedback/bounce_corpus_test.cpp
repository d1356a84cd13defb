// Goal: bounce mails that others labelled are read as they read them.
// Method: ../shared/data/bounce, where it is; the floors lie just below what is reached.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "ekiden/base/text.hpp"
#include "ekiden/feedback/bounce.hpp"

namespace ekiden::feedback {
namespace {

/// Their label, ours that say the same, and its coarse class.
struct Label {
  std::set<shaping::Reason> reasons;
  shaping::ReplyClass klass;
};

const std::map<std::string, Label>& labels() {
  using R = shaping::Reason;
  using C = shaping::ReplyClass;
  static const std::map<std::string, Label> kLabels = {
      {"userunknown", {{R::UserUnknown}, C::BadAddress}},
      {"hostunknown", {{R::Dns}, C::BadAddress}},
      {"hasmoved", {{R::Moved}, C::BadAddress}},
      {"notaccept", {{R::NotAccepting}, C::BadAddress}},
      {"mailboxfull", {{R::MailboxFull}, C::FullOrSuspended}},
      {"suspend", {{R::MailboxDisabled}, C::FullOrSuspended}},
      {"filtered", {{R::Filtered}, C::BlockOrPolicy}},
      {"rejected", {{R::SenderRejected}, C::BlockOrPolicy}},
      {"blocked", {{R::ReputationIp}, C::BlockOrPolicy}},
      {"badreputation", {{R::ReputationIp, R::ReputationDomain}, C::BlockOrPolicy}},
      {"policyviolation", {{R::Policy}, C::BlockOrPolicy}},
      {"authfailure", {{R::Authentication}, C::BlockOrPolicy}},
      {"requireptr", {{R::ReverseDns}, C::BlockOrPolicy}},
      {"securityerror", {{R::AccessDenied}, C::BlockOrPolicy}},
      {"spamdetected", {{R::SpamContent}, C::BlockOrPolicy}},
      {"virusdetected", {{R::Virus}, C::BlockOrPolicy}},
      {"norelaying", {{R::RelayDenied}, C::BlockOrPolicy}},
      {"contenterror", {{R::Content}, C::BlockOrPolicy}},
      {"notcompliantrfc", {{R::Content}, C::BlockOrPolicy}},
      {"systemerror", {{R::System}, C::Transient}},
      {"mailererror", {{R::System}, C::Transient}},
      {"systemfull", {{R::SystemFull}, C::Transient}},
      {"networkerror", {{R::Network}, C::Transient}},
      {"expired", {{R::Network}, C::Transient}},
      {"toomanyconn", {{R::RateLimited}, C::Transient}},
      {"speeding", {{R::RateLimited}, C::Transient}},
      {"onhold", {{R::OnHold, R::Greylisted}, C::Transient}},
      {"mesgtoobig", {{R::TooLarge}, C::Other}},
      {"exceedlimit", {{R::TooLarge}, C::Other}},
      {"syntaxerror", {{R::Syntax}, C::Other}},
      {"undefined", {{R::Undefined}, C::Other}},
  };
  return kLabels;
}

struct Row {
  std::string label;
  bool is_hard = false;
};

std::map<std::string, std::vector<Row>> read_labels(const std::string& file) {
  std::map<std::string, std::vector<Row>> rows;
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::vector<std::string> columns;
    std::istringstream fields(line);
    for (std::string one; std::getline(fields, one, '\t');) columns.push_back(one);
    if (columns.size() >= 6) rows[columns[0]].push_back({columns[4], columns[5] == "1"});
  }
  return rows;
}

/// LF files, as mail travels.
std::string read_mail(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string out;
  for (char c; in.get(c);) {
    if (c == '\n' && !out.ends_with('\r')) out += '\r';
    out += c;
  }
  return out;
}

TEST(BounceCorpus, MailsThatOthersLabelledAreReadAsTheyReadThem) {
  const std::string folder = std::string(EKIDEN_SOURCE_DIR) + "/../shared/data/bounce/";
  const auto rows = read_labels(folder + "labels.tsv");
  if (rows.empty()) GTEST_SKIP() << "no ../shared/data/bounce";
  const auto loaded = shaping::load_providers("");
  ASSERT_TRUE(loaded.providers);
  const bool is_told = std::getenv("EKIDEN_SHOW_MISSES") != nullptr;

  int mails = 0, counted = 0, all = 0, kinds = 0, named = 0, exact = 0, coarse = 0, hard = 0;
  for (const auto& [file, expected] : rows) {
    ++mails;
    const Bounce bounce =
        parse_bounce(read_mail(folder + "set-of-emails/" + file), *loaded.providers);
    const bool has_count = bounce.recipients.size() == expected.size();
    counted += has_count ? 1 : 0;
    if (is_told && !has_count)
      std::printf("COUNT %s %zu of %zu\n", file.c_str(), bounce.recipients.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ++all;
      const Row& row = expected[i];
      const BouncedRecipient none;
      const BouncedRecipient& who = i < bounce.recipients.size() ? bounce.recipients[i] : none;
      if (row.label == "feedback" || row.label == "vacation" || row.label == "delivered") {
        const bool is_it = row.label == "feedback"   ? who.kind == BounceKind::Complaint
                           : row.label == "vacation" ? who.kind == BounceKind::AutoReply
                                                     : who.kind == BounceKind::Delivered;
        kinds += is_it ? 1 : 0;
        exact += is_it ? 1 : 0;
        coarse += is_it ? 1 : 0;
        hard += 1;
        named += is_it ? 1 : 0;
        if (is_told && !is_it)
          std::printf("KIND %s %s is %s\n", file.c_str(), row.label.c_str(),
                      std::string(bounce_kind_name(who.kind)).c_str());
        continue;
      }
      const bool is_bounce = who.kind == BounceKind::Failed || who.kind == BounceKind::Delayed;
      kinds += is_bounce ? 1 : 0;
      const Label& label = labels().at(row.label);
      const bool is_exact = is_bounce && label.reasons.contains(who.why.reason);
      const bool is_coarse = is_bounce && label.klass == who.why.klass;
      exact += is_exact ? 1 : 0;
      coarse += is_coarse ? 1 : 0;
      named += is_bounce && !who.why.rule.empty() ? 1 : 0;
      hard += who.why.is_hard == row.is_hard ? 1 : 0;
      if (is_told && !is_exact)
        std::printf("%s %s %s: %s is %s | %s | %s | %s\n", is_coarse ? "exact" : "COARSE",
                    row.is_hard == who.why.is_hard ? "" : "HARD", file.c_str(), row.label.c_str(),
                    std::string(shaping::name_of(who.why.reason)).c_str(), who.status.c_str(),
                    who.recipient.c_str(), who.reply.substr(0, 150).c_str());
    }
  }
  std::printf(
      "%d mails, %d with all recipients; %d recipients: kind %d, named %d, exact %d, coarse "
      "%d, hard %d\n",
      mails, counted, all, kinds, named, exact, coarse, hard);
  EXPECT_GE(counted, 545);
  EXPECT_GE(exact, 465);
  EXPECT_GE(coarse, 500);
  EXPECT_GE(hard, 540);
}

}  // namespace
}  // namespace ekiden::feedback
