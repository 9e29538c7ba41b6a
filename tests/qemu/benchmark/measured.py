# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what scenarios/bench.sh left behind, one directory for each scheduler.

Every function gives None for what the run does not have: a scheduler without
caps has no phase of caps.
"""

import json
import pathlib
import re

# The order of tables; the names of bench's boots.
SCHEDS = ("activity", "credit2", "credit", "rtds", "credit2-tuned",
          "credit-tuned")
GUESTS = ("probe", "mixed", "hog1", "hog2", "hog3")
HOGS = GUESTS[2:]
WEIGHTS = {"hog1": 256, "hog2": 512, "hog3": 1024}
CAPS = {"hog1": 0.15, "hog2": 0.25}


class Run:
    """What one boot measured."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def _read(self, name):
        try:
            return (self.directory / name).read_text(errors="replace")
        except OSError:
            return ""

    def _json(self, name):
        text = self._read(name)
        return json.loads(text) if text.strip() else None

    def late_us(self, phase, guest):
        """{"n", "p50", "p90", "p99", "max"} of lateness against the timer."""
        result = self._json(f"result-{phase}-{guest}.json")
        return result and result["late_us"]

    def per_s(self, name):
        """Operations a second of a result file."""
        result = self._json(name)
        return result and result["ops"] / result["seconds"]

    def ping_ms(self, phase):
        """Times of all answers, in milliseconds, sorted."""
        times = re.findall(r" time=([0-9.]+) ms", self._read(f"ping-{phase}.txt"))
        return sorted(float(t) for t in times) or None

    def ping_lost(self, phase):
        """Percent without an answer."""
        found = re.search(r"([0-9.]+)% packet loss",
                          self._read(f"ping-{phase}.txt"))
        return found and float(found.group(1))

    def shares(self, phase):
        """[{guest: part of the pCPU}] for each sample, and for all of them."""
        lines = [json.loads(line) for line
                 in self._read(f"samples-{phase}.jsonl").splitlines()]
        if len(lines) < 2:
            return None, None
        # Domains are sampled in the order in which they were created.
        def used(line):
            return [d["cpu_ns"] for d in line["domains"] if d["domid"]]

        def part(first, last):
            passed = last["ts_ns"] - first["ts_ns"]
            return {name: (b - a) / passed for name, a, b
                    in zip(GUESTS, used(first), used(last))}
        return ([part(a, b) for a, b in zip(lines, lines[1:])],
                part(lines[0], lines[-1]))


def error_of_equal(shares, names):
    """The worst error of any of them, when all were to get the same."""
    mean = sum(shares[n] for n in names) / len(names)
    return max(abs(shares[n] / mean - 1) for n in names)


def error_of_weights(shares):
    total = sum(shares[n] for n in WEIGHTS)
    weights = sum(WEIGHTS.values())
    return max(abs(shares[n] / total / (w / weights) - 1)
               for n, w in WEIGHTS.items())


def error_of_caps(seconds):
    """The mean error of the capped ones, as the simulator counts it."""
    errors = [abs(s[n] / cap - 1) for s in seconds for n, cap in CAPS.items()]
    return sum(errors) / len(errors)


def runs(out, kind):
    """{scheduler: Run} of those that were measured."""
    return {name: Run(out / f"xen-{kind}" / name) for name in SCHEDS
            if (out / f"xen-{kind}" / name / "result-mix-mixed.json").exists()}
