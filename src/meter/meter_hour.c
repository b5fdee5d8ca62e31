/* Holdfast: the hour's closing: one posting per account, a line per bucket, cell and rate, and the month's sums. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#include "meter/budget.h"

int64_t meter_month_of(int64_t hour, int32_t utc_offset_s)
{
    struct civil c;
    civil_from_s(hour * HOUR_S + utc_offset_s, &c);
    return (int64_t)c.year * 100 + c.month;
}

static enum rc out_of_range(const struct meter_account *a, enum rc rc, struct err *e)
{
    if (rc == RC_NOMEM)
        return err_set(e, rc, "meter: out of memory");
    return err_set(e, rc, "account %s: an hour costs more, or the balance is lower, than money can count", a->name);
}

/* ---- the month's sums ---- */

enum rc meter_add_to_month(struct meter *m, const struct meter_account *a, int64_t month, uint64_t seq,
                           const struct ledger_line *l, struct err *e)
{
    int64_t hi, lo;

    ledger_split(l->quantity, &hi, &lo);
    return sql_exec(m->sql, e,
                    "INSERT INTO month_usage (account, month, bucket, cell, book, rate, ref, first_seq, quantity_hi, "
                    "quantity_lo, amount_nano) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (account, month, bucket, cell, book, rate, ref) DO UPDATE SET "
                    "quantity_hi = quantity_hi + excluded.quantity_hi + "
                    "(quantity_lo + excluded.quantity_lo) / 1000000000000000000, "
                    "quantity_lo = (quantity_lo + excluded.quantity_lo) % 1000000000000000000, "
                    "amount_nano = amount_nano + excluded.amount_nano",
                    "iiiiiiiiiii", (int64_t)a->id, month, (int64_t)l->bucket, (int64_t)l->cell,
                    (int64_t)a->prices->id.id, (int64_t)l->rate, (int64_t)l->ref, (int64_t)seq, hi, lo, l->amount_nano);
}

/* Quantities of one book, as the account's book counts them. */
static enum rc run_of_book(struct meter *m, struct meter_account *a, uint64_t book, struct err *e)
{
    const struct price_book *b = meter_prices_by_id(m, book);
    unsigned __int128 sum[PRICE_CELLS] = {0};
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT cell, quantity_hi, quantity_lo FROM month_usage WHERE account = ? AND month = ? AND "
                     "book = ? AND ref = 0 AND cell < ?",
                     "iiii", (int64_t)a->id, a->month, (int64_t)book, (int64_t)PRICE_CELLS));
    while ((rc = sql_next(q, e)) == RC_OK)
        sum[sql_i64(q, 0)] += ledger_join(sql_i64(q, 1), sql_i64(q, 2));
    if (rc != RC_END)
        return rc;
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        enum price_item item = price_cell_item(cell);
        bool sampled = item == ITEM_STORAGE || item == ITEM_EARLY_DELETE;
        if (sampled && b && b->samples_per_day != a->prices->samples_per_day)
            sum[cell] = sum[cell] * a->prices->samples_per_day / b->samples_per_day;
        a->run[cell] += sum[cell];
    }
    return RC_OK;
}

enum rc meter_run_load(struct meter *m, struct meter_account *a, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    memset(a->run, 0, sizeof(a->run));
    a->month = m->open_hour == NO_HOUR ? 0 : meter_month_of(m->open_hour, a->prices->utc_offset_s);
    HF_TRY(sql_query(m->sql, e, &q, "SELECT DISTINCT book FROM month_usage WHERE account = ? AND month = ?", "ii",
                     (int64_t)a->id, a->month));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = run_of_book(m, a, (uint64_t)sql_i64(q, 0), e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* ---- one account ---- */

static enum rc push_line(struct meter *m, const struct ledger_line *l)
{
    if (m->n_lines == m->lines_size) {
        size_t size = m->lines_size > 0 ? 2 * m->lines_size : 256;
        struct ledger_line *grown = realloc(m->line, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        m->line = grown;
        m->lines_size = size;
    }
    m->line[m->n_lines++] = *l;
    return RC_OK;
}

/* The first lines are the account's: what cash and each voucher pay of what all the others earn. */
static enum rc push_payers(struct meter *m, const struct meter_account *a, const struct charge *c)
{
    const struct ledger_line cash = {.side = LEDGER_PREPAID, .amount_nano = -c->cash_nano};

    m->n_lines = 0;
    HF_TRY(push_line(m, &cash));
    for (size_t i = 0; i < a->n_vouchers; i++) {
        const struct meter_voucher *v = &a->voucher[i];
        const struct ledger_line l = {
            .side = LEDGER_VOUCHER, .amount_nano = c->voucher_left[i] - v->left_nano, .ref = v->seq};
        if (l.amount_nano != 0)
            HF_TRY(push_line(m, &l));
    }
    return RC_OK;
}

/* Every part goes into the month; what cost something, or a pack covered, into the posting too. */
static enum rc push_parts(struct meter *m, const struct meter_account *a, const struct charge *c, uint64_t seq,
                          struct err *e)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct charge_part *p = &c->part[i];
        const struct ledger_line l = {.side = LEDGER_REVENUE,
                                      .amount_nano = p->nano,
                                      .ref = p->pack,
                                      .metered = true,
                                      .bucket = p->row->bucket,
                                      .cell = p->cell,
                                      .rate = p->rate == CHARGE_COVERED ? 0 : p->rate,
                                      .quantity = p->quantity};
        HF_TRY(meter_add_to_month(m, a, a->month, seq, &l, e));
        if ((p->nano != 0 || p->pack != 0) && push_line(m, &l) != RC_OK)
            return out_of_range(a, RC_NOMEM, e);
    }
    return RC_OK;
}

static void keep_effects(struct meter_account *a, const struct charge *c)
{
    memcpy(a->run, c->run, sizeof(a->run));
    for (size_t i = 0; i < a->n_packs; i++) {
        a->pack[i].dirty = a->pack[i].dirty || a->pack[i].left != c->pack_left[i];
        a->pack[i].left = c->pack_left[i];
    }
    for (size_t i = 0; i < a->n_vouchers; i++) {
        a->voucher[i].dirty = a->voucher[i].dirty || a->voucher[i].left_nano != c->voucher_left[i];
        a->voucher[i].left_nano = c->voucher_left[i];
    }
    a->dirty = true;
}

static enum rc post_account(struct meter *m, struct meter_account *a, const struct charge *c, uint64_t seq,
                            int64_t time_ns, struct err *e)
{
    enum rc rc = push_payers(m, a, c);

    if (rc == RC_OK)
        rc = money_add(a->balance_nano, -c->cash_nano, &a->balance_nano);
    if (rc != RC_OK)
        return out_of_range(a, rc, e);
    size_t payers = m->n_lines;
    HF_TRY(push_parts(m, a, c, seq, e));
    keep_effects(a, c);
    if (m->n_lines == payers)
        return RC_OK;
    const struct ledger_posting p = {.seq = seq,
                                     .account = a->id,
                                     .kind = LEDGER_USAGE,
                                     .time_ns = time_ns,
                                     .hour = m->open_hour,
                                     .book = a->prices->id.id,
                                     .line = m->line,
                                     .n = m->n_lines};
    return ledger_post(m->sql, &p, e);
}

/* ---- the hour's use of each cell, for the burn and whoever forecasts ---- */

static void forget_old(struct meter_account *a, int64_t before)
{
    size_t gone = 0;

    while (gone < a->n_recent && a->recent[gone].hour < before)
        gone++;
    if (gone == 0)
        return;
    memmove(a->recent, a->recent + gone, (a->n_recent - gone) * sizeof(*a->recent));
    a->n_recent -= gone;
}

enum rc meter_recent_add(struct meter_account *a, int64_t hour, unsigned cell, int64_t list_nano)
{
    if (cell < CLASS_COUNT || list_nano == 0)
        return RC_OK;
    if (a->n_recent == a->recent_size) {
        size_t size = a->recent_size > 0 ? 2 * a->recent_size : 16;
        struct recent_use *grown = realloc(a->recent, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        a->recent = grown;
        a->recent_size = size;
    }
    a->recent[a->n_recent++] = (struct recent_use){.hour = hour, .cell = cell, .list_nano = list_nano};
    return RC_OK;
}

/* `run` is still as it was before the hour. */
static enum rc add_to_hours(struct meter *m, struct meter_account *a, struct err *e)
{
    forget_old(a, m->open_hour + 1 - RECENT_HOURS);
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        int64_t hi, lo, nano = 0;
        enum rc rc = RC_OK;
        if (a->open[cell] == 0)
            continue;
        if (a->charged)
            rc = price_amount(a->prices, cell, m->open_hour, a->run[cell], a->open[cell], &nano);
        if (rc == RC_OK)
            rc = meter_recent_add(a, m->open_hour, cell, nano);
        if (rc != RC_OK)
            return out_of_range(a, rc, e);
        ledger_split(a->open[cell], &hi, &lo);
        HF_TRY(sql_exec(m->sql, e,
                        "INSERT INTO hour_usage (account, hour, cell, quantity_hi, quantity_lo, list_nano) "
                        "VALUES (?, ?, ?, ?, ?, ?)",
                        "iiiiii", (int64_t)a->id, m->open_hour, (int64_t)cell, hi, lo, nano));
    }
    return RC_OK;
}

/* ---- closing ---- */

/* Counters of a day that is over are of no use any more. */
static void close_rows(struct meter *m, struct meter_account *a, int64_t day)
{
    for (size_t i = 0; i < a->n_rows; i++) {
        struct meter_row *r = a->row[i];
        bool used = (r->day_requests > 0 || r->day_egress > 0) && r->day < day;
        if (used)
            r->day_requests = r->day_egress = 0;
        for (unsigned cell = 0; !used && cell < PRICE_CELLS; cell++)
            used = r->open[cell] > 0;
        if (!used)
            continue;
        meter_row_touch(m, r);
        memset(r->open, 0, sizeof(r->open));
    }
    memset(a->open, 0, sizeof(a->open));
}

static enum rc close_account(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, int64_t hour,
                             struct err *e)
{
    struct charge c;
    enum rc rc = meter_charge(m, a, &c);

    if (rc != RC_OK)
        rc = out_of_range(a, rc, e);
    if (rc == RC_OK && c.n > 0) {
        rc = add_to_hours(m, a, e);
        if (rc == RC_OK)
            rc = post_account(m, a, &c, seq, time_ns, e);
    }
    charge_free(&c);
    close_rows(m, a, account_day(a, hour * HOUR_S * NS_PER_S));
    return rc;
}

enum rc meter_close_hour(struct meter *m, uint64_t seq, int64_t time_ns, int64_t hour, struct err *e)
{
    int64_t closed = m->open_hour;

    HF_ASSERT(closed != NO_HOUR && hour > closed);
    HF_TRY(meter_txn(m, e));
    HF_TRY(meter_books_keep(m, e));
    for (size_t i = 0; i < m->n_accounts; i++)
        HF_TRY(close_account(m, m->account[i], seq, time_ns, hour, e));
    m->open_hour = hour;
    HF_TRY(meter_books_adopt(m, e));
    return budget_hour_closed(m, closed, seq, e);
}
