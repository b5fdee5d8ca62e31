"""One-node Ceph with radosgw, on loopback and free ports, for tests and benches that need an S3 that is not ours.

    with RadosGateway(folder, osds=2) as gw:
        gw.endpoint, gw.access_key, gw.secret_key

Needs Debian's ceph-mon, ceph-mgr, ceph-osd and radosgw (PACKAGES); everything lies under `folder` and ends with it. The
object stores are BlueStore on sparse files; as many copies as there are OSDs."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid

PACKAGES = ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw"]
PROGRAMS = ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "ceph", "ceph-authtool", "monmaptool", "radosgw-admin"]


class CephFailed(Exception):
    """A Ceph program did not do what was asked; the message has its own words."""


def missing():
    """The programs that are not installed."""
    return [p for p in PROGRAMS if not shutil.which(p)]


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    try:
        for s in held:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()


class RadosGateway:
    access_key, secret_key = "RGWTESTACCESSKEY0000", "rgw-test-secret-key-000000000000000000000"

    def __init__(self, folder, osds=1, osd_bytes=20 << 30, port=None, timeout=120):
        self.folder = pathlib.Path(folder)
        self.osds, self.osd_bytes, self.timeout = osds, osd_bytes, timeout
        self.mon_port, gateway_port = free_ports(2)
        self.port = port or gateway_port
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.processes = []

    # ---- running things ----
    def run(self, *words, stdin=None):
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=self.timeout)
        if done.returncode:
            raise CephFailed(f"{' '.join(words)}: {done.stderr.strip()[-800:]}")
        return done.stdout

    def ceph(self, *words, stdin=None):
        return self.run("ceph", "-c", str(self.conf), "--connect-timeout", "20", *words, stdin=stdin)

    def daemon(self, *words):
        log = open(self.folder / f"{words[0]}-{len(self.processes)}.out", "wb")
        self.processes.append(subprocess.Popen([*words, "-f", "-c", str(self.conf)], stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def until(self, what, ready):
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            for p in self.processes:
                if p.poll() is not None:
                    raise CephFailed(f"{p.args[0]} ended with {p.returncode} while waiting for {what}: see {self.folder}")
            try:
                if ready():
                    return
            except (CephFailed, OSError, subprocess.TimeoutExpired):
                pass
            time.sleep(0.2)
        raise CephFailed(f"{what} took more than {self.timeout} s: see {self.folder}")

    # ---- the cluster ----
    def write_conf(self, fsid):
        self.conf = self.folder / "ceph.conf"
        f = self.folder
        self.conf.write_text(f"""[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{self.mon_port}
public_network = 127.0.0.0/8
ms_bind_msgr2 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = {f}/keyring
log_file = {f}/$name.log
log_to_syslog = false
mon_cluster_log_file = {f}/cluster.log
admin_socket = {f}/$name.asok
run_dir = {f}
crash_dir = {f}
pid_file = {f}/$name.pid
osd_pool_default_size = {self.osds}
osd_pool_default_min_size = {self.osds}
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[mon.a]
mon_data = {f}/mon.a
[mgr.a]
mgr_data = {f}/mgr.a
[osd]
osd_data = {f}/osd.$id
osd_objectstore = bluestore
bluestore_block_size = {self.osd_bytes}
bluestore_block_db_create = false
bluestore_block_wal_create = false
osd_memory_target = 1073741824
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{self.port}
rgw_data = {f}/rgw
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_enable_gc_threads = true
""")

    def start(self):
        absent = missing()
        if absent:
            raise CephFailed(f"not installed: {', '.join(absent)} (Debian: {' '.join(PACKAGES)})")
        self.folder.mkdir(parents=True, exist_ok=True)
        fsid = str(uuid.uuid4())
        self.write_conf(fsid)
        keyring = str(self.folder / "keyring")
        for name in ("mon.a", "mgr.a", "rgw"):
            (self.folder / name).mkdir(exist_ok=True)
        self.run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self.run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *",
                 "--cap", "mds", "allow *", "--cap", "mgr", "allow *")
        monmap = str(self.folder / "monmap")
        self.run("monmaptool", "--create", "--clobber", "--addv", "a", f"[v1:127.0.0.1:{self.mon_port}]", "--fsid", fsid, monmap)
        self.run("ceph-mon", "-c", str(self.conf), "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self.daemon("ceph-mon", "-i", "a")
        self.until("the monitor", lambda: "quorum" in self.ceph("quorum_status"))
        self.key("mgr.a", self.folder / "mgr.a" / "keyring", "mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
        self.daemon("ceph-mgr", "-i", "a", "--keyring", str(self.folder / "mgr.a" / "keyring"))
        for i in range(self.osds):
            self.start_osd(i)
        self.until("the object stores", lambda: json.loads(self.ceph("osd", "stat", "-f", "json"))["num_up_osds"] == self.osds)
        self.key("client.rgw.a", self.folder / "rgw" / "keyring", "mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw")
        self.daemon("radosgw", "-n", "client.rgw.a", "--keyring", str(self.folder / "rgw" / "keyring"))
        self.until("the gateway", self.answers)
        self.run("radosgw-admin", "-c", str(self.conf), "user", "create", "--uid", "test", "--display-name", "test", "--access-key",
                 self.access_key, "--secret-key", self.secret_key)
        return self

    def key(self, name, path, *caps):
        path.write_text(self.ceph("auth", "get-or-create", name, *caps))

    def start_osd(self, i):
        data = self.folder / f"osd.{i}"
        data.mkdir()
        name = str(uuid.uuid4())
        secret = self.run("ceph-authtool", "--gen-print-key").strip()
        number = self.ceph("osd", "new", name, "-i", "-", stdin=json.dumps({"cephx_secret": secret})).strip()
        if number != str(i):
            raise CephFailed(f"the monitor numbers the object store {number}, not {i}")
        self.run("ceph-authtool", "--create-keyring", str(data / "keyring"), "--name", f"osd.{i}", "--add-key", secret)
        self.run("ceph-osd", "-c", str(self.conf), "-i", str(i), "--mkfs", "--osd-uuid", name, "--keyring", str(data / "keyring"))
        self.daemon("ceph-osd", "-i", str(i), "--keyring", str(data / "keyring"))

    def answers(self):
        try:
            with urllib.request.urlopen(self.endpoint, timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return True

    def stop(self):
        for p in reversed(self.processes):
            p.terminate()
        for p in reversed(self.processes):
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.processes = []

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


if __name__ == "__main__":
    import sys
    import tempfile
    where = tempfile.mkdtemp(prefix="radosgw-")
    started = time.monotonic()
    with RadosGateway(where) as gw:
        print(gw.endpoint, f"after {time.monotonic() - started:.1f} s; Enter ends it", flush=True)
        sys.stdin.readline()
    shutil.rmtree(where)
