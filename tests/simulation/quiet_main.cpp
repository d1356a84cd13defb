// As gtest_main, for tests that run hundreds of scenarios each.
#include <gtest/gtest.h>

#include "ekiden/base/log.hpp"
#include "tests/simulation/scenario.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  ekiden::simulation::prepare_process();
  const int result = RUN_ALL_TESTS();
  ekiden::base::log::stop();
  return result;
}
