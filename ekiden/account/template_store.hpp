#pragma once

#include <memory>
#include <mutex>

#include "ekiden/account/mail_template.hpp"
#include "ekiden/account/store.hpp"

namespace ekiden::account {

/// The templates in the control store, on a connection of their own: nobody needs them to admit
/// mail, so they are in no snapshot. Every change is in the audit log, in the same transaction.
///
/// Errors: account::Errc.
/// Sharing: any thread; every call blocks, so on the pool.
class TemplateStore {
 public:
  /// The control store must have been opened before: its Store makes the tables.
  static Result<std::unique_ptr<TemplateStore>> open(const std::string& data_dir);

  /// Adds a template without versions; `id` is the caller's. Errors: UnknownTenant, TooMany.
  Result<void> add(const MailTemplate& made, const Author& author);
  /// Oldest first; of one tenant, or of all when `tenant` is empty. With an `id` only that one, its
  /// versions with their texts; without, they have their subjects only.
  Result<std::vector<MailTemplate>> templates(std::string_view tenant, std::string_view id = {});
  /// Each of these: Errors: NotFound.
  Result<void> rename(std::string_view id, std::string_view name, const Author& author);
  Result<void> remove(std::string_view id, const Author& author);
  /// Adds a version, or replaces the texts of the one with its id. Errors: TooMany, too.
  Result<void> put_version(std::string_view id, const TemplateVersion& version, bool is_active,
                           const Author& author);
  Result<void> activate(std::string_view id, std::string_view version, const Author& author);
  Result<void> remove_version(std::string_view id, std::string_view version, const Author& author);

 private:
  explicit TemplateStore(Database database) : database_(std::move(database)) {}
  Result<void> note(const Author& author, std::string_view action, std::string_view subject,
                    std::string_view detail);

  std::mutex mutex_;
  Database database_;
};

}  // namespace ekiden::account
