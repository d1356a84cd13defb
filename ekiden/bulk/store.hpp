#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "ekiden/account/database.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/bulk/job.hpp"

namespace ekiden::bulk {

/// Whether a change found what it was to change, in a state that allows it.
enum class Changed : std::uint8_t { No, Yes };

/// Jobs and what has become of them, and the recipients of those that are drafts or wait for their
/// time, in data_dir/jobs.db (mode 0600). Every change is durable when its call returns.
///
/// Errors: account::Errc::Busy, Unavailable, Corrupt.
/// Sharing: any thread; every call blocks, so on the pool.
class Store {
 public:
  static Result<std::unique_ptr<Store>> open(const std::string& data_dir, std::string* problem);
  /// Forgets imports that a crash cut short. The relay's own, before anybody imports: a command may
  /// have the store open beside it.
  Result<void> forget_unfinished_imports();

  /// Jobs of one tenant that are no batch and not over.
  static constexpr std::int64_t kOpenJobsMax = 1000;
  /// A job that is over is forgotten after so long.
  static constexpr base::Duration kKept = std::chrono::hours(24 * 90);
  /// Errors of one import that are kept; the rest is counted.
  static constexpr std::uint64_t kImportErrorsMax = 10'000;

  enum class Added : std::uint8_t { Yes, TooMany };
  /// Fills `job.id`, or finds the job that the same token made.
  Result<Added> add(Job& job);
  /// Of any tenant when it is empty.
  Result<std::optional<Job>> find(std::int64_t id, std::string_view tenant);
  Result<std::optional<Job>> find_by_message(base::MessageId message);

  struct Listing {
    std::string tenant;               ///< empty: any
    std::optional<Origin> origin;     ///< empty: any
    std::optional<JobState> state;    ///< empty: any
    std::int64_t before = INT64_MAX;  ///< ids below
    std::size_t limit = 100;
  };
  /// Newest first.
  Result<std::vector<Job>> list(const Listing& listing);
  /// Those whose time has come, and those that a crash left while they were launched.
  Result<std::vector<Job>> due(base::Time now);

  struct UnderWay {
    std::int64_t id = 0;
    base::MessageId message;
    JobState state = JobState::Sending;
  };
  /// What is Sending, Paused or Cancelling.
  Result<std::vector<UnderWay>> under_way();

  /// Content, name and stream; No when it is no draft any more.
  Result<Changed> change(const Job& job, base::Time now);
  /// From one of `from`; No: it is in another state.
  Result<Changed> move(std::int64_t id, const std::vector<JobState>& from, JobState to,
                       base::Time now, std::string_view note = {});
  /// Draft to Scheduled with its time; No: it is no draft, or has no rows, or an import is under
  /// way.
  Result<Changed> commit(std::int64_t id, base::Time send_at, base::Time now);
  Result<Changed> launch(std::int64_t id, base::MessageId message, base::Time now);
  Result<void> set_note(base::MessageId message, std::string_view note);
  /// A draft, or one that is over. No: it is under way.
  Result<Changed> remove(std::int64_t id);

  // Rows of drafts (store_rows.cpp).
  /// Adds what is no address of the job already, up to kRowsMax in all, whoever else adds some.
  struct AddedRows {
    std::size_t taken = 0;
    std::vector<std::size_t> known, over;  ///< places in `rows`: there already, no room
    bool is_draft = true;                  ///< false: nothing was added
  };
  Result<AddedRows> add_rows(std::int64_t job, std::int64_t import, const std::vector<Row>& rows);
  Result<std::vector<Row>> rows(std::int64_t job, std::int64_t after, std::size_t limit);
  Result<std::optional<Row>> row(std::int64_t id);
  Result<std::optional<Row>> find_row(std::int64_t job, std::string_view address);
  Result<Changed> set_row(const Row& row);
  Result<Changed> remove_row(std::int64_t id);
  /// Some of a job's rows; No: none was left.
  Result<Changed> remove_rows(std::int64_t job, std::size_t count_max);

  /// Jobs that have rows here and need none: a crash came before the last was removed.
  Result<std::vector<std::int64_t>> jobs_with_rows_left();

  /// Takes an address (as rows have it) out of every job whose rows are here, and lines that name
  /// `shown` out of imports' reports. SQLite overwrites them. How many there were.
  Result<std::uint64_t> erase(std::string_view address, std::string_view shown);

  Result<std::int64_t> begin_import(std::int64_t job, base::Time now);
  Result<void> note_import(std::int64_t import, std::uint64_t taken, std::uint64_t lines,
                           const std::vector<ImportError>& errors, bool is_done);
  /// Takes back what an import that failed has added, and forgets it.
  Result<void> drop_import(std::int64_t import);
  Result<std::optional<Import>> find_import(std::int64_t import);
  Result<std::vector<ImportError>> import_errors(std::int64_t import, std::uint64_t after_line,
                                                 std::size_t limit);

  // Numbers of single messages that another API knows them by (store_rows.cpp).
  struct Delivery {
    std::string tenant;
    base::MessageId message;
    base::Time created{};
  };
  Result<void> remember_delivery(std::int64_t id, const Delivery& delivery);
  Result<std::optional<Delivery>> find_delivery(std::int64_t id, std::string_view tenant);

  // Reports that another API's clients order: what is asked, made when it is fetched
  // (store_rows.cpp).
  struct Report {
    std::int64_t id = 0;
    std::string tenant, kind;
    std::string question;  ///< a JSON object
    base::Time created{};
  };
  /// Of one tenant; the oldest are forgotten.
  static constexpr std::int64_t kReportsMax = 1000;
  /// Gives its id.
  Result<std::int64_t> add_report(const Report& report);
  Result<std::optional<Report>> find_report(std::int64_t id, std::string_view tenant,
                                            std::string_view kind);

  // What the reader of events counts.
  Result<std::string> reader_position();
  Result<void> take_counts(const std::map<base::MessageId, Counts>& counts,
                           std::string_view position, base::Time now);
  /// Forgets what is over for long.
  Result<void> prune(base::Time now);

 private:
  explicit Store(account::Database database) : database_(std::move(database)) {}
  Result<std::vector<Job>> read_jobs(account::Statement& select);

  std::mutex mutex_;
  account::Database database_;
};

}  // namespace ekiden::bulk
