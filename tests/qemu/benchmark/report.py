#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py OUT MARKDOWN: make OUT/xen.json and a table of what bench measured.

A row is {"id", "metric", "unit", "ideal", "results": {scheduler: {"value",
"score"}}}; a score is ideal/value (or value/ideal where more is better), at
most 1. The ideal of a latency is 1 floor: the p99 of the probe's wake-ups when
it was alone on the pCPU, the median of all boots. That of a throughput is what
the guest did alone, in the same boot.
"""

import json
import math
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import measured

SCORE_MIN = 0.001       # of an error, as in the simulator
LEVEL = 0.01            # scores that differ by less are level


def floor_us(runs):
    """What the guest's kernel does once a second makes 1% of the wake-ups late,
    so one boot's p99 may be on either side of it; hence the median."""
    floors = [run.late_us("floor", "probe") for run in runs.values()]
    return statistics.median_high(f["p99"] for f in floors if f)


def at_best(value):
    return min(1.0, value)


class Rows:
    def __init__(self, kind, runs):
        self.kind = kind
        self.runs = runs
        self.rows = []

    def add(self, name, metric, unit, ideal, score, values):
        """VALUES: {scheduler: value}, None for what it cannot do."""
        results = {s: {"value": v, "score": round(score(v), 6)}
                   for s, v in values.items() if v is not None}
        if results:
            self.rows.append({"id": f"xen-{self.kind}/{name}",
                              "metric": metric, "unit": unit, "ideal": ideal,
                              "results": results})

    def floors(self, name, phase, guest, what):
        """Lateness in multiples of the floor. The hint is for activity."""
        values = {}
        for sched, run in self.runs.items():
            late = (run.late_us(phase, guest) or
                    run.late_us(phase.removesuffix("-role"), guest))
            if late:
                values[sched] = round(late[what] / floor_us(self.runs), 3)
        self.add(name, f"lateness, {what}", "floors", 1,
                 lambda v: at_best(1 / v) if v else 1.0, values)

    def alone(self, name, metric, of, of_alone):
        values = {}
        for sched, run in self.runs.items():
            part, whole = of(run), of_alone(run)
            values[sched] = (part and whole and round(part / whole, 4))
        self.add(name, metric, "of alone", 1, at_best, values)

    def error(self, name, metric, of):
        values = {}
        for sched, run in self.runs.items():
            value = of(run)
            values[sched] = None if value is None else round(value, 5)
        self.add(name, metric, "error", 0,
                 lambda v: max(SCORE_MIN, 1 - v), values)

    def all(self):
        for name, phase, guest in (
                ("ping-3-hogs", "hogs", "probe"),
                ("ping-random-1-hog", "random", "probe"),
                ("ping-3-hogs-mixed", "mix", "probe"),
                ("mixed", "mix", "mixed"),
                ("mixed+role", "mix-role", "mixed"),
                ("ping-3-hogs-mixed+role", "mix-role", "probe")):
            self.floors(f"{name}/p99", phase, guest, "p99")
            self.floors(f"{name}/max", phase, guest, "max")
        self.alone("network", "round trips beside 3 hogs",
                   lambda r: r.per_s("client-net.json"),
                   lambda r: r.per_s("client-net-alone.json"))
        self.alone("disk", "reads beside 3 hogs",
                   lambda r: r.per_s("result-disk-probe.json"),
                   lambda r: r.per_s("result-disk-alone-probe.json"))

        def hogs(run):
            shares = run.shares("mix")[1]
            return shares and measured.error_of_equal(
                shares, ("mixed",) + measured.HOGS)

        def weights(run):
            shares = run.shares("weights")[1]
            return shares and measured.error_of_weights(shares)

        def caps(run):
            seconds = run.shares("caps")[0]
            return seconds and measured.error_of_caps(seconds)
        self.error("shares", "worst of 3 hogs and mixed", hogs)
        self.error("weights", "worst of 256:512:1024", weights)
        self.error("caps", "mean of 15% and 25%", caps)
        return self.rows


def summary(rows):
    """Geometric mean and minimum for each, over the rows that it has."""
    scores = {s: [r["results"][s]["score"] for r in rows if s in r["results"]]
              for s in measured.SCHEDS}
    scores = {s: v for s, v in scores.items() if v}
    return ({s: round(math.exp(sum(map(math.log, v)) / len(v)), 4)
             for s, v in scores.items()},
            {s: min(v) for s, v in scores.items()},
            {s: len(v) for s, v in scores.items()})


def number(value):
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 6)}f}"


def line(cells):
    return "| " + " | ".join(cells) + " |\n"


def latency_table(runs):
    """Microseconds, as they were measured."""
    text, floor = "", floor_us(runs)
    heads = ("wake-ups", "p50", "p90", "p99", "max", "p99 in floors",
             "max in floors")
    for title, phase, guest in (
            ("The probe alone: the floor", "floor", "probe"),
            ("The probe beside 3 hogs", "hogs", "probe"),
            ("The probe at random times, beside 1 hog", "random", "probe"),
            ("The probe beside 3 hogs and mixed", "mix", "probe"),
            ("mixed, beside 3 hogs and the probe", "mix", "mixed"),
            ("mixed with the role interactive", "mix-role", "mixed"),
            ("The probe, when mixed has the role", "mix-role", "probe")):
        body = ""
        for sched, run in runs.items():
            late = run.late_us(phase, guest)
            if not late:
                continue
            body += line([sched] + [str(late[k]) for k in
                                    ("n", "p50", "p90", "p99", "max")] +
                         [number(late[k] / floor) for k in ("p99", "max")])
        if body:
            text += (f"\n**{title}** (us)\n\n" + line(("",) + heads) +
                     "|---" * (len(heads) + 1) + "|\n" + body)
    return text


def rate_table(runs):
    def cell(value):
        return "" if value is None else number(value)
    text = ("\n**Throughput** (1/s) and pings of a guest that burns (ms)\n\n" +
            line(("", "round trips alone", "beside 3 hogs", "reads alone",
                  "beside 3 hogs", "ping idle, mean", "ping burning, mean",
                  "its p50", "its max", "lost")) + "|---" * 10 + "|\n")
    for sched, run in runs.items():
        idle, busy = run.ping_ms("pinged-alone"), run.ping_ms("pinged")
        lost = run.ping_lost("pinged")
        text += line([sched] + [cell(run.per_s(name)) for name in (
            "client-net-alone.json", "client-net.json",
            "result-disk-alone-probe.json", "result-disk-probe.json")] +
            [cell(idle and sum(idle) / len(idle)),
             cell(busy and sum(busy) / len(busy)),
             cell(busy and busy[len(busy) // 2]), cell(busy and busy[-1]),
             "" if lost is None else f"{lost}%"])
    return text


def share_table(runs):
    text = ("\n**Shares of the pCPU** (%)\n\n" +
            line(("", "phase", *measured.GUESTS, "sum")) + "|---" * 8 + "|\n")
    for phase in ("mix", "mix-role", "weights", "caps"):
        for sched, run in runs.items():
            shares = run.shares(phase)[1]
            if shares:
                text += line([sched, phase] +
                             [number(100 * shares[g]) for g in measured.GUESTS] +
                             [number(100 * sum(shares.values()))])
    return text


def score_table(rows, runs, geomean, least, count):
    text = line(("what", "unit", "ideal") + tuple(runs))
    text += "|---" * (3 + len(runs)) + "|\n"
    for row in rows:
        best = max(r["score"] for r in row["results"].values())
        cells = []
        for sched in runs:
            r = row["results"].get(sched)
            if not r:
                cells.append("n/a")
                continue
            score = number(r["score"])
            if r["score"] >= best * (1 - LEVEL):
                score = f"**{score}**"
            cells.append(f"{number(r['value'])} ({score})")
        text += line([f"{row['id']}: {row['metric']}", row["unit"],
                      str(row["ideal"])] + cells)
    for title, values in (("geometric mean", geomean), ("minimum", least)):
        text += line([f"**{title}**", "", ""] + [
            number(values[s]) + (f" (of {count[s]})"
                                 if count[s] < len(rows) else "")
            for s in runs])
    return text


def wins_and_losses(rows):
    won, level, lost = [], 0, []
    for row in rows:
        results = dict(row["results"])
        own = results.pop("activity", None)
        if not own or not results:
            continue
        peer = max(results, key=lambda s: results[s]["score"])
        ratio = own["score"] / results[peer]["score"]
        text = (f"* {row['id']}: {number(ratio)} of the score of {peer} "
                f"({number(own['value'])} against "
                f"{number(results[peer]['value'])} {row['unit']})\n")
        if ratio > 1 + LEVEL:
            won.append(text)
        elif ratio < 1 - LEVEL:
            lost.append(text)
        else:
            level += 1
    text = (f"Ahead in {len(won)}, level in {level} (within 1%), behind in "
            f"{len(lost)}.\n")
    for title, lines in (("Behind", lost), ("Ahead", won)):
        if lines:
            text += f"\n{title}:\n\n" + "".join(lines)
    return text


TEXT = """# Schedulers on real Xen

Made by `make bench-xen`: Xen 4.17 in QEMU, virtual time counted in instructions
(`-icount shift=1`: 2 ns each), one boot for each scheduler. Five guests share one
pCPU, dom0 has another. The probe wakes each 10 ms and works 100 us; mixed has a
SCHED_FIFO task of 500 us each 10 ms and a busy loop beside it; three hogs burn.
Every figure is from one boot (there is no seed), so maxima may differ from one
boot to the next.

A latency is how late a task runs, against the timer that it set. Its **floor** is the
p99 of the probe when it has the pCPU for itself: the guest's own way from the timer to
the task, which is long at this speed. What is held against other machines are multiples
of it. Something that the guest's kernel does once a second makes 1% of the wake-ups later
by 110 us, which is just where a p99 is; so the floor is the median of all boots.

credit2-tuned: `sched_ratelimit_us=100`. credit-tuned: that and
`sched_credit_tslice_ms=1`. rtds: what it gives every guest (4 ms of 10 ms, extratime).
role: dom0 said that mixed is interactive (`xl sched-activity -b interactive`); the other
schedulers have nothing like it, so their figures are those without.

The ideal of a throughput is what the probe does without hogs, in the same boot; for that it
takes more than its share, so fair shares do not allow all of it.

In the tables of scores: value (score); bold: best of the line; a score is ideal/value, or
value/ideal where more is better.
"""


def main(argv):
    if len(argv) != 2:
        print("usage: report.py OUT MARKDOWN", file=sys.stderr)
        return 2
    out = pathlib.Path(argv[0])
    rows, text = [], TEXT
    for kind, title in (("pv", "PV guests"), ("pvh", "PVH guests")):
        runs = measured.runs(out, kind)
        if not runs:
            continue
        own = Rows(kind, runs).all()
        rows += own
        text += (f"\n## {title}\n\n" +
                 score_table(own, runs, *summary(own)) +
                 "\n### activity against the best of the others\n\n" +
                 wins_and_losses(own) + "\n### As measured\n" +
                 latency_table(runs) + rate_table(runs) + share_table(runs))
    if not rows:
        print(f"report.py: nothing was measured in {out}", file=sys.stderr)
        return 1
    geomean, least, _ = summary(rows)
    (out / "xen.json").write_text(json.dumps(
        {"version": 1, "scenarios": rows, "geomean": geomean, "min": least},
        indent=1) + "\n")
    pathlib.Path(argv[1]).write_text(text)
    print(f"{out / 'xen.json'} and {argv[1]} are made")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
