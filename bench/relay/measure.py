"""What is measured. Each function makes its own relay and sink and takes them away again."""
import os
import socket
import ssl
import statistics
import struct
import time

import stage as stages
from relays import Ekiden
from stage import RELAY_PORT, SINK_PORT, Failure, Load, Memory, Sink, Syncs, Traced, now, say

QUICK_COUNTS = {"ekiden": 12000, "postfix": 3000, "direct": 20000}
# Enough for 5 to 10 s of each.
FULL_COUNTS = {"ekiden": 40000, "postfix": 6000, "direct": 60000, "opensmtpd": 5000, "exim": 1000,
               "haraka": 2500}
# Messages a second, more than any relay takes on such a machine: to see how many it does.
OVERLOAD_PROBE = 50_000


def message_count(name, size, sessions, is_quick, mode="reuse"):
    count = (QUICK_COUNTS if is_quick else FULL_COUNTS).get(name, 3000)
    if size == 0 or size >= 100 * 1024:
        count = count * 2 // 5
    if mode == "tls-new":
        count //= 4
    return count // 4 if sessions == 1 else count


def written_octets(folder):
    """By the whole machine to the disk under `folder`, or None."""
    device = os.stat(folder).st_dev
    try:
        with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat") as file:
            return int(file.read().split()[6]) * 512
    except (OSError, IndexError):
        return None


def throughput(stage, make_relay, name, size, sessions, mode, count, sink_kind, idle_s):
    """COUNT messages as fast as they are taken, to the last one's arrival. `make_relay` is None
    for no relay at all: the source straight into the sink."""
    stages.wait_until_idle(idle_s)
    sink = Sink(stage, sink_kind).start()
    relay = make_relay(stage) if make_relay else None
    groups = stage.groups
    try:
        is_tls = mode.startswith("tls")
        if relay:
            if is_tls:
                relay.tls = stage.certificate()
            relay.up()
        os.sync()
        written = written_octets(stage.data)
        # Summing up hundreds of processes costs as much as a few hundred messages.
        memory, syncs = Memory(stage, 500 if name == "ekiden" else 4000), Syncs(stage)
        cpu = {actor: groups.cpu_s(actor) for actor in stages.ACTORS}
        busy, stolen = stages.busy_s()
        began = now()
        port = RELAY_PORT + 10 if is_tls else RELAY_PORT
        load = Load(stage, port if relay else SINK_PORT, count, size, sessions,
                    mode.endswith("new"), limit_s=300, is_tls=is_tls and relay is not None).result()
        accepted_at = now()
        arrived, last_at, _ = sink.wait(count)
        last_at = max(last_at, began + load["seconds"])
        used = {actor: [b - a for a, b in zip(cpu[actor], groups.cpu_s(actor))]
                for actor in stages.ACTORS}
        busy_after, stolen_after = stages.busy_s()
        ended = now()
        synced, held = syncs.stop(), memory.stop()
        written_after = written_octets(stage.data)
    finally:
        if relay:
            relay.down()
        sink.stop()
    foreign = busy_after - busy - sum(sum(pair) for pair in used.values())
    per_thousand = 1000 / count
    return {
        "relay": name, "size": size, "sessions": sessions, "mode": mode, "messages": count,
        "arrived": arrived, "complete": arrived >= count and load["code"] == 0,
        "errors": int(load["errors"]),
        "accept": load["rate"], "end_to_end": arrived / (last_at - began),
        "cpu_user": used["relay"][0] * per_thousand, "cpu_system": used["relay"][1] * per_thousand,
        "cpu": sum(used["relay"]) * per_thousand,
        "source_cpu": sum(used["source"]) * per_thousand,
        "sink_cpu": sum(used["sink"]) * per_thousand,
        "syncs": synced / count if synced is not None else None,
        "written": (written_after - written) / count if written is not None else None,
        "p50_ms": load["p50"], "p95_ms": load["p95"], "p99_ms": load["p99"],
        "max_ms": load["max"], "rss_kb": held["rss"], "pss_kb": held["pss"],
        "processes": held["processes"], "seconds": ended - began,
        "accept_seconds": accepted_at - began, "stolen_s": stolen_after - stolen,
        "foreign_cores": foreign / (ended - began),
        "disturbed": foreign / (ended - began) > stages.FOREIGN_CORES_MAX,
    }


def traced_syncs(stage, make_relay, size, sessions, mode, sink_kind):
    """Syncs a message, counted by strace in a run that is not timed."""
    sink, relay = Sink(stage, sink_kind).start(), make_relay(stage)
    try:
        relay.up()
        traced, count = Traced(stage), 1000
        Load(stage, RELAY_PORT, count, size, sessions, mode.endswith("new")).result()
        sink.wait(count)
        calls = traced.stop()
        return calls / count if calls is not None else None
    finally:
        relay.down()
        sink.stop()


def slow_sink(stage, make_relay, name, latency_ms, count=2000):
    """COUNT messages for a next hop whose every reply takes `latency_ms`."""
    relay, sink = make_relay(stage), Sink(stage, "receive", latency_ms=latency_ms)
    try:
        relay.up()
        sink.start()
        memory = Memory(stage, 1000)
        began = now()
        load = Load(stage, RELAY_PORT, count, 10240, 20, limit_s=300).result()
        arrived, last_at, first_at = sink.wait(count, 60)
        held = memory.stop()
    finally:
        relay.down()
        sink.stop()
    return {"relay": name, "messages": count, "arrived": arrived, "accept": load["rate"],
            "end_to_end": arrived / (last_at - began), "p99_ms": load["p99"],
            "first_s": first_at - began, "rss_kb": held["rss"], "complete": arrived >= count}


def latency(stage, rate, sink_kind, seconds=20, sessions=20):
    """Time to 250 at a rate that is offered, not taken: free sessions pick up what is due."""
    sink, relay = Sink(stage, sink_kind).start(), Ekiden(stage)
    try:
        relay.up()
        load = Load(stage, RELAY_PORT, max(1, int(rate * seconds)), 10240, sessions,
                    rate=rate).result()
        sink.wait(int(load["acked"]))
        return {"offered": rate, "accept": load["rate"], "p50_ms": load["p50"],
                "p95_ms": load["p95"], "p99_ms": load["p99"], "max_ms": load["max"]}
    finally:
        relay.down()
        sink.stop()


def depth(stage, make_relay, name, count, sink_kind):
    """The next hop is down while COUNT messages are taken; then it is there again."""
    relay, sink = make_relay(stage), Sink(stage, sink_kind)
    groups = stage.groups
    try:
        relay.up()
        memory, cpu = Memory(stage, 2000), sum(groups.cpu_s("relay"))
        load = Load(stage, RELAY_PORT, count, 10240, 20, limit_s=1800).result()
        filled = sum(groups.cpu_s("relay"))
        time.sleep(3)
        queued = relay.queued()
        began = now()
        sink.start()
        relay.flush()
        arrived, last_at, first_at = sink.wait(queued, 90)
        drained = sum(groups.cpu_s("relay"))
        held = memory.stop()
    finally:
        relay.down()
        sink.stop()
    return {
        "relay": name, "asked": count, "accepted": int(load["acked"]), "queued": queued,
        "arrived": arrived, "complete": arrived >= count, "accept": load["rate"],
        "drain": arrived / (last_at - began),
        "drain_from_first": arrived / max(1e-9, last_at - first_at),
        "rss_kb": held["rss"], "pss_kb": held["pss"],
        "cpu_accept": (filled - cpu) * 1000 / max(1, load["acked"]),
        "cpu_drain": (drained - filled) * 1000 / max(1, arrived),
    }


def relay_memory(stage):
    """(RSS, PSS) in kB, now."""
    child = Memory(stage, 10_000)
    time.sleep(0.5)
    held = child.stop()
    return held["last_rss"], held["last_pss"]


def idle(stage, count):
    """COUNT greeted connections that then say nothing, in the clear and under TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    results = []
    for kind, port in (("clear", RELAY_PORT), ("tls", RELAY_PORT + 10)):
        relay = Ekiden(stage)
        relay.tls = stage.certificate()
        # The limits by address do not concern a trusted network.
        relay.limits = f"[limits]\nconnections = {count + 200}\n"
        held = []
        try:
            relay.up()
            before = relay_memory(stage)
            began = now()
            while len(held) < count:
                one = socket.create_connection(("127.0.0.1", port), 20)
                if kind == "tls":
                    one = context.wrap_socket(one)
                held.append(one)
                if one.recv(512)[:3] != b"220":
                    raise Failure(f"connection {len(held)} was not greeted")
                one.sendall(b"EHLO idle.sender.test\r\n")
                one.recv(1024)
            took = now() - began
            time.sleep(2)
            after = relay_memory(stage)
        finally:
            for one in held:
                one.close()
            relay.down()
        results.append({"kind": kind, "connections": len(held), "rss_before_kb": before[0],
                        "rss_kb": after[0], "pss_kb": after[1], "seconds": took,
                        "kb_each": (after[0] - before[0]) / count})
    return results


def drop_page_cache(stage):
    """Forgets what the kernel has read of the spool. How it was done."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
        return "drop_caches"
    except OSError:
        for folder, _, files in os.walk(stage.data):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return "fadvise"


def million(stage, count):
    """COUNT queued messages for a next hop that is down: memory, restart, and what becomes of the
    rates at which mail for another one is taken and delivered."""
    free = os.statvfs(stage.data)
    room = free.f_bavail * free.f_frsize * 0.7 - 4e9
    size = int(min(10240, room / count - 600))
    if size < 500:
        raise Failure(f"{stage.data} has no room for {count} messages")
    relay = Ekiden(stage)
    relay.dead_domain = "dead.test"
    live, sent = min(30000, max(200, count // 20)), 0
    sink = Sink(stage)

    def others():
        """Mail for the next hop that is there."""
        nonlocal sent
        began, sent = now(), sent + live
        load = Load(stage, RELAY_PORT, live, size, 20).result()
        arrived, last_at, _ = sink.wait(sent, 60)
        if arrived < sent:
            raise Failure(f"{sent - arrived} messages did not arrive")
        return load["rate"], live / (last_at - began)

    try:
        sink.start()
        relay.up()
        others()  # Until the spool has grown to what this needs.
        empty = statistics.median(others() for _ in range(3))
        say(f"  with an empty queue {empty[0]:.0f}/s taken, {empty[1]:.0f}/s end to end; filling")
        fill = Load(stage, RELAY_PORT, count, size, 20, limit_s=7200, to="sink@dead.test").result()
        time.sleep(3)
        memory = relay_memory(stage)
        full = statistics.median(others() for _ in range(3))
        queued = relay.queued()
        began = now()
        relay.ask_to_stop()
        stopped = now() - began
        dropped = drop_page_cache(stage)
        restart = relay.start(600)
        time.sleep(2)
        memory_after, queued_after = relay_memory(stage), relay.queued()
        relay.ask_to_stop()
        warm = relay.start(600)
    finally:
        relay.down()
        sink.stop()
    return {"messages": count, "size": size, "queued": queued, "queued_after": queued_after,
            "accept_empty": empty[0], "accept_fill": fill["rate"], "accept_full": full[0],
            "accept_ratio": full[0] / empty[0], "end_to_end_empty": empty[1],
            "end_to_end_full": full[1], "end_to_end_ratio": full[1] / empty[1],
            "rss_kb": memory[0], "pss_kb": memory[1],
            "rss_after_restart_kb": memory_after[0], "stop_s": stopped, "restart_s": restart,
            "restart_warm_s": warm, "cache_dropped_by": dropped,
            "complete": queued == queued_after == count}


def flood(stage, seconds, rate):
    """Offers that many messages a second over 200 connections. What the load said, how many
    arrived a second, when each did, and the memory."""
    offered = int(rate * seconds)
    sink, relay = Sink(stage, "receive", offered).start(), Ekiden(stage)
    try:
        relay.up()
        memory = Memory(stage, 500)
        load = Load(stage, RELAY_PORT, offered, 10240, 200, rate=rate, acks=stage.scratch / "acks",
                    limit_s=seconds).result()
        arrived, last, first = sink.wait(int(load["acked"]), 60)
        held = memory.stop()
        arrivals = sink.arrival_times()
    finally:
        relay.down()
        sink.stop()
    load["arrived"] = arrived
    load["end_to_end"] = arrived / (last - first)
    return load, arrivals, held


def overload(stage, seconds):
    """Twice what the relay moves end to end is offered; how long from 250 to arrival?"""
    rate = flood(stage, 5, OVERLOAD_PROBE)[0]["end_to_end"]
    load, arrivals, held = flood(stage, seconds, 2 * rate)
    waits, missing = [], 0
    with open(stage.scratch / "acks", "rb") as file:
        for number, at in struct.iter_unpack("qq", file.read()):
            if arrivals[number]:
                waits.append(max(0, arrivals[number] - at) / 1e6)
            else:
                missing += 1
    waits.sort()
    at = (lambda part: waits[int((len(waits) - 1) * part)]) if waits else (lambda part: None)
    return {"end_to_end": rate, "offered": 2 * rate, "seconds": seconds,
            "accepted": int(load["acked"]), "accept": load["rate"],
            "arrived": load["arrived"], "missing": missing, "p50_s": at(.5), "p95_s": at(.95),
            "p99_s": at(.99), "max_s": at(1), "rss_kb": held["rss"], "complete": missing == 0}


def medians(runs):
    """The median of each figure over the runs of one cell; undisturbed ones if there are any."""
    runs = [r for r in runs if r["complete"]] or runs
    quiet = [r for r in runs if not r["disturbed"]] or runs
    result = {"undisturbed": sum(not r["disturbed"] for r in runs), "of": len(runs),
              "complete": all(r["complete"] for r in quiet)}
    for key, value in quiet[0].items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            values = [r[key] for r in quiet if r[key] is not None]
            result[key] = statistics.median(values) if values else None
    return result
