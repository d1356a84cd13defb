#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ekiden::bulk {

/// What is wrong with a template or with its data, and where; both from 1, columns in characters.
struct TemplateError {
  std::size_t line = 1, column = 1;
  std::string text;

  std::string sentence() const {
    return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + text;
  }
};

/// A text with places for data, in the part of Handlebars that mail needs (docs/BULK.md,
/// docs/decisions/0009-templates.md): {{path}}, {{{raw}}}, #if, #unless, #each, #with, sections and
/// their {{else}}, comments, ~, and SendGrid's helpers insert, equals, notEquals, greaterThan,
/// lessThan, and, or, length.
///
/// Nothing in it calls anything: whatever the data says, rendering ends within its limits.
///
/// Sharing: immutable; any thread.
class Handlebars {
 public:
  static constexpr std::size_t kSourceOctetsMax = 1 << 20;
  static constexpr std::size_t kDepthMax = 32;  ///< blocks within each other
  static constexpr std::size_t kOutputOctetsMax = 4 << 20;
  static constexpr std::size_t kStepsMax = 100'000;  ///< pieces written

  enum class Escape : std::uint8_t { Html, None };
  enum class Missing : std::uint8_t {
    Empty,  ///< what the data does not have is written as nothing
    Error,  ///< and refuses the message
  };

  /// Nothing when it is wrong; `error` then says what and where.
  static std::optional<Handlebars> parse(std::string_view source, TemplateError& error);

  std::optional<std::string> render(const boost::json::object& data, Escape escape, Missing missing,
                                    TemplateError& error) const;
  /// Without any {{ in it.
  bool is_plain() const;

 private:
  friend class HandlebarsParser;
  friend class HandlebarsRenderer;
  struct Node;
  struct Expression;
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace ekiden::bulk
