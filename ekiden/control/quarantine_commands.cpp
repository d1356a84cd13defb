#include "ekiden/control/quarantine_commands.hpp"

#include "ekiden/base/text.hpp"
#include "ekiden/control/arguments.hpp"
#include "ekiden/control/shapes.hpp"

namespace ekiden::control {

namespace json = boost::json;

namespace {

using base::Task;

constexpr std::size_t kItemsPerRead = 100;
constexpr std::size_t kRawOctets = 192 * 1024;

Problem interrupted() {
  return {"interrupted", "the client has gone"};
}

class Commands {
 public:
  explicit Commands(QuarantineDesk& desk) : desk_(desk) {}

  Task<Answer> list(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    std::string after = arguments.text("after");
    const std::uint64_t limit = arguments.number("limit").value_or(0);
    if (!arguments.ok()) co_return Answer(arguments.problem());
    std::uint64_t shown = 0;
    for (;;) {
      // One more than is shown says whether there are more.
      const std::uint64_t left = limit == 0 ? kItemsPerRead : limit - shown;
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, kItemsPerRead));
      const auto page = co_await desk_.list(after, count + 1);
      if (!page) co_return Answer(page.problem);
      const std::size_t size = std::min(page.value->size(), count);
      for (std::size_t i = 0; i < size; ++i) {
        json::object item = to_json((*page.value)[i]);
        const bool is_heard = co_await writer.item(std::move(item));
        if (!is_heard) co_return Answer(interrupted());
        after = (*page.value)[i].name;
      }
      shown += size;
      const bool has_more = page.value->size() > count;
      if (!has_more || (limit > 0 && shown >= limit))
        co_return Answer(json::object{{"shown", shown}, {"more", has_more}});
    }
  }

  Task<Answer> show(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    std::string name = arguments.text("name");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const Outcome<QuarantinedView> view = co_await desk_.show(std::move(name));
    if (!view) co_return Answer(view.problem);
    co_return Answer(to_json(*view.value));
  }

  Task<Answer> raw(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const std::string name = arguments.text("name");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    std::uint64_t offset = 0;
    for (;;) {
      const Outcome<std::string> octets = co_await desk_.octets(name, offset, kRawOctets);
      if (!octets) co_return Answer(octets.problem);
      if (octets.value->empty()) break;
      offset += octets.value->size();
      json::object item{{"octets", base::encode_base64(*octets.value)}};
      const bool is_heard = co_await writer.item(std::move(item));
      if (!is_heard) co_return Answer(interrupted());
    }
    co_return Answer(json::object{{"name", name}, {"size", offset}});
  }

  Task<Answer> release(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    std::string name = arguments.text("name");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const Outcome<QuarantineDecision> decision = co_await desk_.release(std::move(name));
    if (!decision) co_return Answer(decision.problem);
    co_return Answer(to_json(*decision.value));
  }

  Task<Answer> remove(const Request& request, ResponseWriter&) {
    Arguments arguments(request.arguments);
    std::string name = arguments.text("name");
    std::string reason = arguments.text("reason");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const Outcome<QuarantineDecision> decision =
        co_await desk_.remove(std::move(name), std::move(reason));
    if (!decision) co_return Answer(decision.problem);
    co_return Answer(to_json(*decision.value));
  }

 private:
  QuarantineDesk& desk_;
};

}  // namespace

Handler quarantine_handler(QuarantineDesk& desk, std::string_view command) {
  using Method = Task<Answer> (Commands::*)(const Request&, ResponseWriter&);
  constexpr Method kMethods[] = {&Commands::list, &Commands::show, &Commands::raw,
                                 &Commands::release, &Commands::remove};
  for (std::size_t i = 0; i < std::size(kMethods); ++i) {
    if (command != kQuarantineCommands[i]) continue;
    return [commands = std::make_shared<Commands>(desk), method = kMethods[i]](
               const Request& request, ResponseWriter& writer) {
      return (*commands.*method)(request, writer);
    };
  }
  return nullptr;
}

}  // namespace ekiden::control
