# SPDX-License-Identifier: GPL-2.0-or-later
"""Charts as SVG text. Colours are classes of page.css; nothing is loaded."""

import math
from html import escape


def tag(name, text="", **attrs):
    inner = "".join(
        f' {k.rstrip("_").replace("_", "-")}="{escape(str(v))}"'
        for k, v in attrs.items())
    return f"<{name}{inner}>{text}</{name}>"


def num(v):
    return f"{v:.1f}".rstrip("0").rstrip(".")


def label(x, y, text, cls="tick", anchor="start"):
    return tag("text", escape(text), x=num(x), y=num(y), class_=cls,
               text_anchor=anchor)


def line(x1, y1, x2, y2, cls):
    return tag("line", x1=num(x1), y1=num(y1), x2=num(x2), y2=num(y2),
               class_=cls)


def svg(width, height, parts, title):
    return (f'<svg viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{escape(title)}">' + "".join(parts) + "</svg>")


class Frame:
    """A plot area with a linear or logarithmic scale on each axis."""

    def __init__(self, left, top, width, height, x, y, xlog=False, ylog=False):
        self.left, self.top = left, top
        self.width, self.height = width, height
        self.x, self.y, self.xlog, self.ylog = x, y, xlog, ylog

    @staticmethod
    def at(v, lo, hi, log):
        if log:
            v, lo, hi = (math.log10(max(i, 1e-9)) for i in (v, lo, hi))
        return (v - lo) / (hi - lo)

    def px(self, v):
        return self.left + self.width * self.at(v, *self.x, self.xlog)

    def py(self, v):
        return self.top + self.height * (1 - self.at(v, *self.y, self.ylog))

    def xticks(self, ticks):
        base = self.top + self.height
        return [line(self.px(v), self.top, self.px(v), base, "grid") +
                label(self.px(v), base + 16, text, anchor="middle")
                for v, text in ticks]

    def yticks(self, ticks):
        return [line(self.left, self.py(v), self.left + self.width,
                     self.py(v), "grid") +
                label(self.left - 7, self.py(v) + 4, text, anchor="end")
                for v, text in ticks]

    def axis(self):
        return line(self.left, self.top + self.height,
                    self.left + self.width, self.top + self.height, "axis")


def seconds_ticks(seconds, step=10):
    return [(t * 1000, f"{t} s") for t in range(0, seconds + 1, step)]


def share_chart(run, width=540, height=300):
    """Stacked areas: who had the pCPU, over time."""
    f = Frame(42, 14, width - 54, height - 48, (0, run["seconds"] * 1000),
              (0, 100))
    parts = f.yticks([(v, f"{v}%") for v in (0, 25, 50, 75, 100)])
    parts += f.xticks(seconds_ticks(run["seconds"]))
    doms = run["domains"]
    n = min(len(d["timeline"]["t_ms"]) for d in doms)
    # An interval's value holds from the end of the one before to its own.
    edges = [0] + [doms[0]["timeline"]["t_ms"][i] for i in range(n)]
    below = [0.0] * n
    for d in doms:
        top = [below[i] + d["timeline"]["cpu_permille"][i] / 10
               for i in range(n)]
        up, down = [], []
        for i in range(n):
            x0, x1 = f.px(edges[i]), f.px(edges[i + 1])
            x1 = min(x1, f.left + f.width)
            up.append(f"{num(x0)},{num(f.py(min(top[i], 100)))} "
                      f"{num(x1)},{num(f.py(min(top[i], 100)))}")
            down.append(f"{num(x1)},{num(f.py(min(below[i], 100)))} "
                        f"{num(x0)},{num(f.py(min(below[i], 100)))}")
        mean = d["cpu_permille"] / 10
        parts.append(tag("polygon", tag("title", escape(
            f"{d['name']}: {mean:.1f}% on average")),
            points=" ".join(up + down[::-1]), class_=f"area g-{d['name']}"))
        below = top
    at = run["change_at_ms"]
    parts.append(line(f.px(at), f.top, f.px(at), f.top + f.height, "mark"))
    parts.append(f.axis())
    return svg(width, height, parts,
               f"CPU time of each guest under {run['scheduler']}")


def class_spans(domain, end_ms):
    """[(from_ms, to_ms, class)] of the snapshots; each holds until the next."""
    spans = []
    seen = domain["classes"]
    for i, c in enumerate(seen):
        start = max(c["t_ms"], 0)
        end = seen[i + 1]["t_ms"] if i + 1 < len(seen) else end_ms
        start, end = min(start, end_ms), min(end, end_ms)
        if spans and spans[-1][2] == c["class"]:
            spans[-1] = (spans[-1][0], end, c["class"])
        elif end > start:
            spans.append((start, end, c["class"]))
    return spans


def place_dots(numbered, frame, end_ms):
    """{domain: {x: (number, change)}}, none on top of another."""
    out = {}
    for n, c in numbered:
        if not 0 <= c["t_ms"] <= end_ms:
            continue
        xs = out.setdefault(c["domain"], {})
        x = frame.px(c["t_ms"])
        while any(abs(x - u) < 17 for u in xs):
            x += 17
        xs[x] = (n, c)
    return out


def class_chart(run, numbered, width=1120, row=34):
    """A row per guest: its class over time, and the changes made to it.

    numbered: [(number, change)]; those before the start have no place here.
    """
    end = run["seconds"] * 1000
    height = 12 + row * len(run["domains"]) + 30
    f = Frame(92, 8, width - 104, row * len(run["domains"]), (0, end), (0, 1))
    parts = f.xticks(seconds_ticks(run["seconds"], 5))
    dots = place_dots(numbered, f, end)
    rows = {}
    for i, d in enumerate(run["domains"]):
        y = f.top + i * row
        rows[d["name"]] = y
        parts.append(label(f.left - 10, y + row / 2 + 4, d["name"], "name",
                           "end"))
        for a, b, cls in class_spans(d, end):
            x, w = f.px(a), f.px(b) - f.px(a)
            parts.append(tag("rect", tag("title", escape(
                f"{d['name']}: {cls}, {a / 1000:.1f} to {b / 1000:.1f} s")),
                x=num(x), y=num(y + 5), width=num(max(w - 1.5, 1)),
                height=row - 10, rx=3, class_=f"span c-{cls}"))
            # Beside the dots of changes, where there are any at its start.
            at = x + 8
            for dot in sorted(dots.get(d["name"], [])):
                if x - 8 <= dot <= at + 8 + 6.5 * len(cls):
                    at = dot + 14
            if a < b and at + 6.5 * len(cls) < x + w:
                parts.append(label(at, y + row / 2 + 4, cls,
                                   f"spanname on-{cls}"))
    at = f.px(run["change_at_ms"])
    parts.append(line(at, f.top, at, f.top + f.height, "mark"))
    parts.append(label(at + 5, f.top + f.height + 28, "changer starts to burn",
                       "note"))
    for name, xs in dots.items():
        for x, (n, c) in xs.items():
            y = rows[name] + row / 2
            parts.append(tag("circle", tag("title", escape(
                f"{n}: {c['knob']} {c['before']} to {c['after']}")),
                cx=num(x), cy=num(y), r=8, class_="dot"))
            parts.append(label(x, y + 3.6, str(n), "dotname", "middle"))
    return svg(width, height + 6, parts, "Class of each guest over time")


def survival(hist, n):
    """[(value, share of values above it)] of [[bucket top, count]]."""
    out, left = [], n
    for top, count in hist:
        left -= count
        out.append((max(top, 1), left / n))
    return out


def decade_ticks(lo, hi):
    out = []
    e = math.ceil(math.log10(lo) - 1e-9)
    while 10 ** e <= hi * 1.0001:
        us = 10 ** e
        out.append((us, f"{us} us" if us < 1000 else f"{us // 1000} ms"))
        e += 1
    return out


def latency_chart(name, old, new, width=360, height=270):
    """How many took longer than x: a line for each run, both axes
    logarithmic, because what hurts is rare."""
    values = [h[0] for d in (old, new) for h in d["hist"]]
    lo = 10 ** math.floor(math.log10(max(min(values), 1)))
    hi = 10 ** math.ceil(math.log10(max(max(values), lo * 10)))
    floor = 10 ** math.floor(math.log10(1 / max(old["n"], new["n"])))
    f = Frame(50, 14, width - 80, height - 62, (lo, hi), (floor, 1),
              xlog=True, ylog=True)
    yt = []
    v = 1.0
    while v >= floor * 0.999:
        yt.append((v, f"{v * 100:g}%"))
        v /= 10
    parts = f.yticks(yt) + f.xticks(decade_ticks(lo, hi)) + [f.axis()]
    for cls, d in (("old", old), ("new", new)):
        y = f.py(1)
        path = [f"M{num(f.left)},{num(y)}"]
        for value, above in survival(d["hist"], d["n"]):
            path.append(f"H{num(f.px(value))}")
            path.append(f"V{num(f.py(max(above, floor)))}")
        parts.append(tag("path", d="".join(path), class_=f"curve {cls}"))
    parts.append(label(f.left + f.width / 2, height - 8,
                       f"{old['what']} took longer than", "note", "middle"))
    return svg(width, height, parts, f"Latency of {name} in both runs")
