#pragma once

#include "ekiden/control/server.hpp"
#include "ekiden/tlsreport/reporter.hpp"

namespace ekiden::control {

/// Adds `tls_report.list`, `tls_report.show` and `tls_report.send`. `reporter` is null while
/// tls_reports.from is not set; else it outlives the server, on the same worker.
void add_tls_report_handlers(Server& server, tlsreport::Reporter* reporter);

}  // namespace ekiden::control
