"""The command line and the ports, as the README says."""
import json
import subprocess
import urllib.error
import urllib.request

import pytest

from harness import ACCESS, BIN


def test_health_readiness_and_metrics(daemon):
    assert urllib.request.urlopen(daemon.api + "/healthz").status == 200
    assert urllib.request.urlopen(daemon.api + "/readyz").status == 200
    text = urllib.request.urlopen(daemon.api + "/metrics").read().decode()
    for name in ("holdfast_objects", "holdfast_disk_state", "holdfast_account_balance", "holdfast_s3_requests_total", "holdfast_journal_sequence"):
        assert f"# TYPE {name}" in text
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(daemon.api + "/nothing")
    assert e.value.code == 404


def test_a_disk_with_a_quote_in_its_name_is_a_well_formed_label(make, folder):
    daemon = make(disks=[folder / 'a"b\\c', folder / "plain"])
    text = urllib.request.urlopen(daemon.api + "/metrics").read().decode()
    assert f'holdfast_disk_state{{disk="{folder}/a\\"b\\\\c",state="ok"}} 1\n' in text
    daemon.stop()


def test_status_has_the_promised_shape(daemon):
    s = daemon.json("status")
    assert set(s) >= {"accounts", "disks", "objects", "journal"}
    assert set(s["accounts"][0]) >= {"name", "currency", "balance", "burn_per_day", "runway_hours", "stage", "hours_to_stop", "hours_to_destroy"}
    assert [d["state"] for d in s["disks"]] == ["ok", "ok"] and all(d["bytes_used"] > 0 for d in s["disks"])
    assert s["journal"]["sequence"] > 0 and len(s["journal"]["root"]) == 64


def test_every_verb_prints_exactly_one_json_value(daemon):
    daemon.cli("account", "create", "a")
    for words in (["status"], ["account", "list"], ["account", "show", "a"], ["account", "statement", "a", "--month", "2001-01"], ["key", "list"],
                  ["key", "create", "--account", "a"], ["disk", "list"], ["scrub"], ["clock", "show"], ["config", "check"], ["account", "topup", "a", "1"]):
        done = daemon.cli(*words, "--json")
        json.loads(done.stdout)
    assert daemon.json("account", "statement", "a", "--month", "2001-01")["lines"] == []
    for words in (["status"], ["account", "list"], ["account", "statement", "a"], ["key", "list"], ["disk", "list"], ["scrub"]):
        assert daemon.cli(*words).stdout.strip()


def test_exit_codes_and_sentences(daemon, folder):
    assert daemon.cli("nonsense", check=False).returncode == 2
    assert daemon.cli("status", "--nonsense", check=False).returncode == 2
    assert daemon.cli("account", "topup", "a", check=False).returncode == 2
    assert daemon.cli("clock", "advance", "1h", check=False).returncode == 1  # the clock is real
    nobody = subprocess.run([BIN, "--data", str(folder / "none"), "status"], capture_output=True, text=True)
    assert nobody.returncode == 1 and "serve" in nobody.stderr
    second = subprocess.run([BIN, "serve", "--data", str(daemon.data), "--s3", "127.0.0.1:0", "--api", "127.0.0.1:0"], capture_output=True, text=True)
    assert second.returncode == 1 and "in use" in second.stderr
    assert daemon.cli("rebuild", check=False).returncode == 1


def test_config_check_names_file_line_and_column(folder):
    bad = folder / "holdfast.yaml"
    bad.write_text("s3: 127.0.0.1:9100\nscrub_rate: never\n")
    done = subprocess.run([BIN, "config", "check", str(bad)], capture_output=True, text=True)
    assert done.returncode == 1 and f"{bad}:2:" in done.stderr
    bad.write_text("s3: 127.0.0.1:9100\nunknown_key: 1\n")
    done = subprocess.run([BIN, "config", "check", "--config", str(bad)], capture_output=True, text=True)
    assert done.returncode == 1 and f"{bad}:2:" in done.stderr
    bad.write_text("s3: 127.0.0.1:9100\ndisks: [/a, /b]\ncopies: 2\n")
    done = subprocess.run([BIN, "config", "check", str(bad), "--json"], capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["disks"] == ["/a", "/b"]


def test_secrets_stay_out_of_logs_journal_and_metrics(daemon):
    key = daemon.json("key", "create")
    c = daemon.s3_client(key["access_key"], key["secret_key"])
    c.create_bucket(Bucket="secret")
    metrics = urllib.request.urlopen(daemon.api + "/metrics").read()
    listed = daemon.cli("key", "list", "--json").stdout
    daemon.stop()
    secret = key["secret_key"].encode()
    assert ACCESS in listed and key["secret_key"] not in listed and secret not in metrics and secret not in daemon.log.read_bytes()
    for path in daemon.data.rglob("*"):
        if path.is_file() and "keystore" not in path.name:
            assert secret not in path.read_bytes(), path
