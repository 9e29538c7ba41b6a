# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo has to show, as checks on report.json.

Each check gives (name, held, what was found). The first run is the one
without an agent, the second the one with it.
"""

# A rate-limited load ends a request more or less at the edge of the run.
SAME_PERMILLE = 10

CLASS_WITHIN_MS = 10_000
RECLASS_WITHIN_MS = 5_000


def by_name(run):
    return {d["name"]: d for d in run["domains"]}


def expected_class(domain, change_at_ms, t_ms):
    """The class that is right at a time, or None where it is in between."""
    want = domain["expected"]
    if len(want) == 1:
        return want[0] if t_ms >= CLASS_WITHIN_MS else None
    if t_ms < change_at_ms:
        return want[0] if t_ms >= CLASS_WITHIN_MS else None
    return want[1] if t_ms >= change_at_ms + RECLASS_WITHIN_MS else None


def first_right_ms(domain, want, since_ms):
    """When the class became right after since_ms, or None."""
    for c in domain["classes"]:
        if c["t_ms"] >= since_ms and c["class"] == want:
            return c["t_ms"]
    return None


def mentions(change, name):
    return change["domain"] == name or name in change["reason"]


def seconds(ms):
    return "never" if ms is None else f"{ms / 1000:.1f} s"


def check_latency(old, new):
    a, b = old["control"], new["control"]
    yield ("control: p99 lateness at most 1/3",
           3 * b["wake_p99_us"] <= a["wake_p99_us"],
           f"{b['wake_p99_us']} us, was {a['wake_p99_us']} us")
    yield ("control: maximum lateness below 1/5",
           5 * b["wake_max_us"] < a["wake_max_us"],
           f"{b['wake_max_us']} us, was {a['wake_max_us']} us")


def check_work(old, new):
    def hogs(run):
        return sum(d["cpu_ms"] for n, d in run.items() if n.startswith("hog"))

    yield ("hogs: at least 95% of their CPU time",
           100 * hogs(new) >= 95 * hogs(old),
           f"{hogs(new)} ms, was {hogs(old)} ms")
    for name, key in (("net", "net_bps"), ("disk", "disk_bps")):
        a, b = old[name][key], new[name][key]
        yield (f"{name}: not slower", b * 1000 >= a * (1000 - SAME_PERMILLE),
               f"{b // 1000} kB/s, was {a // 1000} kB/s")


def check_classes(run):
    for d in run["domains"]:
        wrong = None
        seen = 0
        for c in d["classes"]:
            want = expected_class(d, run["change_at_ms"], c["t_ms"])
            if want is None:
                continue
            seen += 1
            if c["class"] != want and wrong is None:
                wrong = f"{c['class']} at {seconds(c['t_ms'])}, not {want}"
        first = seconds(first_right_ms(d, d["expected"][0], 0))
        yield (f"{d['name']}: class right within 10 s, and stays",
               seen > 0 and wrong is None,
               wrong or f"{d['expected'][0]} after {first}")


def check_changer(run):
    at = run["change_at_ms"]
    changer = by_name(run)["changer"]
    t = first_right_ms(changer, changer["expected"][1], at)
    took = None if t is None else t - at
    yield ("changer: reclassified within 5 s of its change",
           took is not None and took <= RECLASS_WITHIN_MS, seconds(took))
    t = next((c["t_ms"] for c in run["changes"]
              if c["t_ms"] > at and mentions(c, "changer")), None)
    took = None if t is None else t - at
    yield ("changer: shares changed within 5 s of its change",
           took is not None and took <= RECLASS_WITHIN_MS, seconds(took))


def check(report):
    """All checks of a report, as a list of (name, held, found)."""
    old, new = report["runs"]
    a, b = by_name(old), by_name(new)
    return [*check_latency(a, b), *check_work(a, b), *check_classes(new),
            *check_changer(new)]
