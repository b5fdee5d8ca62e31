"""Speaks to drive.c: scripts in, answers out."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DRIVE = os.environ.get("HOLDFAST_DRIVE", str(ROOT / "build" / "tests" / "drive"))


class Wrong(AssertionError):
    pass


def lines_text(lines):
    """Keys that begin with _ are notes of the script's maker."""
    return "".join(json.dumps({k: v for k, v in line.items() if not k.startswith("_")}) + "\n" for line in lines)


def drive(lines):
    """Answers of the program to a script, in order."""
    done = subprocess.run([DRIVE], input=lines_text(lines), capture_output=True, text=True, timeout=300)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        raise Wrong(f"drive: exit {done.returncode}: {answers[-1:]} {done.stderr[-3000:]}")
    return answers
