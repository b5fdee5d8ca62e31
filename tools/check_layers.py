#!/usr/bin/env python3
"""Holds the rooms to their order: a file may include only its own room and lower ones (ARCHITECTURE.md)."""
import pathlib
import re
import sys

ORDER = ["base", "os", "codec", "cloud", "journal", "store", "db", "catalog", "account", "meter", "sequence", "http", "gateway", "api", "cli"]
# Rooms that stand beside the order and may use only these.
ONLY = {"codec": {"base"}, "http": {"base", "os", "codec"}, "db": {"base", "os", "codec"}, "cloud": {"base", "os", "codec"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([a-z0-9_]+)/')
# The seam (invariant 9): these calls belong in os/ alone.
CALLS = re.compile(r"\b(open|openat|pread|pwrite|preadv|pwritev|fsync|fdatasync|fallocate|ftruncate|rename|unlink|mkdir|"
                   r"fopen|socket|connect|accept4|gettimeofday|time)\s*\(")
# Its listening socket is handed to libmicrohttpd, which makes all further calls on it.
SOCKETS_ALLOWED = {"http/listen.c"}
MHD = re.compile(r"microhttpd\.h|\bMHD_")
ROCKS = re.compile(r"rocksdb/|\brocksdb_")


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    bad = []
    for path in sorted(root.glob("*/*.[ch]")):
        room = path.parent.name
        if room not in ORDER:
            bad.append(f"{path}: {room} is no room")
            continue
        allowed = ONLY.get(room, set(ORDER[: ORDER.index(room)])) | {room}
        in_comment = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"src/{room}/{path.name}:{number}"
            found = INCLUDE.match(line)
            if found and found.group(1) not in allowed:
                bad.append(f"{where}: {room} may not include {found.group(1)}/")
            if "/*" in line:
                in_comment = True
            code = "" if in_comment else line.split("//")[0]
            if "*/" in line:
                in_comment = False
            if room != "os" and path.suffix == ".c" and f"{room}/{path.name}" not in SOCKETS_ALLOWED:
                call = CALLS.search(code)
                if call and not re.search(r"[\w>.]\s*$", code[: call.start()].replace("return ", "")) and '"' not in code[: call.start()]:
                    bad.append(f"{where}: {call.group(1)}() outside os/ (invariant 9)")
            if room != "http" and MHD.search(code):
                bad.append(f"{where}: only http/ knows libmicrohttpd")
            if room != "db" and ROCKS.search(code):
                bad.append(f"{where}: only db/ knows RocksDB")
    print("\n".join(bad) if bad else "layers: every room includes only lower ones")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
