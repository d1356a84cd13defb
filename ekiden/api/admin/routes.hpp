#pragma once

#include "ekiden/api/store_desk.hpp"
#include "ekiden/dns/resolver.hpp"

/// What operators and tenants administer over /v1: everything that commands do on the control
/// store. A file for each noun.
namespace ekiden::api::admin {

void add_suppression_routes(Frame& frame, StoreDesk& desk);
void add_key_routes(Frame& frame, StoreDesk& desk);
void add_credential_routes(Frame& frame, StoreDesk& desk);
void add_tenant_routes(Frame& frame, StoreDesk& desk);
void add_webhook_routes(Frame& frame, StoreDesk& desk);
void add_audit_routes(Frame& frame, StoreDesk& desk);
void add_signing_key_routes(Frame& frame, StoreDesk& desk);
/// Makes a resolver that remembers nothing: what was published a moment ago is to be seen. Null
/// when there can be none.
using MakeResolver = std::function<std::unique_ptr<dns::Resolver>()>;
void add_domain_routes(Frame& frame, StoreDesk& desk, MakeResolver make_resolver);

inline void add_routes(Frame& frame, StoreDesk& desk, MakeResolver make_resolver) {
  add_suppression_routes(frame, desk);
  add_key_routes(frame, desk);
  add_credential_routes(frame, desk);
  add_tenant_routes(frame, desk);
  add_webhook_routes(frame, desk);
  add_audit_routes(frame, desk);
  add_signing_key_routes(frame, desk);
  add_domain_routes(frame, desk, std::move(make_resolver));
}

}  // namespace ekiden::api::admin
