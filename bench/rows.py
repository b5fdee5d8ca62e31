"""The rows of the goals table: each bench takes measured and yardstick in turn (A B A B …), in the same run, and says the medians."""
import dataclasses
import hashlib
import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import time

import servers
from servers import Failed, holdfast, load, memory_mib, nginx, program, radosgw, rawclient, say, swallow

ROUNDS = 3
CLIENTS = 64
SMALL = 4096
LARGE = 64 << 20
SETTLE_S = 10  # for compaction behind mass deletes
TINY = 100  # bytes of an object when only their number matters
MIB = 1 << 20


@dataclasses.dataclass
class Row:
    work: str
    goal: str
    measured: str = "not measured"
    yardstick: str = ""
    ratio: str = ""
    reached: bool | None = None


def median(runs, name):
    return statistics.median(r[name] for r in runs)


def rate(x):
    return f"{x:,.0f}/s".replace(",", " ")


def speed(x):
    return f"{x / 1e9:.2f} GB/s"


def us(x):
    return f"{x / 1000:.2f} ms" if x >= 1000 else f"{x:.0f} µs"


def at_least(work, goal, measured, yardstick, text, what, note=""):
    ratio = measured / yardstick
    return Row(work, f"≥ {goal} × {what}", text(measured) + note, text(yardstick), f"{ratio:.2f}", ratio >= goal)


# ---- small objects ----
def put(bench):
    """Durable, signed PUT 4 KiB, 64 clients, two disks, against the same server swallowing the same requests unsigned."""
    ours, theirs = [], []
    seconds, warm = 4, 0.5
    file = servers.random_file(bench.folder / "none", SMALL)
    with holdfast(bench.folder / "put") as d, swallow(file, SMALL) as yard:
        common = {"connections": CLIENTS, "size": SMALL, "seconds": seconds, "warm_up": warm}
        for i in range(ROUNDS):
            theirs.append(load(yard, "put", unsigned=True, keys=1_000_000, **common))
            before = servers.cpu_seconds(d.process.pid)
            ours.append(load(d.server, "put", first=i * 400_000, keys=400_000, **common))
            bench.detail("put", ours[-1], theirs[-1], servers.cpu_seconds(d.process.pid) - before)
    worst = max(r["max_us"] for r in ours)
    tail = f", p99 {us(median(ours, 'p99_us'))}, p99.9 {us(median(ours, 'p999_us'))}"
    return [
        at_least("durable, signed PUT 4 KiB, 64 clients, two disks", 0.3, median(ours, "per_s"), median(theirs, "per_s"), rate,
                 "the same HTTP server swallowing the same requests unsigned", tail),
        Row("no stall under that load", "< 100 ms", us(worst), us(max(r["max_us"] for r in theirs)) + " swallowing", "", worst < 100_000),
    ]


def put_one(bench):
    """One client, durable PUT 4 KiB: p99 against a parallel write + fdatasync of 4 KiB on the same disks."""
    ours, raw = [], []
    with holdfast(bench.folder / "put-one") as d:
        for i in range(ROUNDS):
            raw.append(program("machine", "sync2", d.data / "disk1", d.data / "disk2", 3))
            ours.append(load(d.server, "put", connections=1, size=SMALL, seconds=3, warm_up=0.5, first=i * 100_000, keys=100_000))
            bench.detail("put-one", ours[-1], raw[-1])
    ratio = median(ours, "p99_us") / median(raw, "p99_us")
    return [Row("one client, durable PUT 4 KiB, p99", "≤ 2 × a parallel write + fdatasync on the same disks",
                f"{us(median(ours, 'p99_us'))} (p50 {us(median(ours, 'p50_us'))})",
                f"{us(median(raw, 'p99_us'))} (p50 {us(median(raw, 'p50_us'))})", f"{ratio:.2f}", ratio <= 2)]


def get_rows(bench, name, goal, size, objects, work, text, **options):
    """GETs of the same bytes from Holdfast, from read + XXH3 + send, and from nginx."""
    ours, theirs, files = [], [], []
    figure = "per_s" if size == SMALL else "bytes_per_s"
    data = servers.random_file(bench.folder / f"{name}.data", size * objects)
    root = bench.folder / f"{name}-root"
    lay_out(data, root, size, objects)
    with holdfast(bench.folder / name) as d, swallow(data, size) as yard, nginx(bench.folder / f"{name}-nginx", root) as other:
        load(d.server, "put", connections=8, size=size, keys=objects)
        common = {"size": size, "keys": objects, **options}
        for _ in range(ROUNDS):
            theirs.append(load(yard, "get", unsigned=True, **common))
            before = servers.cpu_seconds(d.process.pid)
            ours.append(load(d.server, "get", **common))
            cpu = servers.cpu_seconds(d.process.pid) - before
            if other:
                files.append(load(other, "get", unsigned=True, **common))
            bench.detail(name, ours[-1], theirs[-1], cpu)
    tail = f", p99 {us(median(ours, 'p99_us'))}" if size == SMALL else ""
    row = at_least(work, goal, median(ours, figure), median(theirs, figure), text,
                   "the same HTTP server doing read + XXH3 + send, unsigned", tail)
    row.yardstick += f"; nginx {text(median(files, figure))}" if files else "; nginx not measured"
    shutil.rmtree(root)
    data.unlink()
    return [row]


def lay_out(data, root, size, objects):
    """The files that nginx serves, under the load generator's keys."""
    with open(data, "rb") as source:
        for i in range(objects):
            path = root / "bench" / f"{i // 1000:07d}" / f"{i % 1000:07d}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read(size))


def get(bench):
    """Signed GET 4 KiB, verified, 64 clients."""
    return get_rows(bench, "get", 0.8, SMALL, 10_000, "signed GET 4 KiB, verified, 64 clients", rate,
                    connections=CLIENTS, seconds=3, warm_up=0.5)


def put_radosgw(bench):
    """The same PUT against Debian's radosgw with as many copies (two BlueStore OSDs on the same file system)."""
    if radosgw.missing():
        raise Failed(f"not installed: {' '.join(radosgw.PACKAGES)}")
    need_space(bench.folder, 12 << 30)
    ours, theirs = [], []
    with radosgw.RadosGateway(bench.folder / "ceph", osds=2, osd_bytes=10 << 30) as gw, holdfast(bench.folder / "put-radosgw") as d:
        server = gw.endpoint.removeprefix("http://")
        keys = {"HOLDFAST_ACCESS_KEY": gw.access_key, "HOLDFAST_SECRET_KEY": gw.secret_key}
        rawclient.RawClient(gw.endpoint, timeout=60, access=gw.access_key, secret=gw.secret_key).request("PUT", "/bench")
        common = {"connections": CLIENTS, "size": SMALL, "seconds": 4, "warm_up": 0.5}
        for i in range(ROUNDS):
            theirs.append(load(server, "put", first=i * 400_000, keys=400_000, keys_of=keys, **common))
            ours.append(load(d.server, "put", first=i * 400_000, keys=400_000, **common))
            bench.detail("put beside radosgw", ours[-1], theirs[-1])
    note = f", p99 {us(median(ours, 'p99_us'))} against {us(median(theirs, 'p99_us'))}"
    return [at_least("durable, signed PUT 4 KiB, 64 clients, two copies, beside radosgw", 10, median(ours, "per_s"),
                     median(theirs, "per_s"), rate, "radosgw on two BlueStore OSDs", note)]


# ---- large objects ----
def get_large(bench):
    """GET 64 MiB, verified, one and eight clients."""
    rows = []
    for clients, requests in ((1, 24), (8, 40)):
        word = "one client" if clients == 1 else f"{clients} clients"
        rows += get_rows(bench, f"get-large-{clients}", 0.9, LARGE, 4, f"GET 64 MiB, verified, {word}", speed,
                         connections=clients, requests=requests)
    return rows


def put_large(bench):
    """PUT 64 MiB, one stream and many, against OpenSSL's MD5 of one core and of all; and what the disks can take."""
    need_space(bench.folder, 12 << 30)
    cores = os.cpu_count()
    one, many, digest, md5_one, md5_all, disk = [], [], [], [], [], []
    for i in range(ROUNDS):
        folder = bench.folder / f"put-large-{i}"
        with holdfast(folder) as d:
            md5_one.append(program("machine", "md5", 1, 1))
            one.append(load(d.server, "put", connections=1, size=LARGE, keys=10, unsigned_payload=True))
            md5_all.append(program("machine", "md5", cores, 1))
            many.append(load(d.server, "put", connections=8, size=LARGE, first=100, keys=24, unsigned_payload=True))
            digest.append(load(d.server, "put", connections=1, size=LARGE, first=200, keys=10))
            disk.append(program("machine", "write2", d.data / "disk1", d.data / "disk2", 1 << 30))
            bench.detail("put-large one", one[-1], md5_one[-1])
            bench.detail("put-large many", many[-1], md5_all[-1])
        shutil.rmtree(folder)
    note = f" (with x-amz-content-sha256 of the body: {speed(median(digest, 'bytes_per_s'))})"
    rows = [
        at_least("PUT 64 MiB, one stream", 0.9, median(one, "bytes_per_s"), median(md5_one, "bytes_per_s"), speed,
                 "OpenSSL's MD5 of one core", note),
        at_least("PUT 64 MiB, 8 streams", 0.5, median(many, "bytes_per_s"), median(md5_all, "bytes_per_s"), speed,
                 "OpenSSL's MD5 of all cores"),
    ]
    for row in rows:
        row.yardstick += f"; both disks written and synced {speed(median(disk, 'bytes_per_s'))}"
    return rows


def need_space(folder, wanted):
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise Failed(f"needs {wanted >> 30} GiB free in {folder}, there are {free >> 30}")


# ---- many objects ----
def fill(d, objects, bucket="bench", size=TINY):
    """Through the PUT path, a million at a time (signatures live 15 minutes). Seconds it took; errors are failures."""
    started = time.monotonic()
    done = 0
    while done < objects:
        n = min(1_000_000, objects - done)
        load(d.server, "put", bucket=bucket, connections=128, size=size, first=done, keys=n, group=objects // 1000)
        done += n
        if objects > n:
            say(f"  {done:,} of {objects:,} objects after {time.monotonic() - started:.0f} s")
    return time.monotonic() - started


def listed(d, bucket, query):
    """How many keys and prefixes one page has: the figure is of whole pages, not of errors."""
    status, body, _ = d.request("GET", f"/{bucket}", query=query)
    if status != 200:
        raise Failed(f"LIST {query}: {status} {body[:300]}")
    return len(re.findall(rb"<Key>", body)), len(re.findall(rb"<CommonPrefixes>", body))


def list_keys(d, objects, bucket="bench"):
    """1000 keys from random places (the last thousand excepted: pages must be full)."""
    return load(d.server, "list", bucket=bucket, connections=1, keys=objects - 1000, requests=500, group=objects // 1000)


def list_prefixes(d, objects, bucket="bench"):
    return load(d.server, "list", bucket=bucket, connections=1, keys=1, requests=200, seconds=4, group=objects // 1000, delimiter=True)


class SqliteKeys:
    """The yardstick of LIST: the same keys in one SQLite table, read in this process (no HTTP, no signature, no XML)."""

    def __init__(self, path, objects):
        group = objects // 1000
        self.objects = objects
        self.db = sqlite3.connect(path)
        self.db.execute("PRAGMA journal_mode=OFF")
        self.db.execute("CREATE TABLE o (key TEXT PRIMARY KEY, size INTEGER, etag BLOB, mtime INTEGER) WITHOUT ROWID")
        etag = bytes(16)
        self.db.executemany("INSERT INTO o VALUES (?, ?, ?, ?)",
                            ((f"{i // group:07d}/{i % group:07d}", TINY, etag, i) for i in range(objects)))
        self.db.commit()
        self.key = lambda i: f"{i // group:07d}/{i % group:07d}"

    @staticmethod
    def timed(run, rounds, wanted):
        took = []
        for _ in range(rounds):
            started = time.monotonic()
            if len(run()) != wanted:
                raise Failed("SQLite does not give a whole page")
            took.append((time.monotonic() - started) * 1e6)
        took.sort()
        return {"p50_us": took[len(took) // 2], "p99_us": took[len(took) * 99 // 100]}

    def keys(self, first=None):
        """Pages of 1000 keys: from random places, or always after one key."""
        def page():
            after = self.key(random.randrange(self.objects - 2000) if first is None else first)
            return self.db.execute("SELECT key, size, etag, mtime FROM o WHERE key > ? ORDER BY key LIMIT 1000", (after,)).fetchall()
        return self.timed(page, 300, 1000)

    def prefixes(self, wanted=1000):
        """Common prefixes by one seek for each, as a skip scan does it."""
        def page():
            return self.db.execute(
                "WITH RECURSIVE p(x) AS (SELECT substr(min(key), 1, 8) FROM o UNION ALL "
                "SELECT (SELECT substr(min(key), 1, 8) FROM o WHERE key >= substr(x, 1, 7) || '0') FROM p WHERE x IS NOT NULL LIMIT 1000) "
                "SELECT x FROM p WHERE x IS NOT NULL").fetchall()
        return self.timed(page, 100, wanted)

    def delete(self, first, count):
        self.db.execute("DELETE FROM o WHERE key >= ? AND key < ?", (self.key(first), self.key(first + count)))
        self.db.commit()


def beside(page):
    return f"SQLite, same keys, in process: p50 {us(page['p50_us'])}, p99 {us(page['p99_us'])}"


def list_rows(d, objects, yard):
    count = f"{objects:,}".replace(",", " ")
    d.bucket("few")
    fill(d, 10_000, "few")
    page = {}
    for bucket, n in (("few", 10_000), ("bench", objects)):
        if listed(d, bucket, "list-type=2&max-keys=1000") != (1000, 0):
            raise Failed("LIST does not give 1000 keys")
        if listed(d, bucket, "delimiter=%2F&list-type=2&max-keys=1000") != (0, 1000):
            raise Failed("LIST does not give 1000 common prefixes")
        page[bucket] = list_keys(d, n, bucket), list_prefixes(d, n, bucket)
    theirs = yard.keys(), yard.prefixes()
    rows = []
    for i, what, limit_us in ((0, f"LIST 1000 keys of {count}", 5000), (1, f"LIST 1000 common prefixes of {count}", 15000)):
        few, many = page["few"][i], page["bench"][i]
        rows.append(Row(what, f"< {limit_us // 1000} ms; flat from 10 000 up", f"p50 {us(many['p50_us'])}, p99 {us(many['p99_us'])}; "
                        f"of 10 000: p50 {us(few['p50_us'])}, p99 {us(few['p99_us'])}", beside(theirs[i]),
                        f"{many['p50_us'] / theirs[i]['p50_us']:.2f}", many["p99_us"] < limit_us))
    return rows


def list_deleted_row(d, objects, yard):
    """A fifth of the keys, side by side, is deleted; the page begins just before the gap."""
    gap_at, gap, group = objects // 5, objects // 5, objects // 1000
    for first in range(0, gap, 1_000_000):
        load(d.server, "delete", connections=128, first=gap_at + first, keys=min(1_000_000, gap - first), group=group)
    yard.delete(gap_at, gap)
    count = f"{gap:,}".replace(",", " ")
    at = gap_at - 501
    start = f"{at // group:07d}%2F{at % group:07d}"
    if listed(d, "bench", f"list-type=2&max-keys=1000&start-after={start}") != (1000, 0):
        raise Failed("LIST across the gap does not give 1000 keys")

    def both():
        yield load(d.server, "list", connections=1, first=at, keys=1, requests=200, seconds=4, group=group)
        yield load(d.server, "list", connections=1, keys=1, requests=200, seconds=4, group=group, delimiter=True)

    now = list(both())
    theirs = yard.keys(first=at), yard.prefixes(wanted=800)
    time.sleep(SETTLE_S)
    later = list(both())
    whats = ((f"LIST 1000 keys across {count} deleted ones", 5), (f"LIST the common prefixes across {count} deleted ones", 15))
    return [Row(what, f"< {limit_ms} ms", f"p50 {us(n['p50_us'])}, p99 {us(n['p99_us'])} at once; p50 {us(t['p50_us'])}, "
                f"p99 {us(t['p99_us'])} after {SETTLE_S} s", beside(y), f"{n['p50_us'] / y['p50_us']:.2f}",
                n["p99_us"] < limit_ms * 1000)
            for (what, limit_ms), n, t, y in zip(whats, now, later, theirs)]


def memory_row(d, bench, objects):
    """Taken while a thousand clients that all read for a while are still connected; the same for the HTTP server alone."""
    words = servers.load_words(d.server, "get", connections=1000, size=TINY, keys=objects // 5, group=objects // 1000, seconds=5,
                               idle_after=True)
    with servers.running_load(words) as got:
        if got["errors"]:
            raise Failed(f"1000 connections: {got['errors']} errors: {got['first_error']}")
        resident, peak = memory_mib(d.process.pid)
    bare, _ = swallow_memory(bench, 1000)
    count = f"{objects:,}".replace(",", " ")
    return [Row(f"memory at {count} objects, 1000 connections", "< 300 MiB",
                f"{resident:.0f} MiB ({peak:.0f} at most since the start)", f"the same HTTP server without objects {bare:.0f} MiB",
                f"{resident / bare:.1f}", resident < 300)]


def swallow_memory(bench, connections):
    """Resident MiB of the HTTP room by itself, with this many clients that have read and stay."""
    file = servers.random_file(bench.folder / "none", SMALL)
    with servers.swallow_process(file, TINY) as (server, pid):
        if not connections:
            return memory_mib(pid)
        words = servers.load_words(server, "get", unsigned=True, connections=connections, size=TINY, keys=1000, seconds=2, idle_after=True)
        with servers.running_load(words):
            return memory_mib(pid)


def kill_under_load(d, objects):
    """Killed while it writes: there is a tail to recover. Seconds until it is ready again."""
    words = servers.load_words(d.server, "put", connections=CLIENTS, size=TINY, first=objects, keys=objects // 10, group=objects // 1000)
    writer = subprocess.Popen([str(servers.BUILD / "bench" / "bench_load"), *words], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env={**os.environ, **servers.KEYS})
    time.sleep(1)
    d.kill()
    writer.wait(60)
    started = time.monotonic()
    d.start()
    took = time.monotonic() - started
    status, _, _ = d.request("GET", "/bench", query="list-type=2&max-keys=1")
    if status != 200:
        raise Failed(f"after the restart LIST answers {status}")
    return took


def restart_empty(bench):
    """The yardstick of the restart: an empty folder after the same kill -9."""
    with holdfast(bench.folder / "restart-empty") as d:
        d.kill()
        started = time.monotonic()
        d.start()
        return time.monotonic() - started


def restart_rows(d, bench, objects):
    count = f"{objects:,}".replace(",", " ")
    ready, empty = [], []
    for i in range(ROUNDS):
        empty.append(restart_empty(bench))
        ready.append(kill_under_load(d, objects))
        shutil.rmtree(bench.folder / "restart-empty")
    ready, empty = statistics.median(ready), statistics.median(empty)
    before = d.json("status")["objects"]
    d.stop()
    journal = [p for p in d.disks_files() if p.parent.name == "journal" and p.parent.parent.name == "disk1"]
    raw = program("machine", "hash", *journal)
    started = time.monotonic()
    done = subprocess.run([servers.HOLDFAST, "rebuild", "--data", str(d.data), "--json"], capture_output=True, text=True)
    rebuilt = time.monotonic() - started
    if done.returncode:
        raise Failed(f"rebuild: {done.stderr[-500:]}")
    d.start()
    after = d.json("status")["objects"]
    if after != before:
        raise Failed(f"{after} objects after the rebuild, {before} before")
    size = sum(p.stat().st_size for p in journal)
    read = size / raw["bytes_per_s"]
    return [Row(f"restart after kill -9 with {count} objects", "ready < 2 s", f"{ready:.2f} s", f"an empty folder {empty:.2f} s",
                f"{ready / empty:.1f}", ready < 2),
            Row(f"rebuild from zero of {count} objects", "< 2 min", f"{rebuilt:.1f} s ({before:,} objects)".replace(",", " "),
                f"read + XXH3 of one disk's journal ({size / 2 ** 30:.1f} GiB) {read:.1f} s", f"{rebuilt / read:.1f}", rebuilt < 120)]


def many(bench, objects=1_000_000):
    """LIST, memory, restart and rebuild on one folder that the PUT path has filled."""
    rows = []
    need_space(bench.folder, objects * 2048 * 2)
    yard = SqliteKeys(bench.folder / f"many-{objects}.sqlite", objects)
    with holdfast(bench.folder / f"many-{objects}") as d:
        time.sleep(2)
        idle, _ = memory_mib(d.process.pid)
        bare, _ = swallow_memory(bench, 0)
        rows.append(Row("memory, idle", "< 64 MiB", f"{idle:.0f} MiB", f"the same HTTP server alone {bare:.0f} MiB", f"{idle / bare:.1f}",
                        idle < 64))
        took = fill(d, objects)
        say(f"  filled with {objects:,} objects at {objects / took:,.0f}/s")
        rows += list_rows(d, objects, yard)
        rows += memory_row(d, bench, objects)
        rows += list_deleted_row(d, objects, yard)
        rows += restart_rows(d, bench, objects)
        if objects > 1_000_000:
            rows += sustained_row(d, bench, objects)
    shutil.rmtree(d.folder)
    return rows


def ten_million(bench):
    """--full: the same with 10 000 000 objects, and ten minutes of PUTs on top of them."""
    return many(bench, 10_000_000)


def ten_million_restart(bench):
    """--full: restart and rebuild with 10 000 000 objects, and nothing else."""
    need_space(bench.folder, 10_000_000 * 2048 * 2)
    with holdfast(bench.folder / "restart-10000000") as d:
        fill(d, 10_000_000)
        return restart_rows(d, bench, 10_000_000)


def sustained_row(d, bench, objects):
    """Ten minutes of PUTs 4 KiB on top of what is there, in rounds of a minute, each behind ten seconds of the yardstick."""
    ours, theirs = [], []
    file = servers.random_file(bench.folder / "none", SMALL)
    with swallow(file, SMALL) as yard:
        for i in range(10):
            if shutil.disk_usage(bench.folder).free < 12 << 30:
                say("  sustained: the disk is too small for more rounds")
                break
            theirs.append(load(yard, "put", unsigned=True, connections=CLIENTS, size=SMALL, keys=2_000_000, seconds=10))
            ours.append(load(d.server, "put", connections=CLIENTS, size=SMALL, first=(i + 2) * 10_000_000, keys=3_000_000, seconds=60))
            bench.detail("sustained", ours[-1], theirs[-1])
    if not ours:
        return [Row("the same PUT for 10 minutes", "≥ 0.2 ×", "not measured: the disk is too small")]
    worst = max(r["max_us"] for r in ours)
    count = f"{objects:,}".replace(",", " ")
    return [at_least(f"the same PUT for {len(ours)} minutes from {count} objects", 0.2, median(ours, "per_s"), median(theirs, "per_s"), rate,
                     "the same HTTP server swallowing", f" (slowest minute {rate(min(r['per_s'] for r in ours))}), longest answer {us(worst)}")]


# ---- scrub ----
def scrub_once(d):
    before = servers.cpu_seconds(d.process.pid)
    started = time.monotonic()
    found = d.json("scrub")
    took = time.monotonic() - started
    if found["corrupt"] or found["unrepairable"]:
        raise Failed(f"scrub found {found}")
    return {"bytes_per_s": found["bytes"] / took, "per_cpu": found["bytes"] / max(servers.cpu_seconds(d.process.pid) - before, 0.01)}


def scrub(bench):
    """Scrub of cold files against a sequential read of the same; of warm files against read + XXH3 on one core."""
    need_space(bench.folder, 6 << 30)
    cold, disk, warm, hashed = [], [], [], []
    with holdfast(bench.folder / "scrub") as d:
        load(d.server, "put", connections=4, size=LARGE, keys=16, unsigned_payload=True)
        load(d.server, "put", connections=CLIENTS, size=SMALL, first=1000, keys=20_000)
        files = d.disks_files()
        for _ in range(ROUNDS):
            servers.forget_pages(files)
            disk.append(program("machine", "read", *files))
            servers.forget_pages(files)
            cold.append(scrub_once(d))
            hashed.append(program("machine", "hash", *files))
            warm.append(scrub_once(d))
            bench.detail("scrub cold", cold[-1], disk[-1])
            bench.detail("scrub warm", warm[-1], hashed[-1])
    per_core = median(warm, "per_cpu")
    return [at_least("scrub, cold", 0.9, median(cold, "bytes_per_s"), median(disk, "bytes_per_s"), speed, "sequential read of the disk"),
            Row("scrub, from memory, per core", "≥ 10 GB/s", speed(per_core), f"read + XXH3 on one core {speed(median(hashed, 'bytes_per_s'))}",
                f"{per_core / median(hashed, 'bytes_per_s'):.2f}", per_core >= 10e9)]


# ---- --full: a huge object, thousands of kills ----
def multipart(bench):
    """--full: 5 GiB through aws-cli with its default settings, there and back."""
    aws = shutil.which("aws")
    if not aws:
        raise Failed("aws-cli is not installed")
    need_space(bench.folder, 22 << 30)
    source, back = bench.folder / "huge", bench.folder / "back"
    servers.random_file(source, 5 << 30)
    with holdfast(bench.folder / "multipart") as d:
        words = [aws, "--endpoint-url", d.s3, "s3", "cp", "--only-show-errors"]
        times = []
        for pair in ([str(source), "s3://bench/huge"], ["s3://bench/huge", str(back)]):
            started = time.monotonic()
            done = subprocess.run(words + pair, capture_output=True, text=True, env=d.env())
            times.append(time.monotonic() - started)
            if done.returncode:
                raise Failed(f"aws s3 cp: {done.stderr[-500:]}")
        _, peak = memory_mib(d.process.pid)
    same = digest_of(source) == digest_of(back)
    return [Row("5 GiB multipart with aws-cli, there and back", "the same bytes", f"{5 * 1024 / times[0]:.0f} MiB/s up, "
                f"{5 * 1024 / times[1]:.0f} MiB/s down, {peak:.0f} MiB of memory at most", "", "", same)]


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def crash(bench):
    """--full: kill -9 at 2000 random instants under concurrent writers (tests/crash)."""
    kills = os.environ.get("HOLDFAST_KILLS", "2000")
    env = {**os.environ, "HOLDFAST_KILLS": kills, "HOLDFAST_BIN": servers.HOLDFAST, "HOLDFAST_RELEASE_BIN": servers.HOLDFAST}
    done = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-s", str(servers.ROOT / "tests" / "crash")], capture_output=True,
                          text=True, env=env)
    said = re.search(r"(\d+ acknowledged changes, \d+ keys)", done.stdout)
    if done.returncode:
        say(done.stdout[-4000:])
    return [Row(f"kill -9, {kills} times, under concurrent writers", "nothing acknowledged is lost, nothing is half there",
                said.group(1) if said else "failed", "", "", done.returncode == 0)]
