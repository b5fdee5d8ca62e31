"""Starts and drives a real daemon for the tests: one per test, in its own folder, on free loopback ports."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = os.environ.get("HOLDFAST_BIN", str(ROOT / "build" / "holdfast"))
RELEASE_BIN = os.environ.get("HOLDFAST_RELEASE_BIN", str(ROOT / "build" / "holdfast"))
ACCESS = "HFTESTACCESSKEY00001"
SECRET = "test-secret-key-of-forty-characters-0001"


class Daemon:
    def __init__(self, folder, *, binary=None, disks=(), virtual=False, extra=()):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.binary = binary or BIN
        self.disks = [str(d) for d in disks]
        self.virtual = virtual
        self.extra = list(extra)
        self.process = None
        self.s3 = self.api = ""
        self.log = self.folder / "serve.log"
        self.folder.mkdir(parents=True, exist_ok=True)

    def command(self):
        words = [self.binary, "serve", "--data", str(self.data), "--s3", "127.0.0.1:0", "--api", "127.0.0.1:0"]
        for d in self.disks:
            words += ["--disk", d]
        if self.virtual:
            words.append("--virtual-clock")
        return words + self.extra

    def start(self, timeout=60):
        env = {**os.environ, "HOLDFAST_ACCESS_KEY": ACCESS, "HOLDFAST_SECRET_KEY": SECRET}
        log = open(self.log, "ab")
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, env=env, text=True)
        log.close()
        deadline = time.monotonic() + timeout
        for line in self.process.stdout:
            found = re.match(r"ready: S3 on (http://\S+), health and metrics on (http://\S+)", line)
            if found:
                self.s3, self.api = found.groups()
                return self
            if time.monotonic() > deadline:
                break
        code = self.process.wait(10)
        self.process = None
        raise StartFailed(f"serve ended with {code}:\n{self.tail()}")

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def stop(self, expect=0):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(25)
        self.process.stdout.close()
        self.process = None
        assert "runtime error" not in self.log.read_text(errors="replace"), self.tail()  # what UBSan says without ending it
        assert code == expect, f"serve ended with {code}:\n{self.tail()}"

    def kill(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdout.close()
        self.process = None

    def cli(self, *words, check=True):
        done = subprocess.run([self.binary, "--data", str(self.data), *words], capture_output=True, text=True, timeout=300)
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *words):
        return json.loads(self.cli(*words, "--json").stdout)

    def account(self, name="default"):
        return next(a for a in self.json("status")["accounts"] if a["name"] == name)

    def s3_client(self, access=ACCESS, secret=SECRET, **config):
        import boto3
        from botocore.config import Config
        settings = {"retries": {"max_attempts": 1, "mode": "standard"}, "s3": {"addressing_style": "path"}, **config}
        return boto3.client("s3", endpoint_url=self.s3, aws_access_key_id=access, aws_secret_access_key=secret,
                            region_name="us-east-1", config=Config(**settings))

    def env(self, access=ACCESS, secret=SECRET):
        """An environment in which unmodified AWS tools know the key and nothing of the user's own settings."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "LANG": "C.UTF-8"}


class StartFailed(Exception):
    pass


def run(words, env, timeout=600, check=True, stdin=None):
    done = subprocess.run([str(w) for w in words], env=env, capture_output=True, timeout=timeout, input=stdin)
    if check:
        assert done.returncode == 0, f"{words}\n{done.stdout.decode(errors='replace')[-3000:]}{done.stderr.decode(errors='replace')[-3000:]}"
    return done
