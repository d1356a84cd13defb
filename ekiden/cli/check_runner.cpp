#include "ekiden/cli/check_runner.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "ekiden/base/text.hpp"
#include "ekiden/net/endpoint.hpp"

// Invariants: everything but `read_lines` runs on the loop's thread; a request holds one of
// `places_` from its line until its answer is printed, so what waits in `answers_` is bounded.

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// The next line without its end; false at the end of the input. What is past `octets_max` is
/// dropped, and `is_too_long` says so.
bool read_line(std::string& line, bool& is_too_long) {
  line.clear();
  is_too_long = false;
  int c = std::getc(stdin);
  if (c == EOF) return false;
  for (; c != EOF && c != '\n'; c = std::getc(stdin)) {
    if (line.size() < kCheckLineOctetsMax) {
      line.push_back(static_cast<char>(c));
    } else {
      is_too_long = true;
    }
  }
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

/// {"default_explanation": …} means {"default-explanation": …}.
std::string flag_of_key(std::string_view key) {
  std::string flag(key);
  for (char& c : flag) c = c == '_' ? '-' : c;
  return flag;
}

}  // namespace

CheckRunner::CheckRunner(Context& context, CheckFunction evaluate, CheckRequest defaults)
    : context_(context),
      evaluate_(std::move(evaluate)),
      defaults_(std::move(defaults)),
      worker_{0, loop_.io().get_executor(), loop_.executor(), loop_.clock(), random_},
      tasks_(worker_) {}

CheckRunner::~CheckRunner() {
  loop_.drop();
}

std::optional<dns::UnboundResolver::Options> CheckRunner::dns_of(const CheckRequest& request,
                                                                 CheckAnswer& answer) {
  if (const auto server = find_text(request, "dns")) {
    const auto endpoint = net::parse_endpoint(*server);
    if (!endpoint) {
      answer = CheckAnswer::usage("--dns takes ADDRESS:PORT, not '" + *server + "'");
      return std::nullopt;
    }
    dns::UnboundResolver::Options options;
    options.mode = dns::Mode::Forward;
    options.forward = {*endpoint};
    options.trust_anchors = texts_of(request, "trust-anchor");
    options.dnssec = options.trust_anchors.empty() ? dns::Dnssec::Off : dns::Dnssec::Auto;
    options.question_limit = kCheckQuestionLimit;
    return options;
  }
  if (!own_dns_) {
    own_dns_.emplace();
    std::error_code error;
    if (context_.hooks.resolver_options && std::filesystem::exists(context_.config_file, error)) {
      const auto loaded = context_.load_config();
      if (!loaded) {
        answer = {
            {}, context_.exit_code, context_.config_file + " has mistakes; --dns needs none", {}};
        own_dns_.reset();
        return std::nullopt;
      }
      own_dns_ = context_.hooks.resolver_options(loaded->settings);
    }
  }
  dns::UnboundResolver::Options options = *own_dns_;
  for (std::string& file : texts_of(request, "trust-anchor")) {
    options.trust_anchors.push_back(std::move(file));
  }
  options.question_limit = kCheckQuestionLimit;
  return options;
}

base::Task<void> CheckRunner::evaluate(std::uint64_t number, CheckRequest request) {
  CheckAnswer answer;
  base::Time now = worker_.clock.now();
  bool is_possible = true;
  if (const auto text = find_text(request, "now")) {
    constexpr std::uint64_t kUnixMax = 253'402'300'799;  // the year 9999 ends
    const auto seconds = base::parse_u64(*text);
    is_possible = seconds && *seconds <= kUnixMax;
    if (is_possible) now = base::Time(std::chrono::seconds(*seconds));
    if (!is_possible) answer = CheckAnswer::usage("--now takes seconds since 1970");
  }
  std::optional<dns::UnboundResolver::Options> dns;
  if (is_possible) dns = dns_of(request, answer);
  if (dns) {
    CheckPlace place(worker_, std::move(*dns), now);
    CheckRequest given = request;
    answer = co_await evaluate_(place, std::move(given));
  }
  if (is_lines_) {
    if (const json::value* id = request.if_contains("id")) answer.object["id"] = *id;
  }
  answered(number, std::move(answer));
}

void CheckRunner::print(const CheckAnswer& answer) {
  if (answer.code == kDone && answer.octets) return context_.print(*answer.octets);
  if (answer.code == kDone) return context_.print_json(answer.object);
  if (!is_lines_) return context_.fail(answer.code, answer.problem);
  context_.exit_code = std::max(context_.exit_code, answer.code);
  json::object object = answer.object;
  object["error"] = answer.problem;
  context_.print_json(object);
}

void CheckRunner::answered(std::uint64_t number, CheckAnswer answer) {
  answers_.emplace(number, std::move(answer));
  for (auto first = answers_.begin(); first != answers_.end() && first->first == next_;
       first = answers_.begin()) {
    print(first->second);
    answers_.erase(first);
    ++next_;
    if (is_lines_) places_.release();
  }
  stop_when_done();
}

void CheckRunner::stop_when_done() {
  if (is_read_ && next_ == count_) loop_.stop();
}

void CheckRunner::run_one() {
  is_read_ = true;
  count_ = 1;
  CheckRequest request = defaults_;
  tasks_.spawn(evaluate(0, std::move(request)));
  loop_.run();
}

void CheckRunner::read_lines(const std::function<bool(std::string_view)>& may_hold) {
  std::string line;
  bool is_too_long = false;
  std::uint64_t number = 0;
  while (read_line(line, is_too_long)) {
    if (base::trimmed(line).empty()) continue;
    places_.acquire();
    CheckRequest request = defaults_;
    std::string problem;
    boost::system::error_code error;
    const json::value value = is_too_long ? json::value() : json::parse(line, error);
    if (is_too_long) {
      problem = "the line is over " + std::to_string(kCheckLineOctetsMax) + " octets";
    } else if (error || !value.is_object()) {
      problem = "the line is no JSON object";
    } else {
      for (const auto& [key, given] : value.get_object()) {
        const std::string flag = flag_of_key(key);
        if (flag != "id" && !may_hold(flag)) problem = "unknown key '" + std::string(key) + "'";
        request[flag] = given;
      }
    }
    loop_.executor().post(
        [this, n = number++, request = std::move(request), problem = std::move(problem)]() mutable {
          if (problem.empty()) return tasks_.spawn(evaluate(n, std::move(request)));
          CheckAnswer answer = CheckAnswer::usage(std::move(problem));
          if (const json::value* id = request.if_contains("id")) answer.object["id"] = *id;
          answered(n, std::move(answer));
        });
  }
  loop_.executor().post([this, number] {
    is_read_ = true;
    count_ = number;
    stop_when_done();
  });
}

void CheckRunner::run_lines(const std::function<bool(std::string_view)>& may_hold) {
  is_lines_ = true;
  std::thread reader([this, &may_hold] { read_lines(may_hold); });
  loop_.run();
  reader.join();
}

}  // namespace ekiden::cli
