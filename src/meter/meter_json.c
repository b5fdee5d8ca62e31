/* Holdfast: the meter's answers: accounts, keys, gauges. */
#include "meter/forecast.h"
#include "meter/query.h"

#include <stdlib.h>

/* ---- accounts ---- */

static json_t *account_json(const struct meter_account *a, const struct forecast *f)
{
    const struct clock_answer *c = &f->clock;

    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "name", a->name, "currency",
        a->prices->currency, "balance", forecast_money_json(f, f->balance_nano), "burn_per_day",
        forecast_money_json(f, c->burn_nano), "runway_hours", forecast_hours_json(f, c->zero_in_ns), "stage",
        f->unknown ? "unknown" : stage_name(a->stage), "hours_to_stop", forecast_hours_json(f, c->stop_in_ns),
        "hours_to_destroy", forecast_hours_json(f, c->destroy_in_ns), "upstream",
        a->upstream[0] ? json_string(a->upstream) : json_null(), "available", forecast_money_json(f, f->available_nano),
        "reserved", money_json(a->reserved_nano), "credit", money_json(a->credit_nano), "vouchers",
        money_json(f->vouchers_nano), "prices", a->prices_name, "timetable", a->timetable_name);
}

static enum rc make_account(struct meter *m, struct meter_account *a, int64_t now_ns, json_t **ret, struct err *e)
{
    struct forecast f;

    HF_TRY(forecast_make(m, a, now_ns, &f, e));
    json_t *made = account_json(a, &f);
    if (!made)
        return query_no_memory(e);
    *ret = made;
    return RC_OK;
}

static enum rc add_accounts(struct meter *m, int64_t now_ns, json_t *list, struct err *e)
{
    json_t *one;

    for (size_t i = 0; i < m->n_accounts; i++) {
        HF_TRY(make_account(m, m->account[i], now_ns, &one, e));
        if (!push_json(list, one))
            return query_no_memory(e);
    }
    return RC_OK;
}

enum rc meter_accounts_json(struct meter *m, int64_t now_ns, json_t **ret, struct err *e)
{
    json_t *list = json_array();

    if (!list)
        return query_no_memory(e);
    meter_lock(m);
    enum rc rc = add_accounts(m, now_ns, list, e);
    meter_unlock(m);
    if (rc == RC_OK)
        *ret = list;
    else
        json_decref(list);
    return rc;
}

enum rc meter_account_json(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e)
{
    struct meter_account *a;

    meter_lock(m);
    enum rc rc = query_account(m, name, &a, e);
    if (rc == RC_OK)
        rc = make_account(m, a, now_ns, ret, e);
    meter_unlock(m);
    return rc;
}

/* ---- keys ---- */

static json_t *column_json(struct sql_stmt *q, int column)
{
    return sql_is_null(q, column) ? json_null() : time_json(sql_i64(q, column));
}

static json_t *key_json(const struct meter *m, struct sql_stmt *q)
{
    const struct meter_account *a = meter_account_of(m, (uint64_t)sql_i64(q, 1));
    struct view key = sql_text(q, 0);

    return json_pack("{s:s%, s:s, s:o, s:o}", "access_key", key.p, key.n, "account", a ? a->name : "", "created",
                     column_json(q, 2), "revoked", column_json(q, 3));
}

/* only: 0 = of every account. */
static enum rc keys_of(const struct meter *m, uint64_t only, json_t *list, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT access_key, account, created_ns, revoked_ns FROM access_key WHERE ? IN (0, account) "
                     "ORDER BY seq",
                     "i", (int64_t)only));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (json_array_append_new(list, key_json(m, q)) != 0) {
            sql_done(q);
            return query_no_memory(e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc meter_keys_json(struct meter *m, struct view account, json_t **ret, struct err *e)
{
    json_t *list = json_array();
    enum rc rc = list ? RC_OK : query_no_memory(e);
    struct meter_account *a = NULL;

    meter_lock(m);
    if (rc == RC_OK && account.n > 0)
        rc = query_account(m, account, &a, e);
    if (rc == RC_OK)
        rc = keys_of(m, a ? a->id : 0, list, e);
    meter_unlock(m);
    if (rc != RC_OK) {
        json_decref(list);
        return rc;
    }
    *ret = list;
    return RC_OK;
}

/* ---- gauges ---- */

/* Business time is that of the last tick. */
static enum rc gauge_of(struct meter *m, struct meter_account *a, struct meter_gauge *g)
{
    struct forecast f;

    HF_TRY(forecast_make(m, a, m->last_slot == NO_HOUR ? 0 : m->last_slot * TICK_S * NS_PER_S, &f, NULL));
    g->balance_nano = f.unknown ? a->balance_nano : f.balance_nano;
    g->burn_per_day_nano = f.clock.burn_nano;
    memcpy(g->name, a->name, sizeof(g->name));
    memcpy(g->currency, a->prices->currency, sizeof(a->prices->currency));
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        g->stored_bytes += (uint64_t)stored_billed(a->stored[c]);
    g->stage = a->stage;
    return RC_OK;
}

enum rc meter_gauges(struct meter *m, struct arena *a, struct meter_gauge **ret, size_t *ret_n)
{
    enum rc rc = RC_OK;

    meter_lock(m);
    struct meter_gauge *g = arena_zalloc(a, m->n_accounts * sizeof(*g));
    if (!g)
        rc = RC_NOMEM;
    for (size_t i = 0; rc == RC_OK && i < m->n_accounts; i++)
        rc = gauge_of(m, m->account[i], &g[i]);
    if (rc == RC_OK) {
        *ret = g;
        *ret_n = m->n_accounts;
    }
    meter_unlock(m);
    return rc;
}
