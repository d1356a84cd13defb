#pragma once

#include "ekiden/account/store.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::simulation {

/// Keys of sender.example, of home.example and of the relay, in a store of their own: a real one in
/// a folder that goes with the process, made at the first call and only read from then on.
const account::Store& signing_keys();
/// Their records, and what else the DNS says of who sends for sender.example.
void publish_keys(test::FakeResolver& dns);

}  // namespace ekiden::simulation
