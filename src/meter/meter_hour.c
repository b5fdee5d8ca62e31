/* Holdfast: the hour's closing: one posting per account, a line per bucket and cell, and the month's sums. */
#include "meter/meter_priv.h"

#include <stdlib.h>

int64_t meter_month_of(int64_t hour, int32_t utc_offset_s)
{
    struct civil c;
    civil_from_s(hour * HOUR_S + utc_offset_s, &c);
    return (int64_t)c.year * 100 + c.month;
}

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

static enum rc add_to_month(struct meter *m, const struct meter_row *r, unsigned cell, int64_t amount, struct err *e)
{
    int64_t hi, lo, month = meter_month_of(m->open_hour, r->account->prices->utc_offset_s);

    ledger_split(r->open[cell], &hi, &lo);
    return sql_exec(m->sql, e,
                    "INSERT INTO month_usage (account, month, bucket, item, quantity_hi, quantity_lo, amount_nano) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, month, bucket, item) DO UPDATE SET "
                    "quantity_hi = quantity_hi + excluded.quantity_hi + "
                    "(quantity_lo + excluded.quantity_lo) / 1000000000000000000, "
                    "quantity_lo = (quantity_lo + excluded.quantity_lo) % 1000000000000000000, "
                    "amount_nano = amount_nano + excluded.amount_nano",
                    "iiitiii", (int64_t)r->account->id, month, (int64_t)r->bucket, price_cell_name(cell), hi, lo,
                    amount);
}

static enum rc close_cell(struct meter *m, struct meter_row *r, unsigned cell, struct err *e)
{
    int64_t amount = 0;

    if (r->account->charged) {
        enum rc rc = price_rate(r->account->prices, cell, r->open[cell], &amount);
        if (rc != RC_OK)
            return err_set(e, rc, "account %s, bucket %s: %s of one hour cost more than money can count",
                           r->account->name, r->name, price_cell_name(cell));
    }
    HF_TRY(add_to_month(m, r, cell, amount, e));
    if (amount != 0) {
        const struct ledger_line l = {.side = LEDGER_REVENUE,
                                      .amount_nano = amount,
                                      .metered = true,
                                      .bucket = r->bucket,
                                      .cell = cell,
                                      .quantity = r->open[cell]};
        if (push_line(m, &l) != RC_OK)
            return err_set(e, RC_NOMEM, "meter: out of memory");
    }
    r->open[cell] = 0;
    return RC_OK;
}

static enum rc close_row(struct meter *m, struct meter_row *r, struct err *e)
{
    bool used = false;

    meter_row_settle(m, r);
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        if (r->open[cell] == 0)
            continue;
        HF_TRY(close_cell(m, r, cell, e));
        used = true;
    }
    if (used)
        meter_row_touch(m, r);
    return RC_OK;
}

static enum rc sum_lines(const struct meter *m, int64_t *ret_total, int64_t *ret_variable)
{
    int64_t total = 0, variable = 0;

    for (size_t i = 1; i < m->n_lines; i++) {
        HF_TRY(money_add(total, m->line[i].amount_nano, &total));
        if (m->line[i].cell >= price_cell(ITEM_REQUESTS, 0))
            HF_TRY(money_add(variable, m->line[i].amount_nano, &variable));
    }
    *ret_total = total;
    *ret_variable = variable;
    return RC_OK;
}

/* The first line is the account's: what all the others earned. */
static enum rc post_account(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, struct err *e)
{
    int64_t total, variable;

    if (m->n_lines <= 1)
        return RC_OK;
    if (sum_lines(m, &total, &variable) != RC_OK || money_add(a->balance_nano, -total, &a->balance_nano) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: the balance passes the range of money", a->name);
    m->line[0].amount_nano = -total;
    const struct ledger_posting p = {.seq = seq,
                                     .account = a->id,
                                     .kind = LEDGER_USAGE,
                                     .time_ns = time_ns,
                                     .hour = m->open_hour,
                                     .book = a->prices->id.id,
                                     .line = m->line,
                                     .n = m->n_lines};
    a->dirty = true;
    a->recent[(uint64_t)m->open_hour % RECENT_HOURS] = (struct recent_hour){m->open_hour, variable};
    return ledger_post(m->sql, &p, e);
}

static enum rc close_account(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, struct err *e)
{
    const struct ledger_line own = {.side = LEDGER_PREPAID};

    m->n_lines = 0;
    if (push_line(m, &own) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    meter_account_sort(a);
    for (size_t i = 0; i < a->n_rows; i++)
        HF_TRY(close_row(m, a->row[i], e));
    memset(a->open, 0, sizeof(a->open));
    return post_account(m, a, seq, time_ns, e);
}

enum rc meter_close_hour(struct meter *m, uint64_t seq, int64_t time_ns, int64_t hour, struct err *e)
{
    HF_ASSERT(m->open_hour != NO_HOUR && hour > m->open_hour);
    HF_TRY(meter_txn(m, e));
    HF_TRY(meter_books_keep(m, e));
    for (size_t i = 0; i < m->n_accounts; i++)
        HF_TRY(close_account(m, m->account[i], seq, time_ns, e));
    m->open_hour = hour;
    return meter_books_adopt(m, e);
}
