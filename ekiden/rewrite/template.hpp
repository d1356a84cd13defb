#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::rewrite {

/// What a template may say in braces.
enum class Variable : std::uint8_t {
  Id,         ///< ours: what `message show` takes
  MessageId,  ///< the Message-ID field, brackets included
  Tenant,
  Stream,
  Listener,
  Hostname,
  Tag,     ///< the first, or empty
  Sender,  ///< reverse-path
  SenderDomain,
  From,  ///< address of the header
  FromDomain,
  Route,      ///< known when the message leaves
  Recipient,  ///< of one transaction each
  RecipientDomain,
  Token,  ///< signed; names message and recipient
};
inline constexpr std::size_t kVariables = 15;

/// What the variables stand for, by enumerator.
struct Values {
  std::string text[kVariables];
  std::string& operator[](Variable v) { return text[static_cast<std::size_t>(v)]; }
  const std::string& operator[](Variable v) const { return text[static_cast<std::size_t>(v)]; }
};

enum class Escape : std::uint8_t {
  None,
  Url,  ///< RFC 3986 §2.1, everything but unreserved characters
};

/// Text with variables: "{tenant}-{stream}". "{{" and "}}" are braces.
class Template {
 public:
  /// Nothing when a variable is unknown or a brace stands alone; `why` then says which.
  static std::optional<Template> parse(std::string_view text, std::string& why);

  std::string expand(const Values& values, Escape escape = Escape::None) const;
  /// Names what is known only when the message leaves.
  bool needs_departure() const { return needs_departure_; }
  /// Differs between recipients.
  bool needs_recipient() const { return needs_recipient_; }

 private:
  struct Part {
    std::string literal;  ///< before the variable
    std::optional<Variable> variable;
  };
  std::vector<Part> parts_;
  bool needs_departure_ = false;
  bool needs_recipient_ = false;
};

std::string_view variable_name(Variable variable);

}  // namespace ekiden::rewrite
