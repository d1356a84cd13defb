#include "apps/tls_report_node.hpp"

#include "apps/tls_layers.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/private_file.hpp"

namespace ekiden::apps {
namespace {

constexpr const char* kFile = "/tls-reports.json";
constexpr base::Duration kGatherFor = std::chrono::seconds(30);

/// RFC 8460 §5.3, RFC 8689 §3: it goes out whatever is wrong with its reader's TLS, and nobody is
/// told when it cannot.
message::Meta meta_of(const tlsreport::OwnMail& mail) {
  message::Meta meta;
  meta.envelope.reverse_path = mail.from;
  meta.envelope.recipients.push_back({mail.to, {}, message::kNotifyNever, {}});
  meta.details.protocol = "TLSRPT";
  meta.details.header_from = mail.from;
  meta.details.tls_demand = message::TlsDemand::Optional;
  return meta;
}

}  // namespace

TlsReportNode::TlsReportNode(const config::Settings& settings, Place& place, TlsContexts& tls,
                             base::Executor& pool, policy::MtaStsBook& policies)
    : settings_(settings.tls_reports),
      place_(place),
      tls_(tls),
      pool_(pool),
      book_(&policies),
      path_(settings.node.data_dir + kFile) {
  if (settings_.from.empty()) return;
  const Result<std::string> octets = base::load_or_create_private_file(
      path_, [] { return std::string(); }, tlsreport::Book::kFileOctetsMax);
  if (!octets || !book_.load(*octets)) {
    base::log::error("tls_reports_file_unreadable",
                     {{"file", path_},
                      {"problem", octets ? "it is damaged" : octets.error().message()},
                      {"consequence", "counting begins anew"}});
  }
  book_.on_change([this] { save_soon(); });
  book_.on_new([this] {
    place_.worker.executor.post([this] {
      if (reporter_) reporter_->note_new();
    });
  });
}

policy::TlsObserver TlsReportNode::observer() {
  if (settings_.from.empty()) return nullptr;
  return
      [this, &clock = place_.worker.clock](std::string domain, const policy::TlsSession& session) {
        book_.add(domain, session, clock.now());
      };
}

void TlsReportNode::use(Relay& relay, base::Metrics& metrics) {
  if (settings_.from.empty()) return;
  const std::shared_ptr<const config::Settings> settings = relay.settings();
  tlsreport::Options options;
  options.from = settings_.from;
  options.contact = settings_.contact;
  options.organization =
      settings_.organization.empty() ? settings->node.hostname : settings_.organization;
  options.delay_max = settings_.max_delay;
  options.connect_map = settings->delivery.connect_map;
  options.may_use_private = settings->delivery.private_next_hops == config::Switch::Allow;
  const auto send = [&relay](tlsreport::OwnMail mail, base::Completion<Result<void>> done) {
    relay.send_own(meta_of(mail), std::move(mail.octets), std::move(mail.detail), std::move(done));
  };
  reporter_.emplace(
      tlsreport::Reporter::Parts{place_.worker, pool_, place_.network, place_.resolver,
                                 verified_tls(tls_), book_, send, metrics},
      std::move(options));
}

void TlsReportNode::save_soon() {
  if (is_changed_.exchange(true)) return;
  place_.worker.executor.post([this] {
    place_.worker.clock.call_after(kGatherFor, [this] { pool_.post([this] { save_now(); }); });
  });
}

void TlsReportNode::save_now() {
  if (!is_changed_.exchange(false)) return;
  const Result<void> written = base::replace_private_file(path_, book_.encode());
  if (written) return;
  base::log::error("tls_reports_file_unwritable",
                   {{"file", path_}, {"problem", written.error().message()}});
}

}  // namespace ekiden::apps
