#include "ekiden/control/protocol.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ekiden::control {

namespace json = boost::json;

namespace {

std::optional<json::object> parse_object(std::string_view line) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  json::value value = json::parse(line, error, {}, options);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

}  // namespace

std::string format_request(const Request& request) {
  return json::serialize(json::object{{"ekiden", kProtocolVersion},
                                      {"command", request.command},
                                      {"arguments", request.arguments}}) +
         "\n";
}

Outcome<Request> parse_request(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return Problem{"bad_line", "a request is one JSON object on one line"};
  const json::value* version = object->if_contains("ekiden");
  if (version == nullptr || !version->is_int64() || version->as_int64() != kProtocolVersion) {
    return Problem{"version", "this node speaks version " + std::to_string(kProtocolVersion) +
                                  " of the control protocol; use the ekiden command it came with"};
  }
  Request request;
  const json::value* command = object->if_contains("command");
  if (command == nullptr || !command->is_string()) {
    return Problem{"bad_request", "a request names its \"command\""};
  }
  request.command = std::string(std::string_view(command->as_string()));
  if (const json::value* arguments = object->if_contains("arguments")) {
    if (!arguments->is_object()) {
      return Problem{"bad_request", "\"arguments\" takes an object"};
    }
    request.arguments = arguments->as_object();
  }
  return request;
}

std::string format_item(const json::object& item) {
  return json::serialize(json::object{{"item", item}}) + "\n";
}

std::string format_answer(const Answer& answer) {
  json::object line{{"done", true}};
  if (answer) {
    line["result"] = *answer.value;
  } else {
    line["error"] =
        json::object{{"code", answer.problem.code}, {"message", answer.problem.message}};
  }
  return json::serialize(line) + "\n";
}

std::optional<Line> parse_line(std::string_view text) {
  auto object = parse_object(text);
  if (!object) return std::nullopt;
  Line line;
  if (json::value* item = object->if_contains("item"); item != nullptr && item->is_object()) {
    line.item = std::move(item->as_object());
    return line;
  }
  if (!object->contains("done")) return std::nullopt;
  if (json::value* result = object->if_contains("result");
      result != nullptr && result->is_object()) {
    line.answer.emplace(std::move(result->as_object()));
    return line;
  }
  const json::value* error = object->if_contains("error");
  if (error == nullptr || !error->is_object()) return std::nullopt;
  const json::value* code = error->as_object().if_contains("code");
  const json::value* message = error->as_object().if_contains("message");
  if (code == nullptr || !code->is_string() || message == nullptr || !message->is_string()) {
    return std::nullopt;
  }
  line.answer.emplace(Problem{std::string(std::string_view(code->as_string())),
                              std::string(std::string_view(message->as_string()))});
  return line;
}

std::string socket_path(const std::string& data_dir) {
  return data_dir + (data_dir.ends_with('/') ? "" : "/") + std::string(kSocketName);
}

}  // namespace ekiden::control
