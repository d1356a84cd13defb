#include "ekiden/api/original_desk.hpp"

#include <boost/json/array.hpp>

#include "ekiden/api/api.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/event_query.hpp"
#include "ekiden/archive/copies.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "ekiden/events/key.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

Problem unreadable() {
  return unavailable({"The message cannot be read now.", "現在メッセージを読み出せません。"});
}

/// The recipients that the body names, or all of the message's.
std::vector<std::string> read_recipients(const HttpRequest& request, const message::Meta& meta,
                                         std::optional<Problem>& problem) {
  std::vector<std::string> chosen;
  if (request.body.empty()) {
    for (const message::Recipient& one : meta.envelope.recipients) chosen.push_back(one.address);
    return chosen;
  }
  JsonBody body = read_json_body(request);
  if (body.problem) {
    problem = std::move(body.problem);
    return chosen;
  }
  Findings findings;
  for (const auto& [key, value] : body.object) {
    if (key != "recipients") {
      findings.add(member({}, {key.data(), key.size()}), "unknown",
                   {"there is no such field", "そのような項目はありません"});
    } else if (!value.is_array() || value.get_array().empty()) {
      findings.add("/recipients", "wrong_type",
                   wrong_type("an array of addresses", "アドレスの配列"));
    }
  }
  const json::value* list = body.object.if_contains("recipients");
  const json::array none;
  const json::array& wanted = list != nullptr && list->is_array() ? list->get_array() : none;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string pointer = "/recipients/" + std::to_string(i);
    if (!wanted[i].is_string()) {
      findings.add(pointer, "wrong_type", wrong_type("an address", "アドレス"));
      continue;
    }
    const std::string_view address(wanted[i].get_string().data(), wanted[i].get_string().size());
    const auto& all = meta.envelope.recipients;
    const auto found = std::find_if(all.begin(), all.end(), [&](const message::Recipient& one) {
      return events::is_same_recipient(one.address, address);
    });
    if (found == all.end()) {
      findings.add(pointer, "not_a_recipient",
                   {"the message did not go there", "このメッセージの宛先ではありません"});
    } else {
      chosen.push_back(found->address);
    }
  }
  if (list == nullptr) {
    for (const message::Recipient& one : meta.envelope.recipients) chosen.push_back(one.address);
  }
  if (!findings.is_empty()) problem = invalid_request(findings.take());
  return chosen;
}

/// What the message was accepted with is not in its header any more.
std::string with_ekiden_headers(const message::Details& details, std::string octets) {
  std::string front = "X-Ekiden-Stream: " + details.stream + "\r\n";
  for (const std::string& tag : details.tags) front += "X-Ekiden-Tag: " + tag + "\r\n";
  if (!details.metadata.empty()) front += "X-Ekiden-Metadata: " + details.metadata + "\r\n";
  return front + octets;
}

}  // namespace

/// `is_known`: the queue has the message, whether or not it could be read.
base::Task<OriginalDesk::Original> OriginalDesk::find_queued(base::MessageId id, bool& is_known) {
  Original original;
  spool::Port& port = parts_.services.port;
  auto load = [&](base::Completion<Result<spool::Loaded>> done) { port.load(id, std::move(done)); };
  Result<spool::Loaded> loaded = co_await base::suspend<Result<spool::Loaded>>(std::move(load));
  is_known = loaded.has_value();
  if (!loaded) {
    if (loaded.error() != make_error_code(spool::Errc::NotFound)) original.problem = unreadable();
    co_return original;
  }
  Result<message::Meta> meta = message::decode_meta(loaded->meta);
  if (!meta) {
    original.problem = unreadable();
    co_return original;
  }
  original.meta = std::move(*meta);
  const spool::Body& body = loaded->body;
  if (body.is_in_memory()) {
    original.octets = body.octets.view();
    co_return original;
  }
  auto read = [&](base::Completion<Result<base::Octets>> done) {
    port.read(body, 0, body.size, std::move(done));
  };
  const Result<base::Octets> octets = co_await base::suspend<Result<base::Octets>>(std::move(read));
  if (octets && octets->size() == body.size) {
    original.octets = octets->view();
  } else {
    original.problem = unreadable();
  }
  co_return original;
}

/// RFC 9110 §15.5.11: it was here, and whoever asks may know why it is not.
base::Task<Problem> OriginalDesk::why_gone(std::shared_ptr<Call> call, base::MessageId id) {
  (void)co_await parts_.messages.was_stored(id);
  base::Function<std::string(events::Reader&)> question =
      [id, tenant = call->caller.tenant()](events::Reader& reader) {
        const std::vector<events::Event> known = timeline(reader, id, tenant);
        return known.empty() ? std::string() : known.front().stream;
      };
  const std::optional<std::string> stream =
      co_await parts_.shared.events().ask<std::string>(parts_.worker, std::move(question));
  if (!stream) co_return too_busy();
  if (stream->empty()) co_return no_such_message();
  const account::TenantRules* rules = call->caller.accounts->find_tenant(call->caller.tenant());
  if (!account::is_archived(rules, *stream)) {
    co_return make_problem(
        410, "gone",
        {"The message has left the queue, and no copies are kept: archive is off for this tenant "
         "and stream.",
         "メッセージはキューになく、このテナントとストリームではarchiveが無効なため写しがありませ"
         "ん。"});
  }
  co_return make_problem(
      410, "gone",
      {"The message has left the queue, and the archive has no copy of it: it came before the "
       "archive was on, was too large, or is over its retention, or was erased.",
       "メッセージはキューになく、archiveにも写しがありません。有効化前の受付、サイズ超過、保存期"
       "間の経過、または消去によるものです。"});
}

base::Task<OriginalDesk::Original> OriginalDesk::find(std::shared_ptr<Call> call) {
  Original original;
  const std::optional<base::MessageId> id = base::parse_message_id(call->path.get("id"));
  // A job lies in the spool as messages do, and is none: its rows become some.
  const bool is_job = id && bulk::is_of_job(*id) && bulk::row_of(*id) == 0;
  if (!id || is_job) {
    original.problem = no_such_message();
    co_return original;
  }
  bool is_known = false;
  original = co_await find_queued(*id, is_known);
  const account::HashKey* node_key = &parts_.shared.parts().node_key;
  if (!is_known && !original.problem && node_key != nullptr) {
    base::Function<Result<std::optional<archive::Copy>>()> work =
        [id = *id, node_key, directory = parts_.shared.parts().data_dir + "/archive"] {
          return archive::load_copy(directory, *node_key, id);
        };
    Result<std::optional<archive::Copy>> copy =
        co_await base::run_on<Result<std::optional<archive::Copy>>>(parts_.pool, parts_.worker,
                                                                    std::move(work));
    if (!copy) {
      base::log::error("archive_not_read", {{"message", base::format_message_id(*id)},
                                            {"reason", copy.error().message()}});
      original.problem = unreadable();
      co_return original;
    }
    if (copy->has_value()) {
      Result<message::Meta> meta = message::decode_meta((**copy).meta);
      is_known = meta.has_value();
      if (meta) {
        original.meta = std::move(*meta);
        original.octets = std::move((**copy).octets);
      } else {
        original.problem = unreadable();
      }
    }
  }
  if (original.problem) co_return original;
  if (!is_known) {
    original.problem = co_await why_gone(std::move(call), *id);
  } else if (original.meta.details.tenant != call->caller.tenant()) {
    original.problem = no_such_message();
  }
  co_return original;
}

base::Task<HttpResponse> OriginalDesk::show(std::shared_ptr<Call> call) {
  Original original = co_await find(call);
  if (original.problem) co_return own_problem(*original.problem, call->caller);
  HttpResponse response;
  response.content_type = "message/rfc822";
  // Never shown by a browser as a page of ours.
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"message.eml\"");
  response.body = std::move(original.octets);
  co_return response;
}

base::Task<HttpResponse> OriginalDesk::resend(std::shared_ptr<Call> call) {
  Original original = co_await find(call);
  std::vector<Prepared> prepared(1);
  // Also what cannot be done goes by the idempotency book: a repetition gets the first answer.
  prepared.front().problem = std::move(original.problem);
  if (!prepared.front().problem) {
    RawMessage raw;
    raw.recipients = read_recipients(call->request, original.meta, prepared.front().problem);
    raw.return_path = original.meta.envelope.reverse_path;
    raw.octets = with_ekiden_headers(original.meta.details, std::move(original.octets));
    if (!prepared.front().problem) prepared.front() = prepare_raw(std::move(raw));
  }
  Sender::MakeAnswer answer = [old = std::string(call->path.get("id"))](
                                  const Call& of, const std::vector<Sent>& sent) {
    const Sent& one = sent.front();
    if (one.problem) return own_problem(*one.problem, of.caller);
    const std::string id = base::format_message_id(one.id);
    HttpResponse response = json_response(
        202,
        json::object{
            {"id", id}, {"status", "queued"}, {"recipients", one.recipients}, {"resent", old}});
    response.headers.emplace_back("Location", "/v1/messages/" + id);
    return response;
  };
  co_return co_await parts_.sender.send_all(std::move(call), std::move(prepared), std::move(answer),
                                            own_problem);
}

void add_original_routes(Frame& frame, OriginalDesk& desk) {
  frame.add("GET", "/v1/messages/{id}/original", Access{"messages:read"},
            [&desk](std::shared_ptr<Call> call) { return desk.show(std::move(call)); });
  frame.add("POST", "/v1/messages/{id}/resend", Access{"messages:send"},
            [&desk](std::shared_ptr<Call> call) { return desk.resend(std::move(call)); });
}

}  // namespace ekiden::api
