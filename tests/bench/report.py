"""report: the targets, and the table of what was measured against them.

Ratios compare the rounds of one run: each round of a peer with the same round
of nginx stream. Knows nothing of how figures come about.
"""

import statistics

BASE = "nginx"
JUDGED = "postern"


class Target:
    """What a row shows of one load and how it is judged."""

    def __init__(self, title, load, unit, value, must=None, aim=None,
                 ratio=None, more_is_better=False):
        self.title, self.load, self.unit = title, load, unit
        self.value = value      # figures of one round -> a number, or None
        self.must, self.aim = must, aim
        # The peer a ratio is to; None: the number itself is judged.
        self.ratio = ratio
        self.more_is_better = more_is_better


def proxy_cpu(figures):
    """CPU seconds without the inspector's."""
    return figures["cpu"].get("proxy")


def tree_cpu(figures):
    return sum(figures["cpu"].values()) if figures["cpu"] else None


def per_mb(figures):
    cpu = proxy_cpu(figures)
    return None if cpu is None else cpu * 1e3 / (figures["bytes"] / 1e6)


def per_unit_us(figures):
    cpu = proxy_cpu(figures)
    return None if cpu is None else cpu * 1e6 / figures["units"]


def per_thousand(figures):
    cpu = tree_cpu(figures)
    return None if cpu is None else cpu * 1e3 / figures["units"]


def p99_ms(figures):
    return figures["p99_us"] / 1e3


def p50_ms(figures):
    return figures["p50_us"] / 1e3


def rate(figures):
    return figures["units"] / figures["seconds"]


def kib(figures):
    return figures["kib_per_session"] if "kib_per_session" in figures else None


def inspection_ms(figures):
    inspected = figures["counters"].get("inspected")
    if not inspected:
        return None
    return figures["cpu"]["inspector"] * 1e3 / inspected


def share_inspected(figures):
    inspected = figures["counters"].get("inspected")
    return None if inspected is None else 100.0 * inspected / figures["units"]


TARGETS = [
    Target("fetch 4 KiB, CPU", "fetch-4k", "us", per_unit_us, 1.3, 1.0, BASE),
    Target("  read again", "fetch-4k-again", "us", per_unit_us, 1.3, 1.0, BASE),
    Target("fetch 64 KiB, CPU", "fetch-64k", "ms/MB", per_mb, 1.0, 0.8, BASE),
    Target("  read again", "fetch-64k-again", "ms/MB", per_mb, 1.0, 0.8, BASE),
    Target("fetch 1 MiB, CPU", "fetch-1m", "ms/MB", per_mb, 1.0, 0.8, BASE),
    Target("login, full, CPU", "login", "us", per_unit_us, 1.2, 0.9, BASE),
    Target("login, resumed, CPU", "login-resumed", "us", per_unit_us,
           None, None, BASE),
    Target("SMTP 4 KiB, CPU", "smtp-4k", "s/1000", per_thousand, 0.20, 0.10),
    Target("SMTP 64 KiB, CPU", "smtp-64k", "s/1000", per_thousand, 0.35, 0.20),
    Target("SMTP 1 MiB, CPU", "smtp-1m", "s/1000", per_thousand, 3.5, 2.2),
    Target("1,000 idle, memory", "idle-1000", "KiB", kib, 32, 22),
    Target("5,000 idle, memory", "idle-5000", "KiB", kib, 32, 22),
    Target("push to 1,000, p50", "idle-1000", "ms", p50_ms, None, None,
           "direct"),
    Target("push to 1,000, p99", "idle-1000", "ms", p99_ms, 1.4, 1.1,
           "direct"),
    Target("push to 5,000, p99", "idle-5000", "ms", p99_ms, None, None,
           "direct"),
    Target("fetch 4 KiB, 8 users, p50", "fetch-4k", "ms", p50_ms),
    Target("fetch 4 KiB, 8 users, p99", "fetch-4k", "ms", p99_ms, 10, 4),
    Target("SMTP 4 KiB, 8 users, p50", "smtp-4k", "ms", p50_ms),
    Target("SMTP 4 KiB, 8 users, p99", "smtp-4k", "ms", p99_ms, 10, 4),
    Target("inspector, per 6 KiB mail", "inspect-6k", "ms", inspection_ms,
           0.25, 0.10),
    Target("  inspected", "inspect-6k", "%", share_inspected),
    Target("inspector, per 4 KiB fetch", "fetch-4k", "ms", inspection_ms),
    Target("  inspected at full speed", "fetch-4k", "%", share_inspected),
    Target("fetch 4 KiB, rate", "fetch-4k", "/s", rate),
    Target("login, full, rate", "login", "/s", rate),
    Target("SMTP 4 KiB, rate", "smtp-4k", "/s", rate, 15, 30, "postfix",
           more_is_better=True),
]


def numbers(target, rounds):
    """The rounds of one peer as numbers of a target; None where a round has
    none."""
    return [target.value(figures) if figures is not None else None
            for figures in rounds]


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratios(mine, base):
    """Round by round, where both have a number."""
    return [a / b for a, b in zip(mine, base)
            if a is not None and b is not None and b > 0]


def short(value):
    if value is None:
        return "-"
    return "%.0f" % value if abs(value) >= 1000 else "%.3g" % value


def cell(target, peer, results):
    """A peer's median; with a ratio, that and its spread too."""
    rounds = results[target.load].get(peer)
    if rounds is None:
        return {"text": "-"}
    mine = numbers(target, rounds)
    found = {"median": median(mine), "rounds": mine}
    found["text"] = short(found["median"])
    if target.ratio is not None and peer != target.ratio:
        base = results[target.load].get(target.ratio)
        spread = ratios(mine, numbers(target, base)) if base else []
        if spread:
            found["ratio"] = statistics.median(spread)
            found["ratio_low"], found["ratio_high"] = min(spread), max(spread)
            found["text"] += " %.2fx" % found["ratio"]
            if len(spread) > 1:
                found["text"] += " (%.2f-%.2f)" % (min(spread), max(spread))
    return found


def judge(target, found):
    """"aim", "must" (met), "MISSED", or "" where nothing is asked."""
    value = found.get("ratio" if target.ratio else "median")
    if target.must is None or value is None:
        return ""
    sign = -1 if target.more_is_better else 1
    if target.aim is not None and sign * value <= sign * target.aim:
        return "aim"
    return "must" if sign * value <= sign * target.must else "MISSED"


def tabulate(results, peers):
    """Rows of the report, as plain data."""
    rows = []
    for target in TARGETS:
        if target.load not in results:
            continue
        cells = {peer: cell(target, peer, results) for peer in peers}
        if all(found["text"] == "-" for found in cells.values()):
            continue
        rows.append({
            "title": target.title, "unit": target.unit, "cells": cells,
            "ratio_to": target.ratio, "must": target.must, "aim": target.aim,
            "judged": judge(target, cells.get(JUDGED, {}))})
    return rows


def print_table(rows, peers):
    head = ["", "unit"] + list(peers) + ["must", "aim", JUDGED]
    lines = [head]
    for row in rows:
        x = "x" if row["ratio_to"] else ""
        lines.append([row["title"], row["unit"]]
                     + [row["cells"][peer]["text"] for peer in peers]
                     + ["%s%s" % (row[key], x) if row[key] is not None else ""
                        for key in ("must", "aim")] + [row["judged"]])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width
                        in zip(line, widths)).rstrip())
