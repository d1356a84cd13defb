#include "ekiden/cli/mail_file.hpp"

#include <algorithm>

#include "ekiden/base/line_ends.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::cli {
namespace {

std::string to_lf(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  return out;
}

}  // namespace

MailFile::MailFile(std::string octets) : octets_(std::move(octets)) {
  had_lf_ = octets_.find('\n') != std::string::npos && octets_.find("\r\n") == std::string::npos;
  if (had_lf_) octets_ = base::with_crlf(octets_);
  header_octets_ = std::min(message::find_header_end(octets_), octets_.size());
}

std::string MailFile::with(std::string_view fields) const {
  std::string out(fields);
  out += octets_;
  return had_lf_ ? to_lf(out) : out;
}

}  // namespace ekiden::cli
