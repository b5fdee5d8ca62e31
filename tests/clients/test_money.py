"""Accounts by the virtual clock: a month's statement computed by hand, the stages as a real client sees them, top-ups that lift them."""
import datetime
from decimal import ROUND_HALF_UP, Decimal
import os

import pytest
from botocore.exceptions import ClientError

from harness import ROOT

GIB = Decimal(1 << 30)
NANO = Decimal("0.000000001")


def nano(x):
    return x.quantize(NANO, ROUND_HALF_UP)


@pytest.fixture
def acme(make):
    d = make(virtual=True)
    d.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    key = d.json("key", "create", "--account", "acme")
    d.client = d.s3_client(key["access_key"], key["secret_key"])
    return d


def error(call, **words):
    with pytest.raises(ClientError) as e:
        call(**words)
    return e.value.response["ResponseMetadata"]["HTTPStatusCode"], e.value.response["Error"]


def test_a_month_against_a_statement_computed_by_hand(acme):
    acme.cli("account", "topup", "acme", "100.00")
    size = 50_000_000
    acme.client.create_bucket(Bucket="photos")
    acme.client.put_object(Bucket="photos", Key="a", Body=os.urandom(size))
    for _ in range(7):
        acme.client.get_object(Bucket="photos", Key="a", Range="bytes=0-999999")["Body"].read()
    acme.cli("clock", "advance", "48h")
    months = [m for m in (acme.json("account", "statement", "acme", "--month", f"{y}-{n:02d}")
                          for y in (2026, 2027, 2028) for n in range(1, 13)) if m["lines"]]
    lines = {}
    for m in months:
        assert "+08:00" in m["time_zone"] or "UTC+8" in m["time_zone"] or "Shanghai" in m["time_zone"], m["time_zone"]
        assert sum(Decimal(x["amount"]) for x in m["lines"]) == Decimal(m["total"])
        for x in m["lines"]:
            if x["bucket"] == "photos":
                lines[x["item"]] = lines.get(x["item"], 0) + Decimal(x["amount"])
    # 48 hours of 12 samples each, every hour rounded by itself; the first and the last hour may be partial.
    hour = nano(12 * size * Decimal("0.118") / (30 * 288) / GIB)
    assert 47 * hour <= lines["storage.STANDARD"] <= 48 * hour + 24 * NANO
    # create, put and seven gets: nine requests in one hour.
    assert lines["requests.STANDARD"] == nano(9 * Decimal("0.01") / 10_000)
    assert lines["egress.internet"] == nano(7 * 1_000_000 * Decimal("0.5") / GIB)
    spent = sum(Decimal(m["total"]) for m in months)
    assert Decimal(acme.account("acme")["balance"]) == 100 - spent


def test_stages_as_a_client_sees_them_and_a_top_up_that_lifts_them_at_once(acme):
    c = acme.client
    acme.cli("account", "topup", "acme", "0.01")
    c.create_bucket(Bucket="bkt")
    c.put_object(Bucket="bkt", Key="k", Body=os.urandom(30_000_000))
    assert acme.account("acme")["stage"] == "active"
    burn = Decimal(acme.account("acme")["burn_per_day"])
    assert burn >= nano(Decimal(30_000_000) / GIB * Decimal("0.118") / 30)
    hours = 0
    while acme.account("acme")["stage"] == "active":
        acme.cli("clock", "advance", "24h")
        hours += 24
        assert hours < 24 * 400
    assert acme.account("acme")["stage"] == "warn"
    c.put_object(Bucket="bkt", Key="still", Body=b"works")
    left = acme.account("acme")["hours_to_stop"]
    assert 0 <= left <= 24
    acme.cli("clock", "advance", "25h")
    now = acme.account("acme")
    assert now["stage"] == "stop" and now["hours_to_stop"] == 0 and now["hours_to_destroy"] > 24 * 100
    for call in (lambda: error(c.get_object, Bucket="bkt", Key="k"), lambda: error(c.put_object, Bucket="bkt", Key="n", Body=b""),
                 lambda: error(c.list_objects_v2, Bucket="bkt"), lambda: error(c.delete_object, Bucket="bkt", Key="k")):
        status, err = call()
        assert (status, err["Code"]) == (403, "AccountProblem")
        assert "CNY" in err["Message"] and "recharge" in err["Message"].lower()
    owed = -Decimal(acme.account("acme")["balance"])
    assert owed > 0
    acme.cli("account", "topup", "acme", str(owed + Decimal("0.001")))
    assert acme.account("acme")["stage"] == "active"
    assert c.get_object(Bucket="bkt", Key="still")["Body"].read() == b"works"
    # And once more, to the very end: nothing is purged, paying still brings all of it back.
    acme.cli("clock", "advance", "3000h")
    acme.cli("clock", "advance", "2904h")
    assert acme.account("acme")["stage"] == "purgeable"
    assert error(c.get_object, Bucket="bkt", Key="k")[1]["Code"] == "AccountProblem"
    acme.cli("account", "topup", "acme", "1000")
    assert len(c.get_object(Bucket="bkt", Key="k")["Body"].read()) == 30_000_000


def test_a_top_up_with_a_reference_counts_once_and_bad_amounts_are_refused(acme):
    acme.cli("account", "topup", "acme", "10.00", "--ref", "order-1")
    acme.cli("account", "topup", "acme", "10.00", "--ref", "order-1")
    assert Decimal(acme.account("acme")["balance"]) == 10
    for bad in ("-1", "0", "NaN", "1e5", "1" + "0" * 40, "0.0000000001", "abc", ""):
        done = acme.cli("account", "topup", "acme", "--", bad, check=False)
        assert done.returncode in (1, 2) and done.stderr, bad
    assert Decimal(acme.account("acme")["balance"]) == 10
    assert acme.cli("account", "topup", "nobody", "1", check=False).returncode == 1
    assert acme.cli("account", "create", "acme", "--currency", "CNY", check=False).returncode == 1
    assert acme.cli("account", "create", "x", "--prices", "none-such", check=False).returncode == 1


def test_the_default_account_is_not_charged(acme):
    c = acme.s3_client()
    c.create_bucket(Bucket="free")
    c.put_object(Bucket="free", Key="k", Body=os.urandom(1_000_000))
    acme.cli("clock", "advance", "100h")
    d = acme.account("default")
    assert Decimal(d["balance"]) == 0 and d["stage"] == "active"


def test_the_virtual_clock_stands_still_and_survives_a_restart(acme):
    first = acme.json("clock", "show")["now"]
    assert acme.json("clock", "show")["now"] == first
    acme.cli("clock", "advance", "25h")
    later = acme.json("clock", "show")["now"]
    acme.stop()
    acme.start()
    assert acme.json("clock", "show")["now"] == later
    acme.stop()
    acme.virtual = False
    with pytest.raises(Exception, match="virtual"):
        acme.start()
    acme.virtual = True
    acme.start()
    assert acme.cli("clock", "advance", "-1h", check=False).returncode != 0


def test_restart_and_kill_keep_the_ledger(acme):
    acme.cli("account", "topup", "acme", "3.00")
    acme.client.create_bucket(Bucket="bkt")
    acme.client.put_object(Bucket="bkt", Key="k", Body=os.urandom(9_000_000))
    acme.cli("clock", "advance", "50h")
    before = acme.account("acme")
    acme.kill()
    acme.start()
    assert acme.account("acme") == before


def statements(d):
    """Of the month before and of the present one: what a test of some days can have touched."""
    now = d.json("account", "statement", "acme")
    year, number = map(int, now["month"].split("-"))
    before = f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02d}"
    return [m for m in (d.json("account", "statement", "acme", "--month", before), now) if m["lines"]]


def line_sums(d):
    sums = {}
    for m in statements(d):
        for x in m["lines"]:
            sums[x["item"]] = sums.get(x["item"], 0) + Decimal(x["amount"])
    return sums


def day_ahead(d, days):
    now = datetime.datetime.fromisoformat(d.json("clock", "show")["now"].replace("Z", "+00:00"))
    return (now + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def store(d, size=30_000_000):
    d.client.create_bucket(Bucket="bkt")
    d.client.put_object(Bucket="bkt", Key="k", Body=os.urandom(size))


def test_a_voucher_pays_before_cash_for_what_it_covers_and_its_rest_ends_with_it(acme):
    store(acme)
    acme.cli("account", "topup", "acme", "10.00")
    acme.cli("account", "voucher", "acme", "5.00", "--until", day_ahead(acme, 2), "--scope", "storage.STANDARD")
    acme.cli("clock", "advance", "24h")
    spent = line_sums(acme)
    shown = statements(acme)[-1]["vouchers"][0]
    assert Decimal(shown["remaining"]) == 5 - spent["storage.STANDARD"] and spent["storage.STANDARD"] > 0
    assert Decimal(acme.account("acme")["balance"]) == 10 - spent["requests.STANDARD"]
    acme.cli("clock", "advance", "48h")
    assert Decimal(acme.account("acme")["vouchers"]) == 0
    paid = sum(Decimal(m["paid"]["cash"]) for m in statements(acme))
    assert Decimal(acme.account("acme")["balance"]) == 10 - paid and paid > spent["requests.STANDARD"]


def test_a_pack_is_used_before_cash_and_its_end_is_a_cliff_ahead(acme):
    acme.cli("account", "topup", "acme", "10.00")
    acme.cli("account", "pack", "acme", "egress.internet", "0.001", "--until", day_ahead(acme, 300), "--cost", "0.50")
    acme.cli("account", "pack", "acme", "storage.STANDARD", "1000", "--until", day_ahead(acme, 20))
    store(acme)
    acme.client.get_object(Bucket="bkt", Key="k", Range="bytes=0-2999999")["Body"].read()
    acme.cli("clock", "advance", "24h")
    sums = line_sums(acme)
    assert sums["egress.internet"] == nano((3_000_000 - GIB / 1000) * Decimal("0.5") / GIB)
    assert sums["storage.STANDARD"] == 0 and sums["pack"] == Decimal("0.5")
    packs = {p["item"]: p for p in statements(acme)[-1]["packs"]}
    assert Decimal(packs["egress.internet"]["remaining"]) == 0
    assert 999 < Decimal(packs["storage.STANDARD"]["remaining"]) < 1000
    clock = acme.json("account", "clock", "acme")
    cliff = next(a for a in clock["ahead"] if a["what"] == "pack-expires")
    assert Decimal(cliff["burn_per_day_after"]) >= Decimal(clock["burn_per_day"]) + nano(Decimal(30_000_000) / GIB * Decimal("0.118") / 30) - NANO
    assert clock["zero_in_hours"] is not None


def test_a_credit_limit_is_no_arrears_and_debt_beyond_it_costs_a_late_fee_a_day(acme):
    store(acme)
    acme.cli("account", "set", "acme", "--credit", "1.00")
    acme.cli("account", "charge", "acme", "0.50", "--note", "support")
    acme.cli("clock", "advance", "30h")
    assert acme.account("acme")["stage"] == "active" and "late-fee" not in line_sums(acme)
    acme.cli("account", "set", "acme", "--late-fee", "0.0005")
    acme.cli("account", "charge", "acme", "10.00", "--note", "repair")
    assert acme.account("acme")["stage"] in ("active", "warn")  # found by the next tick
    acme.cli("clock", "advance", "24h")
    assert acme.account("acme")["stage"] == "warn"
    fee = line_sums(acme)["late-fee"]
    assert nano(Decimal("9.5") * Decimal("0.0005")) <= fee <= nano(Decimal("9.6") * Decimal("0.0005"))


def test_a_grace_with_its_proof_puts_off_the_stop(acme):
    store(acme)
    acme.cli("account", "charge", "acme", "1.00", "--note", "support")
    acme.cli("clock", "advance", "1h")
    acme.cli("account", "grace", "acme", "--until", day_ahead(acme, 5), "--proof", "mail of the third")
    clock = acme.json("account", "clock", "acme")
    assert clock["grace_until"] and abs(clock["stop_in_hours"] - 120) < 1
    acme.cli("clock", "advance", "48h")
    assert acme.account("acme")["stage"] == "warn" and acme.client.get_object(Bucket="bkt", Key="k")["Body"].read()
    acme.cli("account", "grace", "acme", "--cancel")
    acme.cli("clock", "advance", "1h")
    assert acme.account("acme")["stage"] == "stop"


def test_what_the_clock_says_prevents_the_stop_does_and_a_little_less_does_not(acme):
    store(acme)
    acme.cli("account", "topup", "acme", "0.02")
    clock = acme.json("account", "clock", "acme")
    need = Decimal(clock["to_prevent"]["stop"])
    hours = int(clock["stop_in_hours"]) + 1
    assert need > 0 and clock["zero_in_hours"] < clock["stop_in_hours"]
    acme.cli("account", "due", "acme", "3.00", "--on", day_ahead(acme, 1), "--note", "renewal", "--ref", "r")
    sooner = acme.json("account", "clock", "acme")
    assert sooner["zero_in_hours"] <= 24 and Decimal(sooner["to_prevent"]["stop"]) > need
    acme.cli("account", "due", "acme", "--cancel", "--ref", "r")
    assert acme.json("account", "clock", "acme")["to_prevent"] == clock["to_prevent"]
    acme.cli("account", "topup", "acme", str(need))
    acme.cli("clock", "advance", f"{hours}h")
    assert acme.account("acme")["stage"] in ("active", "warn")


def test_a_price_change_leaves_old_usage_its_old_prices(acme, folder):
    store(acme)
    acme.cli("clock", "advance", "10h")
    old = line_sums(acme)["storage.STANDARD"]
    dear = folder / "dear.yaml"
    dear.write_text((ROOT / "share" / "prices" / "tencent-cos.yaml").read_text().replace("0.118", "1.18"))
    acme.cli("price", "load", str(dear))
    acme.cli("clock", "advance", "10h")
    prices = {}
    for m in statements(acme):
        for x in m["lines"]:
            if x["item"] == "storage.STANDARD":
                prices[Decimal(x["price"])] = prices.get(Decimal(x["price"]), 0) + Decimal(x["amount"])
    assert set(prices) == {Decimal("0.118"), Decimal("1.18")}
    hour = nano(12 * 30_000_000 * Decimal("0.118") / (30 * 288) / GIB)
    assert old - NANO <= prices[Decimal("0.118")] <= old + hour  # the hour that was open keeps its price
    assert 8 * 10 * hour <= prices[Decimal("1.18")] <= 11 * 10 * hour
    same = acme.json("account", "statement", "acme"), acme.json("account", "show", "acme")
    acme.stop()
    acme.cli("rebuild")
    acme.start()
    assert (acme.json("account", "statement", "acme"), acme.json("account", "show", "acme")) == same
