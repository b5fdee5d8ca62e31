"""A 1 GiB multipart upload by aws-cli (5 GiB in the bench): whole, in bounded memory, priced by its size."""
import filecmp
import os
import re

from harness import RELEASE_BIN, run

GIB = 1 << 30
RSS_MAX_KIB = 300 * 1024


def test_one_gibibyte_up_and_down_in_bounded_memory(make, folder):
    daemon = make(binary=RELEASE_BIN)
    with open(folder / "big", "wb") as f:
        for _ in range(64):
            f.write(os.urandom(GIB // 64))
    aws = ["/usr/bin/aws", "--endpoint-url", daemon.s3, "s3"]
    run([*aws, "mb", "s3://large"], daemon.env())
    run([*aws, "cp", folder / "big", "s3://large/big"], daemon.env())
    run([*aws, "cp", "s3://large/big", folder / "back"], daemon.env())
    assert filecmp.cmp(folder / "big", folder / "back", shallow=False)
    status = open(f"/proc/{daemon.process.pid}/status").read()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) < RSS_MAX_KIB
    scrub = daemon.json("scrub")
    assert scrub["bytes"] >= 2 * GIB and scrub["corrupt"] == 0
    daemon.stop()
