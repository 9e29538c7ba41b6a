# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what one run of the demo left behind, and makes its part of
report.json of it.

A run's directory holds (all written by scenarios/demo.sh):
  meta.json          what was run: scheduler, agent, guests, start, version
  samples.jsonl      guest/sampler.c: processor time and bytes, each second
  result-NAME.txt    what the guest reported
  load-net.txt       what the client in dom0 reported
  list.jsonl         avm list -j, each second      (only with an agent)
  history.json       avm history -j                (only with an agent)
  explain-NAME.txt   avm explain, at the end       (only with an agent)
"""

import json
import os


class BadRun(Exception):
    """One line that says what is wrong with a run's files."""


def read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError) as e:
        raise BadRun(f"{path}: {e}") from e


def read_json_lines(path):
    try:
        with open(path, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.strip()]
    except (OSError, ValueError) as e:
        raise BadRun(f"{path}: {e}") from e


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def read_result(path):
    """The last result line of a file (with AVM-RESULT or without), or None."""
    result = None
    for line in read_text(path).splitlines():
        text = line.removeprefix("AVM-RESULT ")
        if text.startswith("{"):
            try:
                result = json.loads(text)
            except ValueError as e:
                raise BadRun(f"{path}: {e}") from e
    return result


def timeline(samples, domid, start_ns, end_ns):
    """Per interval: when it ended, and what the domain did in it."""
    out = {"t_ms": [], "cpu_permille": [], "net_bps": [], "disk_bps": []}
    last = None
    for s in samples:
        now = {d["domid"]: d for d in s["domains"]}.get(domid)
        # Half a second of slack: the sampler starts a moment before `go`.
        if now is None or s["ts_ns"] < start_ns - 500_000_000:
            continue
        if s["ts_ns"] > end_ns + 500_000_000:
            break
        if last is not None:
            before, t0 = last
            dt = s["ts_ns"] - t0
            def per_s(*keys):
                return sum(now.get(k, 0) - before.get(k, 0)
                           for k in keys) * 1_000_000_000 // dt
            out["t_ms"].append((s["ts_ns"] - start_ns) // 1_000_000)
            out["cpu_permille"].append(
                (now["cpu_ns"] - before["cpu_ns"]) * 1000 // dt)
            out["net_bps"].append(per_s("net_rx", "net_tx"))
            out["disk_bps"].append(per_s("disk_rd", "disk_wr"))
        last = (now, s["ts_ns"])
    if not out["t_ms"]:
        raise BadRun(f"domain {domid}: no samples in the measured time")
    return out


def whole_run(samples, domid, start_ns, end_ns):
    """Processor time over the whole measured time."""
    inside = [(s["ts_ns"], d["cpu_ns"])
              for s in samples for d in s["domains"]
              if d["domid"] == domid and
              start_ns - 500_000_000 <= s["ts_ns"] <= end_ns + 500_000_000]
    if len(inside) < 2:
        raise BadRun(f"domain {domid}: no samples in the measured time")
    (t0, c0), (t1, c1) = inside[0], inside[-1]
    return {"cpu_permille": (c1 - c0) * 1000 // (t1 - t0),
            "cpu_ms": (c1 - c0) // 1_000_000, "window_ms": (t1 - t0) // 1_000_000}


def classes(snapshots, name, start_ns, end_ns):
    """[{t_ms, class}]: each snapshot of one domain while it worked."""
    out = []
    for snap in snapshots:
        t_ms = (snap["ts_ns"] - start_ns) // 1_000_000
        for d in snap["domains"]:
            if d["name"] == name and start_ns <= snap["ts_ns"] <= end_ns:
                out.append({"t_ms": t_ms, "class": d["class"],
                            "confidence_permille": d["confidence_permille"],
                            "weight": d["weight"], "urgency": d["urgency"]})
    return out


LATENCIES = (("late_us", "wake-up"), ("rtt_us", "request"), ("lat_us", "read"))


def distribution(d, what):
    return {"what": what, "n": d["n"], "p50_us": d["p50"], "p90_us": d["p90"],
            "p99_us": d["p99"], "p999_us": d["p999"], "max_us": d["max"],
            "worst": d["worst"], "hist": d["hist"]}


def latency(result):
    for key, what in LATENCIES:
        if key in result:
            return distribution(result[key], what)
    return None


def domain(path, meta, guest, samples, snapshots):
    start, name = meta["start_ns"], guest["name"]
    end = start + meta["seconds"] * 1_000_000_000
    result = read_result(os.path.join(path, f"result-{name}.txt"))
    if result is None:
        raise BadRun(f"{path}: guest {name} gave no result")
    # What a server did for its client is what the client saw.
    if result["mode"] == "netserver":
        client = read_result(os.path.join(path, f"load-{name}.txt"))
        if client is None:
            raise BadRun(f"{path}: the client of {name} gave no result")
        result = {**client, "mode": result["mode"]}

    lat = latency(result)
    wake = lat if lat and lat["what"] == "wake-up" else None
    bps = result.get("bytes", 0) // meta["seconds"]
    seen = classes(snapshots, name, start, end)
    out = {
        "name": name, "role": guest["role"], "type": guest["type"],
        "class": seen[-1]["class"] if seen else None,
        "wake_p50_us": wake["p50_us"] if wake else None,
        "wake_p99_us": wake["p99_us"] if wake else None,
        "wake_max_us": wake["max_us"] if wake else None,
        "net_bps": bps if result["mode"] == "netserver" else None,
        "disk_bps": bps if result["mode"].startswith("disk") else None,
        "work": guest["work"], "expected": guest["expected"],
        "ops": result.get("ops"), "missed": result.get("missed"),
        "latency": lat,
        "done": (distribution(result["done_us"], "end of the work")
                 if "done_us" in result else None),
        "classes": seen,
        "timeline": timeline(samples, guest["domid"], start, end),
        "explain": read_text(os.path.join(path, f"explain-{name}.txt")),
    }
    out.update(whole_run(samples, guest["domid"], start, end))
    return out


def changes(path, meta):
    """What was changed from the start of the work on; and before it, with a
    negative time: an agent sets declared roles up as soon as it is told."""
    history = read_json(os.path.join(path, "history.json"))
    names = {g["name"] for g in meta["domains"]}
    out = []
    for c in history["changes"]:
        if c["domain"] not in names:
            continue
        out.append({"t_ms": (c["ts_ns"] - meta["start_ns"]) // 1_000_000,
                    "domain": c["domain"], "knob": c["knob"],
                    "before": c["before"], "after": c["after"],
                    "reason": c["reason"], "actor": c["actor"],
                    "state": c["state"]})
    return sorted(out, key=lambda c: c["t_ms"])


def load_run(path):
    meta = read_json(os.path.join(path, "meta.json"))
    samples = read_json_lines(os.path.join(path, "samples.jsonl"))
    with_agent = meta["agent"] != "none"
    snapshots = (read_json_lines(os.path.join(path, "list.jsonl"))
                 if with_agent else [])
    start = meta["start_ns"]
    end = start + meta["seconds"] * 1_000_000_000
    run = {
        "scheduler": meta["scheduler"], "agent": meta["agent"],
        "seconds": meta["seconds"], "change_at_ms": meta["change_at_ms"],
        "xen_version": meta["xen_version"],
        "domains": [domain(path, meta, g, samples, snapshots)
                    for g in meta["domains"]],
        "changes": changes(path, meta) if with_agent else [],
    }
    dom0 = whole_run(samples, 0, start, end)
    run["dom0_cpu_permille"] = dom0["cpu_permille"]
    return run
