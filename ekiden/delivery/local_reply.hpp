#pragma once

#include <string>
#include <utility>

#include "ekiden/smtp/reply.hpp"

namespace ekiden::delivery {

/// A reply of ours, for what no peer said.
inline smtp::Reply local_reply(std::uint16_t code, smtp::EnhancedCode enhanced, std::string text) {
  smtp::Reply reply;
  reply.code = code;
  reply.enhanced = enhanced;
  reply.lines.push_back(std::move(text));
  return reply;
}

}  // namespace ekiden::delivery
