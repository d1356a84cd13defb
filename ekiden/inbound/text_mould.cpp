#include "ekiden/inbound/text_mould.hpp"

#include <algorithm>

#include "ekiden/base/line_ends.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/feedback/part_text.hpp"
#include "ekiden/inbound/smtpapi.hpp"
#include "ekiden/message/encoders.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/header_text.hpp"
#include "ekiden/message/mime.hpp"
#include "ekiden/message/structure.hpp"
#include "ekiden/rewrite/header_edit.hpp"

namespace ekiden::inbound {
namespace {

using message::Structure;
using rewrite::HeaderEdit;

bool has_any(std::string_view text, const std::vector<std::string>& tags) {
  return std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) {
    return text.find(tag) != std::string_view::npos;
  });
}

/// False: it would be longer than `octets_max`.
bool replace(std::string& text, std::string_view from, std::string_view to,
             std::size_t octets_max) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at; (at = text.find(from, begin)) != std::string::npos;
       begin = at + from.size()) {
    out.append(text, begin, at - begin);
    out += to;
    if (out.size() > octets_max) return false;
  }
  if (begin == 0) return true;
  out.append(text, begin);
  text = std::move(out);
  return text.size() <= octets_max;
}

bool replace_all(std::string& text, const Casting& casting, std::size_t octets_max) {
  return std::all_of(casting.begin(), casting.end(), [&](const auto& one) {
    return replace(text, one.first, one.second, octets_max);
  });
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// A To as one recipient was written: "花子 <hanako@example.jp>". RFC 2047 §5: a name is encoded,
/// an address never.
std::string to_field(std::string_view to) {
  const std::size_t angle = to.rfind('<');
  if (!message::has_eight_bit(to) || angle == std::string_view::npos)
    return rewrite::format_field("To", to);
  std::string_view name = base::trimmed(to.substr(0, angle));
  if (name.size() > 1 && name.front() == '"' && name.back() == '"')
    name = name.substr(1, name.size() - 2);
  std::string field = rewrite::format_field("To", name);
  field.resize(field.size() - std::string_view("\r\n").size());
  return field + "\r\n " + std::string(to.substr(angle)) + "\r\n";
}

/// RFC 2045 §6: what is mostly ASCII stays readable.
std::string encoded(std::string_view text, const char*& encoding) {
  const std::string octets = base::with_crlf(text);
  const auto high = std::count_if(octets.begin(), octets.end(), [](char c) { return (c & 0x80); });
  std::string out;
  if (static_cast<std::size_t>(high) * 4 < octets.size()) {
    encoding = "quoted-printable";
    message::QuotedPrintableEncoder encoder;
    encoder.feed(octets, out);
    encoder.finish(out);
  } else {
    encoding = "base64";
    message::Base64Encoder encoder;
    encoder.feed(octets, out);
    encoder.finish(out);
  }
  return out;
}

}  // namespace

/// Finds what is to be changed.
class TextMould::Reader {
 public:
  Reader(TextMould& mould, const std::vector<std::string>& tags) : mould_(mould), tags_(tags) {}

  bool read(std::string& problem) {
    const Result<Structure> whole = message::read_structure(mould_.octets_);
    if (!whole) {
      problem = "the message's header cannot be read";
      return false;
    }
    read_header(whole->header);
    walk(*whole, true);
    problem = problem_;
    return problem.empty();
  }

 private:
  Range range_of(std::string_view view) const {
    return {static_cast<std::size_t>(view.data() - mould_.octets_.data()), view.size()};
  }

  void read_header(std::string_view header) {
    message::HeaderScanner scanner(header);
    message::Field field;
    for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
      if (base::equals_ignoring_case(field.name, kSmtpApiField)) {
        mould_.dropped_.push_back(range_of(field.octets));
      } else if (base::equals_ignoring_case(field.name, "To")) {
        mould_.to_fields_.push_back(range_of(field.octets));
      } else if (base::equals_ignoring_case(field.name, "MIME-Version")) {
        has_version_ = true;
      } else if (base::equals_ignoring_case(field.name, "Subject") && !mould_.subject_field_) {
        mould_.subject_ = message::decode_header_text(message::unfolded(field.value));
        if (has_any(mould_.subject_, tags_)) mould_.subject_field_ = range_of(field.octets);
      }
    }
  }

  void walk(const Structure& part, bool is_whole) {
    if (part.type.is_multipart()) {
      for (const Structure& one : part.parts) walk(one, false);
      return;
    }
    const bool is_text =
        part.type.type == "text" && part.encoding != message::TransferEncoding::Other &&
        !base::starts_with_ignoring_case(feedback::find_field(part.header, "Content-Disposition"),
                                         "attachment");
    if (is_text && problem_.empty()) read_text(part, is_whole);
  }

  void read_text(const Structure& structure, bool is_whole) {
    Part part;
    part.text = feedback::decoded_text(structure);
    if (!has_any(part.text, tags_)) return;
    const std::string type = feedback::find_field(structure.header, "Content-Type");
    const std::string charset = base::lowered(message::find_parameter(type, "charset"));
    const std::string octets = feedback::decoded_octets(structure);
    const bool is_utf8 = charset.empty() || charset == "utf-8" || charset == "us-ascii";
    // Decoded otherwise, it would lose characters without a word.
    if (is_utf8 && !base::is_valid_utf8(octets)) {
      problem_ = "a text with substitutions in it is no UTF-8";
      return;
    }
    part.content_type = structure.type.type + "/" + structure.type.subtype;
    for (const char* name : {"format", "delsp"}) {
      const std::string value = message::find_parameter(type, name);
      if (!value.empty() && value.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
                                                    "STUVWXYZ") == std::string::npos)
        part.content_type += std::string("; ") + name + "=" + value;
    }
    part.body = range_of(structure.body);
    part.type_field = {range_of(structure.header).at, 0};
    part.needs_version = is_whole && !has_version_;
    find_fields(structure.header, part);
    mould_.parts_.push_back(std::move(part));
  }

  void find_fields(std::string_view header, Part& part) const {
    message::HeaderScanner scanner(header);
    message::Field field;
    for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
      if (base::equals_ignoring_case(field.name, "Content-Type") && part.type_field.octets == 0) {
        part.type_field = range_of(field.octets);
      } else if (base::equals_ignoring_case(field.name, "Content-Transfer-Encoding") &&
                 !part.encoding_field) {
        part.encoding_field = range_of(field.octets);
      }
    }
  }

  TextMould& mould_;
  const std::vector<std::string>& tags_;
  std::string problem_;
  bool has_version_ = false;
};

std::optional<TextMould> TextMould::read(std::string octets, const std::vector<std::string>& tags,
                                         std::string& problem) {
  if (octets.size() > kOctetsMax) {
    problem = "the message is too large for substitutions";
    return std::nullopt;
  }
  TextMould mould;
  mould.octets_ = std::move(octets);
  Reader reader(mould, tags);
  if (!reader.read(problem)) return std::nullopt;
  return mould;
}

std::optional<std::string> TextMould::cast(const Casting& casting, std::string_view to,
                                           std::size_t octets_max, std::string& problem) const {
  HeaderEdit edit;
  const auto change = [&](Range range, std::string text) {
    edit.changes.push_back({range.at, range.octets, std::move(text)});
  };
  const auto too_large = [&] {
    problem = "the message is too large with its substitutions";
    return std::nullopt;
  };
  for (const Range& field : dropped_) change(field, {});
  if (subject_field_) {
    std::string subject = subject_;
    if (!replace_all(subject, casting, octets_max)) return too_large();
    if (std::any_of(subject.begin(), subject.end(), is_control)) {
      problem = "a substitution in the subject has a line end or another control character";
      return std::nullopt;
    }
    std::string field = rewrite::format_field("Subject", subject);
    if (field.empty()) {
      problem = "the subject is too long with its substitutions";
      return std::nullopt;
    }
    change(*subject_field_, std::move(field));
  }
  if (!to.empty()) {
    for (std::size_t i = 0; i < to_fields_.size(); ++i)
      change(to_fields_[i], i == 0 ? to_field(to) : std::string());
    if (to_fields_.empty()) change({}, to_field(to));
  }
  for (const Part& part : parts_) {
    std::string text = part.text;
    if (!replace_all(text, casting, octets_max)) return too_large();
    const char* encoding = "";
    std::string body = encoded(text, encoding);
    std::string fields = part.needs_version ? "MIME-Version: 1.0\r\n" : "";
    fields += "Content-Type: " + part.content_type + "; charset=utf-8\r\n";
    fields += std::string("Content-Transfer-Encoding: ") + encoding + "\r\n";
    change(part.type_field, std::move(fields));
    if (part.encoding_field) change(*part.encoding_field, {});
    change(part.body, std::move(body));
  }
  // What is put somewhere comes before what is cut out there.
  std::stable_sort(edit.changes.begin(), edit.changes.end(), [](const auto& a, const auto& b) {
    return a.at != b.at ? a.at < b.at : a.octets < b.octets;
  });
  std::string out = edit.apply(octets_);
  if (out.size() > octets_max) return too_large();
  return out;
}

}  // namespace ekiden::inbound
