#pragma once

#include <boost/json/object.hpp>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/webhook.hpp"
#include "ekiden/webhook/ledger.hpp"

/// What the ledger has as JSON, for commands and the API.
namespace ekiden::webhook {

boost::json::object to_json(const Attempt& attempt);

/// Everything about a webhook and how it is doing, with its whole URL: for those who may change it.
boost::json::object describe(const account::Webhook& webhook, const Progress& progress,
                             const account::HashKey& node_key);

}  // namespace ekiden::webhook
