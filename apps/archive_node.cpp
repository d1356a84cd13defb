#include "apps/archive_node.hpp"

#include <future>
#include <memory>
#include <utility>

namespace ekiden::apps {
namespace {

/// As the events' thread: mail comes first.
constexpr int kNiceness = 10;

archive::Archivist::Options archive_options(const config::Settings& settings) {
  archive::Archivist::Options options;
  options.directory = settings.node.data_dir + "/archive";
  options.retention = settings.retention.archive;
  options.message_max = settings.archive.message_max;
  options.size_max = settings.archive.size_max;
  options.backlog_max = settings.archive.backlog_max;
  return options;
}

void keep(archive::Archivist& archivist, spool::Port& port, base::MessageId id,
          const message::Meta& meta, const spool::Body& body) {
  const std::uint64_t octets = body.size;
  if (!archivist.reserve(octets)) return;
  archive::Accepted message{id, message::encode_meta(meta), {}, body.octets};
  for (const message::Recipient& one : meta.envelope.recipients)
    message.recipients.push_back(one.address);
  if (body.is_in_memory()) return archivist.keep(std::move(message), octets);
  // It was synced a moment ago, so it is read from memory, and before it can have been delivered.
  auto boxed = std::make_unique<archive::Accepted>(std::move(message));
  port.read(body, 0, octets,
            [&archivist, octets, boxed = std::move(boxed)](Result<base::Octets> read) mutable {
              if (!read || read->size() != octets) return archivist.release(octets);
              boxed->octets = std::move(*read);
              archivist.keep(std::move(*boxed), octets);
            });
}

}  // namespace

ArchiveNode::ArchiveNode(const config::Settings& settings, const account::HashKey& node_key,
                         base::Metrics& metrics)
    : thread_("archive", kNiceness),
      archivist_(thread_.loop().executor(), thread_.loop().clock(), node_key, random_, metrics,
                 archive_options(settings)) {}

inbound::KeepCopy ArchiveNode::keep_copy() {
  return [this](spool::Port& port, base::MessageId id, const message::Meta& meta,
                const spool::Body& body) { keep(archivist_, port, id, meta, body); };
}

void ArchiveNode::remove_old_hourly() {
  archivist_.remove_old();
  thread_.loop().clock().call_after(std::chrono::hours(1), [this] { remove_old_hourly(); });
}

void ArchiveNode::start() {
  thread_.loop().executor().post([this] { remove_old_hourly(); });
  thread_.start();
}

void ArchiveNode::stop() {
  std::promise<void> written;
  thread_.loop().executor().post([&written] { written.set_value(); });
  written.get_future().wait();
  thread_.stop();
  thread_.loop().drop();
}

}  // namespace ekiden::apps
