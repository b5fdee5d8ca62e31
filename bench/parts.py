"""The rooms measured by themselves: each bench_NAME prints what it found."""
import re
import subprocess

import servers
from rows import Row, median, program, rate, us
from servers import Failed, say

PARTS = ["auth", "catalog", "meter", "store"]


def journal(bench):
    """Durable appends with proofs, 64 appenders, two disks."""
    raise Failed("bench_journal is not built")


def parts(bench):
    """What each room's own bench says."""
    found = []
    for name in PARTS:
        path = servers.BUILD / "bench" / f"bench_{name}"
        if not path.exists():
            continue
        done = subprocess.run([str(path)], capture_output=True, text=True, timeout=300, cwd=bench.folder)
        if done.returncode:
            raise Failed(f"bench_{name}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
        for said in done.stdout.strip().splitlines():
            say(f"  bench_{name}: {said}")
            found.append(Row(f"{name}: alone", "", said))
    return found
