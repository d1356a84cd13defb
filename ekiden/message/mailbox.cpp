#include "ekiden/message/mailbox.hpp"

#include "ekiden/base/text.hpp"
#include "ekiden/message/tokens.hpp"

namespace ekiden::message {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view value) : rest_(value) {}

  Mailboxes run() {
    while (!rest_.empty()) step();
    end_element();
    return std::move(found_);
  }

 private:
  void step() {
    const char c = rest_.front();
    std::size_t octets = 1;
    if (is_space(c)) {
      had_space_ = true;
    } else if (c == '(') {
      octets = comment(rest_);
      had_space_ = true;
    } else if (c == '"') {
      octets = quoted(rest_);
      append(rest_.substr(0, octets));
    } else if (c == '=' && (octets = encoded_word_octets(rest_)) != 0) {
      had_space_ = true;
    } else if (c == '<') {
      octets = 1 + angle(rest_.substr(1));
    } else if (c == ',' || c == ';') {
      octets = 1;
      end_element();
    } else if (c == ':' && plain_.find('@') == std::string::npos) {
      // The name of a group ends here (RFC 5322 §3.4).
      octets = 1;
      plain_.clear();
    } else {
      octets = 1;
      append(rest_.substr(0, 1));
    }
    rest_.remove_prefix(octets);
  }

  /// A quote or parenthesis that is never closed counts as an ordinary character, and so do all
  /// later ones: without that memory, hostile input makes each of them scan to the end.
  std::size_t quoted(std::string_view text) {
    const std::size_t octets = has_open_quote_ ? 0 : quoted_octets(text);
    has_open_quote_ = octets == 0;
    return octets == 0 ? 1 : octets;
  }
  std::size_t comment(std::string_view text) {
    const std::size_t octets = has_open_comment_ ? 0 : comment_octets(text);
    has_open_comment_ = octets == 0;
    return octets == 0 ? 1 : octets;
  }

  /// Collects an address without brackets: words before it are dropped, white space around '@'
  /// and '.' is not part of it (RFC 5322 §4.4).
  void append(std::string_view octets) {
    const auto joins = [](char c) { return c == '@' || c == '.'; };
    if (had_space_ && !plain_.empty() && !joins(plain_.back()) && !joins(octets.front())) {
      if (plain_.find('@') == std::string::npos) {
        plain_.clear();
      } else {
        had_space_ = false;
        is_complete_ = true;
      }
    }
    had_space_ = false;
    if (!is_complete_) append_unfolded(plain_, octets);
  }

  /// A quoted string may be folded; an address stands on one line.
  static void append_unfolded(std::string& address, std::string_view octets) {
    for (const char c : octets) {
      if (c != '\r' && c != '\n') address += c;
    }
  }

  /// The address in angle brackets; `text` begins after '<'. Returns the octets it took.
  std::size_t angle(std::string_view text) {
    std::string address;
    std::size_t i = 0;
    while (i < text.size() && text[i] != '>') {
      std::size_t octets = 1;
      if (text[i] == '"') {
        octets = quoted(text.substr(i));
        append_unfolded(address, text.substr(i, octets));
      } else if (text[i] == '(') {
        octets = comment(text.substr(i));
      } else if (text[i] == '<') {
        address.clear();
      } else if (text[i] == ':' && address.starts_with('@')) {
        address.clear();  // A source route (RFC 5322 §4.4) tells nothing.
      } else if (!is_space(text[i])) {
        address += text[i];
      }
      i += octets;
    }
    if (!address.empty()) add(std::move(address));
    has_angle_ = true;
    return i < text.size() ? i + 1 : i;
  }

  void end_element() {
    if (!has_angle_ && plain_.find('@') != std::string::npos) add(std::move(plain_));
    plain_.clear();
    has_angle_ = false;
    had_space_ = false;
    is_complete_ = false;
  }

  void add(std::string address) {
    if (++found_.count <= kMailboxesMax) found_.addresses.push_back(std::move(address));
  }

  std::string_view rest_;
  Mailboxes found_;
  std::string plain_;
  bool has_angle_ = false;
  bool had_space_ = false;
  bool is_complete_ = false;
  bool has_open_quote_ = false;
  bool has_open_comment_ = false;
};

}  // namespace

Mailboxes parse_mailboxes(std::string_view value) {
  return Parser(value).run();
}

}  // namespace ekiden::message
