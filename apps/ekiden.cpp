// Builds the object graph behind the command line, nothing else.
#include "apps/node.hpp"
#include "ekiden/cli/cli.hpp"
#include "ekiden/cli/sink_command.hpp"

int main(int argc, char** argv) {
  ekiden::cli::Hooks hooks;
  hooks.serve = ekiden::apps::serve;
  hooks.sink = ekiden::cli::run_sink_command;
  return ekiden::cli::run(argc, argv, hooks);
}
