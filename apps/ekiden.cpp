// Builds the object graph behind the command line, nothing else.
#include "apps/node.hpp"
#include "apps/place.hpp"
#include "apps/rewriting_check.hpp"
#include "apps/spool_check.hpp"
#include "apps/stopped_node.hpp"
#include "ekiden/cli/cli.hpp"

int main(int argc, char** argv) {
  ekiden::cli::Hooks hooks;
  hooks.serve = ekiden::apps::serve;
  hooks.verify_spool = ekiden::apps::verify_spool;
  hooks.rewriting = ekiden::apps::rewriting_for_test;
  hooks.answer_stopped = ekiden::apps::answer_stopped;
  hooks.resolver_options = ekiden::apps::resolver_options;
  return ekiden::cli::run(argc, argv, hooks);
}
