# SPDX-License-Identifier: GPL-2.0-or-later
"""report.html: one file, nothing loaded from elsewhere."""

import os
from html import escape

import chart
import claims


def grouped(v):
    return "-" if v is None else f"{v:,}".replace(",", "\u202f")


def span(text, cls):
    return f'<span class="{cls}">{escape(text)}</span>'


def us(v):
    return f"{v} us" if v < 10000 else f"{v / 1000:.1f} ms"


def tile(what, value, was, held):
    verdict = (span("\u2713 as claimed", "good") if held
               else span("\u2717 misses its claim", "bad"))
    return (f'<div class="tile"><div class="what">{escape(what)}</div>'
            f'<div class="value">{escape(value)}</div>'
            f'<div class="was">{escape(was)}</div>'
            f'<div class="claim">{verdict}</div></div>')


def tiles(report, checks):
    old, new = (claims.by_name(r) for r in report["runs"])
    held = {name: ok for name, ok, _ in checks}

    def ok(*words):
        return all(v for k, v in held.items()
                   if all(w in k for w in words))

    a, b = old["control"], new["control"]
    hogs = [sum(d["cpu_ms"] for n, d in r.items() if n.startswith("hog"))
            for r in (old, new)]
    out = [
        tile("Control task, 99% start within", us(b["wake_p99_us"]),
             f"credit2: {us(a['wake_p99_us'])}", ok("control: p99")),
        tile("Control task, the latest start", us(b["wake_max_us"]),
             f"credit2: {us(a['wake_max_us'])}", ok("control: max")),
        tile("CPU time the batch guests kept",
             f"{100 * hogs[1] / hogs[0]:.0f}%",
             f"{hogs[1] / 1000:.1f} s, was {hogs[0] / 1000:.1f} s",
             ok("hogs")),
    ]
    for name, key, what in (("net", "net_bps", "Network answers"),
                            ("disk", "disk_bps", "Disk reads")):
        out.append(tile(what, f"{new[name][key] / 1e6:.2f} MB/s",
                        f"credit2: {old[name][key] / 1e6:.2f} MB/s",
                        ok(f"{name}: not slower")))
    return '<div class="tiles">' + "".join(out) + "</div>"


def legend(items, stroke=False):
    kind = " stroke" if stroke else ""
    return ('<div class="legend">' + "".join(
        f'<span><i class="{cls}{kind}"></i>{escape(text)}</span>'
        for cls, text in items) + "</div>")


def figure(title, body, caption=""):
    cap = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure><h3>{escape(title)}</h3>{body}{cap}</figure>"


def run_name(run):
    return (f"{run['scheduler']}, no agent" if run["agent"] == "none"
            else f"{run['scheduler']} with avmd")


def guests_table(run):
    rows = "".join(
        f'<tr><td>{escape(d["name"])}</td><td>{escape(d["work"])}</td>'
        f'<td>{escape(d["role"])}</td><td>{escape(d["type"].upper())}</td></tr>'
        for d in run["domains"])
    return ('<div class="table"><table><thead><tr><th>guest<th>what it does'
            '<th>declared role<th>type</tr></thead>' + rows + "</table></div>")


def figures_table(rows):
    out, last = [], None
    for f in rows:
        cls = {"better": "good", "worse": "bad"}.get(f.verdict, "soft")
        first = ' class="first"' if last not in (None, f.domain) else ""
        name = f.domain if f.domain != last else ""
        last = f.domain
        out.append(
            f"<tr{first}><td>{escape(name)}</td>"
            f"<td>{escape(f.what)}, {escape(f.unit)}</td>"
            f'<td class="n">{grouped(f.old)}</td>'
            f'<td class="n">{grouped(f.new)}</td>'
            f'<td class="n">{escape(f.ratio)}</td>'
            f"<td>{span(f.verdict, cls)}</td></tr>")
    return ('<div class="table"><table><thead><tr><th>guest<th>figure'
            '<th class="n">credit2<th class="n">activity + avmd'
            '<th class="n">change<th></tr></thead>' + "".join(out) +
            "</table></div>")


def changes_table(numbered):
    rows = "".join(
        f'<tr><td class="n">{f"<b class=no>{n}</b>" if n else "set up"}</td>'
        f'<td class="n">{c["t_ms"] / 1000:.1f} s</td>'
        f'<td>{escape(c["domain"])}</td><td>{escape(c["knob"])}</td>'
        f'<td class="n">{escape(word(c, "before"))} \u2192 '
        f'{escape(word(c, "after"))}</td>'
        f'<td class="reason">{escape(c["reason"])}</td></tr>'
        for n, c in numbered)
    return ('<div class="table"><table><thead><tr><th><th class="n">when'
            '<th>guest<th>knob<th class="n">from, to<th>why</tr></thead>' +
            rows + "</table></div>")


URGENCIES = ("normal", "background", "interactive", "critical")


def word(change, key):
    v = change[key]
    if change["knob"] == "urgency" and isinstance(v, int) and v < 4:
        return URGENCIES[v]
    return str(v)


def number_changes(run):
    """[(number, change)]: those before the start have none."""
    out, n = [], 0
    for c in run["changes"]:
        n += c["t_ms"] >= 0
        out.append((n if c["t_ms"] >= 0 else None, c))
    return out


def checks_list(checks):
    rows = "".join(
        f'<tr><td>{span("held", "good") if ok else span("missed", "bad")}</td>'
        f"<td>{escape(name)}</td><td>{escape(found)}</td></tr>"
        for name, ok, found in checks)
    return ('<div class="table"><table><thead><tr><th>claim<th><th>found</tr>'
            "</thead>" + rows + "</table></div>")


def page(report, checks, rows):
    old, new = report["runs"]
    with open(os.path.join(os.path.dirname(__file__), "page.css"),
              encoding="utf-8") as f:
        css = f.read()
    guests = legend([(f"g-{d['name']}", d["name"]) for d in new["domains"]])
    runs_key = legend([("k-old", run_name(old)), ("k-new", run_name(new))],
                      stroke=True)
    old_by, new_by = claims.by_name(old), claims.by_name(new)
    names = {"control": "Control task: lateness of a wake-up",
             "net": "Network: time of a request",
             "disk": "Disk: time of a read"}
    latencies = "".join(
        figure(title, chart.latency_chart(
            name, old_by[name]["latency"], new_by[name]["latency"]))
        for name, title in names.items())
    numbered = number_changes(new)
    explains = "".join(
        f"<details><summary>{escape(d['name'])}</summary>"
        f"<pre>{escape(d['explain'].strip())}</pre></details>"
        for d in new["domains"] if d["explain"].strip())
    worse = [f for f in rows if f.verdict == "worse"]
    losses = ("Worse than before: " + "; ".join(
        f"{f.domain} {f.what} ({f.ratio})" for f in worse) + "."
        if worse else "Nothing measured here became worse.")

    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Six guests, one CPU: credit2 and activity</title>
<style>{css}</style></head><body><main>
<h1>Six guests, one CPU</h1>
<p class="soft">The same six guests and the same work on Xen
{escape(report["xen"]["version"])}, {new["seconds"]} seconds each: once with
{escape(run_name(old))}, once with {escape(run_name(new))} in auto mode.</p>
{tiles(report, checks)}
{guests_table(new)}
<h2>Who had the CPU</h2>
<p>Share of the one pCPU that all guests have to live on (dom0 has its own).
At the dashed line <i>changer</i> stops idling and burns all it can get.</p>
{guests}
<div class="two">
{figure(run_name(old), chart.share_chart(old))}
{figure(run_name(new), chart.share_chart(new))}
</div>
<h2>What the agent saw, and what it changed</h2>
<p>The class the agent gave each guest by watching it from outside. The numbers
are its changes; the table says why each was made.</p>
{figure("Class of each guest", chart.class_chart(new, numbered))}
{changes_table(numbered)}
<h2>How long work had to wait</h2>
<p>The share of wake-ups, requests and reads that took longer than a given
time. Further left is better; the foot of a curve is its worst case.</p>
{runs_key}
<div class="three">{latencies}</div>
<h2>All figures, wins and losses</h2>
<p>{escape(losses)}</p>
{figures_table(rows)}
<h2>Claims</h2>
{checks_list(checks)}
<h2>In the agent's own words</h2>
<p>What <code>avm explain</code> said about each guest at the end.</p>
{explains}
<h2>How this was measured</h2>
<p>Real Xen, a real dom0 with netback and blkback and real guests run in QEMU
with <code>-icount</code>: time is a count of instructions, 2 ns each, so the
figures do not depend on how busy the machine is. The pCPUs take turns, so a
guest's own path from timer to task is slow at this speed: compare the two runs
with each other, not with hardware. Work in dom0, the agent's too, slows the
guests' instructions down here but not their CPU time; the hogs' work done
shows it. CPU time comes from the hypervisor, read by a sampler that is not
part of the agent; times of wake-ups, requests and reads were taken by the
guests and the client themselves.</p>
</main></body></html>
"""
