/* Holdfast: what a person's record must satisfy: said in a sentence before it is written, and decided again, the same
 * way, when it is applied. */
#include <stdio.h>

#include "codec/codec.h"
#include "meter/budget.h"
#include "meter/money.h"

static int shown(struct view v)
{
    return (int)(v.n < 64 ? v.n : 64);
}

static const char *money(int64_t nano, char text[MONEY_TEXT_MAX])
{
    return money_text(nano, text);
}

/* ---- money ---- */

static enum rc allow_voucher(const struct meter_account *a, const struct account_rec *r, int64_t time_ns, struct err *e)
{
    int64_t sum = r->amount_nano;
    uint64_t cells;

    if (r->until_ns <= time_ns)
        return err_set(e, RC_INVALID, "the voucher has expired already; name an end that is ahead");
    if (r->from_ns >= r->until_ns)
        return err_set(e, RC_INVALID, "the voucher ends before it begins");
    if (!meter_scope_parse(r->scope, &cells))
        return err_set(e, RC_INVALID,
                       "the scope `%.*s` names no item; leave it out for all usage, or name items such as storage, "
                       "requests.STANDARD, egress.internet, separated by commas",
                       shown(r->scope), r->scope.p);
    if (a->n_vouchers >= MONEY_ITEMS_MAX)
        return err_set(e, RC_LIMIT, "account %s has %d vouchers, which is the most there can be at one time", a->name,
                       MONEY_ITEMS_MAX);
    for (size_t i = 0; i < a->n_vouchers; i++) {
        if (money_add(sum, a->voucher[i].left_nano, &sum) != RC_OK)
            return err_set(e, RC_LIMIT, "account %s: with this voucher they would pass the range of money", a->name);
    }
    return RC_OK;
}

static enum rc allow_pack(const struct meter *m, const struct meter_account *a, const struct account_rec *r,
                          int64_t time_ns, struct err *e)
{
    int64_t hour = m->open_hour == NO_HOUR ? hour_of(time_ns) : m->open_hour;
    unsigned __int128 quantity;
    unsigned cell;

    if (r->until_ns <= time_ns)
        return err_set(e, RC_INVALID, "the pack has expired already; name an end that is ahead");
    if (r->from_ns >= r->until_ns)
        return err_set(e, RC_INVALID, "the pack ends before it begins");
    if (!price_cell_parse(r->scope, &cell) || cell >= PRICE_CELLS)
        return err_set(e, RC_INVALID, "a pack is of one item, such as egress.internet or storage.STANDARD, not `%.*s`",
                       shown(r->scope), r->scope.p);
    if (meter_pack_quantity(a->prices, cell, hour, r->quantity, &quantity) != RC_OK)
        return err_set(e, RC_INVALID, "the pack's quantity must be a plain number above zero in range, not `%.*s`",
                       shown(r->quantity), r->quantity.p);
    if (a->n_packs >= MONEY_ITEMS_MAX)
        return err_set(e, RC_LIMIT, "account %s has %d packs, which is the most there can be at one time", a->name,
                       MONEY_ITEMS_MAX);
    return RC_OK;
}

/* Cash that goes must leave the balance in range. */
static enum rc allow_change(const struct meter_account *a, int64_t by, struct err *e)
{
    int64_t balance;

    if (money_add(a->balance_nano, by, &balance) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: with this the balance would pass the range of money", a->name);
    return RC_OK;
}

static enum rc allow_reserve(struct meter *m, struct meter_account *a, const struct account_rec *r, int64_t time_ns,
                             struct err *e)
{
    char text[MONEY_TEXT_MAX], wanted[MONEY_TEXT_MAX];
    int64_t available, reserved;

    if (meter_available(m, a, time_ns, &available) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: what is available passes the range of money", a->name);
    if (money_add(a->reserved_nano, r->amount_nano, &reserved) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: what is reserved would pass the range of money", a->name);
    if (r->amount_nano > available)
        return err_set(e, RC_INVALID, "account %s: %s %s are available, less than %s", a->name, money(available, text),
                       a->prices->currency, money(r->amount_nano, wanted));
    return RC_OK;
}

static enum rc allow_refund(struct meter *m, struct meter_account *a, const struct account_rec *r, int64_t time_ns,
                            struct err *e)
{
    char text[MONEY_TEXT_MAX], wanted[MONEY_TEXT_MAX];
    int64_t balance;

    if (meter_balance(m, a, time_ns, &balance) != RC_OK || money_add(balance, -a->reserved_nano, &balance) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: the balance passes the range of money", a->name);
    if (r->amount_nano > balance)
        return err_set(e, RC_INVALID, "account %s: %s %s can be refunded (the balance less what is reserved), not %s",
                       a->name, money(balance, text), a->prices->currency, money(r->amount_nano, wanted));
    return allow_change(a, -r->amount_nano, e);
}

static enum rc allow_release(struct meter *m, const struct meter_account *a, const struct account_rec *r, struct err *e)
{
    int64_t nano;
    enum rc rc = meter_reservation(m, a, r->ref, &nano, e);

    if (rc == RC_NOT_FOUND)
        return err_set(e, rc, "account %s holds no reservation `%.*s`; it was never made, or was released already",
                       a->name, shown(r->ref), r->ref.p);
    return rc;
}

static enum rc allow_money(struct meter *m, struct meter_account *a, const struct account_rec *r, int64_t time_ns,
                           struct err *e)
{
    switch (r->money) {
    case MONEY_VOUCHER:
        return allow_voucher(a, r, time_ns, e);
    case MONEY_PACK:
        HF_TRY(allow_pack(m, a, r, time_ns, e));
        return allow_change(a, -r->amount_nano, e);
    case MONEY_RESERVE:
        return allow_reserve(m, a, r, time_ns, e);
    case MONEY_RELEASE:
        return allow_release(m, a, r, e);
    case MONEY_REFUND:
        return allow_refund(m, a, r, time_ns, e);
    case MONEY_CHARGE:
        return allow_change(a, -r->amount_nano, e);
    default:
        return allow_change(a, r->amount_nano, e);
    }
}

static enum rc allow_due(const struct meter_account *a, const struct account_rec *r, int64_t time_ns, struct err *e)
{
    if (r->cancelled) {
        if (meter_due_find(a, r->ref) == SIZE_MAX)
            return err_set(e, RC_NOT_FOUND, "account %s has no charge ahead with the ref `%.*s`", a->name,
                           shown(r->ref), r->ref.p);
        return RC_OK;
    }
    if (r->until_ns <= time_ns)
        return err_set(e, RC_INVALID, "a charge that is known to come must lie ahead");
    if (a->n_dues >= MONEY_ITEMS_MAX)
        return err_set(e, RC_LIMIT, "account %s has %d charges ahead, which is the most there can be", a->name,
                       MONEY_ITEMS_MAX);
    return RC_OK;
}

static enum rc allow_balance(const struct meter_account *a, const struct account_rec *r, struct err *e)
{
    int64_t by;

    if (!a->upstream[0])
        return err_set(e, RC_INVALID,
                       "account %s is a tenant here: its balance comes from its ledger; top it up, charge or refund it",
                       a->name);
    if (__builtin_sub_overflow(r->amount_nano, a->balance_nano, &by) || by == INT64_MIN)
        return err_set(e, RC_LIMIT, "account %s: the balance would jump by more than money can count", a->name);
    return RC_OK;
}

static enum rc allow_books(const struct meter *m, const struct meter_account *a, const struct account_rec *r,
                           struct err *e)
{
    const struct price_book *b = r->prices.n > 0 ? meter_prices(m, r->prices) : a->prices;

    if (!b)
        return err_set(e, RC_INVALID, "there is no price book `%.*s`; `holdfast price list` shows them",
                       shown(r->prices), r->prices.p);
    if (strcmp(b->currency, a->prices->currency) != 0)
        return err_set(e, RC_INVALID, "account %s is in %s, and price book %s is in %s; make another account", a->name,
                       a->prices->currency, b->id.name, b->currency);
    if (r->timetable.n > 0 && !meter_timetable(m, r->timetable))
        return err_set(e, RC_INVALID, "there is no timetable `%.*s`", shown(r->timetable), r->timetable.p);
    return RC_OK;
}

static enum rc allow_set(const struct meter *m, const struct meter_account *a, const struct account_rec *r,
                         struct err *e)
{
    int64_t fee;

    HF_TRY(allow_books(m, a, r, e));
    if (r->has_credit && r->credit_nano < 0)
        return err_set(e, RC_INVALID, "a credit limit is 0 or more");
    if (r->has_late_fee && meter_late_fee_parse(r->late_fee, &fee) != RC_OK)
        return err_set(e, RC_INVALID,
                       "a late fee is a share of the debt per day, from 0 to 1, with at most 9 digits behind the "
                       "point, such as 0.0005, not `%.*s`",
                       shown(r->late_fee), r->late_fee.p);
    if (r->has_max_age && !a->upstream[0])
        return err_set(e, RC_INVALID, "account %s is a tenant here: its balance is never too old", a->name);
    return RC_OK;
}

/* What an account at a cloud takes: cash that moves changes the balance that was said until the next one is; what the
 * cloud covers with packs and vouchers of its own is not known by item. */
static enum rc allow_upstream(const struct meter_account *a, const struct account_rec *r, struct err *e)
{
    if (r->type == REC_MONEY && (r->money == MONEY_PACK || r->money == MONEY_VOUCHER))
        return err_set(e, RC_INVALID,
                       "account %s is at %s: its packs and vouchers are there; say the burn that is left with "
                       "`holdfast account set-balance %s AMOUNT --burn B`, and what ends with `holdfast account due`",
                       a->name, a->upstream, a->name);
    if ((r->type == REC_MONEY || r->type == REC_TOPUP) && !a->has_balance)
        return err_set(e, RC_INVALID,
                       "the balance of account %s at %s is unknown: say it with `holdfast account set-balance`",
                       a->name, a->upstream);
    return RC_OK;
}

/* Which accounts take which records. */
static enum rc allow_account(const struct meter_account *a, const struct account_rec *r, struct err *e)
{
    if (a->id == ACCOUNT_DEFAULT)
        return err_set(e, RC_INVALID, "account %s is not charged, so it needs no money; use another account", a->name);
    return a->upstream[0] ? allow_upstream(a, r, e) : RC_OK;
}

enum rc meter_money_allowed(struct meter *m, struct meter_account *a, const struct account_rec *r, int64_t time_ns,
                            struct err *e)
{
    HF_TRY(allow_account(a, r, e));
    switch (r->type) {
    case REC_TOPUP:
        return allow_change(a, r->amount_nano, e);
    case REC_MONEY:
        return allow_money(m, a, r, time_ns, e);
    case REC_BALANCE:
        return allow_balance(a, r, e);
    case REC_GRACE:
        if (!r->cancelled && r->until_ns <= time_ns)
            return err_set(e, RC_INVALID, "the grace has ended already; name an end that is ahead");
        return RC_OK;
    case REC_DUE:
        return allow_due(a, r, time_ns, e);
    default:
        HF_ASSERT(r->type == REC_ACCOUNT_SET);
        return allow_set(m, a, r, e);
    }
}

/* ---- refs ---- */

struct same {
    const struct account_rec *rec;
    bool same, refused;
};

static enum rc compare(void *ctx, const struct ledger_money *k)
{
    struct same *s = ctx;
    const struct account_rec *r = s->rec;

    s->refused = k->refused;
    s->same = k->kind == meter_money_kind(r) && k->amount_nano == r->amount_nano && view_eq(k->note, r->note) &&
              view_eq(k->scope, r->scope) && view_eq(k->quantity, r->quantity) && k->from_ns == r->from_ns &&
              k->until_ns == r->until_ns && k->monthly == r->monthly;
    return RC_OK;
}

static enum rc check_ref(struct meter *m, const struct meter_account *a, const struct account_rec *r, bool *ret_repeat,
                         struct err *e)
{
    struct same s = {.rec = r};

    if (r->ref.n > TOPUP_REF_MAX || !utf8_valid(r->ref))
        return err_set(e, RC_INVALID, "a ref is at most %d bytes of UTF-8", TOPUP_REF_MAX);
    if (meter_money_kind(r) == LEDGER_RELEASE || meter_money_kind(r) == LEDGER_DUE_CANCEL)
        return RC_OK; /* the ref is of another */
    enum rc rc = ledger_money_find(m->sql, a->id, r->ref, compare, &s, e);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    HF_TRY(rc);
    if (s.refused)
        return err_set(e, RC_CONFLICT, "account %s: the ref `%.*s` was used by a record that was refused; use another",
                       a->name, shown(r->ref), r->ref.p);
    if (!s.same)
        return err_set(e, RC_CONFLICT, "account %s: the ref `%.*s` was used for something else; use another", a->name,
                       shown(r->ref), r->ref.p);
    *ret_repeat = true;
    return RC_OK;
}

/* ---- texts and amounts, as the record's own rule has them ---- */

static enum rc check_amount(const struct account_rec *r, struct err *e)
{
    bool free_pack = r->type == REC_MONEY && r->money == MONEY_PACK;
    bool none = r->type == REC_GRACE || r->type == REC_ACCOUNT_SET || r->type == REC_BALANCE || r->cancelled ||
                (r->type == REC_MONEY && r->money == MONEY_RELEASE);

    if (none)
        return RC_OK;
    if (r->amount_nano < 0 || (r->amount_nano == 0 && !free_pack))
        return err_set(e, RC_INVALID,
                       r->type == REC_TOPUP ? "a top-up must be above zero" : "the amount must be above zero");
    return RC_OK;
}

static enum rc check_texts(const struct account_rec *r, struct err *e)
{
    if (r->note.n > NOTE_MAX || !utf8_valid(r->note))
        return err_set(e, RC_INVALID, "a note is at most %d bytes of UTF-8", NOTE_MAX);
    if (r->scope.n > SCOPE_MAX || !utf8_valid(r->scope))
        return err_set(e, RC_INVALID, "a scope is at most %d bytes of UTF-8", SCOPE_MAX);
    if (r->type == REC_MONEY && (r->money == MONEY_RESERVE || r->money == MONEY_RELEASE) && r->ref.n == 0)
        return err_set(e, RC_INVALID, "a reservation and its release need a ref");
    if (r->type == REC_DUE && r->cancelled && r->ref.n == 0)
        return err_set(e, RC_INVALID, "a charge ahead is taken back by its ref");
    if (r->type == REC_GRACE && !r->cancelled && r->note.n == 0)
        return err_set(e, RC_INVALID, "a grace needs its proof as a note: a ticket, a letter, a name");
    return RC_OK;
}

/* What is left to refuse is malformed in a way that no caller should let through. */
static enum rc check_encodes(const struct account_rec *r, struct err *e)
{
    struct buf b = BUF(JOURNAL_PAYLOAD_MAX);
    enum rc rc = account_rec_encode(r, &b);

    buf_free(&b);
    if (rc == RC_INVALID)
        return err_set(e, rc, "a field of the record is missing, too long or out of range");
    return rc == RC_OK ? RC_OK : err_set(e, rc, "the record cannot be encoded: %s", rc_name(rc));
}

static enum rc check_money(struct meter *m, struct meter_account *a, const struct account_rec *r, bool *ret_repeat,
                           struct err *e)
{
    HF_TRY(check_amount(r, e));
    HF_TRY(check_texts(r, e));
    HF_TRY(check_ref(m, a, r, ret_repeat, e));
    if (*ret_repeat)
        return RC_OK;
    HF_TRY(meter_money_allowed(m, a, r, m->last_ns, e));
    return check_encodes(r, e);
}

/* ---- accounts ---- */

static bool name_valid(struct view name)
{
    if (name.n == 0 || name.n > 63 || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

static enum rc check_account(const struct meter *m, const struct account_rec *r, struct err *e)
{
    const struct price_book *book = meter_prices(m, r->prices);

    if (!name_valid(r->name))
        return err_set(e, RC_INVALID,
                       "an account's name is 1 to 63 of a-z, 0-9 and -, and does not begin with -, not `%.*s`",
                       shown(r->name), r->name.p);
    if (meter_account_named(m, r->name))
        return err_set(e, RC_EXISTS, "account `%.*s` exists", shown(r->name), r->name.p);
    if (r->upstream.n > 0 && !name_valid(r->upstream))
        return err_set(e, RC_INVALID, "the cloud's name is 1 to 63 of a-z, 0-9 and -, such as tencent, not `%.*s`",
                       shown(r->upstream), r->upstream.p);
    if (!book)
        return err_set(e, RC_INVALID,
                       "there is no price book `%.*s`, neither built in nor as prices/NAME.yaml in the data folder; "
                       "`holdfast price list` shows them",
                       shown(r->prices), r->prices.p);
    if (!meter_timetable(m, r->timetable))
        return err_set(e, RC_INVALID,
                       "there is no timetable `%.*s`, neither built in nor as timetables/NAME.yaml in the data folder",
                       shown(r->timetable), r->timetable.p);
    if (!view_eqs(r->currency, book->currency))
        return err_set(e, RC_INVALID, "price book %s is in %s, not in `%.*s`", book->id.name, book->currency,
                       shown(r->currency), r->currency.p);
    return check_encodes(r, e);
}

/* ---- all ---- */

static enum rc find_account(struct meter *m, struct view name, struct account_rec *r, struct meter_account **ret,
                            struct err *e)
{
    struct meter_account *a = name.n > 0 ? meter_account_named(m, name) : meter_account_of(m, r->account);

    if (!a)
        return err_set(e, RC_NOT_FOUND, "there is no account `%.*s`; `holdfast account list` shows them", shown(name),
                       name.p ? name.p : "");
    r->account = a->id;
    *ret = a;
    return RC_OK;
}

/* A step of a budget that is there need not name the account. */
static enum rc find_budget_account(struct meter *m, struct account_rec *r, struct err *e)
{
    struct sql_stmt *q;

    if (r->account > 0 || r->budget == 0)
        return RC_OK;
    HF_TRY(sql_query(m->sql, e, &q, "SELECT account FROM budget WHERE id = ?", "i", (int64_t)r->budget));
    enum rc rc = sql_next(q, e);
    if (rc == RC_END)
        return err_set(e, RC_NOT_FOUND, "there is no budget %llu; `holdfast budget list` shows them",
                       (unsigned long long)r->budget);
    HF_TRY(rc);
    r->account = (uint64_t)sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}

static enum rc check_quota(const struct account_rec *r, struct err *e)
{
    if (r->scope.n > BUCKET_NAME_MAX)
        return err_set(e, RC_INVALID, "a bucket's name has at most %d bytes", BUCKET_NAME_MAX);
    return check_encodes(r, e);
}

static enum rc check(struct meter *m, struct view account, struct account_rec *r, bool *ret_repeat, struct err *e)
{
    struct meter_account *a = NULL;

    if (r->type == REC_ACCOUNT)
        return check_account(m, r, e);
    if (r->type == REC_PRICES)
        return meter_books_check(m, r, ret_repeat, e);
    if (r->type == REC_BUDGET && account.n == 0)
        HF_TRY(find_budget_account(m, r, e));
    HF_TRY(find_account(m, account, r, &a, e));
    if (r->type == REC_QUOTA)
        return check_quota(r, e);
    if (r->type == REC_BUDGET) {
        HF_TRY(budget_check(m, a, r, e));
        return check_encodes(r, e);
    }
    return check_money(m, a, r, ret_repeat, e);
}

enum rc meter_check(struct meter *m, struct view account, struct account_rec *rec, bool *ret_repeat, struct err *e)
{
    *ret_repeat = false;
    meter_lock(m);
    enum rc rc = check(m, account, rec, ret_repeat, e);
    meter_unlock(m);
    return rc;
}

enum rc meter_refusal(struct meter *m, uint64_t seq, struct err *e)
{
    struct sql_stmt *q;

    meter_lock(m);
    enum rc rc = sql_query(m->sql, e, &q, "SELECT why FROM refused_record WHERE seq = ?", "i", (int64_t)seq);
    if (rc == RC_OK)
        rc = sql_next(q, e);
    if (rc == RC_OK) {
        struct view why = sql_text(q, 0);
        rc = err_set(e, RC_CONFLICT, "%.*s", (int)why.n, why.p);
        sql_done(q);
    }
    meter_unlock(m);
    return rc == RC_END ? RC_OK : rc;
}
