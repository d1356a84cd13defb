#include "ekiden/webhook/form.hpp"

#include <algorithm>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/webhook/address_guard.hpp"
#include "ekiden/webhook/payload.hpp"
#include "ekiden/webhook/signature.hpp"
#include "ekiden/webhook/target.hpp"

namespace ekiden::webhook {

using account::WebhookFormat;

namespace {

constexpr std::uint32_t kBatchUsual = 100;
constexpr std::size_t kSecretOctetsMax = 512;

FormProblem problem(std::string_view field, std::string english, std::string japanese,
                    bool is_policy = false) {
  return {field, std::move(english), std::move(japanese), is_policy};
}

bool is_all(const std::vector<std::string>& names) {
  return names.size() == 1 && names.front() == "all";
}

/// A token that stands in a header field.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= kSecretOctetsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

bool has_secret(WebhookFormat format) {
  return format == WebhookFormat::Standard || format == WebhookFormat::SendGrid ||
         format == WebhookFormat::Chatwork;
}

FormResult Form::take_url(const std::string& url, const std::vector<net::AddressBlock>& allowed) {
  std::string why;
  const auto target = parse_target(url, why);
  if (!target) return problem("url", why, "webhookのURLとして使えません（" + why + "）");
  using Verdict = AddressGuard::Verdict;
  const Verdict verdict = target->address ? AddressGuard(allowed).judge(*target->address)
                                          : (allowed.empty() ? Verdict::Public : Verdict::Allowed);
  if (verdict == Verdict::Refused) {
    return problem(
        "url",
        target->host + " is no address of the Internet; webhooks.allow_networks does not list it",
        target->host + " はインターネットのアドレスではなく、webhooks.allow_networksにありません",
        true);
  }
  if (!target->is_secure && verdict != Verdict::Allowed) {
    return problem("url", "http is for addresses of webhooks.allow_networks only; use https",
                   "httpはwebhooks.allow_networksのアドレスだけに使えます。httpsにしてください",
                   true);
  }
  webhook_.origin = target->origin();
  webhook_.sealed_url = account::seal(node_key_, account::kWebhookUrlPurpose, url, random_);
  return std::nullopt;
}

FormResult Form::take_filters(const std::vector<std::string>& kinds,
                              const std::vector<std::string>& streams) {
  if (!kinds.empty()) webhook_.kinds = is_all(kinds) ? std::vector<std::string>() : kinds;
  if (!streams.empty()) webhook_.streams = is_all(streams) ? std::vector<std::string>() : streams;
  for (const std::string& name : webhook_.kinds) {
    const std::string shown = base::printable(name, 100);
    const auto kind = events::parse_kind(name);
    if (!kind) {
      return problem("kinds", "there is no kind of event \"" + shown + "\"",
                     "「" + shown + "」というイベントの種類はありません");
    }
    if (!has_word_for(webhook_.format, *kind)) {
      const std::string format(account::webhook_format_name(webhook_.format));
      return problem("kinds", "the format " + format + " has no word for " + shown,
                     format + "形式には " + shown + " がありません");
    }
  }
  for (const std::string& stream : webhook_.streams) {
    if (account::check_label(stream)) continue;
    const std::string shown = base::printable(stream, 100);
    return problem("streams", "\"" + shown + "\" is no stream",
                   "「" + shown + "」はストリーム名ではありません");
  }
  if (is_chat(webhook_.format) && webhook_.kinds.empty()) {
    return problem("kinds", "say which kinds of events people should read: bounced, …",
                   "人が読むイベントの種類を指定してください: bouncedなど");
  }
  return std::nullopt;
}

FormResult Form::take_batch(std::uint32_t batch) {
  const auto most = static_cast<std::uint32_t>(batch_max_of(webhook_.format));
  if (batch > most) {
    const std::string max = std::to_string(most);
    return problem("batch", "a post of this format has " + max + " events at most",
                   "この形式の1回の送信は" + max + "件までです");
  }
  webhook_.batch_max = batch != 0 ? batch : std::min(kBatchUsual, most);
  return std::nullopt;
}

FormResult Form::take_secret(std::optional<std::string> given) {
  shown_.clear();
  if (!has_secret(webhook_.format)) {
    if (!given) return std::nullopt;
    return problem("secret", "this format has no secret", "この形式に秘密鍵はありません");
  }
  std::string text = given.value_or("");
  if (webhook_.format == WebhookFormat::Standard) {
    if (!given) text = shown_ = make_standard_secret(random_);
    if (text.size() > kSecretOctetsMax || !is_standard_secret(text)) {
      return problem("secret", "a secret is \"whsec_\" and 24 to 64 octets in base64, on one line",
                     "秘密鍵は「whsec_」と24〜64オクテットのbase64です");
    }
  } else if (webhook_.format == WebhookFormat::SendGrid) {
    if (given) {
      return problem("secret", "keys of this format are made here: give none",
                     "この形式の鍵はここで作ります。指定しないでください");
    }
    const auto key = make_sendgrid_key();
    const auto shown = key ? sendgrid_public_key(*key) : std::nullopt;
    if (!shown) return problem("secret", "no key could be made", "鍵を作れませんでした");
    text = *key;
    shown_ = *shown;
  } else if (!is_token(text)) {
    return problem("secret", "Chatwork wants its API token as the secret",
                   "ChatworkのAPIトークンを指定してください");
  }
  const account::Secret secret(std::move(text));
  webhook_.sealed_secret =
      account::seal(node_key_, account::kWebhookSecretPurpose, secret.view(), random_);
  return std::nullopt;
}

FormResult Form::rotate_secret(std::optional<std::string> given, base::Time until) {
  if (!has_secret(webhook_.format))
    return problem("secret", "this format has no secret", "この形式に秘密鍵はありません");
  std::string before = webhook_.sealed_secret;
  FormResult taken = take_secret(std::move(given));
  if (taken) return taken;
  // Two are valid at once, not three: the one before the last ends here.
  webhook_.sealed_previous = std::move(before);
  webhook_.previous_until = until;
  return std::nullopt;
}

std::string_view Form::shown_as() const {
  return webhook_.format == WebhookFormat::SendGrid ? "public_key" : "secret";
}

}  // namespace ekiden::webhook
