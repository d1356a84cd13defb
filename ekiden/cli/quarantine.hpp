#pragma once

namespace CLI {
class App;
}

namespace ekiden::cli {

struct Context;

/// `spool quarantine list|show|release|delete`.
void add_quarantine(CLI::App& group, Context& context);

}  // namespace ekiden::cli
