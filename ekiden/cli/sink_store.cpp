#include "ekiden/cli/sink_store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "ekiden/base/text.hpp"

namespace ekiden::cli {
namespace {

namespace json = boost::json;

/// JSON is UTF-8: what is not becomes readable instead.
json::string text(std::string_view octets) {
  if (base::is_valid_utf8(octets)) return json::string(octets);
  return json::string(base::printable(octets, octets.size() * 4));
}

Error system_error() {
  return Error(errno, boost::system::system_category());
}

Result<void> write_file(const std::string& path, std::string_view octets) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return system_error();
  while (!octets.empty()) {
    const ssize_t n = ::write(file, octets.data(), octets.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      const Error error = system_error();
      ::close(file);
      ::unlink(path.c_str());
      return error;
    }
    octets.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::close(file) != 0) return system_error();
  return {};
}

json::object mail_parameters(const smtp::MailCommand& mail) {
  json::object out;
  if (mail.size != 0) out["SIZE"] = mail.size;
  if (mail.body == smtp::BodyKind::EightBitMime) out["BODY"] = "8BITMIME";
  if (mail.body == smtp::BodyKind::BinaryMime) out["BODY"] = "BINARYMIME";
  if (mail.smtputf8) out["SMTPUTF8"] = true;
  if (mail.requiretls) out["REQUIRETLS"] = true;
  if (mail.ret == smtp::ReturnKind::Full) out["RET"] = "FULL";
  if (mail.ret == smtp::ReturnKind::Headers) out["RET"] = "HDRS";
  if (!mail.envid.empty()) out["ENVID"] = text(mail.envid);
  if (!mail.auth.empty()) out["AUTH"] = text(mail.auth);
  return out;
}

json::object rcpt_parameters(const smtp::RcptCommand& rcpt) {
  json::object out;
  std::string notify;
  const auto add = [&](std::uint8_t bit, std::string_view name) {
    if ((rcpt.notify & bit) == 0) return;
    if (!notify.empty()) notify += ',';
    notify += name;
  };
  add(smtp::kNotifyBitNever, "NEVER");
  add(smtp::kNotifyBitSuccess, "SUCCESS");
  add(smtp::kNotifyBitFailure, "FAILURE");
  add(smtp::kNotifyBitDelay, "DELAY");
  if (!notify.empty()) out["NOTIFY"] = notify;
  if (!rcpt.orcpt.empty()) out["ORCPT"] = text(rcpt.orcpt);
  return out;
}

}  // namespace

std::string format_envelope(const SinkTransaction& transaction, std::uint64_t size) {
  json::object out;
  const auto& from = transaction.mail.reverse_path;
  out["from"] = text(from ? from->text() : "");
  json::array to;
  json::array rcpt;
  for (const smtp::RcptCommand& recipient : transaction.recipients) {
    to.push_back(text(recipient.recipient.text()));
    rcpt.push_back(rcpt_parameters(recipient));
  }
  out["to"] = std::move(to);
  out["helo"] = text(transaction.helo);
  out["client"] = transaction.client.address.to_string();
  out["client_port"] = transaction.client.port;
  if (transaction.tls != nullptr) {
    out["tls"] = json::object{{"version", transaction.tls->version},
                              {"cipher", transaction.tls->cipher},
                              {"server_name", text(transaction.tls->server_name)},
                              {"resumed", transaction.tls->is_resumed}};
  } else {
    out["tls"] = nullptr;
  }
  json::object params;
  params["mail"] = mail_parameters(transaction.mail);
  params["rcpt"] = std::move(rcpt);
  out["params"] = std::move(params);
  out["received"] = base::format_rfc3339(transaction.received);
  if (transaction.auth.empty()) {
    out["auth"] = nullptr;
  } else {
    out["auth"] = text(transaction.auth);
  }
  out["size"] = size;
  return json::serialize(out);
}

Result<SinkStore> SinkStore::open(const std::string& directory) {
  for (const char* part : {"tmp", "new", "cur", "envelope"}) {
    std::error_code error;
    std::filesystem::create_directories(directory + "/" + part, error);
    if (error) return Error(error.value(), boost::system::system_category());
  }
  return SinkStore(directory);
}

Result<void> SinkStore::put(const std::string& name, std::string_view octets,
                            std::string_view envelope) const {
  const std::string temporary = directory_ + "/tmp/" + name;
  const auto appear = [&](std::string_view content, const std::string& path) -> Result<void> {
    if (const Result<void> written = write_file(temporary, content); !written) return written;
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return system_error();
    return {};
  };
  if (const auto done = appear(envelope, directory_ + "/envelope/" + name + ".json"); !done) {
    return done;
  }
  return appear(octets, directory_ + "/new/" + name);
}

}  // namespace ekiden::cli
