#include "ekiden/inbound/services.hpp"

namespace ekiden::inbound {

Instruments::Instruments(base::Metrics& metrics)
    : connections(metrics.gauge("ekiden_inbound_connections", "SMTP connections that are open")),
      connections_total(
          metrics.counter("ekiden_inbound_connections_total", "SMTP connections that were taken")),
      connections_refused(metrics.counter("ekiden_inbound_connections_refused_total",
                                          "SMTP connections turned away by a limit")),
      messages(metrics.counter("ekiden_inbound_messages_total", "Messages answered 250")),
      message_octets(metrics.counter("ekiden_inbound_message_octets_total",
                                     "Octets of messages answered 250")),
      recipients(metrics.counter("ekiden_inbound_recipients_total",
                                 "Recipients of messages answered 250")),
      generated(metrics.counter("ekiden_recipients_generated_total",
                                "Recipients of DSNs and notices of our own")),
      suppressed(metrics.counter("ekiden_recipients_suppressed_total",
                                 "Recipients on the suppression list, accepted and not mailed")),
      recipients_refused(
          metrics.counter("ekiden_inbound_recipients_refused_total", "RCPT commands refused")),
      messages_refused(metrics.counter("ekiden_inbound_messages_refused_total",
                                       "Messages refused after they came")),
      logins(metrics.counter("ekiden_inbound_logins_total", "Successful AUTH exchanges")),
      logins_failed(metrics.counter("ekiden_inbound_logins_failed_total", "Failed AUTH exchanges")),
      handshakes_failed(metrics.counter("ekiden_inbound_handshakes_failed_total",
                                        "TLS handshakes and PROXY headers that failed")),
      time_to_250(metrics.histogram("ekiden_inbound_time_to_250",
                                    "From the last octet of a message to its reply")) {}

}  // namespace ekiden::inbound
