#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py make OUT RUN RUN   report.json and report.html of two runs,
                                and a table on the terminal
report.py check REPORT.json     the demo's claims: "ok - " or "not ok - " each;
                                exit status 1 if one does not hold
"""

import json
import os
import sys

sys.dont_write_bytecode = True
import claims
import figures
import load
import page


def table(rows):
    head = ("guest", "figure", "credit2", "activity+avmd", "change", "")
    lines = [head]
    last = None
    for f in rows:
        lines.append((f.domain if f.domain != last else "",
                      f"{f.what}, {f.unit}", page.grouped(f.old),
                      page.grouped(f.new), f.ratio, f.verdict))
        last = f.domain
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    out = []
    for n, line in enumerate(lines):
        if n and line[0]:
            out.append("")
        out.append("  ".join(
            text.rjust(w) if 2 <= i <= 4 else text.ljust(w)
            for i, (text, w) in enumerate(zip(line, widths))).rstrip())
    return "\n".join(out)


def changes(run):
    out = []
    for c in run["changes"]:
        out.append(f"{c['t_ms'] / 1000:7.1f} s  {c['domain']:<8} "
                   f"{c['knob']} {page.word(c, 'before')} -> "
                   f"{page.word(c, 'after')}\n"
                   f"           {c['reason']}")
    return "\n".join(out) if out else "none"


def make(out, paths):
    runs = [load.load_run(p) for p in paths]
    report = {"version": 1, "xen": {"version": runs[0]["xen_version"]},
              "runs": runs}
    checks = claims.check(report)
    report["claims"] = [{"name": n, "held": ok, "found": found}
                        for n, ok, found in checks]
    rows = figures.figures(report)
    with open(os.path.join(out, "report.json"), "w", encoding="utf-8") as f:
        json.dump(report, f, indent=1)
        f.write("\n")
    with open(os.path.join(out, "report.html"), "w", encoding="utf-8") as f:
        f.write(page.page(report, checks, rows))
    print(table(rows))
    print("\nWhat avmd changed, and why (seconds since the guests began):\n")
    print(changes(runs[1]))


def check(path):
    with open(path, encoding="utf-8") as f:
        report = json.load(f)
    held = True
    for name, ok, found in claims.check(report):
        print(f"{'ok' if ok else 'not ok'} - demo: {name} ({found})")
        held = held and ok
    return held


def main(argv):
    try:
        if len(argv) == 5 and argv[1] == "make":
            make(argv[2], argv[3:])
            return 0
        if len(argv) == 3 and argv[1] == "check":
            return 0 if check(argv[2]) else 1
    except (load.BadRun, OSError, ValueError) as e:
        print(f"report: {e}", file=sys.stderr)
        return 1
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
