/* Holdfast: quotas: kept here, enforced by the registry and the sequencer; and what was used of them. */
#include "meter/meter_priv.h"

static int64_t limit_column(uint64_t limit)
{
    return limit > INT64_MAX ? -1 : (int64_t)limit; /* QUOTA_NONE, and what no number here can reach */
}

static uint64_t limit_value(int64_t column)
{
    return column < 0 ? QUOTA_NONE : (uint64_t)column;
}

/* What the day has seen so far, so that a restart or a new limit does not begin at nothing. */
static void seed_bucket(struct meter *m, const struct meter_row *r)
{
    if (r->name[0] && (r->day_requests > 0 || r->day_egress > 0))
        registry_seed_day(m->registry, r->account->id, view_cstr(r->name), r->day, r->day_requests, r->day_egress);
}

static void seed_account(struct meter *m, const struct meter_account *a)
{
    uint64_t requests = 0, egress = 0;
    int64_t day = INT64_MIN;

    for (size_t i = 0; i < a->n_rows; i++) {
        const struct meter_row *r = a->row[i];
        if ((r->day_requests > 0 || r->day_egress > 0) && r->day > day)
            day = r->day;
    }
    for (size_t i = 0; i < a->n_rows; i++) {
        if (a->row[i]->day != day)
            continue;
        requests += a->row[i]->day_requests;
        egress += a->row[i]->day_egress;
        seed_bucket(m, a->row[i]);
    }
    if (day != INT64_MIN)
        registry_seed_day(m->registry, a->id, VIEW(""), day, requests, egress);
}

enum rc meter_quota_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    const struct meter_account *a = meter_account_of(m, r->account);
    const uint64_t *q = r->quota;

    if (!a)
        return err_set(e, RC_CORRUPT, "record %llu names an account that does not exist", (unsigned long long)rec->seq);
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e, "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?, ?, ?)", "iviiii", (int64_t)a->id,
                    r->scope, limit_column(q[QUOTA_BYTES]), limit_column(q[QUOTA_OBJECTS]),
                    limit_column(q[QUOTA_REQUESTS_DAY]), limit_column(q[QUOTA_EGRESS_DAY])));
    if (registry_set_quota(m->registry, a->id, r->scope, q) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    seed_account(m, a);
    return RC_OK;
}

enum rc meter_quotas_load(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT account, bucket, bytes, objects, requests_day, egress_day FROM quota", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        const uint64_t limit[QUOTA_LIMITS] = {limit_value(sql_i64(q, 2)), limit_value(sql_i64(q, 3)),
                                              limit_value(sql_i64(q, 4)), limit_value(sql_i64(q, 5))};
        rc = registry_set_quota(m->registry, (uint64_t)sql_i64(q, 0), sql_text(q, 1), limit);
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "control database: a quota could not be loaded: %s", rc_name(rc));
        }
    }
    if (rc != RC_END)
        return rc;
    for (size_t i = 0; i < m->n_accounts; i++)
        seed_account(m, m->account[i]);
    return RC_OK;
}

/* ---- showing ---- */

struct used {
    uint64_t bytes, objects, requests, egress;
};

/* Of the account (bucket empty), or of its buckets of this name. */
static struct used used_of(const struct meter_account *a, struct view bucket, int64_t day)
{
    struct used u = {0};

    for (size_t i = 0; i < a->n_rows; i++) {
        const struct meter_row *r = a->row[i];
        if (bucket.n > 0 && !view_eqs(bucket, r->name))
            continue;
        for (unsigned c = 0; c < CLASS_COUNT; c++) {
            u.bytes += (uint64_t)stored_billed(r->stored[c]);
            u.objects += (uint64_t)stored_billed(r->objects[c]);
        }
        u.requests += r->day == day ? r->day_requests : 0;
        u.egress += r->day == day ? r->day_egress : 0;
    }
    return u;
}

static json_t *limit_json(int64_t column)
{
    return column < 0 ? json_null() : json_integer(column);
}

static json_t *quota_json(const struct meter_account *a, struct sql_stmt *q, int64_t day)
{
    struct view bucket = sql_text(q, 0);
    struct used u = used_of(a, bucket, day);

    return json_pack("{s:s, s:o, s:{s:o, s:o, s:o, s:o}, s:{s:I, s:I, s:I, s:I}}", "account", a->name, "bucket",
                     bucket.n > 0 ? json_stringn(bucket.p, bucket.n) : json_null(), "limits", "bytes",
                     limit_json(sql_i64(q, 1)), "objects", limit_json(sql_i64(q, 2)), "requests_per_day",
                     limit_json(sql_i64(q, 3)), "egress_per_day", limit_json(sql_i64(q, 4)), "used", "bytes",
                     (json_int_t)u.bytes, "objects", (json_int_t)u.objects, "requests_per_day", (json_int_t)u.requests,
                     "egress_per_day", (json_int_t)u.egress);
}

static enum rc add_quotas(struct meter *m, const struct meter_account *a, int64_t now_ns, json_t *list, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT bucket, bytes, objects, requests_day, egress_day FROM quota WHERE account = ? AND "
                     "(bytes >= 0 OR objects >= 0 OR requests_day >= 0 OR egress_day >= 0) ORDER BY bucket",
                     "i", (int64_t)a->id));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (json_array_append_new(list, quota_json(a, q, account_day(a, now_ns))) != 0) {
            sql_done(q);
            return err_set(e, RC_NOMEM, "meter: out of memory");
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc meter_quotas_json(struct meter *m, struct view account, int64_t now_ns, json_t **ret, struct err *e)
{
    json_t *list = json_array();
    enum rc rc = list ? RC_OK : err_set(e, RC_NOMEM, "meter: out of memory");

    meter_lock(m);
    const struct meter_account *only = account.n > 0 ? meter_account_named(m, account) : NULL;
    if (rc == RC_OK && account.n > 0 && !only)
        rc = err_set(e, RC_NOT_FOUND, "there is no account `%.*s`; `holdfast account list` shows them",
                     (int)(account.n < ACCOUNT_NAME_MAX ? account.n : ACCOUNT_NAME_MAX), account.p);
    for (size_t i = 0; rc == RC_OK && i < m->n_accounts; i++) {
        if (!only || only == m->account[i])
            rc = add_quotas(m, m->account[i], now_ns, list, e);
    }
    meter_unlock(m);
    if (rc != RC_OK) {
        json_decref(list);
        return rc;
    }
    *ret = list;
    return RC_OK;
}
