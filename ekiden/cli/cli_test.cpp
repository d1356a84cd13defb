#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "ekiden/cli/cli.hpp"
#include "ekiden/cli/event_lines.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {
namespace {

/// A command line against a configuration in a directory of its own.
class CommandLine : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "ekiden_cli_" +
                 testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_ + "/data");
    write("ekiden.toml",
          "[node]\nhostname = \"relay.example.jp\"\ndata_dir = \"" + directory_ +
              "/data\"\n[[listener]]\naddress = \"127.0.0.1:2525\"\nservice = \"relay\"\n"
              "tls = \"off\"\ntrusted_networks = [\"127.0.0.0/8\"]\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }

  int run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ekiden");
    arguments.push_back("--config");
    arguments.push_back(directory_ + "/ekiden.toml");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = cli::run(static_cast<int>(argv.size()), argv.data(), hooks_);
    out_ = testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return code;
  }

  Hooks hooks_;
  std::string directory_, out_, error_;
};

TEST_F(CommandLine, UsageErrorsExitWithTwoAndHelpWithZero) {
  EXPECT_EQ(run({}), kUsage);
  EXPECT_EQ(run({"qeue"}), kUsage);
  EXPECT_EQ(run({"queue", "list", "--what"}), kUsage);
  EXPECT_EQ(run({"--help"}), kDone);
  EXPECT_NE(out_.find("ekiden queue explain MESSAGE"), std::string::npos);
  EXPECT_EQ(run({"queue", "--help"}), kDone);
  EXPECT_NE(out_.find("Examples:"), std::string::npos);
  EXPECT_EQ(run({"--version"}), kDone);
}

TEST_F(CommandLine, ChecksAFileAndNamesEveryMistake) {
  EXPECT_EQ(run({"config", "check"}), kDone);
  EXPECT_EQ(out_, directory_ + "/ekiden.toml: fine\n");
  write("ekiden.toml", "[node]\nhostnam = \"a.example\"\nworkers = \"x\"\n");
  EXPECT_EQ(run({"config", "check"}), kRefused);
  EXPECT_NE(error_.find("ekiden.toml:2:1: unknown key \"hostnam\" in [node]; did you mean "
                        "\"hostname\"?"),
            std::string::npos)
      << error_;
  EXPECT_NE(error_.find("ekiden.toml:3:11: "), std::string::npos);
  EXPECT_EQ(run({"config", "check", "--json"}), kRefused);
  EXPECT_NE(out_.find("\"nearest\":\"hostname\""), std::string::npos) << out_;
}

TEST_F(CommandLine, ExplainsAndPrintsExamples) {
  EXPECT_EQ(run({"config", "explain"}), kDone);
  EXPECT_NE(out_.find("ekiden.toml:2\n"), std::string::npos);
  EXPECT_EQ(run({"config", "explain", "--json"}), kDone);
  EXPECT_EQ(out_.front(), '[');
  EXPECT_EQ(run({"config", "example"}), kDone);
  EXPECT_NE(out_.find("[[listener]]"), std::string::npos);
}

TEST_F(CommandLine, CommandsForANodeSayThatNoneRuns) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"queue", "summary"},
                                                  {"queue", "list"},
                                                  {"reload"},
                                                  {"top"},
                                                  {"operation", "list"},
                                                  {"queue", "retry"}}) {
    EXPECT_EQ(run(command), kFailed);
    EXPECT_EQ(error_, "ekiden: no relay is running with data_dir " + directory_ + "/data\n");
  }
}

TEST_F(CommandLine, AMissingConfigurationIsAFailure) {
  std::filesystem::remove(directory_ + "/ekiden.toml");
  EXPECT_EQ(run({"queue", "list"}), kFailed);
  EXPECT_NE(error_.find("the configuration cannot be read: it does not exist"), std::string::npos);
}

TEST_F(CommandLine, FiltersAreCheckedBeforeANodeIsAsked) {
  EXPECT_EQ(run({"queue", "list", "--older-than", "soon"}), kUsage);
  EXPECT_EQ(run({"queue", "list", "--message", "x"}), kUsage);
  EXPECT_EQ(run({"queue", "reroute", "--to", "a b", "--domain", "x.example"}), kUsage);
}

TEST_F(CommandLine, FinalActionsOnEverythingNeedToBeMeant) {
  EXPECT_EQ(run({"queue", "delete"}), kUsage);
  EXPECT_NE(error_.find("--all"), std::string::npos);
  EXPECT_EQ(run({"queue", "bounce"}), kUsage);
  EXPECT_EQ(run({"queue", "delete", "--all"}), kFailed) << "no relay runs";
}

TEST_F(CommandLine, ServeGetsTheSettings) {
  std::string hostname;
  hooks_.serve = [&](config::Loaded loaded) {
    hostname = loaded.settings.node.hostname;
    return 7;
  };
  EXPECT_EQ(run({"serve"}), 7);
  EXPECT_EQ(hostname, "relay.example.jp");
}

TEST_F(CommandLine, ServeRefusesABrokenFile) {
  write("ekiden.toml", "[node]\nworkers = \"x\"\n");
  hooks_.serve = [](config::Loaded) { return 0; };
  EXPECT_EQ(run({"serve"}), kRefused);
}

TEST_F(CommandLine, SinkHasItsOwnFlags) {
  EXPECT_EQ(run({"sink", "--no-such-flag"}), kUsage);
  EXPECT_NE(error_.find("no-such-flag"), std::string::npos) << error_;
}

TEST_F(CommandLine, VerifyTellsFindingsByItsExitCode) {
  SpoolReport report;
  report.messages = 3;
  hooks_.verify_spool = [&](const config::Settings&, const auto&) {
    return Found<SpoolReport>{report, {}};
  };
  EXPECT_EQ(run({"spool", "verify"}), kDone);
  report.findings = {"segment 4 is torn"};
  EXPECT_EQ(run({"spool", "verify", "--json"}), kRefused);
  EXPECT_NE(out_.find("segment 4 is torn"), std::string::npos);
  hooks_.verify_spool = [](const config::Settings&, const auto&) {
    return Found<SpoolReport>{std::nullopt, "the spool is in use"};
  };
  EXPECT_EQ(run({"spool", "verify"}), kFailed);
  EXPECT_EQ(error_, "ekiden: the spool is in use\n");
}

TEST_F(CommandLine, UsersAreAddedListedAndRemovedWithoutARelay) {
  EXPECT_EQ(run({"user", "add", "shop", "--api-key"}), kDone) << error_;
  EXPECT_NE(out_.find("ek_"), std::string::npos);
  EXPECT_EQ(run({"user", "list", "--json"}), kDone);
  EXPECT_NE(out_.find("\"name\":\"shop\""), std::string::npos);
  EXPECT_EQ(run({"user", "remove", "shop"}), kDone);
  EXPECT_EQ(run({"user", "remove", "shop"}), kRefused);
  EXPECT_EQ(run({"user", "add", "shop"}), kUsage);
}

TEST_F(CommandLine, TraceOfAnUnknownMessageIsAFinding) {
  EXPECT_EQ(run({"message", "trace", "nobody@example.jp"}), kRefused) << error_;
  EXPECT_EQ(run({"events", "tail", "--once"}), kDone) << error_;
  EXPECT_EQ(run({"events", "tail", "--once", "--kind", "eaten"}), kUsage);
}

TEST(Table, AlignsNumbersRightAndCutsTheLastColumn) {
  Table table({"NAME", "COUNT", "TEXT"});
  table.add({"a", "5", "short"});
  table.add({"longer", "12345", "a rather long text"});
  EXPECT_EQ(table.format(1000),
            "NAME    COUNT  TEXT\n"
            "a           5  short\n"
            "longer  12345  a rather long text\n");
  EXPECT_EQ(table.format(25),
            "NAME    COUNT  TEXT\n"
            "a           5  short\n"
            "longer  12345  a rather …\n");
}

TEST(EventLine, SaysAPeersCodeOnce) {
  events::Event event;
  event.kind = events::Kind::Delivered;
  event.reply_code = 250;
  event.enhanced_code = "2.0.0";
  event.reply = "250 2.0.0 Ok";
  const std::string line = event_line(event);
  EXPECT_NE(line.find("reply 250 2.0.0 Ok"), std::string::npos) << line;
}

TEST(EventLine, NeverBreaksTheLine) {
  events::Event event;
  event.kind = events::Kind::Deferred;
  event.recipient = "a@example.jp\n\033[31m";
  event.reply_code = 450;
  event.enhanced_code = "4.2.1";
  event.reply = "later\r\nplease";
  const std::string line = event_line(event);
  EXPECT_EQ(line.find_first_of("\r\n\033"), std::string::npos) << line;
  EXPECT_NE(line.find("reply 450 4.2.1 later"), std::string::npos) << line;
}

}  // namespace
}  // namespace ekiden::cli
