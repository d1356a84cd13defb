#include "ekiden/feedback/unpack.hpp"

#include <zlib.h>

#include <array>
#include <cstdint>

namespace ekiden::feedback {
namespace {

/// PKWARE's APPNOTE, 4.3.7: little-endian numbers behind the signature.
std::uint32_t number(std::string_view octets, std::size_t at, std::size_t length) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < length; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(octets[at + i])) << (8 * i);
  return value;
}

/// `window_bits`: 31 is gzip, -15 is a bare deflate stream.
std::optional<std::string> inflate_all(std::string_view octets, int window_bits, std::string& why) {
  z_stream stream{};
  if (::inflateInit2(&stream, window_bits) != Z_OK) {
    why = "cannot be unpacked";
    return std::nullopt;
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(octets.data()));
  stream.avail_in = static_cast<uInt>(octets.size());
  std::string out;
  std::array<char, 64 * 1024> buffer;
  int status = Z_OK;
  while (status == Z_OK && out.size() <= kUnpackedOctetsMax) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    status = ::inflate(&stream, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  if (out.size() > kUnpackedOctetsMax) {
    why = "unpacks to more than 64 MiB";
    return std::nullopt;
  }
  if (status != Z_STREAM_END) {
    why = "is damaged";
    return std::nullopt;
  }
  return out;
}

std::optional<std::string> unzip_first(std::string_view octets, std::string& why) {
  constexpr std::size_t kHeaderOctets = 30;
  constexpr std::uint32_t kEncrypted = 1;
  if (octets.size() < kHeaderOctets) {
    why = "is damaged";
    return std::nullopt;
  }
  const std::uint32_t flags = number(octets, 6, 2), method = number(octets, 8, 2);
  const std::size_t start = kHeaderOctets + number(octets, 26, 2) + number(octets, 28, 2);
  if (start > octets.size() || (flags & kEncrypted) != 0) {
    why = start > octets.size() ? "is damaged" : "is encrypted";
    return std::nullopt;
  }
  const std::string_view data = octets.substr(start);
  if (method == 8) return inflate_all(data, -MAX_WBITS, why);
  const std::uint32_t size = number(octets, 18, 4);
  if (method == 0 && size <= data.size()) return std::string(data.substr(0, size));
  why = "is packed in a way that is not known";
  return std::nullopt;
}

}  // namespace

Packing packing_of(std::string_view octets) {
  if (octets.starts_with("\x1f\x8b")) return Packing::Gzip;
  if (octets.starts_with("PK\x03\x04")) return Packing::Zip;
  return Packing::None;
}

std::optional<std::string> unpack(std::string_view octets, std::string& why) {
  switch (packing_of(octets)) {
    case Packing::Gzip:
      return inflate_all(octets, MAX_WBITS + 16, why);
    case Packing::Zip:
      return unzip_first(octets, why);
    case Packing::None:
      break;
  }
  return std::string(octets);
}

}  // namespace ekiden::feedback
