/* Holdfast: top-ups, vouchers, packs, reservations, refunds, charges, dues, grace, balances: what each record does, and
 * what a tick does to them. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#include "meter/money.h"

/* ---- words ---- */

static bool scope_covers(struct view item, const char *cell)
{
    struct view name = view_cstr(cell);
    return view_starts(name, item) && (name.n == item.n || name.p[item.n] == '.');
}

bool meter_scope_parse(struct view scope, uint64_t *ret_cells)
{
    uint64_t cells = 0;

    if (scope.n == 0) {
        *ret_cells = ((uint64_t)1 << PRICE_CELLS) - 1;
        return true;
    }
    for (size_t at = 0; at <= scope.n;) {
        size_t end = view_find(scope, ',', at);
        struct view item = view_trim(view_sub(scope, at, (end < scope.n ? end : scope.n) - at));
        uint64_t found = 0;
        for (unsigned cell = 0; item.n > 0 && cell < PRICE_CELLS; cell++) {
            if (scope_covers(item, price_cell_name(cell)))
                found |= (uint64_t)1 << cell;
        }
        if (found == 0)
            return false;
        cells |= found;
        at = (end < scope.n ? end : scope.n) + 1;
    }
    *ret_cells = cells;
    return true;
}

enum rc meter_pack_quantity(const struct price_book *b, unsigned cell, int64_t hour, struct view units,
                            unsigned __int128 *ret)
{
    struct decimal d;
    unsigned __int128 quantity;

    HF_TRY(decimal_parse(units, &d));
    if (d.num <= 0)
        return RC_INVALID;
    if (__builtin_mul_overflow((unsigned __int128)d.num, price_divisor(b, cell, hour), &quantity))
        return RC_LIMIT;
    for (unsigned i = 0; i < d.scale; i++)
        quantity /= 10;
    if (quantity == 0 || quantity > PACK_QUANTITY_MAX)
        return RC_LIMIT;
    *ret = quantity;
    return RC_OK;
}

enum rc meter_late_fee_parse(struct view text, int64_t *ret_nano)
{
    int64_t nano;

    HF_TRY(money_parse(text, &nano));
    if (nano < 0 || nano > MONEY_NANO)
        return RC_INVALID;
    *ret_nano = nano;
    return RC_OK;
}

/* The hour that decides what a unit is now. */
static int64_t unit_hour(const struct meter *m, int64_t time_ns)
{
    return m->open_hour == NO_HOUR ? hour_of(time_ns) : m->open_hour;
}

/* ---- postings ---- */

/* Credit `to`, debit `from`. metered: the side that is revenue has cell, rate, quantity and ref. */
struct transfer {
    enum ledger_kind kind;
    enum ledger_side from, to;
    int64_t nano; /* not below zero but for a correction of revenue */
    uint64_t ref;
    unsigned cell; /* 0 = no revenue */
    unsigned rate;
    unsigned __int128 quantity;
};

static enum rc post_transfer(struct meter *m, const struct meter_account *a, uint64_t seq, int64_t time_ns,
                             const struct transfer *t, struct err *e)
{
    struct ledger_line line[2] = {{.side = t->from, .amount_nano = -t->nano},
                                  {.side = t->to, .amount_nano = t->nano, .ref = t->ref}};
    const struct ledger_posting p = {.seq = seq,
                                     .account = a->id,
                                     .kind = t->kind,
                                     .time_ns = time_ns,
                                     .hour = hour_of(time_ns),
                                     .book = a->prices->id.id,
                                     .line = line,
                                     .n = 2};

    HF_TRY(meter_txn(m, e));
    if (t->cell > 0) {
        line[1].metered = true;
        line[1].cell = t->cell;
        line[1].rate = t->rate;
        line[1].quantity = t->quantity;
        HF_TRY(meter_add_to_month(m, a, meter_month_of(hour_of(time_ns), a->prices->utc_offset_s), seq, &line[1], e));
    }
    return ledger_post(m->sql, &p, e);
}

/* Cash that comes (nano above zero) or goes, against another side. meter_money_allowed saw that it stays in range. */
static enum rc move_cash(struct meter *m, struct meter_account *a, const struct journal_rec *rec, enum ledger_kind kind,
                         enum ledger_side against, int64_t nano, struct err *e)
{
    const struct transfer t = {.kind = kind, .from = against, .to = LEDGER_PREPAID, .nano = nano};

    HF_ASSERT(money_add(a->balance_nano, nano, &a->balance_nano) == RC_OK);
    a->dirty = true;
    return post_transfer(m, a, rec->seq, rec->time_ns, &t, e);
}

/* A pack's price, a charge, a correction: revenue that is no usage. */
static enum rc charge_cash(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                           enum ledger_kind kind, unsigned cell, int64_t nano, struct err *e)
{
    const struct transfer t = {.kind = kind,
                               .from = LEDGER_PREPAID,
                               .to = LEDGER_REVENUE,
                               .nano = nano,
                               .ref = rec->seq,
                               .cell = cell,
                               .quantity = 1};

    HF_ASSERT(money_add(a->balance_nano, -nano, &a->balance_nano) == RC_OK);
    a->dirty = true;
    return post_transfer(m, a, rec->seq, rec->time_ns, &t, e);
}

/* ---- lists, each in the order of ends ---- */

/* Makes room for one more of `size` bytes at the place where `before` (less than the new one) ends. */
static void *open_place(void *list, size_t *n, size_t at, size_t size)
{
    char *grown = realloc(list, (*n + 1) * size);

    if (!grown)
        return NULL;
    memmove(grown + (at + 1) * size, grown + at * size, (*n - at) * size);
    ++*n;
    return grown;
}

static enum rc insert_pack(struct meter_account *a, const struct meter_pack *p)
{
    size_t at = 0;
    while (at < a->n_packs &&
           (a->pack[at].until_ns < p->until_ns || (a->pack[at].until_ns == p->until_ns && a->pack[at].seq < p->seq)))
        at++;
    struct meter_pack *list = open_place(a->pack, &a->n_packs, at, sizeof(*list));
    if (!list)
        return RC_NOMEM;
    a->pack = list;
    list[at] = *p;
    return RC_OK;
}

static enum rc insert_voucher(struct meter_account *a, const struct meter_voucher *v)
{
    size_t at = 0;
    while (at < a->n_vouchers && (a->voucher[at].until_ns < v->until_ns ||
                                  (a->voucher[at].until_ns == v->until_ns && a->voucher[at].seq < v->seq)))
        at++;
    struct meter_voucher *list = open_place(a->voucher, &a->n_vouchers, at, sizeof(*list));
    if (!list)
        return RC_NOMEM;
    a->voucher = list;
    list[at] = *v;
    return RC_OK;
}

static enum rc insert_due(struct meter_account *a, const struct meter_due *d)
{
    size_t at = 0;
    while (at < a->n_dues && (a->due[at].at_ns < d->at_ns || (a->due[at].at_ns == d->at_ns && a->due[at].seq < d->seq)))
        at++;
    struct meter_due *list = open_place(a->due, &a->n_dues, at, sizeof(*list));
    if (!list)
        return RC_NOMEM;
    a->due = list;
    list[at] = *d;
    return RC_OK;
}

static void remove_at(void *list, size_t *n, size_t at, size_t size)
{
    char *p = list;
    memmove(p + at * size, p + (at + 1) * size, (*n - at - 1) * size);
    --*n;
}

static enum rc no_memory(struct err *e)
{
    return err_set(e, RC_NOMEM, "meter: out of memory");
}

/* ---- what each kind does ---- */

static enum rc grant_voucher(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                             const struct account_rec *r, struct err *e)
{
    struct meter_voucher v = {.seq = rec->seq,
                              .from_ns = r->from_ns > 0 ? r->from_ns : rec->time_ns,
                              .until_ns = r->until_ns,
                              .amount_nano = r->amount_nano,
                              .left_nano = r->amount_nano};
    const struct transfer t = {.kind = LEDGER_VOUCHER_GRANT,
                               .from = LEDGER_PROMOTION,
                               .to = LEDGER_VOUCHER,
                               .nano = r->amount_nano,
                               .ref = rec->seq};

    HF_ASSERT(meter_scope_parse(r->scope, &v.cells));
    if (insert_voucher(a, &v) != RC_OK)
        return no_memory(e);
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT INTO voucher (account, seq, cells, from_ns, until_ns, amount_nano, left_nano, ended) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                    "iiiiiii", (int64_t)a->id, (int64_t)v.seq, (int64_t)v.cells, v.from_ns, v.until_ns, v.amount_nano,
                    v.left_nano));
    return post_transfer(m, a, rec->seq, rec->time_ns, &t, e);
}

static enum rc buy_pack(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                        const struct account_rec *r, struct err *e)
{
    int64_t hour = unit_hour(m, rec->time_ns), hi, lo, divisor_hi, divisor_lo;
    struct meter_pack p = {
        .seq = rec->seq, .from_ns = r->from_ns > 0 ? r->from_ns : rec->time_ns, .until_ns = r->until_ns};

    HF_ASSERT(price_cell_parse(r->scope, &p.cell));
    HF_ASSERT(meter_pack_quantity(a->prices, p.cell, hour, r->quantity, &p.quantity) == RC_OK);
    p.left = p.quantity;
    p.divisor = price_divisor(a->prices, p.cell, hour);
    if (insert_pack(a, &p) != RC_OK)
        return no_memory(e);
    ledger_split(p.quantity, &hi, &lo);
    ledger_split(p.divisor, &divisor_hi, &divisor_lo);
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT INTO pack (account, seq, cell, from_ns, until_ns, quantity_hi, quantity_lo, left_hi, "
                    "left_lo, divisor_hi, divisor_lo, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                    "iiiiiiiiiii", (int64_t)a->id, (int64_t)p.seq, (int64_t)p.cell, p.from_ns, p.until_ns, hi, lo, hi,
                    lo, divisor_hi, divisor_lo));
    return r->amount_nano > 0 ? charge_cash(m, a, rec, LEDGER_PACK, CELL_PACK, r->amount_nano, e) : RC_OK;
}

static enum rc reserve(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                       const struct account_rec *r, struct err *e)
{
    a->reserved_nano += r->amount_nano;
    a->dirty = true;
    return sql_exec(m->sql, e, "INSERT INTO reservation (account, ref, seq, amount_nano) VALUES (?, ?, ?, ?)", "ivii",
                    (int64_t)a->id, r->ref, (int64_t)rec->seq, r->amount_nano);
}

static enum rc release(struct meter *m, struct meter_account *a, const struct account_rec *r, struct err *e)
{
    int64_t nano;

    HF_TRY(meter_reservation(m, a, r->ref, &nano, e));
    a->reserved_nano -= nano;
    a->dirty = true;
    return sql_exec(m->sql, e, "DELETE FROM reservation WHERE account = ? AND ref = ?", "iv", (int64_t)a->id, r->ref);
}

static enum rc apply_money(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                           const struct account_rec *r, struct err *e)
{
    switch (r->money) {
    case MONEY_VOUCHER:
        return grant_voucher(m, a, rec, r, e);
    case MONEY_PACK:
        return buy_pack(m, a, rec, r, e);
    case MONEY_RESERVE:
        return reserve(m, a, rec, r, e);
    case MONEY_RELEASE:
        return release(m, a, r, e);
    case MONEY_REFUND:
        return move_cash(m, a, rec, LEDGER_REFUND, LEDGER_CASH, -r->amount_nano, e);
    case MONEY_CHARGE:
        return charge_cash(m, a, rec, LEDGER_CHARGE, CELL_CHARGE, r->amount_nano, e);
    default:
        HF_ASSERT(r->money == MONEY_CREDIT);
        return charge_cash(m, a, rec, LEDGER_CREDIT, CELL_CHARGE, -r->amount_nano, e);
    }
}

/* ---- dues ---- */

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* The same day of the next month, or its last. */
static int64_t month_later(int64_t at_ns, int day, int32_t utc_offset_s)
{
    struct civil c;

    civil_from_s(at_ns / NS_PER_S + utc_offset_s, &c);
    c.year += c.month == 12;
    c.month = c.month % 12 + 1;
    c.day = day < days_of_month(c.year, c.month) ? day : days_of_month(c.year, c.month);
    return (civil_to_s(&c) - utc_offset_s) * NS_PER_S;
}

static enum rc erase_due(struct meter *m, struct meter_account *a, size_t at, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e, "DELETE FROM due WHERE account = ? AND seq = ?", "ii", (int64_t)a->id,
                    (int64_t)a->due[at].seq));
    remove_at(a->due, &a->n_dues, at, sizeof(*a->due));
    return RC_OK;
}

/* Dues up to now are settled: monthly ones move on. */
static enum rc pass_dues(struct meter *m, struct meter_account *a, int64_t now_ns, struct err *e)
{
    while (a->n_dues > 0 && a->due[0].at_ns <= now_ns) {
        struct meter_due d = a->due[0];
        if (!d.monthly) {
            HF_TRY(erase_due(m, a, 0, e));
            continue;
        }
        while (d.at_ns <= now_ns)
            d.at_ns = month_later(d.at_ns, d.day, a->prices->utc_offset_s);
        d.dirty = a->dirty = true;
        remove_at(a->due, &a->n_dues, 0, sizeof(*a->due));
        if (insert_due(a, &d) != RC_OK)
            return no_memory(e);
    }
    return RC_OK;
}

static enum rc add_due(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                       const struct account_rec *r, struct err *e)
{
    struct meter_due d = {.seq = rec->seq, .at_ns = r->until_ns, .nano = r->amount_nano, .monthly = r->monthly};
    struct civil c;

    HF_ASSERT(view_copy(r->ref, d.ref, sizeof(d.ref)));
    civil_from_s(d.at_ns / NS_PER_S + a->prices->utc_offset_s, &c);
    d.day = c.day;
    if (insert_due(a, &d) != RC_OK)
        return no_memory(e);
    return sql_exec(
        m->sql, e, "INSERT INTO due (account, seq, at_ns, amount_nano, monthly, day, ref) VALUES (?, ?, ?, ?, ?, ?, ?)",
        "iiiiiit", (int64_t)a->id, (int64_t)d.seq, d.at_ns, d.nano, (int64_t)d.monthly, (int64_t)d.day, d.ref);
}

static enum rc apply_due(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                         const struct account_rec *r, struct err *e)
{
    size_t at = meter_due_find(a, r->ref);

    if (!r->cancelled)
        return add_due(m, a, rec, r, e);
    HF_ASSERT(at < a->n_dues);
    return erase_due(m, a, at, e);
}

size_t meter_due_find(const struct meter_account *a, struct view ref)
{
    for (size_t i = 0; i < a->n_dues; i++) {
        if (ref.n > 0 && view_eqs(ref, a->due[i].ref))
            return i;
    }
    return SIZE_MAX;
}

/* ---- the rest ---- */

static enum rc apply_balance(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                             const struct account_rec *r, struct err *e)
{
    int64_t by = r->amount_nano - a->balance_nano; /* in range: meter_money_allowed */

    a->has_balance = true;
    a->balance_ns = rec->time_ns;
    if (r->has_burn)
        a->burn_nano = r->burn_nano;
    a->dirty = true;
    if (by != 0)
        HF_TRY(move_cash(m, a, rec, LEDGER_BALANCE, LEDGER_EXTERNAL, by, e));
    return pass_dues(m, a, rec->time_ns, e);
}

static enum rc apply_set(struct meter *m, struct meter_account *a, const struct account_rec *r, struct err *e)
{
    if (r->has_credit)
        a->credit_nano = r->credit_nano;
    if (r->has_late_fee)
        HF_ASSERT(meter_late_fee_parse(r->late_fee, &a->late_fee_nano) == RC_OK);
    if (r->has_max_age)
        a->max_age_ns = r->max_age_ns;
    if (r->prices.n > 0)
        HF_ASSERT(view_copy(r->prices, a->next_prices, sizeof(a->next_prices)));
    if (r->timetable.n > 0)
        HF_ASSERT(view_copy(r->timetable, a->next_timetable, sizeof(a->next_timetable)));
    a->dirty = true;
    return m->open_hour == NO_HOUR ? meter_books_adopt(m, e) : RC_OK;
}

static struct ledger_money kept_of(const struct journal_rec *rec, const struct account_rec *r)
{
    static const enum ledger_kind kinds[MONEY_KINDS] = {
        [MONEY_VOUCHER] = LEDGER_VOUCHER_GRANT, [MONEY_PACK] = LEDGER_PACK,     [MONEY_RESERVE] = LEDGER_RESERVE,
        [MONEY_RELEASE] = LEDGER_RELEASE,       [MONEY_REFUND] = LEDGER_REFUND, [MONEY_CHARGE] = LEDGER_CHARGE,
        [MONEY_CREDIT] = LEDGER_CREDIT};
    struct ledger_money k = {.seq = rec->seq,
                             .account = r->account,
                             .time_ns = rec->time_ns,
                             .amount_nano = r->amount_nano,
                             .ref = r->ref,
                             .note = r->note,
                             .scope = r->scope,
                             .quantity = r->quantity,
                             .from_ns = r->from_ns,
                             .until_ns = r->until_ns,
                             .monthly = r->monthly};

    if (r->type == REC_MONEY)
        k.kind = kinds[r->money];
    else if (r->type == REC_BALANCE)
        k.kind = LEDGER_BALANCE;
    else if (r->type == REC_DUE)
        k.kind = r->cancelled ? LEDGER_DUE_CANCEL : LEDGER_DUE;
    else if (r->type == REC_GRACE)
        k.kind = r->cancelled ? LEDGER_GRACE_CANCEL : LEDGER_GRACE;
    if (k.kind == LEDGER_RELEASE || k.kind == LEDGER_DUE_CANCEL) {
        k.names = r->ref;
        k.ref = VIEW("");
    }
    return k;
}

enum ledger_kind meter_money_kind(const struct account_rec *r)
{
    const struct journal_rec none = {.seq = 0};
    return kept_of(&none, r).kind;
}

static enum rc take_effect(struct meter *m, struct meter_account *a, const struct journal_rec *rec,
                           const struct account_rec *r, struct err *e)
{
    switch (r->type) {
    case REC_TOPUP:
        return move_cash(m, a, rec, LEDGER_TOPUP, LEDGER_CASH, r->amount_nano, e);
    case REC_MONEY:
        return apply_money(m, a, rec, r, e);
    case REC_BALANCE:
        return apply_balance(m, a, rec, r, e);
    case REC_GRACE:
        a->grace_until_ns = r->cancelled ? 0 : r->until_ns;
        a->dirty = true;
        return RC_OK;
    case REC_DUE:
        return apply_due(m, a, rec, r, e);
    default:
        HF_ASSERT(r->type == REC_ACCOUNT_SET);
        return apply_set(m, a, r, e);
    }
}

static bool is_refusal(enum rc rc)
{
    return rc == RC_INVALID || rc == RC_LIMIT || rc == RC_NOT_FOUND || rc == RC_CONFLICT;
}

enum rc meter_money_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    struct meter_account *a = meter_account_of(m, r->account);
    struct ledger_money kept = kept_of(rec, r);
    struct err why = {.text = ""};

    if (!a)
        return err_set(e, RC_CORRUPT, "record %llu names an account that does not exist", (unsigned long long)rec->seq);
    HF_TRY(meter_txn(m, e));
    enum rc allowed = meter_money_allowed(m, a, r, rec->time_ns, &why);
    if (allowed != RC_OK && !is_refusal(allowed))
        return err_set(e, allowed, "%s", why.text);
    kept.refused = allowed != RC_OK;
    if (r->type != REC_ACCOUNT_SET) {
        enum rc rc = ledger_money_keep(m->sql, &kept, e);
        if (rc == RC_EXISTS)
            return RC_OK;
        HF_TRY(rc);
    }
    if (kept.refused)
        return meter_refuse(m, rec, why.text, e);
    HF_TRY(take_effect(m, a, rec, r, e));
    return meter_stage_paid(m, a, rec->seq, rec->time_ns, e);
}

/* ---- ticks ---- */

static enum rc late_fee(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, struct err *e)
{
    __int128 debt = -(__int128)a->balance_nano - a->credit_nano;

    if (debt <= 0 || a->late_fee_nano == 0)
        return RC_OK;
    __int128 exact = (debt * a->late_fee_nano * 2 + MONEY_NANO) / (2 * MONEY_NANO);
    int64_t fee = (int64_t)exact;
    /* A debt at the edge of what money can count grows no more. */
    if (exact == 0 || exact > INT64_MAX || money_add(a->balance_nano, -fee, &a->balance_nano) != RC_OK)
        return RC_OK;
    const struct transfer t = {.kind = LEDGER_LATE_FEE,
                               .from = LEDGER_PREPAID,
                               .to = LEDGER_REVENUE,
                               .nano = fee,
                               .cell = CELL_LATE_FEE,
                               .rate = (unsigned)a->late_fee_nano,
                               .quantity = (unsigned __int128)debt};
    a->dirty = true;
    return post_transfer(m, a, seq, time_ns, &t, e);
}

static enum rc post_ended(struct meter *m, const struct meter_account *a, uint64_t seq, int64_t time_ns, size_t n,
                          struct err *e)
{
    struct ledger_line line[MONEY_ITEMS_MAX + 1];
    size_t lines = 1;
    int64_t back = 0;

    for (size_t i = 0; i < n; i++) {
        const struct meter_voucher *v = &a->voucher[i];
        HF_TRY(sql_exec(m->sql, e, "UPDATE voucher SET ended = 1, left_nano = 0 WHERE account = ? AND seq = ?", "ii",
                        (int64_t)a->id, (int64_t)v->seq));
        back += v->left_nano; /* the sum of all was in range when the last one was granted */
        if (v->left_nano > 0)
            line[lines++] = (struct ledger_line){.side = LEDGER_VOUCHER, .amount_nano = -v->left_nano, .ref = v->seq};
    }
    line[0] = (struct ledger_line){.side = LEDGER_PROMOTION, .amount_nano = back};
    const struct ledger_posting p = {.seq = seq,
                                     .account = a->id,
                                     .kind = LEDGER_VOUCHER_END,
                                     .time_ns = time_ns,
                                     .hour = hour_of(time_ns),
                                     .line = line,
                                     .n = lines};
    return back > 0 ? ledger_post(m->sql, &p, e) : RC_OK;
}

static enum rc end_vouchers(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, struct err *e)
{
    size_t n = 0;

    while (n < a->n_vouchers && a->voucher[n].until_ns <= time_ns)
        n++;
    if (n == 0)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    HF_TRY(post_ended(m, a, seq, time_ns, n, e));
    memmove(a->voucher, a->voucher + n, (a->n_vouchers - n) * sizeof(*a->voucher));
    a->n_vouchers -= n;
    a->dirty = true;
    return RC_OK;
}

static enum rc end_packs(struct meter *m, struct meter_account *a, int64_t time_ns, struct err *e)
{
    while (a->n_packs > 0 && a->pack[0].until_ns <= time_ns) {
        HF_TRY(meter_pack_write(m, a, &a->pack[0], true, e));
        remove_at(a->pack, &a->n_packs, 0, sizeof(*a->pack));
    }
    return RC_OK;
}

enum rc meter_money_tick(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, bool new_day,
                         struct err *e)
{
    if (a->charged && new_day)
        HF_TRY(late_fee(m, a, seq, time_ns, e));
    HF_TRY(end_vouchers(m, a, seq, time_ns, e));
    HF_TRY(end_packs(m, a, time_ns, e));
    return a->upstream[0] ? RC_OK : pass_dues(m, a, time_ns, e);
}

/* ---- another hour, another unit ---- */

static unsigned __int128 converted(unsigned __int128 quantity, unsigned __int128 to, unsigned __int128 from)
{
    unsigned __int128 product;
    if (__builtin_mul_overflow(quantity, to, &product))
        return quantity / from * to;
    return product / from;
}

void meter_packs_convert(struct meter *m, struct meter_account *a)
{
    for (size_t i = 0; m->open_hour != NO_HOUR && i < a->n_packs; i++) {
        struct meter_pack *p = &a->pack[i];
        unsigned __int128 divisor = price_divisor(a->prices, p->cell, m->open_hour);
        if (divisor == p->divisor)
            continue;
        p->quantity = converted(p->quantity, divisor, p->divisor);
        p->left = converted(p->left, divisor, p->divisor);
        p->divisor = divisor;
        p->dirty = a->dirty = true;
    }
}
