"""What the benches start and stop: Holdfast, the yardsticks, the load generator. Everything listens on free loopback ports."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import harness  # noqa: E402
import radosgw  # noqa: E402, F401
import rawclient  # noqa: E402

BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build"))
HOLDFAST = str(BUILD / "holdfast")
KEYS = {"HOLDFAST_ACCESS_KEY": harness.ACCESS, "HOLDFAST_SECRET_KEY": harness.SECRET}
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A bench that could not be made; its message says why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def program(name, *words, timeout=900, keys=None):
    """Runs one of our bench programs; its last line is JSON."""
    command = [str(BUILD / "bench" / f"bench_{name}"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **KEYS, **(keys or {})})
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def load_words(server, op, **options):
    words = ["--server", server, "--op", op]
    for name, value in options.items():
        if value is True:
            words.append("--" + name.replace("_", "-"))
        elif value is not None and value is not False:
            words += ["--" + name.replace("_", "-"), str(value)]
    return words


def load(server, op, errors_allowed=0, keys_of=None, **options):
    got = program("load", *load_words(server, op, **options), keys=keys_of)
    if got["errors"] > errors_allowed or got["requests"] == 0:
        raise Failed(f"{op}: {got['errors']} errors in {got['requests']} requests: {got['first_error']}")
    return got


@contextlib.contextmanager
def running_load(words):
    """A generator that has made its requests and still holds its connections; gives its figures."""
    p = subprocess.Popen([str(BUILD / "bench" / "bench_load"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                         env={**os.environ, **KEYS})
    try:
        said = p.stdout.readline()
        if not said:
            raise Failed(f"bench_load {' '.join(words)} failed")
        yield json.loads(said)
    finally:
        p.stdin.close()
        p.wait(60)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid):
    """Resident now, and the most there ever was."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            found[name] = int(value.split()[0]) / 1024
    return found["VmRSS"], found["VmHWM"]


class Holdfast(harness.Daemon):
    """A daemon of the release build with one bucket, `bench`."""

    def __init__(self, folder):
        super().__init__(folder, binary=HOLDFAST)

    def start(self, timeout=600):
        super().start(timeout)
        self.server = self.s3.removeprefix("http://")
        return self

    def bucket(self, name="bench"):
        status, answer, _ = self.request("PUT", f"/{name}")
        if status != 200:
            raise Failed(f"bucket {name}: {status} {answer[:300]}")

    def request(self, method, key, **more):
        client = rawclient.RawClient(self.s3, timeout=120)
        try:
            return client.request(method, key, **more)
        finally:
            client.close()

    def disks_files(self):
        """Every file that holds journal or bodies."""
        paths = []
        for disk in ("disk1", "disk2"):
            for part in ("journal", "volumes"):
                paths += sorted(p for p in (self.data / disk / part).glob("*") if p.is_file())
        return paths


@contextlib.contextmanager
def holdfast(folder):
    d = Holdfast(folder).start()
    try:
        d.bucket()
        yield d
        d.stop()
    finally:
        if d.process:
            d.kill()


@contextlib.contextmanager
def swallow_process(file, object_size):
    """Holdfast's HTTP room without a store: takes PUT bodies and forgets them, answers GET with read + XXH3 + send. Address and pid."""
    command = [str(BUILD / "bench" / "bench_swallow"), str(file), str(object_size)]
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = p.stdout.readline().strip()
        if not address:
            raise Failed("bench_swallow did not start")
        yield address, p.pid
    finally:
        p.stdin.close()
        p.wait(30)


@contextlib.contextmanager
def swallow(file, object_size):
    with swallow_process(file, object_size) as (address, _):
        yield address


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


NGINX = """{user}worker_processes auto; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
    open_file_cache max=100000 inactive=600s; open_file_cache_valid 600s;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def nginx_path():
    for path in ("/usr/sbin/nginx", "/usr/local/sbin/nginx"):
        if os.access(path, os.X_OK):
            return path
    return None


@contextlib.contextmanager
def nginx(folder, root):
    """Debian's nginx with sendfile and its cache of open files; None when it is not installed."""
    path = nginx_path()
    if not path:
        yield None
        return
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    user = "user root; " if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(user=user, folder=folder, port=port, root=root))
    p = subprocess.Popen([path, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        p.terminate()
        p.wait(30)


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}")


def random_file(path, size):
    with open("/dev/urandom", "rb") as source, open(path, "wb") as target:
        while size:
            piece = source.read(min(size, 1 << 20))
            target.write(piece)
            size -= len(piece)
    return path


def forget_pages(paths):
    """Puts what was written onto the disk and drops it from the page cache, so that the next read is the disk's."""
    os.sync()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
