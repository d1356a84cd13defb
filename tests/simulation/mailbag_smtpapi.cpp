// What a program with an API key asks for by X-SMTPAPI.
#include <algorithm>
#include <iterator>

#include "ekiden/base/text.hpp"
#include "tests/simulation/mailbag.hpp"

namespace ekiden::simulation {

using std::chrono::minutes;

bool is_header_over(const Submission& mail) {
  return mail.header.find("no field") != std::string::npos;
}

void Mailbag::ask_oddly(Submission& mail) {
  static const char* const kOdd[] = {
      "{\"to\": \"one\"}",
      "{\"to\": [7]}",
      "{\"to\": [\"a@one.example, b@one.example\"]}",
      "{\"category\": \"spring\"}",
      "{\"category\": 7}",
      "{\"category\": [7]}",
      "{\"unique_args\": 7}",
      "{\"unique_args\": {}}",
      "{\"send_at\": \"soon\"}",
      "{\"send_at\": 4102444800}",
      "{\"asm_group_id\": \"x\"}",
      "{\"to\": null, \"category\": null, \"section\": {}}",
      "[]",
      "{\"to\": [\"nobody\"]}",
      "{\"to\": [\"no address@\"]}",
      "{\"to\": [\"g\\u00f6d@one.example\"]}",
      "{\"to\": [\"a@no_domain..example\"]}",
      "{\"category\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\", "
      "\"k\", "
      "\"l\", \"m\", \"n\", \"o\", \"p\", \"q\", \"r\", \"s\", \"t\", \"u\", \"v\", \"w\"]}",
      "{\"category\": [\"spring\", 7]}",
      "{\"unique_args\": [7]}",
      "{\"unique_args\": null, \"send_at\": null, \"asm_group_id\": null, \"sub\": {}}",
      "{\"send_at\": -1}",
      "{\"send_at\": 1e300}",
      "{\"send_at\": 1}",
      "{\"send_each_at\": []}",
      "{\"send_each_at\": [\"soon\"]}",
      "{\"send_each_at\": 7}",
      "{\"send_at\": 4000000000, \"send_each_at\": [4000000000]}",
      "{\"sub\": 7}",
      "{\"sub\": {\"\": [\"x\"]}}",
      "{\"sub\": {\"-name-\": 7}}",
      "{\"sub\": {\"-name-\": [{}]}}",
      "{\"sub\": {\"-name-\": [7, true]}}",
      "{\"section\": [7]}",
      "{\"section\": {\"-a-\": 7}}",
      "{\"section\": {\"\": \"x\"}}",
      "{\"section\": {\"-a-\": \"x\"}}",
      "{\"batch_id\": 7}",
      "{\"batch_id\": \"nobody's\"}",
      "{\"asm_group_id\": 0}",
      "{\"asm_group_id\": -7}",
      "{\"asm_group_id\": 1e300}",
      "{\"filters\": 7}",
      "{\"filters\": {}}",
      "{\"filters\": {\"bypass_list_management\": 7, \"bypass_spam_management\": {}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": 7}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": {\"enable\": false}}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": {\"enable\": \"0\"}}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": {\"enable\": 1}}, "
      "\"bypass_spam_management\": {\"settings\": {\"enable\": \"1\"}}}}",
      "{\"to\": [\"no address\", \"<>\"]}",
      "{\"to\": [\"<good3@ex_ample..x>\"]}",
      "{\"sub\": {\"-name-\": [null]}}",
      "{\"sub\": {\"-name-\": [[]]}}",
      "{\"sub\": {\"-name-\": [\"one\", \"two\", \"three\", \"four\", \"five\", \"six\", "
      "\"seven\"]}}",
      "{\"send_each_at\": [4000000000, 4000000001, 4000000002, 4000000003, 4000000004, "
      "4000000005]}",
      "{\"filters\": {\"bypass_list_management\": {}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": {}}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": {\"enable\": 1}}}}",
      "{\"filters\": {\"bypass_list_management\": {\"settings\": {\"enable\": true}}}}",
      "{\"filters\": {\"bypass_spam_management\": {\"settings\": {\"enable\": 1}}}}",
      "{\"filters\": {\"bypass_bounce_management\": {\"settings\": {\"enable\": \"1\"}}}}",
      "{\"filters\": {\"bypass_unsubscribe_management\": {\"settings\": {\"enable\": 1}}}}",
      "{\"filters\": {\"bypass_unsubscribe_management\": {\"settings\": {\"enable\": []}}}}",
  };
  // What is longer than it may be.
  const std::string long_text(20'000, 'x');
  const std::string too_long[] = {"{\"unique_args\": {\"order\": \"" + long_text + "\"}}",
                                  "{\"category\": \"" + long_text + "\"}",
                                  "{\"sub\": {\"" + long_text + "\": [\"x\"]}}",
                                  "{\"section\": {\"" + long_text + "\": \"x\"}}"};
  if (stage_.chance_aside(80)) {
    mail.header += "X-SMTPAPI: " + too_long[stage_.aside.below(std::size(too_long))] + "\r\n";
    return;
  }
  mail.header += "X-SMTPAPI: " + std::string(kOdd[stage_.aside.below(std::size(kOdd))]) + "\r\n";
}

void Mailbag::ask_by_header(Submission& mail) {
  const std::uint64_t which = stage_.random().below(7);
  if (is_header_over(mail)) return;
  switch (which) {
    case 5:
    case 6:
      ask_oddly(mail);
      break;
    case 0:
      mail.header +=
          "X-SMTPAPI: {\"category\": [\"spring\", \"offers\"], \"unique_args\": {\"order\": "
          "7}}\r\n";
      break;
    case 1:
      mail.named_instead = {"good3@one.example", "good3@two.example"};
      mail.header += "X-SMTPAPI: {\"to\": [\"good3@one.example\", \"A <good3@two.example>\"]}\r\n";
      break;
    case 2:
      mail.delay = std::max<base::Duration>(mail.delay, minutes(30));
      mail.header +=
          "X-SMTPAPI: {\"send_at\": " +
          std::to_string(base::to_unix_us(stage_.world.now() + minutes(30)) / 1'000'000) +
          ", \"asm_group_id\": 7}\r\n";
      break;
    case 3:
      mail.header += "X-SMTPAPI: {\"sub\": {\"-name-\": [\"Ben\"]}}\r\n";
      break;
    default:
      mail.header += "X-SMTPAPI: no json\r\n";
      break;
  }
}

/// One message that becomes one for each recipient, with words of their own.
void Mailbag::make_personal(Submission& mail) {
  base::Random& random = stage_.aside;
  const std::vector<std::string> whom = {"good3@one.example", "good3@two.example"};
  const std::uint64_t kind = random.below(14);
  std::string values = "\"name-of-0\", \"name-of-1\"";
  if (kind == 3) values = "\"\\u82b1\\u5b50\", \"\\u592a\\u90ce\"";
  if (kind == 6) values = "\"x\", \"" + std::string(4000, 'x') + "\"";
  if (kind == 8) values = "\"one\\nline\", \"too many\"";
  if (kind == 9) values = "\"not enough\"";
  if (kind == 10) values = "\"-both-\", \"-both-\"";
  std::string asked = "{\"sub\": {\"-name-\": [" + values + "]}";
  if (kind == 10) asked += ", \"section\": {\"-both-\": \"a section\"}";
  mail.wanted = whom;
  if (random.below(2) == 0) {
    mail.named_instead = whom;
    asked += ", \"to\": [\"Ben <good3@one.example>\", ";
    asked +=
        random.below(2) == 0 ? "\"good3@two.example\"]" : "\"\\u82b1\\u5b50 <good3@two.example>\"]";
  }
  if (random.below(4) == 0) {
    const auto at = [&](base::Duration ahead) {
      return std::to_string(base::to_unix_us(stage_.world.now() + ahead) / 1'000'000);
    };
    asked += ", \"send_each_at\": [" + at(minutes(10)) + ", " + at(minutes(20)) + "]";
    mail.delay = std::max<base::Duration>(mail.delay, minutes(20));
  }
  mail.header += "X-SMTPAPI: " + asked + "}\r\n";
  if (random.below(2) == 0) mail.header += "To: everybody\r\nTo: and others\r\n";
  mail.is_changed = true;
  if (mail.is_eight_bit || mail.is_binary) return;
  if (kind == 0 || kind == 7)
    for (std::size_t i = 0; i < whom.size(); ++i)
      mail.words.emplace(whom[i], "name-of-" + std::to_string(i));
  if (kind == 6 || kind == 7 || kind == 8) mail.subject_more = " for -name-";
  const std::string start = "MIME-Version: 1.0\r\nContent-Type: ";
  switch (kind) {
    case 1:
      mail.header +=
          start + "text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n";
      mail.body = "<p>Dear -name=\r\n-, caf=C3=A9\r\n";
      break;
    case 2:
      mail.header += start + "multipart/mixed; boundary=p\r\n";
      mail.body =
          "--p\r\nContent-Type: text/plain\r\n\r\nDear -name-\r\n--p\r\nContent-Type: text/html\r\n"
          "Content-Transfer-Encoding: base64\r\n\r\n" +
          base::encode_base64("<p>Dear -name-") +
          "\r\n--p\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n-name-\r\n"
          "--p\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
          "x-own\r\n\r\n-name-\r\n--p--\r\n";
      break;
    case 3:
      mail.header += start + "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n";
      mail.body =
          base::encode_base64("\xe8\x8a\xb1\xe5\xad\x90\xe3\x81\x95\xe3\x82\x93 -name-") + "\r\n";
      break;
    case 4:
      mail.header += start +
                     "text/plain; charset=iso-8859-1; format=flowed; delsp=yes\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n";
      mail.body = "Dear -name-, caf=E9\r\n";
      break;
    case 5:
      mail.header +=
          start + "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n";
      mail.body = "Dear -name-, =FF=FE\r\n";
      break;
    case 11:
      mail.header += start +
                     "text/plain; charset=us-ascii; format=\"no;word\"\r\n"
                     "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n"
                     "Content-Type: text/html\r\nSubject: another\r\n";
      mail.body = "Dear -name-\r\n";
      break;
    case 12:
      mail.header += start + "application/json\r\n";
      mail.body = "{\"-name-\": 7}\r\n";
      break;
    case 13:
      mail.header += start + "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: x-own\r\n";
      break;
    case 6:
      for (int i = 0; i < 1'000; ++i)
        mail.body += "-name--name--name--name--name--name--name--name--name-\r\n";
      break;
    default:
      mail.body += "Dear -name-,\r\n";
      break;
  }
}

}  // namespace ekiden::simulation
