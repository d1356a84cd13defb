#include "apps/spool_check.hpp"

#include <sys/stat.h>

#include "ekiden/spool/error.hpp"
#include "ekiden/spool/posix_disk.hpp"
#include "ekiden/spool/verify.hpp"

namespace ekiden::apps {

cli::Found<cli::SpoolReport> verify_spool(
    const config::Settings& settings,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::string root = settings.node.data_dir + "/spool";
  struct stat status;
  // Opening it would make it.
  if (::stat(root.c_str(), &status) != 0) return {std::nullopt, "there is no spool in " + root};
  Result<std::unique_ptr<spool::PosixDisk>> disk = spool::PosixDisk::open_root(root);
  if (!disk && disk.error() == make_error_code(spool::Errc::Locked))
    return {std::nullopt, "the relay is running on " + root + "; stop it first"};
  if (!disk) return {std::nullopt, root + " cannot be opened: " + disk.error().message()};
  Result<spool::Verification> found = spool::verify_spool(**disk, progress);
  if (!found) return {std::nullopt, root + " cannot be read: " + found.error().message()};
  cli::SpoolReport report;
  report.segments = found->segments;
  report.messages = found->messages;
  report.recipients = found->recipients;
  report.octets = found->octets;
  report.quarantined = found->quarantined;
  report.findings = std::move(found->findings);
  return {std::move(report), {}};
}

}  // namespace ekiden::apps
