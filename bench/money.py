"""Rating, ledger and statements at the size of the goals: ten million usage events in one month, beside SQLite and DuckDB with the same rows."""
import json
import subprocess

import parts
import servers
from rows import Row, need_space
from servers import Failed, say

EVENTS = 10_000_000
DUCKDB = "@duckdb/node-api@1.4.1-r.4"  # from npm, its library is in a package of its own: nothing else is fetched
STATEMENT_LIMIT_S = 1


def duckdb(bench):
    """What DuckDB needs for the same rows, on one thread."""
    folder = bench.folder / "duckdb"
    folder.mkdir()
    try:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), DUCKDB], check=True, capture_output=True,
                       timeout=300)
        program = folder / "duckdb.mjs"
        program.write_text((servers.ROOT / "bench" / "duckdb.mjs").read_text())
        done = subprocess.run(["node", str(program), str(folder / "rows.duckdb"), str(EVENTS)], check=True, capture_output=True, text=True,
                              timeout=300)
    except (OSError, subprocess.SubprocessError) as e:
        raise Failed(f"DuckDB does not run here: {str(e)[:200]}") from e
    return json.loads(done.stdout)


def money(bench):
    """A month of ten million usage events: rated, posted, stated."""
    need_space(bench.folder, 3 << 30)
    rows = parts.rows_of(bench, "meter", [str(EVENTS)])
    stated = next(r for r in rows if "statement" in r.work)
    took = parts.first_number(stated.measured)
    stated.goal, stated.reached = f"< {STATEMENT_LIMIT_S} s", took < STATEMENT_LIMIT_S
    lived = next(r for r in rows if "a month of" in r.work)
    try:
        other = duckdb(bench)
    except Failed as e:
        return [*rows, Row("the same month in DuckDB", "", str(e))]
    say(f"  DuckDB {other['version']}: {EVENTS / other['insert_s']:,.0f} rows/s made and kept, summed in {other['sum_s']:.3f} s")
    name = f"DuckDB {other['version']}"
    lived.yardstick += f"; {other['insert_s']:.2f} s for {name} to make and keep them from a formula"
    stated.yardstick += f"; {other['sum_s']:.3f} s for {name} on one thread"
    stated.ratio += f"; {took / other['sum_s']:.2f}"
    return rows
