#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::message {

/// RFC 3461 §4.1. Never stands alone; without any the default is Failure and Delay.
enum Notify : std::uint8_t {
  kNotifyDefault = 0,
  kNotifyNever = 1,
  kNotifySuccess = 2,
  kNotifyFailure = 4,
  kNotifyDelay = 8
};

/// RFC 3461 §4.3.
enum class Return : std::uint8_t { Default, Full, Headers };

/// RFC 8689: what the sender wants of TLS on every hop.
enum class TlsDemand : std::uint8_t {
  Usual,
  Required,  ///< REQUIRETLS on MAIL
  Optional,  ///< "TLS-Required: No": recipient domains' policies do not count
};

/// RFC 6152, RFC 3030: what BODY= said. SevenBit when it said nothing.
enum class BodyType : std::uint8_t { SevenBit, EightBitMime, BinaryMime };

struct Recipient {
  std::string address;  ///< as given, without angle brackets and source route
  std::string orcpt;    ///< "rfc822;xtext" as given, or empty
  std::uint8_t notify = kNotifyDefault;
  /// Where it goes, whatever the routes say: "10.0.0.5:25", several with commas between them, in
  /// the order to be tried, or "mx". Set for our own domains and by `queue reroute`; else empty.
  std::string next_hop;

  friend bool operator==(const Recipient&, const Recipient&) = default;
};

/// RFC 5321 §2.3.1, with what the extensions add.
struct Envelope {
  std::string reverse_path;  ///< as given; empty is the null reverse-path
  std::vector<Recipient> recipients;
  std::string envid;  ///< xtext as given, or empty
  std::string auth;   ///< AUTH= as given (RFC 4954 §5), or empty
  Return ret = Return::Default;
  BodyType body = BodyType::SevenBit;
  bool smtputf8 = false;

  friend bool operator==(const Envelope&, const Envelope&) = default;
};

/// Whose mail it is and how it came: kept beside the envelope, shown by `message show`.
struct Details {
  std::string tenant = "default";
  std::string stream = "transactional";
  std::vector<std::string> tags;
  std::string metadata;  ///< JSON object as given, or empty
  base::Time received{};
  base::Time send_at{};           ///< zero: at once
  std::string client_address;     ///< "192.0.2.1" or "2001:db8::1"
  std::string client_name;        ///< what HELO or EHLO said
  std::string identity;           ///< credential's name, or empty
  std::string listener;           ///< kept only where rewriting asks for it when mail leaves
  std::string protocol;           ///< "ESMTPSA", "HTTP", "DSN", …
  std::string header_from;        ///< address of From, as found
  std::string subject;            ///< decoded is the reader's work; at most 200 octets
  std::string message_id;         ///< Message-ID with its brackets
  std::uint64_t size = 0;         ///< octets as stored
  bool is_eight_bit = false;      ///< an octet above 127 occurs
  bool has_utf8_header = false;   ///< SMTPUTF8 is needed because of the headers
  bool is_generated = false;      ///< a DSN, notice or report of ours
  bool is_own = false;            ///< an own client's: trusted network or credential
  TlsDemand tls_demand{};         ///< of its sender (RFC 8689)
  bool is_authenticated = false;  ///< its Authentication-Results of our name are ours
  /// What will come of SPF, DKIM and DMARC, as far as was known at acceptance: "aligned: …",
  /// "unaligned: …", "unknown: …"; or "pending", with d= of the signatures that the message had,
  /// when it has to be decided before delivery. Empty: not looked at.
  std::string alignment;
  /// Mail that is scheduled together, and may be paused and cancelled together; empty: none.
  std::string batch;
  /// The pool that its sender named, and may (inbound::Admission); empty: the rules choose.
  std::string pool;

  friend bool operator==(const Details&, const Details&) = default;
};

/// What the spool keeps beside the octets of a message.
struct Meta {
  Envelope envelope;
  Details details;

  friend bool operator==(const Meta&, const Meta&) = default;
};

/// The stored form, versioned (docs/SPOOL.md). Later versions add fields at the end.
std::string encode_meta(const Meta& meta);
Result<Meta> decode_meta(std::string_view octets);

}  // namespace ekiden::message
