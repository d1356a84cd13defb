#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "ekiden/auth/arc_sealer.hpp"
#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/auth/dkim_signer.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/cli/check_runner.hpp"
#include "ekiden/cli/mail_file.hpp"

namespace ekiden::cli {

namespace {

/// What both commands take.
struct SignFlags {
  std::string key_file, domain, selector, time, headers;
  std::string canonicalization = "relaxed/relaxed";
  std::string authserv_id, dns, now;
  std::vector<std::string> trust_anchors;
};

/// PEM, or the 32 octets of an Ed25519 key in base64, as dkimpy's dknewkey writes them.
std::optional<auth::PrivateKey> read_key(const std::string& path, std::string& problem) {
  auto text = read_check_file(path, problem);
  if (!text) return std::nullopt;
  auto key = auth::PrivateKey::read_pem(*text);
  if (!key) {
    const auto seed = auth::decode_base64_value(*text);
    if (seed) key = auth::PrivateKey::read_ed25519_seed(*seed);
  }
  if (key) return std::move(*key);
  problem =
      path + ": no private key in PEM, RSA of 1024 to 8192 bits or Ed25519, without a passphrase";
  return std::nullopt;
}

/// "a:b" as a list, for h=.
std::vector<std::string> names_of(std::string_view headers) {
  std::vector<std::string> names;
  if (headers.empty()) return names;
  for (const std::string_view name : auth::split_trimmed(headers, ':')) names.emplace_back(name);
  return names;
}

bool parse_time(const std::string& text, std::optional<base::Time>& time) {
  if (text.empty()) return true;
  constexpr std::uint64_t kUnixMax = 253'402'300'799;  // the year 9999 ends
  const auto seconds = base::parse_u64(text);
  if (!seconds || *seconds > kUnixMax) return false;
  time = base::Time(std::chrono::seconds(*seconds));
  return true;
}

/// "relaxed", or "r".
std::optional<auth::Canonicalization> parse_form(std::string_view text) {
  if (text == "r") return auth::Canonicalization::Relaxed;
  if (text == "s") return auth::Canonicalization::Simple;
  return auth::parse_canonicalization(text);
}

bool parse_forms(std::string_view text, auth::DkimSignerOptions& options) {
  const std::size_t slash = text.find('/');
  const auto header = parse_form(text.substr(0, slash));
  // RFC 6376 §3.5: without a second word the body's form is simple.
  const auto body = slash == std::string_view::npos ? auth::Canonicalization::Simple
                                                    : parse_form(text.substr(slash + 1));
  if (!header || !body) return false;
  options.header = *header;
  options.body = *body;
  return true;
}

/// Key, domain, selector and the message. Nothing, with `answer`, when one of them is of no use.
struct SignInput {
  auth::DkimIdentity identity;
  MailFile mail;
  std::optional<base::Time> time;
};
std::optional<SignInput> read_input(const SignFlags& flags, CheckAnswer& answer) {
  std::optional<base::Time> time;
  if (!parse_time(flags.time, time)) {
    answer = CheckAnswer::usage("-t takes seconds since 1970");
    return std::nullopt;
  }
  if (!auth::parse_sdid(flags.domain) || !auth::parse_selector(flags.selector)) {
    answer = CheckAnswer::usage("-d takes a domain, -s a selector, as example.org and s2026");
    return std::nullopt;
  }
  std::string problem;
  const auto key = read_key(flags.key_file, problem);
  if (!key) {
    answer = CheckAnswer::failed(problem);
    return std::nullopt;
  }
  auto octets = read_check_file("-", problem);
  if (!octets) {
    answer = CheckAnswer::failed(problem);
    return std::nullopt;
  }
  return SignInput{
      {*auth::parse_sdid(flags.domain), *auth::parse_selector(flags.selector), *key, {}},
      MailFile(std::move(*octets)),
      time};
}

CheckAnswer refused(std::string problem) {
  return {{}, kRefused, std::move(problem), {}};
}

CheckAnswer sign_dkim(const SignFlags& flags) {
  CheckAnswer answer;
  auth::DkimSignerOptions options;
  if (!parse_forms(flags.canonicalization, options)) {
    return CheckAnswer::usage("--canon takes relaxed or simple, twice: relaxed/simple");
  }
  const auto input = read_input(flags, answer);
  if (!input) return answer;
  options.exact_names = names_of(flags.headers);
  options.signed_at = input->time;
  auth::DkimSigner signer(std::move(options));
  if (!signer.begin(input->mail.header())) {
    return refused("the header is too large, or From is not there to be signed");
  }
  signer.update_body(input->mail.body());
  const auto fields = signer.finish({&input->identity, 1});
  if (!fields) return CheckAnswer::failed(fields.error().message());
  return CheckAnswer::text(input->mail.with(*fields));
}

/// Validates the chain that is there, then adds a set.
base::Task<CheckAnswer> sign_arc(const SignFlags* flags, CheckPlace& place) {
  CheckAnswer answer;
  const auto input = read_input(*flags, answer);
  if (!input) co_return answer;
  if (flags->authserv_id.empty()) co_return CheckAnswer::usage("give --authserv-id, our name");
  const MailFile& mail = input->mail;

  auth::ArcValidator validator;
  validator.begin(mail.header());
  auth::ArcSealerOptions options;
  options.identity = input->identity;
  options.authserv_id = flags->authserv_id;
  options.exact_names = names_of(flags->headers);
  options.signed_at = input->time;
  auth::ArcSealer sealer(std::move(options));
  if (!sealer.begin(mail.header())) {
    co_return refused(
        "the header is too large, From is not there to be signed, or --headers has ARC-Seal");
  }
  sealer.update_body(mail.body());
  const std::string results = auth::collect_results(mail.header(), flags->authserv_id);
  auth::ArcResult chain;
  // RFC 8617 §5.1: what counts is the chain as it came; we may have changed the message since.
  const auto earlier = auth::find_result(results, "arc");
  const bool is_known = earlier == auth::Verdict::Pass || earlier == auth::Verdict::Fail;
  if (!is_known) {
    validator.update_body(mail.body());
    validator.finish_body();
  }
  if (is_known) {
    chain = validator.trust(earlier == auth::Verdict::Pass ? auth::ArcStatus::Pass
                                                           : auth::ArcStatus::Fail);
  } else if (validator.key_names().empty()) {
    chain = validator.verify({});
  } else {
    dns::Resolver* const resolver = place.find_resolver();
    if (resolver == nullptr) co_return place.no_resolver();
    chain = co_await auth::verify_arc(validator, *resolver);
  }
  const auto fields = sealer.finish(chain, results);
  if (!fields) co_return CheckAnswer::failed(fields.error().message());
  if (fields->empty()) {
    co_return refused("the chain failed before, or has 50 sets: nothing may be added to it");
  }
  co_return CheckAnswer::text(mail.with(*fields));
}

void add_common(CLI::App& app, SignFlags& flags) {
  app.add_option("--key", flags.key_file, "The private key, PEM")->type_name("FILE")->required();
  app.add_option("-d,--domain", flags.domain, "d=, the signing domain")->required();
  app.add_option("-s,--selector", flags.selector, "s=, the selector of the key")->required();
  app.add_option("-t,--time", flags.time, "t=, seconds since 1970; left out when not given")
      ->type_name("UNIX");
}

}  // namespace

void add_sign(CLI::App& app, Context& context) {
  CLI::App* const group =
      app.add_subcommand("sign", "Sign the message on standard input, without a relay");
  group->require_subcommand(1);

  auto dkim_flags = std::make_shared<SignFlags>();
  CLI::App* const dkim = group->add_subcommand("dkim", "Add a DKIM signature");
  dkim->footer(
      "\nExample:\n"
      "  ekiden sign dkim --key k.pem -d example.jp -s s2026 < mail.eml > signed.eml\n");
  add_common(*dkim, *dkim_flags);
  dkim->add_option("--headers", dkim_flags->headers,
                   "h= as it is to stand; otherwise what the message has of the usual fields, and "
                   "From once more")
      ->type_name("NAME:NAME");
  dkim->add_option("--canon", dkim_flags->canonicalization, "c=, of header and body")
      ->capture_default_str();
  dkim->callback([&context, dkim_flags] {
    const CheckAnswer answer = sign_dkim(*dkim_flags);
    if (answer.code != kDone) return context.fail(answer.code, answer.problem);
    context.print(*answer.octets);
  });

  auto arc_flags = std::make_shared<SignFlags>();
  CLI::App* const arc = group->add_subcommand("arc", "Add an ARC set");
  arc->footer(
      "\nThe Authentication-Results of --authserv-id go into the set. When they say arc=pass or "
      "arc=fail, that is what became of the chain; otherwise it is validated first.\n\nExample:\n"
      "  ekiden sign arc --key k.pem -d example.jp -s s2026 --authserv-id mx.example.jp < "
      "mail.eml\n");
  add_common(*arc, *arc_flags);
  arc->add_option("--authserv-id", arc_flags->authserv_id, "Whose Authentication-Results count")
      ->required();
  arc->add_option("--headers", arc_flags->headers, "h= of the message signature as it is to stand")
      ->type_name("NAME:NAME");
  arc->add_option("--dns", arc_flags->dns, "Ask this DNS server only, UDP and TCP")
      ->type_name("ADDRESS:PORT");
  arc->add_option("--trust-anchor", arc_flags->trust_anchors,
                  "A DNSSEC trust anchor, besides the root's key; repeat it")
      ->type_name("FILE");
  arc->add_option("--now", arc_flags->now, "The time to check at, in seconds since 1970")
      ->type_name("UNIX");
  arc->callback([&context, arc_flags] {
    CheckRequest request;
    if (!arc_flags->dns.empty()) request["dns"] = arc_flags->dns;
    if (!arc_flags->now.empty()) request["now"] = arc_flags->now;
    boost::json::array anchors;
    for (const std::string& file : arc_flags->trust_anchors) {
      anchors.push_back(boost::json::string(file));
    }
    if (!anchors.empty()) request["trust-anchor"] = std::move(anchors);
    // Not a coroutine itself: it only starts one.
    const SignFlags* flags = arc_flags.get();
    CheckRunner runner(
        context, [flags](CheckPlace& place, CheckRequest) { return sign_arc(flags, place); },
        std::move(request));
    runner.run_one();
  });
}

}  // namespace ekiden::cli
