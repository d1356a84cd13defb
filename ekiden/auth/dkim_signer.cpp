#include "ekiden/auth/dkim_signer.hpp"

#include <algorithm>

#include "ekiden/auth/error.hpp"
#include "ekiden/auth/field_writer.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

std::vector<std::string> lowered_all(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) out.push_back(base::lowered(name));
  return out;
}

bool has_name(const std::vector<std::string>& names, std::string_view wanted) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return base::equals_ignoring_case(name, wanted);
  });
}

std::string seconds_text(base::Time time) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

/// The field up to and with "b=".
std::string write_field(const DkimIdentity& identity, const DkimSignerOptions& options,
                        const std::vector<std::string>& names, std::string_view body_hash) {
  FieldWriter field("DKIM-Signature");
  field.word("v=1;").word("a=" + std::string(identity.key.algorithm()) + ";");
  field.word("c=" + std::string(canonicalization_name(options.header)) + "/" +
             std::string(canonicalization_name(options.body)) + ";");
  field.word("d=" + identity.domain + ";").word("s=" + identity.selector + ";");
  if (!identity.identity.empty()) field.word("i=" + identity.identity + ";");
  if (options.signed_at) {
    field.word("t=" + seconds_text(*options.signed_at) + ";");
    if (options.lifetime) {
      field.word("x=" + seconds_text(*options.signed_at + *options.lifetime) + ";");
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string piece = names[i] + (i + 1 < names.size() ? ":" : ";");
    if (i == 0) {
      field.word("h=" + piece);
    } else {
      field.glue(piece);
    }
  }
  field.word("bh=" + base::encode_base64(body_hash) + ";").word("b=");
  return field.text();
}

}  // namespace

const std::vector<std::string>& default_signed_names() {
  static const std::vector<std::string> kNames = {"From",
                                                  "Sender",
                                                  "Reply-To",
                                                  "To",
                                                  "Cc",
                                                  "Subject",
                                                  "Date",
                                                  "Message-ID",
                                                  "In-Reply-To",
                                                  "References",
                                                  "MIME-Version",
                                                  "Content-Type",
                                                  "Content-Transfer-Encoding",
                                                  "Content-Disposition",
                                                  "Content-ID",
                                                  "Content-Description",
                                                  "Resent-From",
                                                  "Resent-Sender",
                                                  "Resent-To",
                                                  "Resent-Cc",
                                                  "Resent-Date",
                                                  "Resent-Message-ID",
                                                  "List-Id",
                                                  "List-Help",
                                                  "List-Unsubscribe",
                                                  "List-Unsubscribe-Post",
                                                  "List-Subscribe",
                                                  "List-Post",
                                                  "List-Owner",
                                                  "List-Archive",
                                                  "Feedback-ID",
                                                  "Auto-Submitted"};
  return kNames;
}

DkimSigner::DkimSigner(DkimSignerOptions options)
    : options_(std::move(options)), body_(options_.body) {}

std::vector<std::string> DkimSigner::choose_names(const HeaderIndex& header) const {
  if (!options_.exact_names.empty()) return options_.exact_names;
  std::vector<std::string> chosen;
  std::vector<std::string> seen;
  const auto choose = [&](const std::string& name) {
    if (has_name(seen, name)) return;
    seen.push_back(name);
    std::size_t times = header.count(base::lowered(name));
    if (has_name(options_.oversigned, name)) ++times;
    for (; times > 0 && chosen.size() < kSignedNamesMax; --times) chosen.push_back(name);
  };
  for (const std::string& name : options_.names) choose(name);
  for (const std::string& name : options_.oversigned) choose(name);
  return chosen;
}

Result<void> DkimSigner::begin(std::string_view octets) {
  bool is_whole = true;
  const HeaderIndex header = scan_header(octets, is_whole);
  if (!is_whole) return make_error_code(Errc::BadRecord);
  signed_names_ = choose_names(header);
  // RFC 6376 §5.4: From must be signed, so there must be one.
  if (header.count("from") == 0 || !has_name(signed_names_, "from")) {
    return make_error_code(Errc::BadRecord);
  }
  header.append_selected(options_.header, lowered_all(signed_names_), canonical_);
  return {};
}

Result<std::string> DkimSigner::finish(std::span<const DkimIdentity> identities) {
  const Sha256Digest& body = body_.finish();
  std::string fields;
  for (const DkimIdentity& identity : identities) {
    if (!identity.key || !parse_sdid(identity.domain) || !parse_selector(identity.selector)) {
      return make_error_code(Errc::BadKey);
    }
    std::string text = write_field(identity, options_, signed_names_, view_of(body));
    message::Field field;
    field.octets = text;
    const std::size_t colon = text.find(':');
    field.name = std::string_view(text).substr(0, colon);
    field.value = std::string_view(text).substr(colon + 1);
    std::string own;
    append_canonical_signature(options_.header, field, field.octets.substr(text.size()), own);
    Sha256 hash;
    hash.update(canonical_);
    hash.update(own);
    const Result<std::string> signature = identity.key.sign(hash.finish());
    if (!signature) return signature.error();
    append_broken(text, base::encode_base64(*signature));
    fields += text;
    fields += "\r\n";
  }
  return fields;
}

}  // namespace ekiden::auth
