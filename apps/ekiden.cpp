// Builds the object graph behind the command line, nothing else.
#include "apps/node.hpp"
#include "apps/spool_check.hpp"
#include "ekiden/cli/cli.hpp"

int main(int argc, char** argv) {
  ekiden::cli::Hooks hooks;
  hooks.serve = ekiden::apps::serve;
  hooks.verify_spool = ekiden::apps::verify_spool;
  return ekiden::cli::run(argc, argv, hooks);
}
