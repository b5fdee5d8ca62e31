"""What the arrears clock foretells is what then happens: the same meter is asked, lives on tick by tick, and is looked at again.

The clock's line is smooth while the ledger closes hours, and a pack or voucher counts for whole hours only; so each of them,
and the hour itself, may move an event by an hour.
"""
import os
import random
import time
from decimal import Decimal

import pytest
from drive import drive

NS = 10 ** 9
HOUR = 3600 * NS
SLOT = 300 * NS
GB = 1 << 30
START = 1793462400 * NS  # 2026-11-01T00:00:00+08:00
SEED = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 10 ** 9))


class Life:
    """One account with stored bytes and nothing else that burns."""

    def __init__(self, rng):
        self.lines, self.seq, self.now = [{"op": "open"}], 1, START
        self.record("tick", START)
        self.account = self.record("account", name="acme", currency="CNY", prices="tencent-cos", timetable="tencent-cos")
        bucket = self.record("bucket", account=self.account, name="photos", requests=1)
        for cls, stored in ((0, rng.randrange(100, 1000) * GB), (1, rng.choice([0, 300]) * GB)):
            if stored:
                self.record("object", account=self.account, bucket=bucket, name="photos", object="k", size=stored, requests=1,
                            delta=[[cls, stored, 1]], **{"class": ["STANDARD", "STANDARD_IA"][cls]})
        self.record("topup", account=self.account, amount=rng.randrange(5, 30) * NS)
        self.sources = 0
        for what in rng.sample(["voucher", "scoped", "pack", "reserve", "credit"], rng.randint(0, 3)):
            self.sources += 1
            getattr(self, what)(rng, self.now + rng.randrange(24, 300) * HOUR)
        self.live_until(START + 26 * HOUR)

    def record(self, kind, at=None, **fields):
        self.seq += 1
        self.now = at or self.now + 1
        self.lines.append({"op": "record", "type": kind, "seq": self.seq, "time": self.now, **fields})
        return self.seq

    def money(self, kind, **fields):
        self.record("money", money=kind, account=self.account, **fields)

    def voucher(self, rng, until):
        self.money("voucher", amount=rng.randrange(1, 15) * NS, until=until)

    def scoped(self, rng, until):
        self.money("voucher", amount=rng.randrange(1, 15) * NS, until=until, scope="storage.STANDARD")

    def pack(self, rng, until):
        self.money("pack", scope="storage.STANDARD", quantity=str(rng.randrange(10, 200)), until=until)

    def reserve(self, rng, _):
        self.money("reserve", amount=rng.randrange(1, 4) * NS, ref="held")

    def credit(self, rng, _):
        self.record("account-set", account=self.account, credit=rng.randrange(1, 10) * NS)

    def live_until(self, at):
        tick = self.now // SLOT * SLOT + SLOT
        for t in range(tick, at + 1, SLOT):
            self.record("tick", t)

    def ask(self, what):
        self.lines.append({"op": "ask", "what": what, "account": "acme", "now": self.now})


def at_hours(start, hours):
    return start + int(hours * 3600) * NS


@pytest.mark.parametrize("number", range(12))
def test_zero_and_stop_come_when_the_clock_said(number):
    rng = random.Random(SEED + number)
    life = Life(rng)
    asked = life.now
    life.ask("clock")
    clock = drive(life.lines)[0]
    zero, stop, slack = clock["zero_in_hours"], clock["stop_in_hours"], 1.2 + life.sources
    assert zero is not None and stop == pytest.approx(zero + 24), f"seed {SEED + number}: {clock}"
    looks = [(zero - slack, "active"), (zero + slack, "warn"), (stop - slack, "warn"), (stop + slack, "stop")]
    wanted = []
    for hours, stage in sorted(looks):
        if hours > 0:
            life.live_until(at_hours(asked, hours))
            life.ask("status")
            wanted.append(stage)
    stages = [a["stage"] for a in drive(life.lines)[1:]]
    assert stages == wanted, f"seed {SEED + number}: {clock}"


def stage_after(life, paid, at):
    """Of a life that pays now, at a later moment."""
    lines, now, seq = list(life.lines), life.now, life.seq
    if paid > 0:
        life.record("topup", account=life.account, amount=paid)
    life.live_until(at)
    life.ask("status")
    stage = drive(life.lines)[-1]["stage"]
    life.lines, life.now, life.seq = lines, now, seq
    return stage


@pytest.mark.parametrize("number", range(6))
def test_paying_what_prevents_the_stop_prevents_it_and_a_day_less_does_not(number):
    rng = random.Random(SEED + 100 + number)
    life = Life(rng)
    life.ask("clock")
    clock = drive(life.lines)[0]
    amount, stop = int(Decimal(clock["to_prevent"]["stop"]) * NS), at_hours(life.now, clock["stop_in_hours"])
    slack = 1.2 + life.sources
    hour = steepest_burn(clock) // 24
    assert stage_after(life, amount + int(hour * slack), stop) == "active", f"seed {SEED + 100 + number}: {clock}"
    assert stage_after(life, amount - int(hour * (25 + slack)), stop + int(slack * HOUR)) == "stop", f"seed {SEED + 100 + number}: {clock}"


def steepest_burn(clock):
    """A day's, of all that the clock sees ahead."""
    return max(int(Decimal(x) * NS) for x in [clock["burn_per_day"], *(e["burn_per_day_after"] for e in clock["ahead"])])
