"""script/bench: the whole relay against Postfix, in one run, on one machine (bench/README.md)."""
import argparse
import json
import shutil
import signal
import sys
import time

import measure
import report
from relays import RELAYS, Ekiden
from stage import BENCH, Failure, Stage, Syncs, say

def sizes(text):
    """Octets of each message; 0: sizes as in real mail."""
    return [0 if word == "mix" else int(word) * 1024 for word in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(
        prog="script/bench", description="Measures the whole relay against Postfix, both durable, "
        "on loopback in namespaces of their own. Needs root. Results go to build/bench/.")
    parser.add_argument("--quick", action="store_true",
                        help="10 KiB, 20 sessions, connections kept; about a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--sizes", default=sizes("1,10,100"), type=sizes,
                        help="KiB, or mix (sizes as in real mail): 1,10,100")
    parser.add_argument("--connections", default=[1, 20, 200], help="1,20,200",
                        type=lambda text: [int(x) for x in text.split(",")])
    parser.add_argument("--modes", default="reuse,new", help="reuse, new (a connection for each "
                        "message), tls, tls-new: reuse,new")
    parser.add_argument("--relays", default=None, help="ekiden, postfix, direct (no relay at all); "
                        "opensmtpd, exim, haraka where they are: ekiden,postfix,direct")
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs of each")
    parser.add_argument("--depth", type=int, metavar="N",
                        help="the next hop is down, N are taken, then drained")
    parser.add_argument("--idle", type=int, metavar="N", help="N idle connections, clear and TLS")
    parser.add_argument("--million", type=int, nargs="?", const=1_000_000, metavar="N",
                        help="N (1,000,000) queued: memory, restart, rates")
    parser.add_argument("--slow-sink", type=int, metavar="MS",
                        help="the next hop takes MS for each reply (200)", nargs="?", const=200)
    parser.add_argument("--overload", type=int, nargs="?", const=60, metavar="SECONDS",
                        help="twice the end-to-end rate is offered")
    parser.add_argument("--latency", action="store_true",
                        help="time to 250 at half of the top rate")
    parser.add_argument("--patience", type=int, metavar="SECONDS", help="to wait for a quiet "
                        "machine before each run (30; 3 with --quick); 0: and no run is repeated")
    parser.add_argument("--sink", choices=["auto", "smtp-sink", "receive", "ekiden"],
                        default="auto", help="who takes what is delivered")
    parser.add_argument("--data", help="the folder on the disk to measure; emptied afterwards")
    parser.add_argument("--cgroup", choices=["auto", "1", "2"], default="auto")
    options = parser.parse_args()
    if options.patience is None:
        options.patience = 3 if options.quick else 30
    return options


def measure_cells(stage, options, cells):
    """{cell: {relay: medians}} and every run, relays taking turns so that drift hits all alike."""
    runs = []
    for round_number in range(options.rounds):
        for size, sessions, mode in cells:
            for name in options.relays:
                if RELAYS[name] and mode not in RELAYS[name].modes:
                    continue
                count = measure.message_count(name, size, sessions, options.quick, mode)
                # A neighbour's work colours a run: those are done again, a few times.
                for _ in range(1 if options.quick or options.patience == 0 else 3):
                    run = measure.throughput(stage, RELAYS[name], name, size, sessions, mode,
                                             count, options.sink, options.patience)
                    runs.append(run)
                    syncs = "?" if run["syncs"] is None else f"{run['syncs']:.3f}"
                    say(f"  {round_number + 1}/{options.rounds} {name:8} {report.size_text(size):7} "
                        f"{sessions:4} {mode:5} accepted {run['accept']:8.0f}/s end to end "
                        f"{run['end_to_end']:8.0f}/s cpu {run['cpu']:.3f} s/1000 syncs {syncs} "
                        f"p99 {run['p99_ms']:.1f} ms"
                        + (f" DISTURBED by {run['foreign_cores']:.2f} cores"
                           if run["disturbed"] else "")
                        + ("" if run["complete"] else " INCOMPLETE"))
                    if not run["disturbed"]:
                        break
    result = {}
    for cell in cells:
        result[cell] = {}
        for name in options.relays:
            mine = [r for r in runs if (r["size"], r["sessions"], r["mode"]) == cell
                    and r["relay"] == name]
            if not mine:
                continue
            result[cell][name] = measure.medians(mine)
            if RELAYS[name] and not Syncs.is_permitted():
                result[cell][name]["syncs"] = measure.traced_syncs(
                    stage, RELAYS[name], cell[0], cell[1], cell[2], options.sink)
    return result, runs


def ratios(by_relay):
    """ekiden's figure divided by Postfix's."""
    ours, theirs = by_relay.get("ekiden"), by_relay.get("postfix")
    names = {"cpu_vs_postfix": "cpu", "end_to_end_vs_postfix": "end_to_end",
             "accept_vs_postfix": "accept"}
    return {name: round(ours[key] / theirs[key], 4) if ours and theirs and theirs[key] else None
            for name, key in names.items()}


def run(stage, options):
    results, texts = {"machine": report.machine(stage), "started": time.strftime(
        "%Y-%m-%dT%H:%M:%S%z")}, []
    special = (options.depth or options.idle or options.million or options.overload or
               options.latency or options.slow_sink)
    if options.quick or not special:
        cells = [(10240, 20, "reuse")] if options.quick else [
            (size, sessions, mode) for size in options.sizes
            for sessions in options.connections for mode in options.modes.split(",")]
        medians, runs = measure_cells(stage, options, cells)
        main_cell = (10240, 20, "reuse")
        if main_cell in medians:
            results["ratios"] = ratios(medians[main_cell])
        results["disturbed_runs"] = sum(r["disturbed"] for r in runs)
        results["complete"] = all(m["complete"] for c in medians.values() for m in c.values())
        results["cells"] = [{"size": c[0], "sessions": c[1], "mode": c[2], "relays": m}
                            for c, m in medians.items()]
        results["runs"] = runs
        texts.append(report.throughput(medians))
    if options.latency:
        top = measure.throughput(stage, Ekiden, "ekiden", 10240, 20, "reuse", 20000, options.sink,
                                 10)
        results["latency"] = [measure.latency(stage, top["accept"] / 2, options.sink)]
        texts.append("### Half of the top rate\n\n" + report.latency(results["latency"]))
    if options.depth:
        results["depth"] = [measure.depth(stage, RELAYS[name], name, options.depth, options.sink)
                            for name in options.relays if RELAYS[name]]
        texts.append("### The next hop down\n\n" + report.depth(results["depth"]))
    if options.slow_sink:
        results["slow_sink"] = [
            measure.slow_sink(stage, RELAYS[name], name, options.slow_sink)
            for _ in range(options.rounds) for name in options.relays if RELAYS[name]]
        texts.append(f"### The next hop takes {options.slow_sink} ms for each reply\n\n" +
                     report.slow_sink(results["slow_sink"]))
    if options.idle:
        results["idle"] = measure.idle(stage, options.idle)
        texts.append("### Idle connections\n\n" + report.idle(results["idle"]))
    if options.overload:
        results["overload"] = measure.overload(stage, options.overload)
        texts.append("### Twice the load\n\n" + report.overload(results["overload"]))
    if options.million:
        results["million"] = measure.million(stage, options.million)
        texts.append("### A deep queue\n\n" + report.million(results["million"]))
    return results, "\n".join(texts)


def main():
    options = arguments()
    if options.relays:
        options.relays = options.relays.split(",")
    else:
        options.relays = ["ekiden", "postfix"]
        if not options.quick:
            options.relays.append("direct")
    unknown = set(options.relays) - set(RELAYS)
    unknown_modes = set(options.modes.split(",")) - set(report.MODES)
    if unknown or unknown_modes:
        say(f"script/bench: there is no relay or mode {', '.join(sorted(unknown | unknown_modes))}")
        return 2
    is_alone = "postfix" in options.relays and not shutil.which("postfix")
    if is_alone:
        say("script/bench: Postfix is not installed, so there is nothing to compare with; "
            "script/bootstrap --bench installs it.")
        options.relays.remove("postfix")
    # So that the end by signal takes everything down as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stage = None
    try:
        stage = Stage(options.data, options.cgroup)
        results, text = run(stage, options)
    except Failure as failure:
        say(f"script/bench: {failure}")
        return 3
    finally:
        if stage:
            stage.close()
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for name in (stamp, "latest"):
        (BENCH / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
        (BENCH / f"{name}.md").write_text(text)
    print(json.dumps(results) if options.json else text)
    say(f"Written to build/bench/{stamp}.md and .json.")
    return 3 if is_alone else 0


if __name__ == "__main__":
    sys.exit(main())
