#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/bulk/record.hpp"
#include "ekiden/smtp/command.hpp"

namespace ekiden::bulk {

/// The message that a row becomes, ready for admission; or why it becomes none.
struct ComposedRow {
  smtp::MailCommand mail;
  std::vector<smtp::RcptCommand> recipients;
  std::string octets;
  std::string address;  ///< of the row, as it was given
  std::string refusal;  ///< in words; empty: none
};

/// Composes one row, on the pool. Any thread; bounded in time and size.
using ComposeRow = std::function<ComposedRow(std::string_view row, base::Time now)>;
/// What composes the rows of a job, its content read once; empty when that cannot be read.
using MakeComposer = std::function<ComposeRow(const Head& head)>;

}  // namespace ekiden::bulk
