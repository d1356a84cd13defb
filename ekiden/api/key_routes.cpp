#include <boost/json/array.hpp>

#include "ekiden/api/api.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

json::array list_of(const std::vector<std::string>& items) {
  json::array array;
  for (const std::string& item : items) array.push_back(json::string(item));
  return array;
}

base::Task<HttpResponse> show_key(std::shared_ptr<Call> call) {
  const account::ApiKey& key = *call->caller.key;
  const account::Credential& credential = key.credential;
  json::array networks;
  for (const net::AddressBlock& block : credential.networks)
    networks.push_back(json::string(block.text()));
  json::array scopes;
  for (const std::string_view scope : account::key_scopes()) {
    if (key.allows(scope)) scopes.push_back(json::string(scope));
  }
  json::object object{{"name", key.name},
                      {"tenant", credential.tenant},
                      {"stream", credential.stream},
                      {"streams", list_of(credential.streams)},
                      {"role", json::string(account::key_role_name(key.role))},
                      {"scopes", std::move(scopes)},
                      {"sender_domains", list_of(credential.sender_domains)},
                      {"networks", std::move(networks)},
                      {"expires", nullptr}};
  if (credential.expires != base::Time{})
    object["expires"] = base::format_rfc3339(credential.expires);
  co_return json_response(200, object);
}

}  // namespace

void add_key_routes(Frame& frame) {
  frame.add("GET", "/v1/key", Access{}, show_key);
}

}  // namespace ekiden::api
