// Builds the object graph behind the command line, nothing else.
#include "apps/node.hpp"
#include "ekiden/cli/cli.hpp"

int main(int argc, char** argv) {
  ekiden::cli::Hooks hooks;
  hooks.serve = ekiden::apps::serve;
  return ekiden::cli::run(argc, argv, hooks);
}
