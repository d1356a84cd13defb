#include "ekiden/cli/job.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/bulk/store.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {
namespace {

namespace json = boost::json;
using bulk::Changed;
using bulk::JobState;

base::Time now() {
  return std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
}

void with_jobs(Context& context, const std::function<void(bulk::Store&)>& work) {
  const auto loaded = context.load_config();
  if (!loaded) return;
  std::string problem;
  const auto store = bulk::Store::open(loaded->settings.node.data_dir, &problem);
  if (!store) {
    const std::string why = problem.empty() ? store.error().message() : problem;
    return context.fail(kFailed, "the jobs in " + loaded->settings.node.data_dir + ": " + why);
  }
  work(**store);
}

std::string count(std::uint64_t number) {
  return std::to_string(number);
}

void list(Context& context, const std::string& tenant, const std::string& state) {
  with_jobs(context, [&](bulk::Store& store) {
    bulk::Store::Listing listing;
    listing.tenant = tenant;
    listing.limit = 1000;
    if (!state.empty()) {
      listing.state = bulk::parse_state(state);
      if (!listing.state) return context.fail(kUsage, "there is no state \"" + state + "\"");
    }
    const auto jobs = store.list(listing);
    if (!jobs) return context.fail(kFailed, "the jobs: " + jobs.error().message());
    Table table({"JOB", "TENANT", "STATE", "RECIPIENTS", "ENDED", "NAME"});
    for (const bulk::Job& job : *jobs) {
      if (context.is_json) {
        json::object object = api::jobs::to_json(job);
        object["tenant"] = job.tenant;
        context.print(json::serialize(object) + "\n");
      }
      table.add({count(static_cast<std::uint64_t>(job.id)), job.tenant,
                 std::string(bulk::state_name(job.state)), count(job.rows),
                 count(job.counts.ended()), job.name});
    }
    if (context.is_json) return;
    context.print(table.is_empty() ? "No jobs.\n" : table.format(columns()));
  });
}

/// False: it has said why.
bool find(Context& context, bulk::Store& store, std::int64_t id, bulk::Job& job) {
  auto found = store.find(id, {});
  if (!found) {
    context.fail(kFailed, "the jobs: " + found.error().message());
    return false;
  }
  if (!*found) {
    context.fail(kRefused, "there is no job " + std::to_string(id));
    return false;
  }
  job = std::move(**found);
  return true;
}

void show(Context& context, std::int64_t id) {
  with_jobs(context, [&](bulk::Store& store) {
    bulk::Job job;
    if (!find(context, store, id, job)) return;
    json::object object = api::jobs::to_json(job);
    object["tenant"] = job.tenant;
    if (context.is_json) return context.print_json(object);
    context.print_field("job", std::to_string(job.id));
    context.print_field("name", job.name);
    context.print_field("tenant", job.tenant);
    context.print_field("stream", job.stream);
    context.print_field("state", bulk::state_name(job.state));
    context.print_field("note", job.note);
    context.print_field("recipients", count(job.rows));
    for (const auto& [name, value] : object["counts"].as_object())
      context.print_field(std::string(name), json::serialize(value), 2);
  });
}

void move(Context& context, std::int64_t id, const char* what) {
  with_jobs(context, [&](bulk::Store& store) {
    bulk::Job job;
    if (!find(context, store, id, job)) return;
    const std::string_view verb = what;
    Result<Changed> moved = Changed::No;
    if (verb == "pause") {
      moved = store.move(id, {JobState::Sending, JobState::Paused}, JobState::Paused, now());
    } else if (verb == "resume") {
      moved = store.move(id, {JobState::Paused, JobState::Sending}, JobState::Sending, now());
    } else {
      moved = store.move(id, {JobState::Scheduled}, JobState::Draft, now());
      if (moved && *moved == Changed::No)
        moved = store.move(id, {JobState::Sending, JobState::Paused}, JobState::Cancelling, now());
    }
    if (!moved) return context.fail(kFailed, "the jobs: " + moved.error().message());
    if (*moved == Changed::No)
      return context.fail(kRefused, "job " + std::to_string(id) + " is " +
                                        std::string(bulk::state_name(job.state)));
    if (!find(context, store, id, job)) return;
    if (context.is_json) return context.print_json(api::jobs::to_json(job));
    context.print("job " + std::to_string(id) + " is " + std::string(bulk::state_name(job.state)) +
                  "\n");
  });
}

}  // namespace

void add_job(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("job", "Bulk jobs and batches; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nWhat is no message yet is paused and cancelled; `ekiden queue` has the others.\n"
      "A running node follows within a second.\n");
  auto tenant = std::make_shared<std::string>();
  auto state = std::make_shared<std::string>();
  CLI::App* listing = group->add_subcommand("list", "List jobs, newest first");
  listing->add_option("--tenant", *tenant, "Only of this tenant");
  listing->add_option("--state", *state,
                      "Only draft, scheduled, launching, sending, paused, cancelling, cancelled or "
                      "done");
  listing->callback([&context, tenant, state] { list(context, *tenant, *state); });
  auto id = std::make_shared<std::int64_t>(0);
  const auto add = [&](const char* name, const char* words) {
    CLI::App* command = group->add_subcommand(name, words);
    command->add_option("job", *id, "Its number")->required();
    return command;
  };
  add("show", "Show one, and what became of its recipients")->callback([&context, id] {
    show(context, *id);
  });
  for (const auto& [name, words] :
       {std::pair("pause", "Send no more of it for now"), std::pair("resume", "Go on with it"),
        std::pair("cancel", "Send no more of it; one that waits for its time is a draft again")}) {
    add(name, words)->callback([&context, id, verb = name] { move(context, *id, verb); });
  }
}

}  // namespace ekiden::cli
