// The control socket: requests, answers and filters mean the same when they are written again, and
// a server that hears anything answers each line once, in lines.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "ekiden/control/handlers.hpp"
#include "ekiden/control/protocol.hpp"
#include "ekiden/control/server.hpp"
#include "tests/fuzz/served.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::control;
using base::Task;

/// A node with one message, on which nothing has an effect.
class QuietNode final : public NodeControl {
 public:
  Task<NodeStatus> status() override { co_return NodeStatus{}; }
  Task<Outcome<QueuePage>> list(Filter, std::string, std::size_t count) override {
    FUZZ_CHECK(count > 0 && count <= kPageMax, "a page is bounded");
    QueuePage page;
    page.items.emplace_back().recipient = "a@b.test";
    co_return Outcome<QueuePage>(std::move(page));
  }
  Task<QueueSummary> summary(Filter, GroupBy) override { co_return QueueSummary{}; }
  Task<Outcome<std::vector<Explanation>>> explain(base::MessageId,
                                                  std::optional<std::uint32_t>) override {
    std::vector<Explanation> none;
    co_return Outcome<std::vector<Explanation>>(std::move(none));
  }
  Task<Outcome<MessageView>> show(base::MessageId message) override {
    MessageView view;
    view.id = message;
    co_return Outcome<MessageView>(std::move(view));
  }
  Task<Outcome<std::shared_ptr<Operation>>> act(QueueAction, Filter, std::string) override {
    auto operation = operations_.begin("nothing", base::Time{});
    if (operation == nullptr) {
      Problem problem{"unavailable", "too many"};
      co_return Outcome<std::shared_ptr<Operation>>(std::move(problem));
    }
    operation->finish(base::Time{});
    co_return Outcome<std::shared_ptr<Operation>>(std::move(operation));
  }
  Task<Outcome<Suspension>> suspend(SuspendScope scope, std::optional<base::Time> until,
                                    std::string reason) override {
    FUZZ_CHECK(!scope.name.empty(), "what is suspended has a name");
    Suspension suspension{scope, {}, until, reason};
    co_return Outcome<Suspension>(std::move(suspension));
  }
  Task<Outcome<Suspension>> resume(SuspendScope scope) override {
    Suspension suspension{scope, {}, {}, {}};
    co_return Outcome<Suspension>(std::move(suspension));
  }
  Task<std::vector<Suspension>> suspensions() override { co_return std::vector<Suspension>{}; }
  Operations& operations() override { return operations_; }
  Task<Reloaded> reload() override { co_return Reloaded{}; }
  Task<void> drain() override { co_return; }

 private:
  Operations operations_;
};

std::string converse(std::string_view octets, std::uint8_t split) {
  QuietNode node;
  const auto make = [&node](base::Worker& worker, base::Clock& clock) {
    auto server = std::make_unique<Server>(worker);
    add_handlers(*server, node, clock);
    return server;
  };
  return fuzz::served(octets, split, make,
                      [](const test::FakePeer& peer) { return !peer.is_closed; });
}

void check_answers(std::string_view said, std::size_t lines) {
  std::size_t answers = 0;
  while (!said.empty()) {
    const std::size_t end = said.find('\n');
    FUZZ_CHECK(end != std::string_view::npos, "answers are lines");
    const auto line = parse_line(said.substr(0, end));
    FUZZ_CHECK(line, "that the client can read");
    answers += line->answer ? 1 : 0;
    said.remove_prefix(end + 1);
  }
  FUZZ_CHECK(answers <= lines, "one answer for each line");
}

void check_words(std::string_view text) {
  // Boost.JSON reads a number past every double and writes what is no JSON; nobody sends such.
  boost::system::error_code ignored;
  const auto value = boost::json::parse(text, ignored);
  const std::string written_back = ignored ? "" : boost::json::serialize(value);
  for (const char* const word : {"Infinity", "NaN"}) {
    if (written_back.find(word) != std::string::npos) return;
  }
  if (const auto request = parse_request(text)) {
    const std::string written = format_request(*request.value);
    const auto again = parse_request(written);
    FUZZ_CHECK(again && again.value->command == request.value->command, "a request is one again");
    FUZZ_CHECK(format_request(*again.value) == written, "and means the same");
  } else {
    FUZZ_CHECK(!request.problem.code.empty() && !request.problem.message.empty(),
               "a refusal says why");
  }
  if (const auto line = parse_line(text)) {
    FUZZ_CHECK(line->item.has_value() != line->answer.has_value(), "an item or an answer");
    const std::string written =
        line->item ? format_item(*line->item) : format_answer(*line->answer);
    FUZZ_CHECK(written.find('\n') == written.size() - 1, "a line is one line");
    FUZZ_CHECK(parse_line(written), "and is one again");
  }
  boost::system::error_code error;
  const auto json = boost::json::parse(text, error);
  if (error || !json.is_object()) return;
  std::string problem;
  const auto filter = filter_from_json(json.as_object(), problem);
  FUZZ_CHECK(filter || !problem.empty(), "a refused filter says why");
  if (!filter) return;
  const auto again = filter_from_json(to_json(*filter), problem);
  FUZZ_CHECK(again && *again == *filter, "a filter means the same again");
  (void)describe(*filter);
  FilterSubject subject;
  subject.domain = filter->domain;
  subject.recipient = filter->recipient;
  (void)matches(*filter, subject);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t split = input.octet();
  const std::string octets(input.rest());
  check_words(octets);
  const std::string whole = converse(octets, 0);
  check_answers(whole,
                static_cast<std::size_t>(std::count(octets.begin(), octets.end(), '\n')) + 1);
  FUZZ_CHECK(whole == converse(octets, split), "the same answers at every split");
  return 0;
}
