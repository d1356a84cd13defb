// Makes MIME with GMime; message/header_text reads with it.
#include "ekiden/api/composer.hpp"

#include <gmime/gmime.h>

#include <memory>
#include <mutex>

#include "ekiden/base/line_ends.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Held = std::unique_ptr<T, Unref>;

struct FreeOptions {
  void operator()(GMimeFormatOptions* options) const { g_mime_format_options_free(options); }
};

void start_gmime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

/// Line ends of any kind as LF: GMime's filter makes CRLF of each.
std::string with_lf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  while (true) {
    const std::size_t cr = text.find('\r');
    out += text.substr(0, cr);
    if (cr == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(cr + 1);
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
  if (!out.empty() && out.back() != '\n') out += '\n';
  return out;
}

/// One message on its way into MIME.
class Composer {
 public:
  explicit Composer(const Draft& draft)
      : draft_(draft), charset_(draft.charset == Charset::Iso2022Jp ? "iso-2022-jp" : "utf-8") {}

  Composed run() {
    Held<GMimeMessage> message(g_mime_message_new(FALSE));
    write_ekiden_headers(GMIME_OBJECT(message.get()));
    add_mailbox(message.get(), GMIME_ADDRESS_TYPE_FROM, draft_.from);
    for (const Mailbox& one : draft_.reply_to)
      add_mailbox(message.get(), GMIME_ADDRESS_TYPE_REPLY_TO, one);
    for (const Mailbox& one : draft_.to) add_mailbox(message.get(), GMIME_ADDRESS_TYPE_TO, one);
    for (const Mailbox& one : draft_.cc) add_mailbox(message.get(), GMIME_ADDRESS_TYPE_CC, one);
    if (draft_.to.empty() && draft_.cc.empty())
      set_header(GMIME_OBJECT(message.get()), "To", "undisclosed-recipients:;");
    g_mime_message_set_subject(message.get(), fit(draft_.subject).c_str(), charset_);
    for (const auto& [name, value] : draft_.headers)
      g_mime_object_append_header(GMIME_OBJECT(message.get()), name.c_str(), fit(value).c_str(),
                                  charset_);
    Held<GMimeObject> body = whole();
    g_mime_message_set_mime_part(message.get(), body.get());
    return {octets_of(GMIME_OBJECT(message.get())), std::move(unmapped_)};
  }

 private:
  std::string fit(std::string_view text) {
    return draft_.charset == Charset::Iso2022Jp ? fit_iso2022jp(text, unmapped_)
                                                : std::string(text);
  }

  static void set_header(GMimeObject* object, const char* name, const std::string& value) {
    g_mime_object_append_header(object, name, value.c_str(), "utf-8");
  }

  /// Raw: admission reads the octets and takes the fields out, so they are not encoded.
  void write_ekiden_headers(GMimeObject*) {
    const auto line = [this](const char* name, const std::string& value) {
      front_ += std::string(name) + ": " + value + "\r\n";
    };
    if (!draft_.stream.empty()) line("X-Ekiden-Stream", draft_.stream);
    for (const std::string& tag : draft_.tags) line("X-Ekiden-Tag", tag);
    if (!draft_.metadata.empty()) line("X-Ekiden-Metadata", draft_.metadata);
    if (draft_.send_at) line("X-Ekiden-Send-At", base::format_rfc3339(*draft_.send_at));
  }

  void add_mailbox(GMimeMessage* message, GMimeAddressType type, const Mailbox& mailbox) {
    const std::string name = fit(mailbox.name);
    InternetAddressList* list = g_mime_message_get_addresses(message, type);
    InternetAddress* address = internet_address_mailbox_new(name.empty() ? nullptr : name.c_str(),
                                                            mailbox.address.c_str());
    internet_address_set_charset(address, charset_);
    internet_address_list_add(list, address);
    g_object_unref(address);
  }

  Held<GMimeObject> text_part(const char* subtype, std::string_view text) {
    const std::string lf = with_lf(fit(text));
    Held<GMimePart> part(g_mime_part_new_with_type("text", subtype));
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", charset_);
    std::string octets = lf;
    if (draft_.charset == Charset::Iso2022Jp) {
      GError* problem = nullptr;
      gsize written = 0;
      char* converted = g_convert(lf.data(), static_cast<gssize>(lf.size()), "ISO-2022-JP", "UTF-8",
                                  nullptr, &written, &problem);
      // fit() has left nothing that has no place; in doubt UTF-8 is sent and said.
      if (converted != nullptr) {
        octets.assign(converted, written);
        g_free(converted);
      } else {
        g_clear_error(&problem);
        g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", "utf-8");
      }
    }
    set_content(part.get(), octets);
    const GMimeContentEncoding encoding =
        g_mime_part_get_best_content_encoding(part.get(), GMIME_ENCODING_CONSTRAINT_7BIT);
    // RFC 2045 §6.8: base64 of text has the canonical line end inside.
    if (encoding == GMIME_CONTENT_ENCODING_BASE64) set_content(part.get(), base::with_crlf(octets));
    g_mime_part_set_content_encoding(part.get(), encoding == GMIME_CONTENT_ENCODING_DEFAULT
                                                     ? GMIME_CONTENT_ENCODING_7BIT
                                                     : encoding);
    return Held<GMimeObject>(GMIME_OBJECT(part.release()));
  }

  static void set_content(GMimePart* part, std::string_view octets) {
    Held<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(octets.data(), octets.size()));
    Held<GMimeDataWrapper> content(
        g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
    g_mime_part_set_content(part, content.get());
  }

  Held<GMimeObject> attachment_part(const Attachment& attachment) {
    GMimeContentType* type = g_mime_content_type_parse(nullptr, attachment.content_type.c_str());
    Held<GMimePart> part(g_mime_part_new());
    g_mime_object_set_content_type(GMIME_OBJECT(part.get()), type);
    g_object_unref(type);
    g_mime_object_set_disposition(GMIME_OBJECT(part.get()),
                                  attachment.is_inline ? "inline" : "attachment");
    if (!attachment.filename.empty()) {
      const std::string name = fit(attachment.filename);
      g_mime_part_set_filename(part.get(), name.c_str());
      // RFC 2231 in the charset of the message, for `name` and for `filename`.
      set_charset(g_mime_content_disposition_get_parameters(
          g_mime_object_get_content_disposition(GMIME_OBJECT(part.get()))));
      set_charset(g_mime_content_type_get_parameters(
          g_mime_object_get_content_type(GMIME_OBJECT(part.get()))));
    }
    if (!attachment.content_id.empty())
      g_mime_part_set_content_id(part.get(), attachment.content_id.c_str());
    set_content(part.get(), attachment.content);
    g_mime_part_set_content_encoding(part.get(), GMIME_CONTENT_ENCODING_BASE64);
    return Held<GMimeObject>(GMIME_OBJECT(part.release()));
  }

  void set_charset(GMimeParamList* parameters) {
    const int count = parameters == nullptr ? 0 : g_mime_param_list_length(parameters);
    for (int i = 0; i < count; ++i) {
      GMimeParam* parameter = g_mime_param_list_get_parameter_at(parameters, i);
      g_mime_param_set_charset(parameter, charset_);
      g_mime_param_set_encoding_method(parameter, GMIME_PARAM_ENCODING_METHOD_RFC2231);
    }
  }

  static Held<GMimeObject> multipart(const char* subtype) {
    return Held<GMimeObject>(GMIME_OBJECT(g_mime_multipart_new_with_subtype(subtype)));
  }
  static void add(const Held<GMimeObject>& parent, const Held<GMimeObject>& child) {
    g_mime_multipart_add(GMIME_MULTIPART(parent.get()), child.get());
  }

  Held<GMimeObject> html_with_inlines() {
    Held<GMimeObject> html = text_part("html", *draft_.html);
    bool has_inline = false;
    for (const Attachment& one : draft_.attachments) has_inline = has_inline || one.is_inline;
    if (!has_inline) return html;
    Held<GMimeObject> related = multipart("related");
    add(related, html);
    for (const Attachment& one : draft_.attachments)
      if (one.is_inline) add(related, attachment_part(one));
    return related;
  }

  Held<GMimeObject> texts() {
    if (!draft_.html) return text_part("plain", *draft_.text);
    if (!draft_.text) return html_with_inlines();
    Held<GMimeObject> alternative = multipart("alternative");
    add(alternative, text_part("plain", *draft_.text));
    add(alternative, html_with_inlines());
    return alternative;
  }

  Held<GMimeObject> whole() {
    Held<GMimeObject> body = texts();
    Held<GMimeObject> mixed;
    for (const Attachment& one : draft_.attachments) {
      if (one.is_inline && draft_.html) continue;
      if (!mixed) {
        mixed = multipart("mixed");
        add(mixed, body);
      }
      add(mixed, attachment_part(one));
    }
    return mixed ? std::move(mixed) : std::move(body);
  }

  std::string octets_of(GMimeObject* message) {
    const std::unique_ptr<GMimeFormatOptions, FreeOptions> format(g_mime_format_options_new());
    g_mime_format_options_set_newline_format(format.get(), GMIME_NEWLINE_FORMAT_DOS);
    Held<GMimeStream> stream(g_mime_stream_mem_new());
    g_mime_object_write_to_stream(message, format.get(), stream.get());
    const GByteArray* array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
    std::string octets = std::move(front_);
    octets.append(reinterpret_cast<const char*>(array->data), array->len);
    return octets;
  }

  const Draft& draft_;
  const char* charset_;
  std::vector<Unmapped> unmapped_;
  std::string front_;
};

}  // namespace

Composed compose(const Draft& draft) {
  start_gmime();
  return Composer(draft).run();
}

}  // namespace ekiden::api
