#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ekiden::feedback {

/// One recipient's block of message/delivery-status (RFC 3464 §2.3), values as given.
struct StatusBlock {
  std::string final_recipient, original_recipient;  ///< without their type
  std::string action;                               ///< lower case
  std::string status;                               ///< "5.1.1", comments cut off
  std::string diagnostic;                           ///< without its type
  std::string diagnostic_type;                      ///< lower case
  std::string remote_host;
};

struct DeliveryStatus {
  std::string reporting_host;
  std::vector<StatusBlock> recipients;  ///< at most kBounceRecipientsMax
};

/// `body`: decoded, line ends LF or CRLF. Fields in the wrong block are taken where they stand.
DeliveryStatus read_delivery_status(std::string_view body);

}  // namespace ekiden::feedback
