/// How jemalloc keeps the heap (docs/decisions/0005): memory that was freed goes back to the system
/// within half a second, by a thread of its own, also while no message comes.
///
/// jemalloc looks for this name when it starts, before main.
extern "C" {
const char* malloc_conf = "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0";
}
