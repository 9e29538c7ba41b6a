# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures that both runs have, side by side: wins and losses alike."""

# Closer than this is called the same.
SAME_PERMILLE = 20


class Figure:
    """One row: a figure of each run, and which direction is better."""

    def __init__(self, domain, what, unit, old, new, better):
        self.domain, self.what, self.unit = domain, what, unit
        self.old, self.new = old, new
        self.better = better            # "less", "more", or None: no matter

    @property
    def verdict(self):
        if self.better is None or self.old is None or self.new is None:
            return "-"
        if abs(self.new - self.old) * 1000 <= SAME_PERMILLE * abs(self.old):
            return "same"
        return ("better" if (self.new < self.old) == (self.better == "less")
                else "worse")

    @property
    def ratio(self):
        """New against old, in words."""
        if not self.old or self.new is None:
            return ""
        r = self.new / self.old
        if r < 0.1:
            return f"1/{self.old / self.new:.0f}" if self.new else "0"
        return f"{r:.2f}x"


def figures(report):
    old_run, new_run = report["runs"]
    new = {d["name"]: d for d in new_run["domains"]}
    out = []
    for a in old_run["domains"]:
        b = new[a["name"]]

        def add(what, unit, x, y, better, name=a["name"]):
            out.append(Figure(name, what, unit, x, y, better))

        if a["latency"]:
            what = {"wake-up": "lateness", "request": "request time",
                    "read": "read time"}[a["latency"]["what"]]
            for key in ("p50", "p99", "max"):
                add(f"{what} {key}", "us", a["latency"][key + "_us"],
                    b["latency"][key + "_us"], "less")
        if a["done"]:
            for key in ("p50", "p99", "max"):
                add(f"work done after, {key}", "us", a["done"][key + "_us"],
                    b["done"][key + "_us"], "less")
        for key, what in (("net_bps", "answers"), ("disk_bps", "reads")):
            if a[key] is not None:
                add(what, "kB/s", a[key] // 1000, b[key] // 1000, "more")
        hog = a["name"].startswith("hog")
        add("CPU time", "ms", a["cpu_ms"], b["cpu_ms"],
            "more" if hog else None)
        # Turns of the hogs' loop: what the CPU time was worth. Under QEMU the
        # pCPUs take turns, so work in dom0 shows here, unlike on hardware.
        if hog:
            add("work done", "ops", a["ops"], b["ops"], "more")
    out.append(Figure("dom0", "CPU time", "permille",
                      old_run["dom0_cpu_permille"],
                      new_run["dom0_cpu_permille"], "less"))
    return out
