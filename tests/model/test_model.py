"""The meter against the model: thousands of random months, each equal to the last unit, and what must hold for any of them.

  HOLDFAST_MODEL_SEEDS    how many months (default: as many as fit in HOLDFAST_MODEL_SECONDS, 40)
  HOLDFAST_SEED           the first seed; a failing one is printed and its script kept
"""
import contextlib
import multiprocessing
import os
import pathlib
import random
import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from fractions import Fraction

import books
import months
from drive import Wrong, drive, lines_text
from model import CELLS, Model, decimal_text, money_text, rounded

SEEDS = int(os.environ.get("HOLDFAST_MODEL_SEEDS", "0"))
SECONDS = float(os.environ.get("HOLDFAST_MODEL_SECONDS", "40"))
FIRST = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 10 ** 9))
GROUP = 20  # months of one driver


# ---- questions and what the model says to them ----
def play(script):
    """The script with its questions spelled out, and a check for each answer."""
    model = Model({"tencent-cos": books.tencent_cos()})
    lines, checks = [{"op": "open"}], []
    for line in script:
        if line["op"] == "record":
            model.take(line)
            lines.append(line)
            continue
        for a in model.accounts.values():
            book = model.book(a)
            for month in sorted({k[0] for k in a.lines} | {book.month(model.hour)}):
                lines.append({"op": "ask", "what": "statement", "account": a.name, "month": month, "now": line["now"]})
                checks.append((check_statement, model.statement(a.name, month), book))
                lines.append({"op": "ask", "what": "usage", "account": a.name, "month": month, "now": line["now"]})
                checks.append((check_usage, model.usage(a.name, month), book))
            lines.append({"op": "ask", "what": "status", "account": a.name, "now": line["now"]})
            checks.append((check_status, model.status(a.name), book))
    lines += [{"op": "commit"}, {"op": "unbalanced"}]
    checks.append((check_balanced, None, None))
    return lines, checks


def check_balanced(answer, _, __):
    if answer != {"unbalanced": 0}:
        raise Wrong(f"postings that do not balance: {answer}")


def same(what, got, wanted):
    if got != wanted:
        raise Wrong(f"{what}: {got}, not {wanted}")


def check_status(answer, wanted, _):
    if answer["name"] == "default":
        return
    for key, value in wanted.items():
        same(f"{answer['name']}: {key}", answer[key], value)


def check_usage(answer, wanted, _):
    name = f"{answer['account']} {answer['month']}: usage"
    got = Counter()  # a bucket that was made anew has its name twice
    for x in answer["lines"]:
        got[x["bucket"], x["access_key"], x["item"], x["status"]] += Fraction(x["quantity"])
    same(name, sorted(got), sorted(wanted))
    for key, quantity in wanted.items():
        if abs(got[key] - quantity) * 10 ** 15 > 4:
            raise Wrong(f"{name}: {key}: {float(got[key])}, not {float(quantity)}")


def nano_of(text):
    return int(Fraction(text) * 10 ** 9)


def merged(lines):
    """(bucket, item, book, price, covered by) -> [quantity, amount]; prices are what tells lines apart, not tiers."""
    found = defaultdict(lambda: [Fraction(0), 0])
    for key, (quantity, nano) in lines:
        found[key][0] += quantity
        found[key][1] += nano
    return dict(found)


def key_of(line):
    if line["item"] not in CELLS:
        return line["bucket"], line["item"]
    covered = line["covered_by"]
    return line["bucket"], line["item"], line["book"], line["price"], None if covered is None else int(covered)


def wanted_key(key):
    bucket, item, book, price, covered = key
    return (bucket, item, book, decimal_text(price, 18), covered) if item in CELLS else (bucket, item)


def check_statement(answer, wanted, book):
    name = f"{answer['account']} {answer['month']}"
    got = merged((key_of(x), (Fraction(x["quantity"]), nano_of(x["amount"]))) for x in answer["lines"])
    want = merged((wanted_key(k), v) for k, v in wanted["lines"].items())
    same(f"{name}: lines", sorted(map(str, got)), sorted(map(str, want)))
    for key, (quantity, nano) in want.items():
        same(f"{name}: amount of {key}", money_text(got[key][1]), money_text(nano))
        if key[1] in CELLS:
            # Lines are cut to 15 digits each; several of one price were added up here.
            difference = abs(got[key][0] - quantity) * 10 ** 15
            if difference > 4:
                raise Wrong(f"{name}: quantity of {key}: {float(got[key][0])}, not {float(quantity)}")
    same(f"{name}: total", nano_of(answer["total"]), wanted["total"])
    if answer["account"] == "default":
        return
    same(f"{name}: balance", answer["balance"], wanted["balance"])
    same(f"{name}: paid by vouchers", nano_of(answer["paid"]["vouchers"]), wanted["vouchers"])
    same(f"{name}: paid in cash", nano_of(answer["paid"]["cash"]), wanted["total"] - wanted["vouchers"])
    check_packs(name, answer, wanted["packs"])
    check_invoice(name, answer, book)


def check_packs(name, answer, wanted):
    """Those that can cover the open hour or a later one; whether others are still listed is not said."""
    listed = Counter((p["item"], p["remaining"]) for p in answer["packs"])
    missing = Counter(wanted) - listed
    if missing:
        raise Wrong(f"{name}: packs {dict(missing)} are not among {dict(listed)}")


def check_invoice(name, answer, book):
    invoice = answer["invoice"]
    lines = [rounded(nano_of(x["amount"]), *book.line) for x in answer["lines"]]
    same(f"{name}: invoice lines", [nano_of(x) for x in invoice["lines"]], lines)
    same(f"{name}: invoice", nano_of(invoice["total"]), rounded(sum(lines), *book.total))


# ---- the run ----
def keep(seed, lines):
    path = pathlib.Path(tempfile.gettempdir()) / f"holdfast-model-{seed}.jsonl"
    path.write_text(lines_text(lines))
    return path


def run_seeds(seeds):
    """None, or what is wrong with the first that is."""
    plays = [(seed, *play(months.random_month(seed))) for seed in seeds]
    try:
        answers = iter(drive([line for _, lines, _ in plays for line in lines]))
    except Wrong as e:
        return f"{alone(plays) or e}"
    for seed, lines, checks in plays:
        try:
            for check, wanted, book in checks:
                check(next(answers), wanted, book)
        except (Wrong, KeyError, TypeError) as e:
            return f"seed {seed}: {type(e).__name__} {e}\nscript: {keep(seed, lines)}"
    return None


def alone(plays):
    """Which of them ends the program."""
    for seed, lines, _ in plays:
        try:
            drive(lines)
        except Wrong as e:
            return f"seed {seed}: {e}\nscript: {keep(seed, lines)}"
    return None


def worker(number):
    """(months done, what is wrong): this process's share of the seeds, until they or the time are used up."""
    workers, done = os.cpu_count(), 0
    ends = time.monotonic() + SECONDS
    for at in range(number * GROUP, SEEDS or 10 ** 9, workers * GROUP):
        if not SEEDS and time.monotonic() > ends:
            break
        wrong = run_seeds(range(FIRST + at, FIRST + at + GROUP))
        if wrong:
            return done, wrong
        done += GROUP
    return done, None


def test_random_months_are_priced_to_the_last_unit():
    with multiprocessing.Pool(os.cpu_count()) as pool:
        results = pool.map(worker, range(os.cpu_count()))
    for _, wrong in results:
        assert not wrong, wrong
    done = sum(n for n, _ in results)
    print(f"{done} months from seed {FIRST}")
    assert done


def with_crashes(script, rng):
    """The same records, committed here and there; what was not committed is lost now and then, and read again."""
    lines, since = [{"op": "open"}], []
    for line in script:
        lines.append(line)
        since.append(line)
        if rng.random() < 0.1:
            lines.append({"op": "commit"})
            since = []
        elif rng.random() < 0.05:
            lines += [{"op": "reload"}, *since]
    return lines


def digests(answers):
    return [a["digest"] for a in answers if "digest" in a]


def test_the_digest_depends_on_no_batching_and_no_crash():
    rng = random.Random(FIRST)
    for seed in range(FIRST, FIRST + 30):
        script = [x for x in months.random_month(seed) if x["op"] == "record"]
        lines = [{"op": "open"}, *script, {"op": "digest"}]
        for _ in range(2):
            lines += [*with_crashes(script, rng), {"op": "digest"}]
        found = digests(drive(lines))
        assert len(set(found)) == 1, f"seed {seed}: {found}\nscript: {keep(seed, lines)}"


def audit(path):
    """account -> side -> sum, by the database file alone; each posting is looked at by itself too."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        unbalanced = db.execute("SELECT seq, account, kind FROM ledger GROUP BY seq, account, kind HAVING SUM(amount_nano) <> 0").fetchall()
        assert not unbalanced
        found = defaultdict(lambda: defaultdict(int))
        for account, side, nano in db.execute("SELECT account, side, SUM(amount_nano) FROM ledger GROUP BY account, side"):
            found[account][side] = nano
        return found


def test_the_database_file_by_itself_says_what_the_model_says():
    for seed in range(FIRST, FIRST + 8):
        script = [x for x in months.random_month(seed) if x["op"] == "record"]
        model = Model({"tencent-cos": books.tencent_cos()})
        for record in script:
            model.take(record)
        with tempfile.TemporaryDirectory() as folder:
            lines = [{"op": "open", "dir": folder}, *script, {"op": "commit"}]
            drive(lines)
            found = audit(pathlib.Path(folder) / "control.db")
        for a in model.accounts.values():
            sides, why = found[a.id], f"seed {seed}\nscript: {keep(seed, lines)}"
            assert sides["prepaid"] == a.cash, why
            assert sides["revenue"] == sum(nano for _, nano in a.lines.values()), why
            assert sides["voucher"] == sum(v.left for v in a.vouchers), why
            assert sum(sides.values()) == 0, why


def test_any_prefix_gives_the_state_of_that_moment():
    rng = random.Random(FIRST)
    for seed in range(FIRST, FIRST + 20):
        script = [x for x in months.random_month(seed) if x["op"] == "record"]
        cuts = sorted(rng.sample(range(1, len(script)), 5))
        live, prefixes = [{"op": "open"}], []
        for i, line in enumerate(script, 1):
            live.append(line)
            if i in cuts:
                question = [{"op": "ask", "what": "status", "account": "default", "now": line["time"]}, {"op": "digest"}]
                live += question
                prefixes += [{"op": "open"}, *script[:i], *question]
        answers = drive(live + prefixes)
        half = len(answers) // 2
        assert answers[:half] == answers[half:], f"seed {seed}\nscript: {keep(seed, live)}"
