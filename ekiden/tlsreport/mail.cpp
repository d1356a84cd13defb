#include "ekiden/tlsreport/mail.hpp"

#include <zlib.h>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/encoders.hpp"

namespace ekiden::tlsreport {
namespace {

constexpr int kGzipWindow = 15 + 16;
constexpr int kMemoryLevel = 8;
constexpr base::Duration kDay = std::chrono::hours(24);

std::int64_t seconds(base::Time time) {
  return base::to_unix_us(time) / 1'000'000;
}

}  // namespace

std::string gzip(std::string_view octets) {
  z_stream stream{};
  const int begun = ::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow,
                                   kMemoryLevel, Z_DEFAULT_STRATEGY);
  EKIDEN_ASSERT(begun == Z_OK, "only memory could be missing");
  std::string out(::deflateBound(&stream, static_cast<uLong>(octets.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(octets.data()));
  stream.avail_in = static_cast<uInt>(octets.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int ended = ::deflate(&stream, Z_FINISH);
  EKIDEN_ASSERT(ended == Z_STREAM_END, "the bound is enough for everything at once");
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string file_name(const policy::TlsReportHead& head, std::string_view submitter) {
  const std::string_view id = head.id;
  const std::size_t dot = id.find('.');
  const std::string_view unique = id.substr(dot + 1, id.find('@') - dot - 1);
  return std::string(submitter) + "!" + head.domain + "!" + std::to_string(seconds(head.begin)) +
         "!" + std::to_string(seconds(head.begin + kDay) - 1) + "!" + std::string(unique) +
         ".json.gz";
}

std::string compose_mail(const MailRequest& request, const policy::TlsReportHead& head,
                         const policy::TlsTally& tally, std::string_view packed) {
  // base64 holds no "=_", so nothing in a part looks like it.
  const std::string boundary = "=_tlsrpt_" + std::to_string(seconds(request.now));
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  add("From", "<" + request.from + ">");
  add("To", "<" + request.to + ">");
  add("Date", base::format_rfc5322(request.now));
  add("Message-ID", "<tlsrpt." + head.id + ">");
  // RFC 8460 §5.3: the words that receivers sort by.
  add("Subject", "Report Domain: " + head.domain + "\r\n Submitter: " + request.submitter +
                     "\r\n Report-ID: <" + head.id + ">");
  add("TLS-Report-Domain", head.domain);
  add("TLS-Report-Submitter", request.submitter);
  // RFC 8460 §5.3: a report on broken TLS must not be lost to it; RFC 8689 §3.
  add("TLS-Required", "No");
  add("Auto-Submitted", "auto-generated");
  add("MIME-Version", "1.0");
  add("Content-Type",
      "multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"" + boundary + "\"");
  out += "\r\n--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n";
  out += "This is a report on TLS, as RFC 8460 defines it.\r\n\r\n";
  out += "Domain: " + head.domain + "\r\nFrom: " + request.submitter +
         "\r\nDay: " + base::format_day(head.begin) +
         " (UTC)\r\nSessions as your policy asks: " + std::to_string(tally.successes()) +
         "\r\nSessions that failed: " + std::to_string(tally.failures()) + "\r\n";
  out += "\r\n--" + boundary + "\r\nContent-Type: application/tlsrpt+gzip\r\n";
  out += "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"" +
         file_name(head, request.submitter) + "\"\r\n\r\n";
  message::Base64Encoder encoder;
  encoder.feed(packed, out);
  encoder.finish(out);
  out += "\r\n--" + boundary + "--\r\n";
  return out;
}

}  // namespace ekiden::tlsreport
