#pragma once

#include <memory>

#include "ekiden/spool/committer.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/reader.hpp"

namespace ekiden::spool {

/// What ports need of the journal.
struct PortServices {
  JournalState& state;
  Committer& committer;
  Reader& reader;
  LargeFiles& large;
  base::Executor& pool;
};

std::unique_ptr<Port> make_port(PortServices services, base::Executor& home);

}  // namespace ekiden::spool
