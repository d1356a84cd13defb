#pragma once

#include <string_view>

namespace ekiden::message {

/// Details::protocol of a record that is a bulk job (ekiden/bulk): it is expanded, never delivered.
inline constexpr std::string_view kJobProtocol = "JOB";

}  // namespace ekiden::message
