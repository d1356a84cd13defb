#include "ekiden/rewrite/address_spans.hpp"

#include "ekiden/message/tokens.hpp"

namespace ekiden::rewrite {
namespace {

using message::comment_octets;
using message::encoded_word_octets;
using message::is_space;
using message::quoted_octets;

class Finder {
 public:
  explicit Finder(std::string_view value) : value_(value) {}

  std::vector<AddressSpan> run() {
    while (at_ < value_.size() && found_.size() < kSpansMax) step();
    end_element();
    return std::move(found_);
  }

 private:
  std::string_view rest() const { return value_.substr(at_); }

  void step() {
    const char c = value_[at_];
    std::size_t octets = 1;
    if (is_space(c)) {
      had_space_ = true;
    } else if (c == '(') {
      octets = comment();
      had_space_ = true;
    } else if (c == '"') {
      octets = quoted();
      append(octets);
    } else if (c == '=' && (octets = encoded_word_octets(rest())) != 0) {
      had_space_ = true;
    } else if (c == '<') {
      ++at_;
      angle();
      return;
    } else if (c == ',' || c == ';') {
      octets = 1;
      end_element();
    } else if (c == ':' && plain_.address.find('@') == std::string::npos) {
      // The name of a group ends here.
      octets = 1;
      plain_ = {};
    } else {
      octets = 1;
      append(1);
    }
    at_ += octets;
  }

  /// What is never closed counts as an ordinary character, and so do all later ones: without that
  /// memory hostile input makes each of them scan to the end.
  std::size_t quoted() {
    const std::size_t octets = has_open_quote_ ? 0 : quoted_octets(rest());
    has_open_quote_ = octets == 0;
    return octets == 0 ? 1 : octets;
  }
  std::size_t comment() {
    const std::size_t octets = has_open_comment_ ? 0 : comment_octets(rest());
    has_open_comment_ = octets == 0;
    return octets == 0 ? 1 : octets;
  }

  void take(AddressSpan& span, std::size_t octets) {
    if (span.address.empty()) span.at = at_;
    span.octets = at_ + octets - span.at;
    for (const char c : value_.substr(at_, octets)) {
      if (c != '\r' && c != '\n') span.address += c;
    }
  }

  /// An address without brackets: words before it are dropped, white space around '@' and '.' is
  /// not part of it (RFC 5322 §4.4).
  void append(std::size_t octets) {
    const auto joins = [](char c) { return c == '@' || c == '.'; };
    if (had_space_ && !plain_.address.empty() && !joins(plain_.address.back()) &&
        !joins(value_[at_])) {
      if (plain_.address.find('@') == std::string::npos) {
        plain_ = {};
      } else {
        is_complete_ = true;
      }
    }
    had_space_ = false;
    if (!is_complete_) take(plain_, octets);
  }

  void angle() {
    AddressSpan span;
    std::size_t route = std::string_view::npos;
    while (at_ < value_.size() && value_[at_] != '>') {
      const char c = value_[at_];
      std::size_t octets = 1;
      if (c == '"') {
        octets = quoted();
        take(span, octets);
      } else if (c == '(') {
        octets = comment();
      } else if (c == '<') {
        span = {};
        route = std::string_view::npos;
      } else if (c == ':' && span.address.starts_with('@')) {
        route = span.at;
        span = {};
      } else if (!is_space(c)) {
        take(span, 1);
      }
      at_ += octets;
    }
    if (at_ < value_.size()) ++at_;
    if (route != std::string_view::npos && !span.address.empty()) {
      span.octets += span.at - route;
      span.at = route;
    }
    add(std::move(span));
    has_angle_ = true;
  }

  void end_element() {
    if (!has_angle_) add(std::move(plain_));
    plain_ = {};
    has_angle_ = false;
    had_space_ = false;
    is_complete_ = false;
  }

  void add(AddressSpan span) {
    if (span.address.find('@') != std::string::npos) found_.push_back(std::move(span));
  }

  std::string_view value_;
  std::size_t at_ = 0;
  std::vector<AddressSpan> found_;
  AddressSpan plain_;
  bool has_angle_ = false;
  bool had_space_ = false;
  bool is_complete_ = false;
  bool has_open_quote_ = false;
  bool has_open_comment_ = false;
};

}  // namespace

std::vector<AddressSpan> find_addresses(std::string_view value) {
  return Finder(value).run();
}

}  // namespace ekiden::rewrite
