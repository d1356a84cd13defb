#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ekiden/smtp/address.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::smtp {

// RFC 5321 §4.5.3.1.4 says 512; RFC 6152, 3461, 6531 and others each lengthen MAIL and RCPT. One
// limit covers them all with room; a longer line is dropped and answered 500 5.5.2.
inline constexpr std::size_t kCommandOctetsMax = 4096;
// RFC 4954 §4: 12288 octets, for the tickets of some mechanisms.
inline constexpr std::size_t kAuthLineOctetsMax = 12288;
// RFC 3461 §4.4, §4.2.
inline constexpr std::size_t kEnvidOctetsMax = 100;
inline constexpr std::size_t kOrcptOctetsMax = 500;

/// How closely commands must follow the grammar of RFC 5321.
enum class Syntax : std::uint8_t {
  Lenient,  ///< what real clients send is understood
  Strict,   ///< and only what §4.1 allows is
};

enum class Verb : std::uint8_t {
  Ehlo,
  Helo,
  Mail,
  Rcpt,
  Data,
  Bdat,
  Rset,
  Noop,
  Quit,
  Vrfy,
  Expn,
  Help,
  StartTls,
  Auth,
  Unknown,
};

/// A command line, without its CRLF, taken apart at the first space.
struct Command {
  Verb verb = Verb::Unknown;
  std::string_view argument;     ///< a view into the line; spaces around it are gone
  bool has_extra_space = false;  ///< more than one before the argument
};
Command parse_command(std::string_view line);
std::string_view verb_name(Verb verb);

/// RFC 6152, RFC 3030.
enum class BodyKind : std::uint8_t { SevenBit, EightBitMime, BinaryMime };
/// RFC 3461 §4.3.
enum class ReturnKind : std::uint8_t { Default, Full, Headers };
/// RFC 3461 §4.1; the same bits as message::Notify.
enum NotifyBits : std::uint8_t {
  kNotifyBitNever = 1,
  kNotifyBitSuccess = 2,
  kNotifyBitFailure = 4,
  kNotifyBitDelay = 8
};

/// Which parameters are known: those of the extensions that EHLO offered.
struct Offered {
  bool size = true;
  bool eight_bit_mime = true;
  bool smtputf8 = true;
  bool chunking = true;  ///< and BINARYMIME
  bool dsn = true;
  bool auth = false;
  bool requiretls = false;  ///< RFC 8689 §2: under TLS only
};

struct MailCommand {
  std::optional<Address> reverse_path;  ///< nothing: "<>"
  std::uint64_t size = 0;               ///< zero: not said
  BodyKind body = BodyKind::SevenBit;
  bool smtputf8 = false;
  bool requiretls = false;  ///< RFC 8689 §2
  ReturnKind ret = ReturnKind::Default;
  std::string envid;  ///< xtext as given
  std::string auth;   ///< as given (RFC 4954 §5)
};

struct RcptCommand {
  Address recipient;
  bool had_source_route = false;
  std::uint8_t notify = 0;
  std::string orcpt;  ///< "rfc822;xtext" as given
};

/// What was said, or the reply that refuses it. `argument` is all behind the verb.
using ParsedMail = std::variant<MailCommand, Reply>;
ParsedMail parse_mail(std::string_view argument, const Offered& offered,
                      Syntax syntax = Syntax::Lenient);

/// Whether a domain has recipients with odd local parts (is_odd_local_part), so that strict syntax
/// takes them. Empty: none has.
using TakesOddLocalParts = std::function<bool(std::string_view domain)>;

/// `smtputf8`: MAIL asked for it (RFC 6531 §3.4).
using ParsedRcpt = std::variant<RcptCommand, Reply>;
ParsedRcpt parse_rcpt(std::string_view argument, const Offered& offered, bool smtputf8,
                      Syntax syntax = Syntax::Lenient, const TakesOddLocalParts& takes_odd = {});

/// RFC 3030 §2.
struct BdatCommand {
  std::uint64_t octets = 0;
  bool is_last = false;
};
std::optional<BdatCommand> parse_bdat(std::string_view argument);

}  // namespace ekiden::smtp
