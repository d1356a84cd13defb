"""Figures as Markdown."""
import os
import platform
import subprocess


def text(command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def machine(stage):
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown")
    memory = int(open("/proc/meminfo").readline().split()[1]) // 1024
    return {"cpu": model, "cores": os.cpu_count(), "memory_mb": memory,
            "kernel": platform.release(), "disk": stage.disk_kind, "data": str(stage.data),
            "cgroup": stage.groups.version, "load_before": os.getloadavg()[0],
            "postfix": text(["postconf", "-dh", "mail_version"]),
            "commit": text(["git", "describe", "--always", "--dirty"])}


def number(value, digits=0):
    if value is None:
        return "–"
    return f"{value:,.{digits}f}"


def ratio(a, b):
    return f"{a / b:.2f}" if a is not None and b else "–"


def size_text(size):
    return f"{size // 1024} KiB" if size else "mix"


MODES = {"reuse": "connections kept", "new": "a connection for each message",
         "tls": "TLS, connections kept", "tls-new": "TLS, a full handshake for each message"}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def throughput(cells):
    """`cells`: {(size, sessions, mode): {relay: medians}}"""
    out = []
    for (size, sessions, mode), by_relay in cells.items():
        out.append(f"### {size_text(size)}, {sessions} sessions, {MODES[mode]}\n")
        postfix, rows = by_relay.get("postfix", {}), []
        for name, m in by_relay.items():
            is_relay = name != "direct"
            rows.append([
                name if is_relay else "no relay", f"{m['undisturbed']} of {m['of']}",
                number(m["accept"]), ratio(m["accept"], postfix.get("accept")),
                number(m["end_to_end"]), ratio(m["end_to_end"], postfix.get("end_to_end")),
                number(m["cpu"], 3) if is_relay else "–",
                ratio(m["cpu"], postfix.get("cpu")) if is_relay else "–",
                number(m["syncs"], 3) if is_relay else "–",
                number(m["written"] / 1024, 1) if is_relay and m["written"] else "–",
                number(m["rss_kb"] / 1024) if is_relay else "–",
                number(m["pss_kb"] / 1024) if is_relay else "–",
                f"{m['p50_ms']:.1f} / {m['p95_ms']:.1f} / {m['p99_ms']:.1f}",
                number(m["errors"]) + ("" if m["complete"] else " (incomplete)")])
        out.append(table(["relay", "undisturbed runs", "accepted/s", "× Postfix", "end to end/s",
                          "× Postfix", "CPU s per 1,000", "× Postfix", "syncs per message",
                          "KiB written per message", "RSS MB", "PSS MB", "to 250: p50 / p95 / p99 ms", "errors"], rows))
    return "\n".join(out)


def depth(rows):
    return table(["relay", "queued", "accepted/s", "drained/s", "from the first", "RSS MB",
                  "CPU s per 1,000: accept", "drain"],
                 [[r["relay"], number(r["queued"]), number(r["accept"]), number(r["drain"]),
                   number(r["drain_from_first"]), number(r["rss_kb"] / 1024),
                   number(r["cpu_accept"], 3), number(r["cpu_drain"], 3)] for r in rows])


def slow_sink(rows):
    return table(["relay", "accepted/s", "end to end/s", "to 250, p99 ms", "RSS MB", "arrived"],
                 [[r["relay"], number(r["accept"]), number(r["end_to_end"]),
                   number(r["p99_ms"], 1), number(r["rss_kb"] / 1024), number(r["arrived"])]
                  for r in rows])


def idle(rows):
    return table(["connections", "kind", "RSS MB", "KiB each"],
                 [[number(r["connections"]), r["kind"], number(r["rss_kb"] / 1024),
                   number(r["kb_each"], 1)] for r in rows])


def million(r):
    return table(["queued", "octets each", "RSS MB", "after restart", "restart s (cold)",
                  "(warm)", "others accepted/s, empty", "full", "÷", "end to end/s, empty", "full",
                  "÷"],
                 [[number(r["queued"]), number(r["size"]), number(r["rss_kb"] / 1024),
                   number(r["rss_after_restart_kb"] / 1024), number(r["restart_s"], 2),
                   number(r["restart_warm_s"], 2), number(r["accept_empty"]),
                   number(r["accept_full"]), number(r["accept_ratio"], 2),
                   number(r["end_to_end_empty"]), number(r["end_to_end_full"]),
                   number(r["end_to_end_ratio"], 2)]])


def overload(r):
    return table(["offered/s", "for s", "accepted/s", "250 to arrival: p50 s", "p95", "p99", "max",
                  "missing", "RSS MB"],
                 [[number(r["offered"]), number(r["seconds"]), number(r["accept"]),
                   number(r["p50_s"], 3), number(r["p95_s"], 3), number(r["p99_s"], 3),
                   number(r["max_s"], 3), number(r["missing"]), number(r["rss_kb"] / 1024)]])


def latency(rows):
    return table(["offered/s", "accepted/s", "to 250: p50 ms", "p95", "p99", "max"],
                 [[number(r["offered"]), number(r["accept"]), number(r["p50_ms"], 2),
                   number(r["p95_ms"], 2), number(r["p99_ms"], 2), number(r["max_ms"], 2)]
                  for r in rows])
