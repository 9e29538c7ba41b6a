#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""validate.py OUT MARKDOWN: the simulator beside real Xen.

Runs tests/sim/validation, which says again what scenarios/bench.sh does, and
puts its figures and those that bench measured with PV guests into MARKDOWN,
between its lines "<!-- table -->" and "<!-- end -->"; the rest of that file is
written by hand.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# pylint: disable=wrong-import-position
import measured

ROOT = HERE.parent.parent.parent
AVM_SIM = ROOT / "build/avm-sim"
SCENARIOS = ROOT / "tests/sim/validation"
# From event to task, at best; the ideal of the simulator's latencies.
SIM_FLOOR_US = 2.0
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"


def simulate(scenario):
    """{variant: {scheduler: {"value", "p50", ...}}}"""
    done = subprocess.run([AVM_SIM, "run", SCENARIOS / f"{scenario}.json",
                           "--sched", ",".join(measured.SCHEDS), "--json"],
                          stdout=subprocess.PIPE, check=True)
    return {s["id"].partition("/")[2]: {
        name: {"value": r["value"], **r.get("more", {})}
        for name, r in s["results"].items() if "value" in r}
        for s in json.loads(done.stdout)["scenarios"]}


def simulated_weights():
    """{scheduler: {"value": the worst error in a second}}, from the schedule: the
    simulator has no ideal of its own for domains with an affinity."""
    errors = {}
    names = dict(zip(("small", "middle", "large"), measured.WEIGHTS))
    with tempfile.TemporaryDirectory() as scratch:
        trace = pathlib.Path(scratch) / "trace"
        for sched in measured.SCHEDS:
            subprocess.run([AVM_SIM, "run", SCENARIOS / "weights.json",
                            "--sched", sched, "--seeds", "1", "--trace", trace],
                           stdout=subprocess.DEVNULL, check=True)
            used = collections.defaultdict(collections.Counter)
            for line in trace.read_text().splitlines():
                kind, begin, end, _, domain, _ = (line + ",,,,,").split(",")[:6]
                if kind == "run" and domain in names:
                    # A run is at most 30 ms: that of its end is near enough.
                    used[int(end) // 10**9][names[domain]] += (int(end) -
                                                               int(begin))
            whole = sorted(used)[1:-1]
            errors[sched] = {"value": max(
                measured.error_of_weights(used[second]) for second in whole)}
    return errors


def number(value):
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def late_table(title, runs, simulated, phase, guest):
    keys = ("p50", "p90", "p99", "max")
    text = (f"\n**{title}**, us: Xen minus the median of its floor / "
            "simulator minus its floor\n\n"
            "| | " + " | ".join(keys) + " |\n" + "|---" * 5 + "|\n")
    for sched, run in runs.items():
        late, floor = run.late_us(phase, guest), run.late_us("floor", "probe")
        sim = simulated.get(sched)
        if not late or not sim:
            continue
        text += f"| {sched} |" + "".join(
            f" {max(0, late[k] - floor['p50'])} / {number(max(0, sim[k] - SIM_FLOOR_US))} |"
            for k in keys) + "\n"
    return text


def ping_table(runs, simulated):
    text = ("\n**pinged: a ping of one of four that burn**, ms: Xen (round "
            "trip, minus the mean one of an idle guest) / simulator (start)\n\n"
            "| | mean | p50 | p90 | max |\n|---|---|---|---|---|\n")
    for sched, run in runs.items():
        idle, busy = run.ping_ms("pinged-alone"), run.ping_ms("pinged")
        sim = simulated.get(sched)
        if not idle or not busy or not sim:
            continue
        base = sum(idle) / len(idle)
        xen = (sum(busy) / len(busy), busy[len(busy) // 2],
               busy[len(busy) * 9 // 10], busy[-1])
        own = (sim["mean"] / 1e3, sim["p50"] / 1e3, sim["p90"] / 1e3, sim["max"] / 1e3)
        text += f"| {sched} |" + "".join(
            f" {number(x - base)} / {number(y)} |"
            for x, y in zip(xen, own)) + "\n"
    return text


def error_table(title, runs, simulated, of):
    text = (f"\n**{title}**: Xen / simulator\n\n"
            "| | error |\n|---|---|\n")
    for sched, run in runs.items():
        value, sim = of(run), simulated.get(sched)
        if value is not None and sim:
            text += f"| {sched} | {value:.4f} / {sim['value']:.4f} |\n"
    return text


def main(argv):
    if len(argv) != 2:
        print("usage: validate.py OUT MARKDOWN", file=sys.stderr)
        return 2
    runs = measured.runs(pathlib.Path(argv[0]), "pv")
    if not runs:
        print(f"validate.py: nothing was measured in {argv[0]}: run "
              "\"make bench-xen\" first", file=sys.stderr)
        return 1
    if not AVM_SIM.exists():
        print(f"validate.py: {AVM_SIM} is missing", file=sys.stderr)
        return 1
    mix = simulate("mix")
    text = late_table("hogs: the probe beside 3 hogs", runs,
                      simulate("hogs")[""], "hogs", "probe")
    text += late_table("random: the probe at random times, beside 1 hog", runs,
                       simulate("random")[""], "random", "probe")
    for title, variant, phase, guest in (
            ("mix: the probe beside 3 hogs and mixed", "probe", "mix", "probe"),
            ("mix: the task of mixed", "mixed", "mix", "mixed"),
            ("mix-role: the probe", "probe+role", "mix-role", "probe"),
            ("mix-role: the task of mixed", "mixed+role", "mix-role", "mixed")):
        text += late_table(title, runs, mix[variant], phase, guest)
    text += ping_table(runs, simulate("pinged")[""])

    def weights(run):
        seconds = run.shares("weights")[0]
        return seconds and max(map(measured.error_of_weights, seconds))

    def caps(run):
        seconds = run.shares("caps")[0]
        return seconds and measured.error_of_caps(seconds)
    text += error_table("weights 256:512:1024, the worst error in a second",
                        runs, simulated_weights(), weights)
    text += error_table("caps of 15% and 25%, the mean error in a second",
                        runs, simulate("caps")[""], caps)

    path = pathlib.Path(argv[1])
    old = path.read_text()
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        print(f"validate.py: {path} has no \"{BEGIN.strip()}\" with "
              f"\"{END.strip()}\" after it", file=sys.stderr)
        return 1
    path.write_text(head + begin + text + "\n" + end + tail)
    print(f"{path} is brought up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
