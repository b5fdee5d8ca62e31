"""The rooms measured by themselves: each bench_NAME prints a figure per line, and these lines become rows."""
import os
import re
import subprocess

import servers
from rows import Row, need_space
from servers import Failed, say

# Arguments that keep a default run short; FOLDER is removed afterwards.
PARTS = {"auth": [], "catalog": ["200000"], "ec": [], "store": ["FOLDER", "4"]}  # the meter: money.py
# Lines that a goal of DESIGN §6 speaks of: (room, beginning of the line) -> what it wants of the line's first number.
GOALS = {
    ("ec", "encode 4+2"): ("≥ 10 GB/s of data per core", 10),
    ("ec", "rebuild one of 4+2"): ("≥ 10 GB/s of data per core", 10),
    ("journal", "records of 200 bytes"): ("≥ 100 000 durable appends/s, in batches of 64", 100_000),
    ("meter", "rating"): ("≥ 1 000 000 usage events/s per core", 1_000_000),
    ("meter", "ledger:"): ("≥ 500 000 postings/s", 500_000),
}


def lines_of(bench, name, words):
    path = servers.BUILD / "bench" / f"bench_{name}"
    if not path.exists():
        raise Failed(f"bench_{name} is not built")
    done = subprocess.run([str(path), *(w.replace("FOLDER", str(bench.folder)) for w in words)], capture_output=True, text=True,
                          timeout=300, cwd=bench.folder, env={**os.environ, "TMPDIR": str(bench.folder)})
    if done.returncode:
        raise Failed(f"bench_{name}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def first_number(text):
    found = re.search(r"(\d+(?:\.\d+)?)", text)
    return float(found.group(1)) if found else 0.0


def row_of(name, line):
    """`what: figures` or `what   figures`, with `yardstick …` (or `raw …`) and `ratio …` in columns of their own when they are said."""
    line = re.sub(r"\(\s+", "(", line)
    found = re.match(r"(.+?)(?::\s+|\s{2,})(.+)", line)
    what, figures = found.groups() if found else ("", line)
    measured, *yardstick = re.split(r"\s{2,}(?:yardstick|raw)\s+", figures, maxsplit=1)
    yardstick, *ratio = re.split(r"\s{2,}ratio\s+", yardstick[0], maxsplit=1) if yardstick else [""]
    row = Row(f"{name} by itself: {what}" if what else f"{name} by itself", "", re.sub(r"\s{2,}", ", ", measured.strip()),
              yardstick.strip(), ratio[0].strip() if ratio else "")
    for (room, beginning), (goal, least) in GOALS.items():
        if name == room and line.startswith(beginning) and not line.endswith(" x the yardstick"):
            row.goal, row.reached = goal, first_number(figures) >= least
    return row


def parts(bench):
    """What each room's own bench says."""
    need_space(bench.folder, 4 << 30)
    return [row for name, words in PARTS.items() for row in rows_of(bench, name, words)]


def rows_of(bench, name, words):
    found = []
    for line in lines_of(bench, name, words):
        say(f"  bench_{name}: {line}")
        row = row_of(name, line)
        # A yardstick on a line of its own belongs to the row before it, and so does the ratio.
        if found and line.startswith("yardstick:"):
            found[-1].yardstick = row.measured
        elif found and line.endswith(" x the yardstick"):
            found[-1].ratio = str(first_number(row.measured))
        else:
            found.append(row)
    return found


def journal(bench):
    """Durable appends with proofs, 64 appenders, two disks."""
    return rows_of(bench, "journal", ["FOLDER/journal"])
