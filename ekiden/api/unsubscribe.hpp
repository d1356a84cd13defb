#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ekiden/account/store.hpp"
#include "ekiden/api/http_server.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/events/event.hpp"

namespace ekiden::api {

/// Where links in mail lead: this path and a token.
inline constexpr std::string_view kUnsubscribePath = "/unsubscribe/";

struct UnsubscribeOptions {
  /// A link of an older message is refused: nobody knows any more whom it was for.
  base::Duration age_max = std::chrono::hours(24 * 365);
  std::size_t parallel_max = 8;  ///< looked up at the same time; more get 503 and come again
};

/// One-click unsubscription (RFC 8058) for the links that `rewrite.list_unsubscribe` writes.
///
/// GET shows a page with a button and changes nothing, because mail scanners follow links. POST
/// with "List-Unsubscribe=One-Click", by a mail program or by that button, takes the recipient off
/// the message's stream and records an `unsubscribed` event; no cookie, no redirect (RFC 8058
/// §3.1). The token alone says who: it is signed, and holds no address.
///
/// Sharing: its worker. It outlives the servers that serve from it; the store outlives the pool.
class Unsubscribing {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    account::Store& store;
    const account::HashKey& key;
    std::string events_directory;
    /// Makes an encoded event durable.
    std::function<void(std::string event, base::Completion<Result<void>> done)> record;
    base::Metrics& metrics;
  };
  explicit Unsubscribing(Parts parts, UnsubscribeOptions options = {});

  void serve_from(HttpServer& server);

  /// What a request is answered.
  base::Task<HttpResponse> answer(HttpRequest request);

 private:
  base::Task<HttpResponse> unsubscribe(HttpRequest request, std::string token, bool is_japanese);

  Parts parts_;
  UnsubscribeOptions options_;
  std::size_t running_ = 0;
  base::Counter &done_, &refused_, &busy_;
};

/// Whether a POST is what RFC 8058 §3.2 describes, form-encoded or as multipart/form-data.
bool is_one_click(std::string_view content_type, std::string_view body);
/// Whether Accept-Language prefers Japanese to English.
bool prefers_japanese(std::string_view accept_language);

}  // namespace ekiden::api
