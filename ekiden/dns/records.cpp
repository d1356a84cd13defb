#include "ekiden/dns/records.hpp"

#include <algorithm>
#include <cstring>

#include "ekiden/base/text.hpp"
#include "ekiden/dns/name.hpp"

namespace ekiden::dns {
namespace {

constexpr std::size_t kTextStringOctetsMax = 255;

template <class Value, class Parse>
std::vector<Value> parse_all(const Answer& answer, Parse parse) {
  std::vector<Value> values;
  if (answer.status != Status::Ok) return values;
  const std::size_t count = std::min(answer.rdata.size(), kRecordsMax);
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (std::optional<Value> value = parse(std::string_view(answer.rdata[i]))) {
      values.push_back(std::move(*value));
    }
  }
  return values;
}

std::optional<net::Address> parse_address(std::string_view rdata) {
  namespace ip = boost::asio::ip;
  if (rdata.size() == 4) {
    ip::address_v4::bytes_type octets;
    std::memcpy(octets.data(), rdata.data(), octets.size());
    return net::Address(ip::address_v4(octets));
  }
  if (rdata.size() == 16) {
    ip::address_v6::bytes_type octets;
    std::memcpy(octets.data(), rdata.data(), octets.size());
    return net::Address(ip::address_v6(octets));
  }
  return std::nullopt;
}

std::optional<std::string> parse_name(std::string_view rdata) {
  std::optional<std::string> name = take_name(rdata);
  if (!rdata.empty()) return std::nullopt;
  return name;
}

std::optional<Mx> parse_mx(std::string_view rdata) {
  if (rdata.size() < 3) return std::nullopt;
  Mx mx;
  mx.preference = static_cast<std::uint16_t>(static_cast<unsigned char>(rdata[0]) << 8 |
                                             static_cast<unsigned char>(rdata[1]));
  std::optional<std::string> host = parse_name(rdata.substr(2));
  if (!host) return std::nullopt;
  mx.host = std::move(*host);
  return mx;
}

std::optional<std::string> parse_text(std::string_view rdata) {
  if (rdata.empty()) return std::nullopt;
  std::string text;
  text.reserve(rdata.size());
  while (!rdata.empty()) {
    const auto length = static_cast<unsigned char>(rdata.front());
    rdata.remove_prefix(1);
    if (length > rdata.size()) return std::nullopt;
    text.append(rdata.substr(0, length));
    rdata.remove_prefix(length);
  }
  return text;
}

std::optional<Tlsa> parse_tlsa_rdata(std::string_view rdata) {
  constexpr std::size_t kFixedOctets = 3;
  if (rdata.size() <= kFixedOctets) return std::nullopt;
  return Tlsa{static_cast<std::uint8_t>(rdata[0]), static_cast<std::uint8_t>(rdata[1]),
              static_cast<std::uint8_t>(rdata[2]), std::string(rdata.substr(kFixedOctets))};
}

/// Takes the next word off the front of `text`.
std::string_view take_word(std::string_view& text) {
  text = base::trimmed(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

}  // namespace

std::vector<net::Address> addresses_of(const Answer& answer) {
  return parse_all<net::Address>(answer, parse_address);
}

std::vector<Mx> mx_of(const Answer& answer) {
  return parse_all<Mx>(answer, parse_mx);
}

std::vector<std::string> texts_of(const Answer& answer) {
  return parse_all<std::string>(answer, parse_text);
}

std::vector<std::string> names_of(const Answer& answer) {
  return parse_all<std::string>(answer, parse_name);
}

std::vector<Tlsa> tlsa_of(const Answer& answer) {
  return parse_all<Tlsa>(answer, parse_tlsa_rdata);
}

std::string rdata_of_tlsa(const Tlsa& tlsa) {
  std::string rdata;
  for (const std::uint8_t field : {tlsa.usage, tlsa.selector, tlsa.matching}) {
    rdata.push_back(static_cast<char>(field));
  }
  return rdata + tlsa.data;
}

std::optional<Tlsa> parse_tlsa(std::string_view text) {
  std::uint8_t fields[3];
  for (std::uint8_t& field : fields) {
    const auto value = base::parse_u64(take_word(text));
    if (!value || *value > 255) return std::nullopt;
    field = static_cast<std::uint8_t>(*value);
  }
  std::string hex;
  while (!base::trimmed(text).empty()) hex += take_word(text);
  auto data = base::decode_hex(hex);
  if (!data || data->empty()) return std::nullopt;
  return Tlsa{fields[0], fields[1], fields[2], std::move(*data)};
}

std::optional<std::string> rdata_of_address(std::string_view text) {
  boost::system::error_code error;
  const net::Address address = boost::asio::ip::make_address(text, error);
  if (error) return std::nullopt;
  if (address.is_v4()) {
    const auto octets = address.to_v4().to_bytes();
    return std::string(octets.begin(), octets.end());
  }
  const auto octets = address.to_v6().to_bytes();
  return std::string(octets.begin(), octets.end());
}

std::optional<std::string> rdata_of_name(std::string_view name) {
  return wire_of_name(name);
}

std::optional<std::string> rdata_of_mx(std::uint16_t preference, std::string_view host) {
  const std::optional<std::string> name = wire_of_name(host);
  if (!name) return std::nullopt;
  std::string rdata;
  rdata.push_back(static_cast<char>(preference >> 8));
  rdata.push_back(static_cast<char>(preference & 0xff));
  return rdata + *name;
}

std::string rdata_of_text(std::string_view text) {
  std::string rdata;
  do {
    const std::string_view part = text.substr(0, kTextStringOctetsMax);
    rdata.push_back(static_cast<char>(part.size()));
    rdata.append(part);
    text.remove_prefix(part.size());
  } while (!text.empty());
  return rdata;
}

std::string type_name(Type type) {
  switch (type) {
    case Type::A:
      return "A";
    case Type::CNAME:
      return "CNAME";
    case Type::PTR:
      return "PTR";
    case Type::MX:
      return "MX";
    case Type::TXT:
      return "TXT";
    case Type::AAAA:
      return "AAAA";
    case Type::TLSA:
      return "TLSA";
  }
  return "TYPE" + std::to_string(static_cast<std::uint16_t>(type));
}

std::string_view status_name(Status status) {
  switch (status) {
    case Status::Ok:
      return "ok";
    case Status::NoData:
      return "no-data";
    case Status::NoDomain:
      return "no-domain";
    case Status::Failed:
      return "failed";
    case Status::Bogus:
      return "bogus";
  }
  return "unknown";
}

}  // namespace ekiden::dns
