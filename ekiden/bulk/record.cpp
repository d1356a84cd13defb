#include "ekiden/bulk/record.hpp"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/bulk/job_id.hpp"

namespace ekiden::bulk {
namespace {

namespace json = boost::json;

constexpr std::string_view kMagic = "EKJ1";
/// A head carries a message's attachments.
constexpr std::size_t kPayloadOctetsMax = 256U << 20;

void put(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

std::uint32_t get(std::string_view octets, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(octets[at + static_cast<std::size_t>(i)]);
  return value;
}

std::string frame_of(std::uint32_t first_row, std::string_view payload) {
  std::string rest;
  rest.reserve(payload.size() + 8);
  put(rest, static_cast<std::uint32_t>(payload.size()));
  put(rest, first_row);
  rest += payload;
  std::string out(kMagic);
  put(out, base::crc32c(rest));
  return out += rest;
}

std::string text_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::int64_t number_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

}  // namespace

std::string encode_head(const Head& head) {
  json::array domains;
  for (const std::string& domain : head.sender_domains) domains.push_back(json::string(domain));
  const json::object object{{"name", head.name},
                            {"tenant", head.tenant},
                            {"stream", head.stream},
                            {"identity", head.identity},
                            {"sender_domains", std::move(domains)},
                            {"client_address", head.client_address},
                            {"content", head.content},
                            {"rows", head.rows},
                            {"send_at_us", base::to_unix_us(head.send_at)},
                            {"job", head.job}};
  return frame_of(0, json::serialize(object));
}

std::optional<Head> decode_head(const Frame& frame) {
  if (frame.first_row != 0) return std::nullopt;
  json::error_code error;
  const json::value value =
      json::parse(json::string_view(frame.payload.data(), frame.payload.size()), error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& object = value.get_object();
  Head head;
  head.name = text_of(object, "name");
  head.tenant = text_of(object, "tenant");
  head.stream = text_of(object, "stream");
  head.identity = text_of(object, "identity");
  head.client_address = text_of(object, "client_address");
  head.content = text_of(object, "content");
  head.rows = static_cast<std::uint32_t>(number_of(object, "rows"));
  head.send_at = base::from_unix_us(number_of(object, "send_at_us"));
  head.job = number_of(object, "job");
  if (const json::value* list = object.if_contains("sender_domains"); list && list->is_array()) {
    for (const json::value& one : list->get_array())
      if (one.is_string())
        head.sender_domains.emplace_back(one.get_string().data(), one.get_string().size());
  }
  if (head.tenant.empty() || head.content.empty()) return std::nullopt;
  return head;
}

void FrameWriter::add(std::string_view row) {
  open_ += row;
  open_ += '\n';
  ++next_;
  if (next_ - first_ >= kFrameRowsMax || open_.size() >= kFrameOctetsMax) close();
}

void FrameWriter::close() {
  if (open_.empty()) return;
  out_ += frame_of(first_, open_);
  open_.clear();
  first_ = next_;
}

std::string FrameWriter::take() {
  return std::exchange(out_, {});
}

std::string FrameWriter::end() {
  close();
  return take();
}

FrameError read_frame(std::string_view octets, Frame& frame, std::size_t& needed) {
  needed = kFrameHeaderOctets;
  if (octets.size() < kFrameHeaderOctets) return FrameError::Partial;
  if (octets.substr(0, 4) != kMagic) return FrameError::Damaged;
  const std::size_t length = get(octets, 8);
  if (length > kPayloadOctetsMax) return FrameError::Damaged;
  needed = kFrameHeaderOctets + length;
  if (octets.size() < needed) return FrameError::Partial;
  if (base::crc32c(octets.substr(8, needed - 8)) != get(octets, 4)) return FrameError::Damaged;
  frame.first_row = get(octets, 12);
  frame.payload = octets.substr(kFrameHeaderOctets, length);
  frame.size = needed;
  return FrameError::None;
}

std::vector<std::string_view> rows_of(const Frame& frame) {
  std::vector<std::string_view> rows;
  std::string_view rest = frame.payload;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    rows.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return rows;
}

std::string format_mark(Mark mark) {
  return "row " + std::to_string(mark.row) + " at " + std::to_string(mark.offset);
}

std::optional<Mark> parse_mark(std::string_view text) {
  if (!text.starts_with("row ")) return std::nullopt;
  text.remove_prefix(4);
  const std::size_t at = text.find(" at ");
  if (at == std::string_view::npos) return std::nullopt;
  const auto row = base::parse_u64(text.substr(0, at));
  const auto offset = base::parse_u64(text.substr(at + 4));
  if (!row || !offset || *row == 0 || *row > kRowsMax + 1) return std::nullopt;
  return Mark{*offset, static_cast<std::uint32_t>(*row)};
}

}  // namespace ekiden::bulk
