#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>

#include "ekiden/auth/arc_validator.hpp"
#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/cli/mail_file.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// null for what could not be read.
json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::string(text);
}

/// The message that the request names. Nothing, with `answer`, when there is none.
std::optional<MailFile> read_mail(const CheckRequest& request, CheckAnswer& answer) {
  const auto path = find_text(request, "message");
  if (!path) {
    answer = CheckAnswer::usage("which message? Give --message FILE");
    return std::nullopt;
  }
  std::string problem;
  auto octets = read_check_file(*path, problem);
  if (!octets) {
    answer = CheckAnswer::failed(problem);
    return std::nullopt;
  }
  return MailFile(std::move(*octets));
}

base::Task<CheckAnswer> check_dkim(CheckPlace& place, CheckRequest request) {
  CheckAnswer answer;
  const std::optional<MailFile> mail = read_mail(request, answer);
  if (!mail) co_return answer;
  auth::DkimVerifierOptions options;
  options.now = place.now();
  auth::DkimVerifier verifier(options);
  verifier.begin(mail->header());
  verifier.update_body(mail->body());
  verifier.finish_body();
  std::vector<auth::DkimResult> results;
  if (verifier.key_names().empty()) {
    results = verifier.verify({});
  } else {
    dns::Resolver* const resolver = place.find_resolver();
    if (resolver == nullptr) co_return place.no_resolver();
    results = co_await auth::verify_dkim(verifier, *resolver);
  }
  json::array signatures;
  for (const auth::DkimResult& result : results) {
    signatures.push_back(json::object{{"d", text_or_null(result.domain)},
                                      {"s", text_or_null(result.selector)},
                                      {"a", text_or_null(result.algorithm)},
                                      {"i", text_or_null(result.identity)},
                                      {"result", auth::verdict_name(result.verdict)},
                                      {"reason", result.reason}});
  }
  co_return CheckAnswer::done({{"signatures", std::move(signatures)}});
}

base::Task<CheckAnswer> check_arc(CheckPlace& place, CheckRequest request) {
  CheckAnswer answer;
  const std::optional<MailFile> mail = read_mail(request, answer);
  if (!mail) co_return answer;
  auth::ArcValidator validator;
  validator.begin(mail->header());
  validator.update_body(mail->body());
  validator.finish_body();
  auth::ArcResult result;
  if (validator.key_names().empty()) {
    result = validator.verify({});
  } else {
    dns::Resolver* const resolver = place.find_resolver();
    if (resolver == nullptr) co_return place.no_resolver();
    result = co_await auth::verify_arc(validator, *resolver);
  }
  co_return CheckAnswer::done({{"cv", auth::arc_status_name(result.status)},
                               {"i", result.instance},
                               {"reason", result.reason}});
}

const CheckFlag kMessage{"message", "FILE", "The message; - reads standard input"};

}  // namespace

void add_check_dkim(CLI::App& group, Context& context) {
  add_check_command(group, context,
                    {"dkim",
                     "Verify the DKIM signatures of a message",
                     "\nExample:\n  ekiden check dkim --message mail.eml\n",
                     {kMessage},
                     check_dkim});
  add_check_command(group, context,
                    {"arc",
                     "Validate the ARC chain of a message",
                     "\nExample:\n  ekiden check arc --message mail.eml\n",
                     {kMessage},
                     check_arc});
}

}  // namespace ekiden::cli
