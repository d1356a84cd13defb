#include "ekiden/rewrite/template.hpp"

#include <array>

#include "ekiden/base/text.hpp"

namespace ekiden::rewrite {
namespace {

constexpr std::array<std::string_view, kVariables> kNames = {
    "id",          "message_id", "tenant",    "stream",           "listener",
    "hostname",    "tag",        "sender",    "sender_domain",    "from",
    "from_domain", "route",      "recipient", "recipient_domain", "token"};

/// No value makes a header grow without a bound.
constexpr std::size_t kValueOctetsMax = 512;

void append_url(std::string& out, std::string_view value) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : value) {
    if (base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[octet >> 4];
      out += kHex[octet & 15];
    }
  }
}

}  // namespace

std::string_view variable_name(Variable variable) {
  return kNames[static_cast<std::size_t>(variable)];
}

std::optional<Template> Template::parse(std::string_view text, std::string& why) {
  Template made;
  Part part;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      part.literal += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      part.literal += c;
      ++i;
      continue;
    }
    const std::size_t end = text.find('}', i);
    if (c == '}' || end == std::string_view::npos) {
      why = "a brace stands alone; write {{ or }} for one that is meant";
      return std::nullopt;
    }
    const std::string_view name = text.substr(i + 1, end - i - 1);
    for (std::size_t v = 0; v < kVariables; ++v) {
      if (kNames[v] == name) part.variable = static_cast<Variable>(v);
    }
    if (!part.variable) {
      why = "there is no variable {" + base::printable(name, 40) + "}";
      return std::nullopt;
    }
    made.needs_departure_ = made.needs_departure_ || *part.variable >= Variable::Route;
    made.needs_recipient_ = made.needs_recipient_ || *part.variable >= Variable::Recipient;
    made.parts_.push_back(std::move(part));
    part = {};
    i = end;
  }
  made.parts_.push_back(std::move(part));
  return made;
}

std::string Template::expand(const Values& values, Escape escape) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.literal;
    if (!part.variable) continue;
    const std::string_view value =
        std::string_view(values[*part.variable]).substr(0, kValueOctetsMax);
    if (escape == Escape::Url) {
      append_url(out, value);
    } else {
      out += value;
    }
  }
  return out;
}

}  // namespace ekiden::rewrite
