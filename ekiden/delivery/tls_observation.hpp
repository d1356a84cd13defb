#pragma once

#include "ekiden/delivery/job.hpp"
#include "ekiden/delivery/protection.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/policy/tls_report.hpp"

namespace ekiden::delivery {

/// Whether attempts at this host are a recipient domain's business (RFC 8460): not what a route
/// names, nor where the operator or the sender set policies aside.
bool is_reported(const Plan& plan, const Target& target);

/// The policy that an attempt followed, without its outcome. Pure.
policy::TlsSession session_under(const Plan& plan, const Target& target,
                                 const Protection& protection);

/// A host that policy keeps us from: no connection was made. Pure.
policy::TlsSession refused_session(const Plan& plan, const Target& target,
                                   const Protection& protection);

/// What came of a connection's TLS. `tls`: null when it is in the clear. `words`: why the handshake
/// failed, or why it is in the clear although the host offers STARTTLS; empty: neither. Pure.
policy::TlsSession seen_session(const Plan& plan, const Target& target,
                                const Protection& protection, const net::TlsInfo* tls,
                                std::string_view words);

}  // namespace ekiden::delivery
