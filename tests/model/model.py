"""What a month costs, worked out a second time: the rules of meter.h, price.h and account.h with fractions and plain loops.

It knows nothing of the C program: every tick adds what is stored now, every question prices the open hour anew, nothing is
cached. It takes the same records (dicts, as drive.c reads them) and is asked the same questions.
"""
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fractions import Fraction
from functools import cached_property, lru_cache

NS = 10 ** 9
HOUR = 3600 * NS
SLOT = 300 * NS
DAY = 24 * HOUR
NANO = 10 ** 9
WRITTEN = 200  # the result of what has a record of its own
CLASSES = ["STANDARD", "STANDARD_IA", "ARCHIVE", "DEEP_ARCHIVE"]
KINDS = ["all", "write", "read", "delete"]
DIRECTIONS = ["internet", "cdn", "cross-region", "internal"]
FREE = Fraction(0)
PLACES = 13  # behind the point, of the price of a request
SMALL_MAX = 1 << 20  # smaller objects are counted by their size

# ---- cells, in the order of statements ----
CELLS = [f"storage.{c}" for c in CLASSES]
CELLS += [f"requests.{c}" + ("" if k == "all" else f".{k}") for c in CLASSES for k in KINDS]
CELLS += [f"retrieval.{c}" for c in CLASSES] + [f"early-delete.{c}" for c in CLASSES] + [f"egress.{d}" for d in DIRECTIONS]
ORDER = {name: i for i, name in enumerate(CELLS)}


def half_up(x):
    """To an integer, halves away from zero."""
    return (2 * x.numerator + x.denominator) // (2 * x.denominator) if x >= 0 else -half_up(-x)


def rounded(nano, places, mode):
    """An amount in nano to so many places behind the point, as an invoice does."""
    step = 10 ** (9 - places)
    x = Fraction(nano, step)
    if mode == "half-up":
        return half_up(x) * step
    down = abs(x.numerator) // x.denominator
    up = -(-abs(x.numerator) // x.denominator)
    return (down if mode == "down" else up) * step * (1 if nano >= 0 else -1)


def decimal_text(x, places=9, least=0):
    """A fraction as a plain decimal, rounded half-up to at most so many places, no zeros at the end."""
    n = half_up(abs(x) * 10 ** places)
    whole, part = divmod(n, 10 ** places)
    digits = str(part).rjust(places, "0").rstrip("0").ljust(least, "0")
    return ("-" if x < 0 and n else "") + str(whole) + ("." + digits if digits else "")


def money_text(nano):
    return decimal_text(Fraction(nano, NANO), 9, 2)


# ---- price books ----
@dataclass
class Tier:
    start: int  # in units
    price: Fraction  # of one unit

    def __post_init__(self):
        scaled = self.price * 10 ** PLACES
        assert scaled.denominator == 1
        self.scaled = scaled.numerator


@dataclass(eq=False)
class Book:
    name: str
    text: str
    zone_hours: int = 8
    valid_from: int = 0
    bytes_per_gb: int = 1 << 30
    days_per_month: int = 30  # 0: the calendar's
    samples_per_day: int = 288
    failed: str = "billed"  # free, 4xx
    excepted: tuple = ()
    kinds_apart: frozenset = frozenset()
    min_size: dict = field(default_factory=dict)
    min_days: dict = field(default_factory=dict)
    rates: dict = field(default_factory=dict)  # cell -> [(from hour, to hour, [Tier])]; the first is for all other hours
    line: tuple = (2, "half-up")
    total: tuple = (2, "half-up")

    @cached_property
    def id(self):
        return f"{int(hashlib.sha256(self.text.encode()).hexdigest()[:16], 16) >> 1:016x}"

    def billed(self, status):
        if status < 400:
            return True
        if self.failed != "4xx":
            return self.failed == "billed"
        return status < 500 and status not in self.excepted

    def request_cell(self, cls, kind):
        return f"requests.{cls}.{kind}" if cls in self.kinds_apart else f"requests.{cls}"

    def local(self, hour):
        """An hour of the ledger as a date and time of the book's zone."""
        return datetime.fromtimestamp((hour + self.zone_hours) * 3600, timezone.utc)

    def month(self, hour):
        at = self.local(hour)
        return f"{at.year:04d}-{at.month:02d}"

    @lru_cache(maxsize=10000)
    def divisor(self, cell, hour):
        """Metered quantity of one unit."""
        if cell.startswith("requests."):
            return 1
        if not cell.startswith(("storage.", "early-delete.")):
            return self.bytes_per_gb
        at = self.local(hour)
        after = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=timezone.utc)
        days = self.days_per_month or (after - datetime(at.year, at.month, 1, tzinfo=timezone.utc)).days
        return self.bytes_per_gb * days * self.samples_per_day

    def tiers(self, cell, hour):
        schedules = self.rates.get(cell) or [(0, 0, [Tier(0, FREE)])]
        clock = self.local(hour).hour
        for start, end, tiers in schedules[1:]:
            if start <= clock < end or (start > end and (clock >= start or clock < end)):
                return tiers
        return schedules[0][2]

    def parts(self, cell, hour, before, quantity):
        """[(price, quantity, nano)]: cut where the month passes a tier, the rounded running sum shared out."""
        divisor = self.divisor(cell, hour)
        tiers = self.tiers(cell, hour)
        exact, shown, found = 0, 0, []
        for i, tier in enumerate(tiers):
            low = max(before, tier.start * divisor)
            high = before + quantity
            if i + 1 < len(tiers):
                high = min(high, tiers[i + 1].start * divisor)
            if high <= low:
                continue
            exact += (high - low) * tier.scaled  # in 10^-PLACES, of quantity / divisor
            whole = divisor * 10 ** PLACES
            now = (2 * exact * NANO + whole) // (2 * whole)
            found.append((tier.price, high - low, now - shown))
            shown = now
        return found


# ---- accounts ----
@dataclass
class Voucher:
    seq: int
    amount: int
    left: int
    start: int
    until: int
    cells: frozenset


@dataclass
class Pack:
    seq: int
    cell: str
    units: Fraction
    start: int
    until: int
    left: object = None  # in metered quantity, of which divisor make a unit
    divisor: int = 0


@dataclass
class Row:
    name: str = ""
    stored: Counter = field(default_factory=Counter)
    small: Counter = field(default_factory=Counter)  # (class, size) -> objects
    open: Counter = field(default_factory=Counter)


@dataclass
class Charge:
    """Of one account's open hour."""
    month: str
    cash: int = 0
    lines: list = field(default_factory=list)
    packs: Counter = field(default_factory=Counter)  # seq -> covered
    vouchers: Counter = field(default_factory=Counter)  # seq -> nano
    quantity: Counter = field(default_factory=Counter)  # cell -> what went through the tiers

    def line(self, bucket, item, book, price, cover, part, nano):
        """part: (metered quantity, what makes a unit). Reading from a class that has no price for it is no line."""
        if item in book.rates or not item.startswith("retrieval."):
            self.lines.append(((bucket, item, book.id, price, cover), part, nano))


@dataclass
class Account:
    id: int
    name: str
    prices: str
    created: int
    charged: bool = True
    cash: int = 0
    credit: int = 0
    late_fee: Fraction = Fraction(0)
    next_prices: str = ""
    vouchers: list = field(default_factory=list)
    packs: list = field(default_factory=list)
    reserved: dict = field(default_factory=dict)
    refs: set = field(default_factory=set)
    rows: dict = field(default_factory=lambda: defaultdict(Row))
    below_since: object = None
    month_quantity: dict = field(default_factory=lambda: defaultdict(Counter))  # month, cell -> book id, its samples a day -> quantity
    # (month, bucket name, item, book id, price, covered by) -> [quantity in units, nano]
    lines: dict = field(default_factory=lambda: defaultdict(lambda: [Fraction(0), 0]))
    used: Counter = field(default_factory=Counter)  # (month, bucket, access key, item, status) -> quantity
    by_voucher: Counter = field(default_factory=Counter)  # month -> nano
    topups: list = field(default_factory=list)

    def month_before(self, month, cell, book):
        """What tiers have seen, in samples of this book."""
        sampled = cell.startswith(("storage.", "early-delete."))
        return sum(quantity * book.samples_per_day // samples if sampled else quantity
                   for (_, samples), quantity in self.month_quantity[month, cell].items())


class Model:
    def __init__(self, books):
        """books: those built in, by name."""
        self.local = dict(books)
        self.recorded = defaultdict(list)
        self.pending = []
        self.accounts = {1: Account(1, "default", "tencent-cos", 0, charged=False)}
        self.hour = self.slot = self.last_tick = None

    # -- books --
    def book_named(self, name):
        """In force in the open hour: the greatest valid_from that has begun, of equals the last recorded."""
        begun = [b for b in self.recorded[name] if b.valid_from <= (self.hour or 0) * HOUR]
        return max(enumerate(begun), key=lambda x: (x[1].valid_from, x[0]))[1] if begun else self.local[name]

    def book(self, account):
        return self.book_named(account.prices)

    # -- records --
    def take(self, record):
        getattr(self, "take_" + record["type"].replace("-", "_"))(record)
        if record["type"] in ("topup", "money", "account-set"):
            self.paid(self.accounts[record["account"]])

    def take_tick(self, r):
        at = r["time"]
        if self.hour is None:
            self.hour = at // HOUR
        if at // HOUR > self.hour:
            self.close(at // HOUR)
        for a in self.accounts.values():
            self.charge_late_fee(a, at)
            self.expire(a, at)
        if self.slot is None or at // SLOT > self.slot:
            self.slot = at // SLOT
            self.sample()
        self.last_tick = at
        for a in self.accounts.values():
            self.judge(a, at)

    def sample(self):
        for a in self.accounts.values():
            book = self.book(a)
            if self.slot % (288 // book.samples_per_day):
                continue
            for row in a.rows.values():
                for cls in CLASSES:
                    padding = sum(n * (book.min_size[cls] - size) for (c, size), n in row.small.items()
                                  if c == cls and size < book.min_size[cls]) if cls in book.min_size else 0
                    row.open[f"storage.{cls}"] += max(row.stored[cls], 0) + padding

    def close(self, hour):
        for a in self.accounts.values():
            self.rate(a)
            for row in a.rows.values():
                row.open.clear()
        self.hour = hour
        for name, book in self.pending:
            self.recorded[name].append(book)
        self.pending = []
        for a in self.accounts.values():
            a.prices, a.next_prices = a.next_prices or a.prices, ""

    def charge(self, a):
        """What the open hour costs, changing nothing: what it would be posted with."""
        book, end = self.book(a), (self.hour + 1) * HOUR
        due = Charge(book.month(self.hour))
        packs = sorted((p for p in a.packs if p.start < end <= p.until), key=lambda p: (p.until, p.seq))
        vouchers = sorted((v for v in a.vouchers if v.start < end <= v.until), key=lambda v: (v.until, v.seq))
        for bucket in sorted(a.rows):
            row = a.rows[bucket]
            for cell in sorted(row.open, key=ORDER.get):
                left, divisor = row.open[cell], book.divisor(cell, self.hour)
                if left and not a.charged:
                    due.line(row.name, cell, book, FREE, None, (left, divisor), 0)
                elif left:
                    left = self.cover(due, packs, row, cell, book, left)
                    self.price(due, a, vouchers, row, cell, book, left)
        return due

    def cover(self, due, packs, row, cell, book, quantity):
        """By the packs, as far as they go; gives what they leave."""
        divisor = book.divisor(cell, self.hour)
        for p in packs:
            covered = min(self.pack_left(p, divisor) - due.packs[p.seq], quantity) if p.cell == cell else 0
            if covered:
                due.packs[p.seq] += covered
                quantity -= covered
                due.line(row.name, cell, book, FREE, p.seq, (covered, divisor), 0)
        return quantity

    def price(self, due, a, vouchers, row, cell, book, quantity):
        divisor = book.divisor(cell, self.hour)
        before = a.month_before(due.month, cell, book) + due.quantity[cell]
        due.quantity[cell] += quantity
        for price, part, nano in book.parts(cell, self.hour, before, quantity):
            due.line(row.name, cell, book, price, None, (part, divisor), nano)
            for v in vouchers:
                paid = min(v.left - due.vouchers[v.seq], nano) if cell in v.cells else 0
                due.vouchers[v.seq] += paid
                nano -= paid
            due.cash += nano

    def rate(self, a):
        """Posts the open hour."""
        due, book = self.charge(a), self.book(a)
        a.cash -= due.cash
        a.by_voucher[due.month] += sum(due.vouchers.values())
        for v in a.vouchers:
            v.left -= due.vouchers[v.seq]
        for p in a.packs:
            divisor = book.divisor(p.cell, self.hour)
            p.left, p.divisor = self.pack_left(p, divisor) - due.packs[p.seq], divisor
        for cell, quantity in due.quantity.items():
            a.month_quantity[due.month, cell][book.id, book.samples_per_day] += quantity
        for key, part, nano in due.lines:
            self.add(a, (due.month, *key), Fraction(*part), nano)

    @staticmethod
    def pack_left(p, divisor):
        if p.left is None:
            return p.units * divisor // 1
        return p.left * divisor // p.divisor

    @staticmethod
    def add(a, key, units, nano):
        line = a.lines[key]
        line[0] += units
        line[1] += nano

    def expire(self, a, at):
        a.vouchers = [v for v in a.vouchers if v.until > at]

    def charge_late_fee(self, a, at):
        zone = self.book(a).zone_hours * HOUR
        if self.last_tick is None or (at + zone) // DAY == (self.last_tick + zone) // DAY:
            return
        debt = -a.cash - a.credit
        fee = half_up(debt * a.late_fee) if debt > 0 else 0
        if fee:
            a.cash -= fee
            self.add(a, (self.book(a).month(at // HOUR), "", "late-fee", None, None, None), Fraction(0), fee)

    # -- records of the catalog --
    def take_bucket(self, r):
        self.catalog(r, "write")

    take_upload = take_part = take_bucket_set = take_bucket

    def take_object(self, r):
        row = self.catalog(r, "write")
        if r["class"] != "STANDARD" and r["size"] < SMALL_MAX:
            row.small[r["class"], r["size"]] += 1

    def take_delete(self, r):
        self.catalog(r, "delete")

    take_abort = take_bucket_delete = take_delete

    def catalog(self, r, kind):
        a = self.accounts[r["account"]]
        row = a.rows[r.get("bucket") or r["seq"]]
        row.name = r["name"]
        book = self.book(a)
        if r.get("requests"):
            row.open[book.request_cell(r.get("class", "STANDARD"), kind)] += r["requests"]
        if r.get("egress"):
            row.open["egress." + r.get("direction", "internet")] += r["egress"]
        self.use(a, r.get("bucket") or r["seq"], {**r, "kind": kind, "status": WRITTEN})
        for cls, size, created in r.get("gone", ()):
            self.gone(row, book, CLASSES[cls], size, created, r["time"])
        for cls, size, _ in r.get("delta", ()):
            row.stored[CLASSES[cls]] += size
        return row

    def use(self, a, bucket, r):
        """By whom and with what result, billed or not."""
        cls = r.get("class", "STANDARD")
        for item, quantity in ((f"requests.{cls}.{r['kind']}", r.get("requests", 0)), (f"retrieval.{cls}", r.get("retrieved", 0)),
                               ("egress." + r.get("direction", "internet"), r.get("egress", 0))):
            if quantity:
                a.used[self.book(a).month(self.hour), bucket, r.get("key", ""), item, r["status"]] += quantity

    @staticmethod
    def gone(row, book, cls, size, created, at):
        if size < SMALL_MAX:
            row.small[cls, size] -= 1
        span = SLOT * (288 // book.samples_per_day)
        left = book.min_days.get(cls, 0) * book.samples_per_day - (at // span - created // span)
        if left > 0:
            row.open[f"early-delete.{cls}"] += left * max(size, book.min_size.get(cls, 0))

    def take_usage(self, r):
        for one in r["lines"]:
            a = self.accounts[one["account"]]
            row = a.rows[one["bucket"]]
            if one["name"]:
                row.name = one["name"]
            book = self.book(a)
            cls = one.get("class", "STANDARD")
            self.use(a, one["bucket"], one)
            if one["requests"] and book.billed(one["status"]):
                row.open[book.request_cell(cls, one["kind"])] += one["requests"]
            if one.get("egress"):
                row.open["egress." + one.get("direction", "internet")] += one["egress"]
            if one.get("retrieved"):
                row.open[f"retrieval.{cls}"] += one["retrieved"]

    # -- records of money --
    def take_prices(self, r):
        self.pending.append((r["name"], r["_book"]))

    def take_account(self, r):
        self.accounts[r["seq"]] = Account(r["seq"], r["name"], r["prices"], r["time"])

    def take_account_set(self, r):
        a = self.accounts[r["account"]]
        a.next_prices = r.get("prices") or a.next_prices
        a.credit = r.get("credit", a.credit)
        a.late_fee = Fraction(r.get("late_fee", a.late_fee))

    def repeated(self, a, r):
        ref = r.get("ref")
        if not ref:
            return False
        seen = ref in a.refs
        a.refs.add(ref)
        return seen

    def take_topup(self, r):
        a = self.accounts[r["account"]]
        if not self.repeated(a, r):
            a.cash += r["amount"]
            a.topups.append((r["time"], r["amount"], r.get("ref", "")))

    def take_money(self, r):
        a, kind = self.accounts[r["account"]], r["money"]
        if kind == "release":
            a.reserved.pop(r["ref"], None)
            return
        if self.repeated(a, r):
            return
        amount, month = r.get("amount", 0), self.book(a).month(r["time"] // HOUR)
        if kind == "voucher":
            cells = frozenset(scope_cells(r.get("scope", "")))
            a.vouchers.append(Voucher(r["seq"], amount, amount, r.get("from") or r["time"], r["until"], cells))
        elif kind == "pack":
            a.packs.append(Pack(r["seq"], r["scope"], Fraction(r["quantity"]), r.get("from") or r["time"], r["until"]))
            a.cash -= amount
            if amount:
                self.add(a, (month, "", "pack", None, None, None), Fraction(0), amount)
        elif kind == "reserve":
            if amount <= self.available(a):
                a.reserved[r["ref"]] = amount
        elif kind == "refund":
            if amount <= self.cash(a):
                a.cash -= amount
        else:
            amount = amount if kind == "charge" else -amount
            a.cash -= amount
            self.add(a, (month, "", "charge", None, None, None), Fraction(0), amount)

    # -- balance and stage --
    def cash(self, a):
        return a.cash - self.charge(a).cash

    def available(self, a):
        return self.cash(a) - sum(a.reserved.values()) + a.credit

    def judge(self, a, at):
        """At a tick: since when below zero? The open hour can only take away."""
        if a.below_since is not None and a.cash - sum(a.reserved.values()) + a.credit < 0:
            return
        if not a.charged or self.available(a) >= 0:
            a.below_since = None
        elif a.below_since is None:
            a.below_since = at

    def paid(self, a):
        """Behind a record: a stage is lifted at once; it begins with a tick only."""
        if a.below_since is not None and self.available(a) >= 0:
            a.below_since = None

    def stage(self, a):
        """By tencent-cos; it changes with ticks only."""
        if a.below_since is None:
            return "active"
        since = self.last_tick - a.below_since
        return next(name for days, name in ((1, "warn"), (15, "stop"), (120, "retention"), (10 ** 6, "purgeable")) if since < days * DAY)

    # -- questions: of the open hour as it would be closed now --
    def named(self, name):
        return next(a for a in self.accounts.values() if a.name == name)

    def status(self, name):
        a = self.named(name)
        cash, used = self.cash(a), self.charge(a).vouchers
        return {"balance": money_text(cash), "available": money_text(self.available(a)),
                "reserved": money_text(sum(a.reserved.values())), "credit": money_text(a.credit),
                "vouchers": money_text(sum(v.left - used[v.seq] for v in a.vouchers)), "stage": self.stage(a)}

    def statement(self, name, month):
        a = self.named(name)
        due = self.charge(a)
        lines = defaultdict(lambda: [Fraction(0), 0])
        open_lines = [(key, Fraction(*part), nano) for key, part, nano in due.lines] if due.month == month else []
        for key, units, nano in [*((k[1:], *v) for k, v in a.lines.items() if k[0] == month), *open_lines]:
            lines[key][0] += units
            lines[key][1] += nano
        vouchers = a.by_voucher[month] + (sum(due.vouchers.values()) if due.month == month else 0)
        packs = []
        for p in a.packs:
            divisor = self.book(a).divisor(p.cell, self.hour)
            left = Fraction(self.pack_left(p, divisor) - due.packs[p.seq], divisor)
            if left and p.until >= (self.hour + 1) * HOUR:
                packs.append((p.cell, decimal_text(left, 15)))
        return {"lines": lines, "total": sum(v[1] for v in lines.values()), "vouchers": vouchers,
                "balance": money_text(self.cash(a)), "packs": packs}

    def usage(self, name, month):
        """(bucket name, access key, item, status) -> units."""
        a, found = self.named(name), Counter()
        for (when, bucket, key, item, status), quantity in a.used.items():
            if when == month:
                divisor = self.book(a).divisor(item, self.hour) if not item.startswith("requests.") else 1
                found[a.rows[bucket].name, key, item, status] += Fraction(quantity, divisor)
        return found


def scope_cells(scope):
    """Cells a voucher pays for: items with commas between; an item without its class or direction means all of them."""
    if not scope:
        return CELLS
    return [c for c in CELLS if any(c == s or c.startswith(s + ".") for s in scope.split(","))]
