// Tags stand in alphabetical order, lines are folded between tags, and b= is not folded although it
// is long: a seal covers the message signature with the white space in it. So of equal input all
// sealers that write so, dkimpy in its form for test suites among them, make equal seals.
#include "ekiden/auth/arc_sealer.hpp"

#include <algorithm>

#include "ekiden/auth/error.hpp"
#include "ekiden/auth/field_writer.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

/// Of b=; RFC 5322 §2.1.1 ends lines at 998 octets.
constexpr std::size_t kUnfoldedMax = 900;
constexpr std::string_view kResultsName = "arc-authentication-results";

message::Field field_of(std::string_view text) {
  message::Field field;
  field.octets = text;
  const std::size_t colon = text.find(':');
  field.name = text.substr(0, colon);
  field.value = text.substr(colon + 1);
  if (field.value.ends_with("\r\n")) field.value.remove_suffix(2);
  return field;
}

/// Words that a fold may stand between.
std::string write_results(std::uint32_t instance, std::string_view authserv_id,
                          std::string_view results) {
  FieldWriter field("ARC-Authentication-Results");
  field.word("i=" + std::to_string(instance) + ";").word(std::string(authserv_id) + ";");
  while (!results.empty()) {
    const std::size_t end = std::min(results.find(' '), results.size());
    if (end > 0) field.word(results.substr(0, end));
    results.remove_prefix(std::min(end + 1, results.size()));
  }
  return field.text() + "\r\n";
}

/// A tag that fits on a line stands on one; a longer h= is folded between names.
void add_tag(FieldWriter& field, std::string_view tag) {
  if (tag.size() < kColumnsMax) {
    field.word(tag);
    return;
  }
  for (bool is_first = true; !tag.empty(); is_first = false) {
    const std::size_t colon = tag.find(':');
    const std::string_view piece =
        tag.substr(0, colon == std::string_view::npos ? colon : colon + 1);
    is_first ? field.word(piece) : field.glue(piece);
    tag.remove_prefix(piece.size());
  }
}

std::string seconds_tag(const std::optional<base::Time>& time) {
  if (!time) return {};
  return "t=" +
         std::to_string(
             std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count());
}

}  // namespace

ArcSealer::ArcSealer(ArcSealerOptions options) : options_(std::move(options)) {}

Result<void> ArcSealer::begin(std::string_view octets) {
  const DkimIdentity& identity = options_.identity;
  if (!identity.key || !parse_sdid(identity.domain) || !parse_selector(identity.selector)) {
    return make_error_code(Errc::BadKey);
  }
  bool is_whole = true;
  const HeaderIndex header = scan_header(octets, is_whole);
  if (!is_whole) return make_error_code(Errc::BadRecord);
  if (options_.exact_names.empty()) {
    std::vector<std::string> names = default_signed_names();
    names.emplace_back("DKIM-Signature");
    for (const std::string& name : names) {
      std::string lower = base::lowered(name);
      for (std::size_t n = header.count(lower); n > 0 && signed_names_.size() < kSignedNamesMax;
           --n)
        signed_names_.push_back(lower);
    }
  } else {
    for (const std::string& name : options_.exact_names) {
      signed_names_.push_back(base::lowered(name));
    }
  }
  const auto lists = [this](std::string_view name) {
    return std::find(signed_names_.begin(), signed_names_.end(), name) != signed_names_.end();
  };
  // RFC 8617 §4.1.2, and RFC 6376 §5.4.
  if (lists("arc-seal") || !lists("from") || header.count("from") == 0) {
    return make_error_code(Errc::BadRecord);
  }
  header.append_selected(Canonicalization::Relaxed, signed_names_, canonical_);
  find_own_results(header);

  const ArcSets found = find_arc_sets(header);
  if (!found.sets.empty() && found.sets.back().seal != nullptr) {
    std::string_view why;
    const auto tags = TagList::parse(found.sets.back().seal->value, why);
    has_failed_before_ = tags && tags->value("cv") == "fail";
  }
  if (found.reason.empty()) {
    for (const ArcSet& set : found.sets) append_arc_set(set, covered_);
  }
  return {};
}

/// Fields are selected from the bottom up, so ours, which will be on top, is the one more than
/// there are now. It is not written yet: what is kept is the place in `canonical_`.
void ArcSealer::find_own_results(const HeaderIndex& header) {
  std::size_t left = header.count(kResultsName);
  for (std::size_t i = 0; i < signed_names_.size(); ++i) {
    if (signed_names_[i] != kResultsName || left-- > 0) continue;
    const std::vector<std::string> names(signed_names_.begin(),
                                         signed_names_.begin() + static_cast<std::ptrdiff_t>(i));
    std::string before;
    header.append_selected(Canonicalization::Relaxed, names, before);
    own_results_at_ = before.size();
    return;
  }
}

/// One signed field: its tags around "b=", signed behind `covered`. With its CRLF.
Result<std::string> ArcSealer::sign(std::string_view covered, std::string_view name,
                                    const std::vector<std::string>& before,
                                    const std::vector<std::string>& after) const {
  const auto write = [&](std::string_view b) {
    FieldWriter field(name);
    for (const std::string& tag : before) add_tag(field, tag + ";");
    field.word("b=");
    std::string text = field.text();
    if (b.size() > kUnfoldedMax) {
      append_broken(text, b);
    } else {
      text += b;
    }
    text += ';';
    FieldWriter rest("");
    for (std::size_t i = 0; i < after.size(); ++i) {
      add_tag(rest, after[i] + (i + 1 < after.size() ? ";" : ""));
    }
    // The tags behind b= begin on a line of their own.
    text += "\r\n" + rest.text().substr(1);
    return text;
  };
  // What is hashed has an empty b=, and nothing else differs in relaxed form.
  const std::string empty = write({});
  std::string own;
  append_canonical_signature(Canonicalization::Relaxed, field_of(empty),
                             std::string_view(empty).substr(empty.find("b=;") + 2, 0), own);
  Sha256 hash;
  hash.update(covered);
  hash.update(own);
  const Result<std::string> signature = options_.identity.key.sign(hash.finish());
  if (!signature) return signature.error();
  return write(base::encode_base64(*signature)) + "\r\n";
}

Result<std::string> ArcSealer::finish(const ArcResult& chain, std::string_view results) {
  const Sha256Digest& body = body_.finish();
  // RFC 8617 §5.1.2: a chain that failed before is not gone on with.
  if (has_failed_before_ || chain.instance >= kArcSetsMax) return std::string();
  const std::uint32_t instance = chain.instance + 1;
  const std::string number = "i=" + std::to_string(instance);
  const std::string a = "a=" + std::string(options_.identity.key.algorithm());
  const std::string d = "d=" + options_.identity.domain;
  const std::string s = "s=" + options_.identity.selector;
  const std::string t = seconds_tag(options_.signed_at);

  const std::string aar = write_results(instance, options_.authserv_id, results);

  std::string h = "h=";
  for (const std::string& name : signed_names_) h += (h.size() > 2 ? ":" : "") + name;
  std::vector<std::string> after = {
      "bh=" + base::encode_base64(view_of(body)), "c=relaxed/relaxed", d, h, number, s};
  if (!t.empty()) after.push_back(t);
  if (own_results_at_) {
    std::string own;
    append_canonical_field(Canonicalization::Relaxed, field_of(aar), own);
    canonical_.insert(*own_results_at_, own);
  }
  const Result<std::string> ams = sign(canonical_, "ARC-Message-Signature", {a}, after);
  if (!ams) return ams.error();

  // RFC 8617 §5.1.2: a seal that says "fail" covers its own set only.
  std::string covered = chain.status == ArcStatus::Fail ? std::string() : covered_;
  append_canonical_field(Canonicalization::Relaxed, field_of(aar), covered);
  append_canonical_field(Canonicalization::Relaxed, field_of(*ams), covered);
  after = {"cv=" + std::string(arc_status_name(chain.status)), d, number, s};
  if (!t.empty()) after.push_back(t);
  const Result<std::string> seal = sign(covered, "ARC-Seal", {a}, after);
  if (!seal) return seal.error();
  return *seal + *ams + aar;
}

}  // namespace ekiden::auth
