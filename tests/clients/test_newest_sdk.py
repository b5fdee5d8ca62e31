"""npm's @aws-sdk/client-s3: the newest defaults (CRC trailers, flexible checksums)."""
import pathlib
import subprocess

from harness import run

HERE = pathlib.Path(__file__).resolve().parent


def test_aws_sdk_for_javascript_with_default_settings(daemon):
    if not (HERE / "node_modules" / "@aws-sdk" / "client-s3").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, capture_output=True)
    done = run(["node", HERE / "newest.mjs", daemon.s3], daemon.env())
    assert done.stdout.strip() == b"ok"
