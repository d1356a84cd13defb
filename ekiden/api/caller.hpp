#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ekiden/account/api_key.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/api/problem.hpp"
#include "ekiden/inbound/admission.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::api {

/// Who calls, from where, in which language. `key` lies in `accounts` and lives as long.
struct Caller {
  std::shared_ptr<const account::Snapshot> accounts;
  const account::ApiKey* key = nullptr;  ///< null: nobody, where a route allows that
  net::Address address;
  Language language = Language::English;
  std::string request_id;

  /// Empty without a key.
  const std::string& tenant() const;
  /// Sees and changes what all tenants have.
  bool is_operator() const;
  /// For the audit log: "api key shop (7)", and its address.
  account::Author author(base::Time now) const;
  /// As admission sees it when mail is submitted.
  inbound::Client client() const;
};

/// The secret that a request carries: `Authorization: Bearer …`, the password of `Basic`, or one
/// of the headers of other services. Empty when there is none.
std::string secret_of(const HttpRequest& request);

/// Finds the key of a secret in the snapshot; no lock, no waiting. Problem 401 without a valid
/// key, 403 from a network that the key may not be used from.
struct Authentication {
  Caller caller;
  std::optional<Problem> problem;
};
Authentication authenticate(std::string_view secret, const net::Address& address,
                            std::shared_ptr<const account::Snapshot> accounts,
                            const account::HashKey& node_key, base::Time now);

/// Nothing, or the problem 403 that names the scope.
std::optional<Problem> check_scope(const Caller& caller, std::string_view scope);

/// Nothing, or the problem 403 of a key that is no operator's.
std::optional<Problem> check_operator(const Caller& caller);

}  // namespace ekiden::api
