#!/usr/bin/env python3
"""Turns data files into a C file: tools/embed.py OUTPUT.c INPUT...

Each input becomes one entry of embedded_files[] (src/account/embedded.h), named by its last folder and file name, such
as "prices/tencent-cos.yaml". The output depends on nothing but the inputs' names and bytes, so builds are repeatable.
"""
import os
import sys

PLAIN = set(range(0x20, 0x7F)) - set(b'"\\?')


def c_literal(line):
    """One line of input as a C string literal; whatever could be read as an escape or a trigraph goes octal."""
    return '"' + "".join(chr(c) if c in PLAIN else "\\%03o" % c for c in line) + '"'


def entry_name(path):
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.basename(folder) + "/" + name


def render(paths):
    out = ["/* Made by tools/embed.py from share/: do not edit. */", '#include "account/embedded.h"', ""]
    entries = []
    for path in sorted(paths, key=entry_name):
        with open(path, "rb") as f:
            data = f.read()
        literals = [c_literal(line) for line in data.splitlines(keepends=True)] or ['""']
        entries.append('    {"%s",\n     %s,\n     %d},' % (entry_name(path), "\n     ".join(literals), len(data)))
    out += ["const struct embedded_file embedded_files[] = {"] + entries + ["};"]
    out += ["const size_t embedded_count = %d;" % len(entries), ""]
    return "\n".join(out)


def main(argv):
    if len(argv) < 3:
        sys.exit("usage: embed.py OUTPUT.c INPUT...")
    with open(argv[1], "w", encoding="ascii") as f:
        f.write(render(argv[2:]))


if __name__ == "__main__":
    main(sys.argv)
