#include "ekiden/spool/quarantine.hpp"

#include <utility>

#include "ekiden/base/checksum.hpp"
#include "ekiden/spool/committer.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/state.hpp"
#include "ekiden/spool/submission.hpp"

namespace ekiden::spool {

Result<std::vector<std::string>> Quarantine::list() const {
  return list_quarantined(state_.disk);
}

Result<Quarantined> Quarantine::peek(const std::string& name) const {
  return peek_quarantined(state_.disk, name);
}

Result<std::string> Quarantine::octets(const std::string& name, std::uint64_t offset,
                                       std::size_t length) const {
  return read_quarantined_octets(state_.disk, name, offset, length);
}

void Quarantine::release(std::string name, Release release, base::Completion<Result<Body>> done) {
  pool_.post([this, name = std::move(name), release = std::move(release),
              done = std::move(done)]() mutable {
    Result<Quarantined> item = read_quarantined(state_.disk, name);
    // Names of files come from the disk too, where they may have been damaged.
    const bool has_foreign_file = item && !item->file.empty() && !is_large_path(item->file);
    if (!item || !item->is_message() || release.recipients == 0 || has_foreign_file) {
      done(item ? make_error_code(Errc::Corrupt) : item.error());
      return;
    }
    NewMessage message;
    message.id = release.id;
    message.recipients = release.recipients;
    message.meta = std::move(release.meta);
    message.body.file = item->file;
    message.body.size = item->octets.size();
    if (!item->file.empty()) {
      const Result<std::unique_ptr<File>> file = state_.disk.open(item->file, Open::Existing);
      const Result<std::uint64_t> size = file ? (*file)->size() : file.error();
      if (!size) {
        done(make_error_code(Errc::Corrupt));
        return;
      }
      message.body.size = *size;
    }
    message.body.octets = base::Octets(std::move(item->octets));
    if (const auto begun = begin_release(state_.disk, name, release.id); !begun) {
      done(begun.error());
      return;
    }
    const Body body = message.body;
    auto submission = std::make_unique<Submission>();
    submission->body_crcs.push_back(base::crc32c(body.octets.view()));
    submission->transaction.messages.push_back(std::move(message));
    submission->transaction.events = std::move(release.events);
    submission->measure();
    submission->done = [this, name, as = release.id, body,
                        done = std::move(done)](Result<void> stored) mutable {
      pool_.post(
          [this, name = std::move(name), as, body, stored, done = std::move(done)]() mutable {
            // When this fails the next start does it: the file's name says what has become of it.
            (void)(stored ? finish_release(state_.disk, name, as)
                          : undo_release(state_.disk, name, as));
            if (stored) state_.quarantined.fetch_sub(1);
            done(stored ? Result<Body>(body) : Result<Body>(stored.error()));
          });
    };
    committer_.submit(std::move(submission));
  });
}

void Quarantine::remove(std::string name, std::vector<std::string> events,
                        base::Completion<Result<void>> done) {
  auto removal = [this, name = std::move(name), done = std::move(done)](Result<void> told) mutable {
    pool_.post([this, name = std::move(name), told, done = std::move(done)]() mutable {
      Result<void> result = told;
      if (result) result = delete_quarantined(state_.disk, name);
      if (result) state_.quarantined.fetch_sub(1);
      done(result);
    });
  };
  if (events.empty()) {
    removal(Result<void>());
    return;
  }
  auto submission = std::make_unique<Submission>();
  submission->transaction.events = std::move(events);
  submission->measure();
  submission->done = std::move(removal);
  committer_.submit(std::move(submission));
}

}  // namespace ekiden::spool
