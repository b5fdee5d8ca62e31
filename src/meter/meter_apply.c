/* Holdfast: what each record does to the meter. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#define APPLY_ARENA_MAX (32u << 20) /* more than any record's lists: JOURNAL_PAYLOAD_MAX of varints, decoded */

static enum rc no_memory(struct err *e)
{
    return err_set(e, RC_NOMEM, "meter: out of memory");
}

static enum rc bad_record(const struct journal_rec *rec, enum rc rc, struct err *e, const char *what)
{
    if (rc == RC_NOMEM)
        return no_memory(e);
    return err_set(e, RC_CORRUPT, "record %llu (type %d): %s", (unsigned long long)rec->seq, (int)rec->type, what);
}

/* ---- usage ---- */

/* The hour that is open is the one of the last tick; before the first tick, that of the first usage. A record that
 * comes before the tick of its own hour is counted in the hour before: which hour never changes what it costs. */
static void open_first_hour(struct meter *m, int64_t time_ns)
{
    if (m->open_hour == NO_HOUR)
        m->open_hour = time_ns / NS_PER_S / HOUR_S;
}

static void add_open(struct meter_row *r, unsigned cell, uint64_t quantity)
{
    r->open[cell] += quantity;
    r->account->open[cell] += quantity;
}

static enum rc add_stored(struct meter_row *r, enum storage_class class, int64_t bytes)
{
    int64_t before = stored_billed(r->stored[class]), total = r->account->stored[class];

    if (__builtin_add_overflow(r->stored[class], bytes, &r->stored[class]) ||
        __builtin_add_overflow(total - before, stored_billed(r->stored[class]), &total))
        return RC_LIMIT;
    r->account->stored[class] = total;
    return RC_OK;
}

static enum rc row_for(struct meter *m, const struct journal_rec *rec, uint64_t account, uint64_t bucket,
                       struct view bucket_name, struct meter_row **ret, struct err *e)
{
    struct meter_account *a = meter_account_of(m, account);

    if (!a)
        return bad_record(rec, RC_CORRUPT, e, "it names an account that does not exist");
    if (meter_row_get(m, a, bucket, ret) != RC_OK)
        return no_memory(e);
    open_first_hour(m, rec->time_ns);
    meter_row_touch(m, *ret);
    return meter_row_named(m, *ret, bucket_name, e);
}

static enum rc apply_catalog(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    struct cat_rec c;
    struct meter_row *r;
    enum rc rc = cat_rec_decode(rec->type, rec->payload, &m->arena, &c);

    if (rc != RC_OK)
        return bad_record(rec, rc, e, "it cannot be decoded");
    if (rec->type == REC_RECLAIM)
        return RC_OK;
    if (c.requests > INT64_MAX || c.egress_bytes > INT64_MAX || c.n_delta > CLASS_COUNT ||
        (unsigned)c.class >= CLASS_COUNT)
        return bad_record(rec, RC_CORRUPT, e, "its numbers are out of range");
    if (rec->type == REC_BUCKET && c.bucket == 0)
        c.bucket = rec->seq;
    HF_TRY(row_for(m, rec, c.account, c.bucket, c.bucket_name, &r, e));
    for (unsigned i = 0; i < c.n_delta; i++) {
        if ((unsigned)c.delta[i].class >= CLASS_COUNT || add_stored(r, c.delta[i].class, c.delta[i].bytes) != RC_OK)
            return bad_record(rec, RC_CORRUPT, e, "its change of stored bytes is out of range");
    }
    add_open(r, price_cell(ITEM_REQUESTS, c.class), c.requests);
    add_open(r, price_cell(ITEM_EGRESS_INTERNET, CLASS_STANDARD), c.egress_bytes);
    return RC_OK;
}

static enum rc apply_usage_line(struct meter *m, const struct journal_rec *rec, const struct usage_line *u,
                                struct err *e)
{
    struct meter_row *r;

    HF_TRY(row_for(m, rec, u->account, u->bucket, u->bucket_name, &r, e));
    if (u->status < 4 || r->account->prices->failed_requests_billed)
        add_open(r, price_cell(ITEM_REQUESTS, u->class), u->requests);
    add_open(r, price_cell(u->egress, CLASS_STANDARD), u->egress_bytes);
    return RC_OK;
}

static enum rc apply_usage(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    for (size_t i = 0; i < r->n_usage; i++)
        HF_TRY(apply_usage_line(m, rec, &r->usage[i], e));
    return RC_OK;
}

/* ---- ticks ---- */

/* The first tick in each 5 minutes takes the sample, whatever instant exactly its record carries: the journal may have
 * raised it by some nanoseconds to keep times in order. */
static void take_sample(struct meter *m, int64_t tick_s)
{
    int64_t slot = tick_s / TICK_S;

    if (m->last_slot != NO_HOUR && slot <= m->last_slot)
        return;
    m->last_slot = slot;
    m->samples++;
    for (size_t i = 0; i < m->n_accounts; i++) {
        struct meter_account *a = m->account[i];
        for (unsigned c = 0; c < CLASS_COUNT; c++)
            a->open[price_cell(ITEM_STORAGE, c)] += (unsigned __int128)a->stored[c];
    }
}

static enum rc apply_tick(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    int64_t tick_s = rec->time_ns / NS_PER_S;

    open_first_hour(m, rec->time_ns);
    if (tick_s / HOUR_S > m->open_hour)
        HF_TRY(meter_close_hour(m, rec->seq, rec->time_ns, tick_s / HOUR_S, e));
    take_sample(m, tick_s);
    for (size_t i = 0; i < m->n_accounts; i++)
        HF_TRY(meter_stage_tick(m, m->account[i], rec->seq, tick_s * NS_PER_S, e));
    return RC_OK;
}

/* ---- accounts ---- */

static enum rc insert_account_row(struct meter *m, const struct meter_account *a, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    return sql_exec(m->sql, e,
                    "INSERT INTO account (id, name, prices, timetable, created_ns, balance_nano, stage) "
                    "VALUES (?, ?, ?, ?, ?, 0, 0)",
                    "ittti", (int64_t)a->id, a->name, a->prices_name, a->timetable_name, a->created_ns);
}

static enum rc apply_account(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    if (rec->seq <= ACCOUNT_DEFAULT || meter_account_named(m, r->name) || meter_account_of(m, rec->seq))
        return bad_record(rec, RC_CORRUPT, e, "the account exists");
    struct meter_account *a = calloc(1, sizeof(*a));
    if (!a)
        return no_memory(e);
    a->id = rec->seq;
    a->created_ns = rec->time_ns;
    a->charged = true;
    if (!view_copy(r->name, a->name, sizeof(a->name)) ||
        !view_copy(r->prices, a->prices_name, sizeof(a->prices_name)) ||
        !view_copy(r->timetable, a->timetable_name, sizeof(a->timetable_name))) {
        free(a);
        return bad_record(rec, RC_CORRUPT, e, "a name is too long");
    }
    if (meter_account_insert(m, a) != RC_OK)
        return no_memory(e);
    HF_TRY(meter_account_books(m, a, e));
    if (!view_eqs(r->currency, a->prices->currency))
        return bad_record(rec, RC_CORRUPT, e, "its currency is not that of its price book");
    return insert_account_row(m, a, e);
}

static enum rc apply_topup(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    struct meter_account *a = meter_account_of(m, r->account);
    int64_t balance;

    if (!a)
        return bad_record(rec, RC_CORRUPT, e, "it names an account that does not exist");
    struct ledger_topup t = {.seq = rec->seq,
                             .account = a->id,
                             .time_ns = rec->time_ns,
                             .amount_nano = r->amount_nano,
                             .ref = r->ref,
                             .refused = money_add(a->balance_nano, r->amount_nano, &balance) != RC_OK};
    HF_TRY(meter_txn(m, e));
    enum rc rc = ledger_topup(m->sql, &t, e);
    if (rc == RC_EXISTS)
        return RC_OK;
    HF_TRY(rc);
    if (t.refused)
        return RC_OK;
    a->balance_nano = balance;
    a->dirty = true;
    return meter_stage_paid(m, a, rec->seq, rec->time_ns, e);
}

static enum rc apply_key(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    if (!meter_account_of(m, r->account))
        return bad_record(rec, RC_CORRUPT, e, "it names an account that does not exist");
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT OR IGNORE INTO access_key (access_key, account, seq, created_ns) VALUES (?, ?, ?, ?)",
                    "viii", r->access_key, (int64_t)r->account, (int64_t)rec->seq, rec->time_ns));
    return registry_add_key(m->registry, r->access_key, r->account) == RC_OK ? RC_OK : no_memory(e);
}

/* Revoking what is not there, or twice, changes nothing. */
static enum rc apply_revoke(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e, "UPDATE access_key SET revoked_ns = ? WHERE access_key = ? AND revoked_ns IS NULL", "iv",
                    rec->time_ns, r->access_key));
    enum rc rc = registry_revoke_key(m->registry, r->access_key);
    HF_ASSERT(rc == RC_OK || rc == RC_NOT_FOUND);
    return RC_OK;
}

static enum rc apply_account_record(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    struct account_rec r;
    enum rc rc = account_rec_decode(rec->type, rec->payload, &m->arena, &r);

    if (rc != RC_OK)
        return bad_record(rec, rc, e, "it cannot be decoded");
    switch (r.type) {
    case REC_ACCOUNT:
        return apply_account(m, rec, &r, e);
    case REC_TOPUP:
        return apply_topup(m, rec, &r, e);
    case REC_KEY:
        return apply_key(m, rec, &r, e);
    case REC_KEY_REVOKE:
        return apply_revoke(m, rec, &r, e);
    case REC_USAGE:
        return apply_usage(m, rec, &r, e);
    case REC_STAGE:
        return meter_stage_recorded(m, &r, rec->seq, e);
    default:
        HF_ASSERT(r.type == REC_PRICES);
        return meter_books_apply(m, &r, e);
    }
}

/* ---- */

static enum rc apply_by_type(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    if (rec->type == REC_TICK)
        return apply_tick(m, rec, e);
    if (rec->type >= REC_BUCKET && rec->type <= REC_RECLAIM)
        return apply_catalog(m, rec, e);
    if (rec->type >= REC_ACCOUNT && rec->type <= REC_PRICES)
        return apply_account_record(m, rec, e);
    return RC_OK;
}

enum rc meter_apply(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    HF_ASSERT(rec->seq > m->cursor);
    m->arena = ARENA(APPLY_ARENA_MAX);
    enum rc rc = apply_by_type(m, rec, e);
    arena_free(&m->arena);
    if (rc == RC_OK)
        m->cursor = rec->seq;
    return rc;
}
