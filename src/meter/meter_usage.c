/* Holdfast: who used it: requests, egress and retrieval of a month by bucket, key and result. */
#include "meter/query.h"

#include <stdio.h>

static json_t *usage_line(const struct meter_account *a, struct sql_stmt *q, int64_t hour)
{
    unsigned cell = (unsigned)sql_i64(q, 2);
    char quantity[QUANTITY_TEXT_MAX], unnamed[BUCKET_SHOWN_MAX];
    struct view name = sql_text(q, 6);

    if (name.n == 0 && sql_i64(q, 0) != 0) {
        snprintf(unnamed, sizeof(unnamed), "#%llu", (unsigned long long)sql_i64(q, 0));
        name = view_cstr(unnamed);
    }
    quantity_text(ledger_join(sql_i64(q, 4), sql_i64(q, 5)), price_divisor(a->prices, cell, hour), quantity);
    return json_pack("{s:o, s:o, s:s, s:I, s:s, s:s}", "bucket", view_json(name), "access_key",
                     view_json(sql_text(q, 1)), "item", price_cell_name(cell), "status", (json_int_t)sql_i64(q, 3),
                     "quantity", quantity, "unit", cell_unit(a->prices, cell));
}

static enum rc add_lines(const struct meter *m, const struct meter_account *a, int64_t month, json_t *list,
                         struct err *e)
{
    int64_t hour = month_first_hour(month, a->prices->utc_offset_s);
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT u.bucket, u.access_key, u.cell, u.status, u.quantity_hi, u.quantity_lo, b.name "
                     "FROM month_key_usage u LEFT JOIN bucket b ON b.account = u.account AND b.bucket = u.bucket "
                     "WHERE u.account = ? AND u.month = ? ORDER BY b.name, u.bucket, u.access_key, u.cell, u.status",
                     "ii", (int64_t)a->id, month));
    while ((rc = sql_next(q, e)) == RC_OK) {
        bool known = sql_i64(q, 2) >= 0 && sql_i64(q, 2) < PRICE_CELLS;
        if (!known || !push_json(list, usage_line(a, q, hour))) {
            sql_done(q);
            return known ? query_no_memory(e) : err_set(e, RC_CORRUPT, "usage: %s", rc_name(RC_CORRUPT));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc usage_of(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                        struct err *e)
{
    struct meter_account *a;
    char text[MONTH_TEXT_MAX];
    int64_t of;

    HF_TRY(query_account(m, name, &a, e));
    HF_TRY(query_month(a, month, now_ns, &of, e));
    HF_TRY(meter_flush(m, e));
    json_t *list = json_array();
    json_t *out = json_pack("{s:s, s:s, s:o}", "account", a->name, "month", month_text(of, text), "lines", list);
    if (!out)
        return query_no_memory(e);
    enum rc rc = add_lines(m, a, of, list, e);
    if (rc == RC_OK)
        *ret = out;
    else
        json_decref(out);
    return rc;
}

enum rc meter_usage_json(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                         struct err *e)
{
    meter_lock(m);
    enum rc rc = usage_of(m, name, month, now_ns, ret, e);
    meter_unlock(m);
    return rc;
}
