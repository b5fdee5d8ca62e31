/* Holdfast: packs, vouchers, reservations and dues in the control database. */
#include <stdlib.h>

#include "meter/money.h"

static enum rc too_many(struct err *e)
{
    return err_set(e, RC_CORRUPT,
                   "control database: an account's packs, vouchers or dues could not be loaded; run "
                   "`holdfast rebuild`");
}

/* ---- writing ---- */

enum rc meter_pack_write(struct meter *m, const struct meter_account *a, const struct meter_pack *p, bool ended,
                         struct err *e)
{
    int64_t hi, lo, left_hi, left_lo, divisor_hi, divisor_lo;

    ledger_split(p->quantity, &hi, &lo);
    ledger_split(p->left, &left_hi, &left_lo);
    ledger_split(p->divisor, &divisor_hi, &divisor_lo);
    HF_TRY(meter_txn(m, e));
    return sql_exec(m->sql, e,
                    "UPDATE pack SET quantity_hi = ?, quantity_lo = ?, left_hi = ?, left_lo = ?, divisor_hi = ?, "
                    "divisor_lo = ?, ended = ? WHERE account = ? AND seq = ?",
                    "iiiiiiiii", hi, lo, left_hi, left_lo, divisor_hi, divisor_lo, (int64_t)ended, (int64_t)a->id,
                    (int64_t)p->seq);
}

enum rc meter_money_write(struct meter *m, struct meter_account *a, struct err *e)
{
    for (size_t i = 0; i < a->n_packs; i++) {
        if (a->pack[i].dirty)
            HF_TRY(meter_pack_write(m, a, &a->pack[i], false, e));
        a->pack[i].dirty = false;
    }
    for (size_t i = 0; i < a->n_vouchers; i++) {
        struct meter_voucher *v = &a->voucher[i];
        if (v->dirty)
            HF_TRY(sql_exec(m->sql, e, "UPDATE voucher SET left_nano = ? WHERE account = ? AND seq = ?", "iii",
                            v->left_nano, (int64_t)a->id, (int64_t)v->seq));
        v->dirty = false;
    }
    for (size_t i = 0; i < a->n_dues; i++) {
        struct meter_due *d = &a->due[i];
        if (d->dirty)
            HF_TRY(sql_exec(m->sql, e, "UPDATE due SET at_ns = ? WHERE account = ? AND seq = ?", "iii", d->at_ns,
                            (int64_t)a->id, (int64_t)d->seq));
        d->dirty = false;
    }
    return RC_OK;
}

/* ---- loading, in the order that memory keeps ---- */

static enum rc load_packs(struct meter *m, struct meter_account *a, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    a->pack = calloc(MONEY_ITEMS_MAX, sizeof(*a->pack));
    if (!a->pack)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT seq, cell, from_ns, until_ns, quantity_hi, quantity_lo, left_hi, left_lo, divisor_hi, "
                     "divisor_lo FROM pack WHERE account = ? AND ended = 0 ORDER BY until_ns, seq LIMIT 257",
                     "i", (int64_t)a->id));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (a->n_packs == MONEY_ITEMS_MAX || sql_i64(q, 1) >= PRICE_CELLS) {
            sql_done(q);
            return too_many(e);
        }
        a->pack[a->n_packs++] = (struct meter_pack){.seq = (uint64_t)sql_i64(q, 0),
                                                    .cell = (unsigned)sql_i64(q, 1),
                                                    .from_ns = sql_i64(q, 2),
                                                    .until_ns = sql_i64(q, 3),
                                                    .quantity = ledger_join(sql_i64(q, 4), sql_i64(q, 5)),
                                                    .left = ledger_join(sql_i64(q, 6), sql_i64(q, 7)),
                                                    .divisor = ledger_join(sql_i64(q, 8), sql_i64(q, 9))};
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc load_vouchers(struct meter *m, struct meter_account *a, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    a->voucher = calloc(MONEY_ITEMS_MAX, sizeof(*a->voucher));
    if (!a->voucher)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT seq, cells, from_ns, until_ns, amount_nano, left_nano FROM voucher "
                     "WHERE account = ? AND ended = 0 ORDER BY until_ns, seq LIMIT 257",
                     "i", (int64_t)a->id));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (a->n_vouchers == MONEY_ITEMS_MAX) {
            sql_done(q);
            return too_many(e);
        }
        a->voucher[a->n_vouchers++] = (struct meter_voucher){.seq = (uint64_t)sql_i64(q, 0),
                                                             .cells = (uint64_t)sql_i64(q, 1),
                                                             .from_ns = sql_i64(q, 2),
                                                             .until_ns = sql_i64(q, 3),
                                                             .amount_nano = sql_i64(q, 4),
                                                             .left_nano = sql_i64(q, 5)};
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc load_dues(struct meter *m, struct meter_account *a, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    a->due = calloc(MONEY_ITEMS_MAX, sizeof(*a->due));
    if (!a->due)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT seq, at_ns, amount_nano, monthly, day, ref FROM due WHERE account = ? "
                     "ORDER BY at_ns, seq LIMIT 257",
                     "i", (int64_t)a->id));
    while ((rc = sql_next(q, e)) == RC_OK) {
        struct meter_due *d = &a->due[a->n_dues];
        if (a->n_dues == MONEY_ITEMS_MAX || !view_copy(sql_text(q, 5), d->ref, sizeof(d->ref))) {
            sql_done(q);
            return too_many(e);
        }
        d->seq = (uint64_t)sql_i64(q, 0);
        d->at_ns = sql_i64(q, 1);
        d->nano = sql_i64(q, 2);
        d->monthly = sql_i64(q, 3) != 0;
        d->day = (int)sql_i64(q, 4);
        a->n_dues++;
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc meter_money_load(struct meter *m, struct meter_account *a, struct err *e)
{
    HF_TRY(load_packs(m, a, e));
    HF_TRY(load_vouchers(m, a, e));
    return load_dues(m, a, e);
}

enum rc meter_reservation(struct meter *m, const struct meter_account *a, struct view ref, int64_t *ret_nano,
                          struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT amount_nano FROM reservation WHERE account = ? AND ref = ?", "iv",
                     (int64_t)a->id, ref));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? RC_NOT_FOUND : rc;
    *ret_nano = sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}
