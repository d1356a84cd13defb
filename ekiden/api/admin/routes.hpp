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
/// `resolver`: the worker's own.
void add_domain_routes(Frame& frame, StoreDesk& desk, dns::Resolver& resolver);

inline void add_routes(Frame& frame, StoreDesk& desk, dns::Resolver& resolver) {
  add_suppression_routes(frame, desk);
  add_key_routes(frame, desk);
  add_credential_routes(frame, desk);
  add_tenant_routes(frame, desk);
  add_webhook_routes(frame, desk);
  add_audit_routes(frame, desk);
  add_signing_key_routes(frame, desk);
  add_domain_routes(frame, desk, resolver);
}

}  // namespace ekiden::api::admin
