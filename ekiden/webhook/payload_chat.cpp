// Messages for people, in the forms that chat services take at their incoming webhooks. What
// strangers have written (subjects, replies) must not become a link, a mention or markup there.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::webhook {

namespace json = boost::json;
using account::WebhookFormat;

namespace {

constexpr std::size_t kTextOctetsMax = 200;  // of one field

std::string shown(std::string_view text) {
  return base::printable(text, kTextOctetsMax);
}

std::string line_of(const events::Event& event) {
  std::string line(events::kind_name(event.kind));
  if (!event.recipient.empty()) line += " " + shown(event.recipient);
  if (!event.sender.empty()) line += " from " + shown(event.sender);
  if (!event.subject.empty()) line += " \"" + shown(event.subject) + "\"";
  const std::string reply = reply_line(event);
  if (!reply.empty()) line += ": " + shown(reply);
  return line;
}

std::string replaced(std::string_view text, char what, std::string_view by) {
  std::string result;
  for (const char c : text) {
    if (c == what) {
      result += by;
    } else {
      result += c;
    }
  }
  return result;
}

/// Slack: these three, and nothing else, begin anything that is no text.
std::string for_slack(std::string_view text) {
  return replaced(replaced(replaced(text, '&', "&amp;"), '<', "&lt;"), '>', "&gt;");
}

/// Chatwork: "[To:…]", "[info]" and the like; its brackets have no other spelling, so wide ones.
std::string for_chatwork(std::string_view text) {
  return replaced(replaced(text, '[', "\uff3b"), ']', "\uff3d");
}

json::object teams_card(const std::vector<std::string>& lines) {
  // A RichTextBlock shows text as it is; a TextBlock would read Markdown in it.
  json::array blocks;
  for (const std::string& line : lines) {
    json::object run{{"type", "TextRun"}, {"text", line}};
    blocks.push_back(json::object{{"type", "RichTextBlock"}, {"inlines", json::array{run}}});
  }
  json::object card{{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
                    {"type", "AdaptiveCard"},
                    {"version", "1.2"},
                    {"body", std::move(blocks)}};
  json::object attachment{{"contentType", "application/vnd.microsoft.card.adaptive"},
                          {"contentUrl", nullptr},
                          {"content", std::move(card)}};
  return {{"type", "message"}, {"attachments", json::array{std::move(attachment)}}};
}

}  // namespace

Payload compose_chat(WebhookFormat format, const std::vector<const events::Event*>& events) {
  std::vector<std::string> lines;
  std::string text;
  for (const events::Event* event : events) {
    lines.push_back(line_of(*event));
    text += (text.empty() ? "" : "\n") + lines.back();
  }
  switch (format) {
    case WebhookFormat::Slack:
      return {"application/json", json::serialize(json::object{{"text", for_slack(text)}})};
    case WebhookFormat::Teams:
      return {"application/json", json::serialize(teams_card(lines))};
    case WebhookFormat::Chatwork:
      return {"application/x-www-form-urlencoded",
              "self_unread=1&body=" + base::percent_encoded(for_chatwork(text))};
    default:
      return {"application/json",
              json::serialize(json::object{{"title", "ekiden"}, {"body", {{"text", text}}}})};
  }
}

}  // namespace ekiden::webhook
