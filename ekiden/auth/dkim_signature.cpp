#include "ekiden/auth/dkim_signature.hpp"

#include <algorithm>
#include <limits>

#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

/// RFC 6376 §3.5: t= and x= have up to 12 digits, l= up to 76.
constexpr std::size_t kTimeDigitsMax = 12;
constexpr std::size_t kLengthDigitsMax = 76;
/// RFC 1035 §2.3.4, as text.
constexpr std::size_t kNameOctetsMax = 253;
/// RFC 8617 §4.2.1.
constexpr std::uint32_t kArcInstanceMax = 50;

/// A number too large for us is larger than anything it is compared with.
std::optional<std::uint64_t> parse_number(std::string_view text, std::size_t digits_max) {
  if (text.empty() || text.size() > digits_max) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), base::is_digit)) return std::nullopt;
  return base::parse_u64(text).value_or(std::numeric_limits<std::uint64_t>::max());
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != ':' && c != ';';
  });
}

/// The parser of one field: each step is false when the field is malformed.
class Parser {
 public:
  Parser(SignatureKind kind, const TagList& tags, Signature& out, std::string& why)
      : kind_(kind), tags_(tags), out_(out), why_(why) {}

  bool run() {
    // Names first, so that a report can name a signature that is malformed elsewhere.
    const bool has_names = read_names();
    const bool has_algorithm = read_algorithm();
    if (kind_ == SignatureKind::Dkim) read_identity();
    const bool has_instance = kind_ == SignatureKind::Dkim || read_instance();
    if (!has_required() || !has_names || !has_algorithm || !has_instance) return false;
    if (kind_ == SignatureKind::Dkim && !check_dkim()) return false;
    if (kind_ == SignatureKind::ArcSeal) return check_seal() && read_signature() && read_times();
    return read_canonicalization() && read_signed_names() && read_hash() && read_signature() &&
           read_times();
  }

 private:
  bool fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }

  bool has_required() {
    static constexpr std::string_view kDkim[] = {"v", "a", "b", "bh", "d", "h", "s"};
    static constexpr std::string_view kMessage[] = {"i", "a", "b", "bh", "d", "h", "s"};
    static constexpr std::string_view kSeal[] = {"i", "a", "b", "cv", "d", "s"};
    const auto check = [this](const auto& names) {
      for (const std::string_view name : names) {
        if (!tags_.has(name)) {
          why_.clear();
          return fail("no " + std::string(name) + "= tag");
        }
      }
      return true;
    };
    if (kind_ == SignatureKind::Dkim) return check(kDkim);
    return kind_ == SignatureKind::ArcMessage ? check(kMessage) : check(kSeal);
  }

  bool read_names() {
    auto domain = parse_sdid(tags_.value("d"));
    auto selector = parse_selector(tags_.value("s"));
    if (domain) out_.domain = std::move(*domain);
    if (selector) out_.selector = std::move(*selector);
    if (out_.domain.empty()) return fail("d= is no domain");
    if (out_.selector.empty()) return fail("s= is no selector");
    if (out_.key_name().size() > kNameOctetsMax) return fail("the key's name is too long");
    return true;
  }

  bool read_algorithm() {
    const std::string_view text = tags_.value("a");
    out_.algorithm_text = base::printable(text, 64);
    if (text == "rsa-sha256") {
      out_.algorithm = SignatureAlgorithm::RsaSha256;
    } else if (text == "ed25519-sha256") {
      out_.algorithm = SignatureAlgorithm::Ed25519Sha256;
    } else if (text == "rsa-sha1") {
      out_.algorithm = SignatureAlgorithm::RsaSha1;
    } else {
      return fail("unknown algorithm in a=");
    }
    return true;
  }

  void read_identity() {
    const Tag* identity = tags_.find("i");
    out_.identity = identity != nullptr ? base::printable(identity->value, 320) : "@" + out_.domain;
  }

  bool check_dkim() {
    if (tags_.value("v") != "1") return fail("v= is not 1");
    // RFC 6376 §3.5: i= is d= or below it.
    if (const Tag* identity = tags_.find("i")) {
      const std::size_t at = identity->value.rfind('@');
      if (at == std::string_view::npos) return fail("i= has no domain");
      const auto domain = parse_sdid(identity->value.substr(at + 1));
      if (!domain) return fail("i= has no domain");
      if (*domain != out_.domain && !domain->ends_with("." + out_.domain)) {
        return fail("i= is not below d=");
      }
    }
    if (const Tag* query = tags_.find("q")) {
      const auto methods = split_trimmed(query->value, ':');
      if (std::find(methods.begin(), methods.end(), "dns/txt") == methods.end()) {
        return fail("no known method in q=");
      }
    }
    if (const Tag* length = tags_.find("l")) {
      out_.body_octets = parse_number(length->value, kLengthDigitsMax);
      if (!out_.body_octets) return fail("l= is no number");
    }
    return true;
  }

  bool read_instance() {
    const auto instance = parse_number(tags_.value("i"), 3);
    if (!instance || *instance == 0 || *instance > kArcInstanceMax) {
      return fail("i= is no instance of 1 to 50");
    }
    out_.instance = static_cast<std::uint32_t>(*instance);
    return true;
  }

  bool check_seal() {
    // RFC 8617 §4.1.3: "the following tags … MUST NOT appear": a seal has a fixed scope.
    if (tags_.has("h")) return fail("h= must not be in a seal");
    out_.chain = tags_.value("cv");
    if (out_.chain != "none" && out_.chain != "pass" && out_.chain != "fail") {
      return fail("cv= is not none, pass or fail");
    }
    return true;
  }

  bool read_canonicalization() {
    const Tag* tag = tags_.find("c");
    if (tag == nullptr) {
      // RFC 8617 §4.1.2 (lenient): without c= the published suite expects relaxed forms of ARC.
      if (kind_ == SignatureKind::ArcMessage) {
        out_.header = out_.body = Canonicalization::Relaxed;
      }
      return true;
    }
    // RFC 6376 §3.5: without a second word the body's form is simple.
    const std::size_t slash = tag->value.find('/');
    const auto header = parse_canonicalization(tag->value.substr(0, slash));
    const auto body = slash == std::string_view::npos
                          ? Canonicalization::Simple
                          : parse_canonicalization(tag->value.substr(slash + 1));
    if (!header || !body) return fail("unknown canonicalization in c=");
    out_.header = *header;
    out_.body = *body;
    return true;
  }

  bool read_signed_names() {
    for (const std::string_view name : split_trimmed(tags_.value("h"), ':')) {
      // RFC 8617 §4.1.2 (lenient): an empty name selects nothing; the published suite passes it.
      if (kind_ == SignatureKind::ArcMessage && name.empty()) continue;
      if (!is_field_name(name)) return fail("h= has something that is no field name");
      if (out_.signed_names.size() == kSignedNamesMax) return fail("too many names in h=");
      out_.signed_names.push_back(base::lowered(name));
    }
    return true;
  }

  bool read_hash() {
    auto hash = decode_base64_value(tags_.value("bh"));
    const std::size_t octets = out_.algorithm == SignatureAlgorithm::RsaSha1 ? 20 : kSha256Octets;
    if (!hash || hash->size() != octets) return fail("bh= is no hash of the algorithm's length");
    out_.body_hash = std::move(*hash);
    return true;
  }

  bool read_signature() {
    const Tag* tag = tags_.find("b");
    auto signature = decode_base64_value(tag->value);
    if (!signature || signature->empty()) return fail("b= is no signature");
    out_.signature = std::move(*signature);
    out_.signature_raw = tag->raw;
    return true;
  }

  bool read_times() {
    if (const Tag* tag = tags_.find("t")) {
      out_.signed_at_s = parse_number(tag->value, kTimeDigitsMax);
      if (!out_.signed_at_s) return fail("t= is no time");
    }
    if (kind_ != SignatureKind::Dkim) return true;
    if (const Tag* tag = tags_.find("x")) {
      out_.expires_s = parse_number(tag->value, kTimeDigitsMax);
      if (!out_.expires_s) return fail("x= is no time");
      // RFC 6376 §3.5.
      if (out_.signed_at_s && *out_.expires_s <= *out_.signed_at_s) {
        return fail("x= is not after t=");
      }
    }
    return true;
  }

  const SignatureKind kind_;
  const TagList& tags_;
  Signature& out_;
  std::string& why_;
};

}  // namespace

bool parse_signature(SignatureKind kind, const message::Field& field, Signature& out,
                     std::string& why) {
  std::string_view problem;
  const auto tags = TagList::parse(field.value, problem);
  if (!tags) {
    why = problem;
    return false;
  }
  return Parser(kind, *tags, out, why).run();
}

HeaderIndex::HeaderIndex(std::vector<message::Field> fields) : fields_(std::move(fields)) {
  entries_.reserve(fields_.size());
  for (std::size_t i = fields_.size(); i-- > 0;) {
    entries_.push_back({base::lowered(fields_[i].name), static_cast<std::uint32_t>(i)});
  }
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.name < b.name; });
}

std::pair<std::size_t, std::size_t> HeaderIndex::find(std::string_view lower_name) const {
  const auto first =
      std::lower_bound(entries_.begin(), entries_.end(), lower_name,
                       [](const Entry& e, std::string_view name) { return e.name < name; });
  const auto last =
      std::upper_bound(first, entries_.end(), lower_name,
                       [](std::string_view name, const Entry& e) { return name < e.name; });
  return {static_cast<std::size_t>(first - entries_.begin()),
          static_cast<std::size_t>(last - entries_.begin())};
}

std::size_t HeaderIndex::count(std::string_view lower_name) const {
  const auto [first, last] = find(lower_name);
  return last - first;
}

void HeaderIndex::append_selected(Canonicalization canonicalization,
                                  const std::vector<std::string>& names, std::string& out) const {
  // How many fields of a name are used up stands at the name's first entry.
  std::vector<std::uint32_t> used(entries_.size(), 0);
  for (const std::string& name : names) {
    const auto [first, last] = find(name);
    if (first == last || first + used[first] == last) continue;
    const Entry& entry = entries_[first + used[first]++];
    append_canonical_field(canonicalization, fields_[entry.field], out);
  }
}

HeaderIndex scan_header(std::string_view header, bool& is_whole) {
  std::vector<message::Field> fields;
  message::HeaderScanner scanner(header);
  message::Field field;
  for (;;) {
    const Result<bool> next = scanner.next(field);
    is_whole = next.has_value();
    if (!next || !*next) break;
    fields.push_back(field);
  }
  return HeaderIndex(std::move(fields));
}

}  // namespace ekiden::auth
