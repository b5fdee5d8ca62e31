/* Holdfast: what each record does to the meter. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#include "meter/budget.h"

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
static enum rc open_first_hour(struct meter *m, int64_t time_ns, struct err *e)
{
    if (m->open_hour != NO_HOUR)
        return RC_OK;
    m->open_hour = hour_of(time_ns);
    return meter_books_adopt(m, e);
}

static void add_open(struct meter_row *r, unsigned cell, unsigned __int128 quantity)
{
    r->open[cell] += quantity;
    r->account->open[cell] += quantity;
}

/* Counters of the business day, for quotas. */
static void add_day(struct meter_row *r, int64_t time_ns, uint64_t requests, uint64_t egress_bytes)
{
    int64_t day = account_day(r->account, time_ns);

    if (day != r->day)
        r->day_requests = r->day_egress = 0;
    r->day = day;
    if (__builtin_add_overflow(r->day_requests, requests, &r->day_requests) || r->day_requests > INT64_MAX)
        r->day_requests = INT64_MAX;
    if (__builtin_add_overflow(r->day_egress, egress_bytes, &r->day_egress) || r->day_egress > INT64_MAX)
        r->day_egress = INT64_MAX;
}

static enum rc row_for(struct meter *m, const struct journal_rec *rec, uint64_t account, uint64_t bucket,
                       struct view bucket_name, struct meter_row **ret, struct err *e)
{
    struct meter_account *a = meter_account_of(m, account);

    if (!a)
        return bad_record(rec, RC_CORRUPT, e, "it names an account that does not exist");
    HF_TRY(open_first_hour(m, rec->time_ns, e));
    if (meter_row_get(m, a, bucket, ret) != RC_OK)
        return no_memory(e);
    meter_row_touch(m, *ret);
    return meter_row_named(m, *ret, bucket_name, e);
}

/* ---- the catalog's records ---- */

static int64_t slot_of(int64_t time_ns, const struct price_book *b)
{
    return time_ns / NS_PER_S / TICK_S / (SAMPLES_PER_DAY / b->samples_per_day);
}

/* What is left of its minimum days is charged at once. */
static void end_early(struct meter_row *r, const struct cat_gone *g, int64_t now_ns)
{
    const struct price_book *b = r->account->prices;
    int64_t all = (int64_t)b->min_days[g->class] * b->samples_per_day;
    int64_t lived = slot_of(now_ns, b) - slot_of(g->created_ns, b);
    uint64_t size = g->size > b->min_size[g->class] ? g->size : b->min_size[g->class];

    if (lived < all)
        add_open(r, price_cell(ITEM_EARLY_DELETE, g->class),
                 (unsigned __int128)size * (uint64_t)(all - (lived > 0 ? lived : 0)));
}

static enum rc apply_objects(struct meter *m, const struct journal_rec *rec, const struct cat_rec *c,
                             struct meter_row *r, struct err *e)
{
    for (unsigned i = 0; i < c->n_delta; i++) {
        const struct cat_delta *d = &c->delta[i];
        if ((unsigned)d->class >= CLASS_COUNT || meter_row_add(r, d->class, d->bytes, d->objects, 0) != RC_OK)
            return bad_record(rec, RC_CORRUPT, e, "its change of stored bytes is out of range");
    }
    for (unsigned i = 0; i < c->n_gone; i++) {
        const struct cat_gone *g = &c->gone[i];
        if ((unsigned)g->class >= CLASS_COUNT || g->size > INT64_MAX)
            return bad_record(rec, RC_CORRUPT, e, "what it says of a removed object is out of range");
        end_early(r, g, rec->time_ns);
        HF_TRY(meter_small_add(m, r, g->class, g->size, -1, e));
    }
    return rec->type == REC_OBJECT ? meter_small_add(m, r, c->class, c->size, 1, e) : RC_OK;
}

static enum request_kind kind_of(enum rec_type type)
{
    bool gone = type == REC_DELETE || type == REC_UPLOAD_ABORT || type == REC_BUCKET_DELETE;
    return gone ? REQUEST_DELETE : REQUEST_WRITE;
}

static enum rc keep_tags(struct meter *m, const struct cat_rec *c, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    return sql_exec(m->sql, e, "UPDATE bucket SET tags = ? WHERE account = ? AND bucket = ?", "vii", c->tags,
                    (int64_t)c->account, (int64_t)c->bucket);
}

static bool catalog_in_range(const struct cat_rec *c)
{
    bool direction = c->egress == 0 || (c->egress >= ITEM_EGRESS_INTERNET && c->egress < ITEM_COUNT);
    return c->requests <= INT64_MAX && c->egress_bytes <= INT64_MAX && c->n_delta <= CLASS_COUNT &&
           c->n_gone <= GONE_MAX && (unsigned)c->class < CLASS_COUNT && direction;
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
    if (!catalog_in_range(&c))
        return bad_record(rec, RC_CORRUPT, e, "its numbers are out of range");
    if (rec->type == REC_BUCKET && c.bucket == 0)
        c.bucket = rec->seq;
    HF_TRY(row_for(m, rec, c.account, c.bucket, c.bucket_name, &r, e));
    HF_TRY(apply_objects(m, rec, &c, r, e));
    const struct usage_line u = {.bucket = c.bucket,
                                 .access_key = c.actor,
                                 .class = c.class,
                                 .kind = kind_of(rec->type),
                                 .status = 200,
                                 .requests = c.requests,
                                 .egress_bytes = c.egress_bytes,
                                 .egress = c.egress ? (enum price_item)c.egress : ITEM_EGRESS_INTERNET};
    add_open(r, price_cell_of_request(r->account->prices, u.class, u.kind), u.requests);
    add_open(r, price_cell(u.egress, CLASS_STANDARD), u.egress_bytes);
    add_day(r, rec->time_ns, u.requests, u.egress_bytes);
    HF_TRY(meter_key_add(m, r->account, &u, e));
    return rec->type == REC_BUCKET_SET ? keep_tags(m, &c, e) : RC_OK;
}

/* ---- reads and refused requests ---- */

static enum rc apply_usage_line(struct meter *m, const struct journal_rec *rec, const struct usage_line *u,
                                struct err *e)
{
    struct meter_row *r;

    HF_TRY(row_for(m, rec, u->account, u->bucket, u->bucket_name, &r, e));
    const struct price_book *b = r->account->prices;
    if (u->requests > 0 && price_status_billed(b, u->status))
        add_open(r, price_cell_of_request(b, u->class, u->kind), u->requests);
    add_open(r, price_cell(u->egress, CLASS_STANDARD), u->egress_bytes);
    add_open(r, price_cell(ITEM_RETRIEVAL, u->class), u->retrieved_bytes);
    add_day(r, rec->time_ns, u->requests, u->egress_bytes);
    return meter_key_add(m, r->account, u, e);
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
static void take_sample(struct meter *m, int64_t slot)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        struct meter_account *a = m->account[i];
        if (slot % (SAMPLES_PER_DAY / a->prices->samples_per_day) != 0)
            continue;
        a->samples++;
        a->dirty = true;
        for (unsigned c = 0; c < CLASS_COUNT; c++)
            a->open[price_cell(ITEM_STORAGE, c)] += (unsigned __int128)a->billed[c];
    }
}

/* slot: of the tick; the one before it says whether a day has begun since. */
static enum rc tick_money(struct meter *m, uint64_t seq, int64_t slot, int64_t time_ns, struct err *e)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        struct meter_account *a = m->account[i];
        bool new_day = m->last_slot == NO_HOUR ||
                       account_day(a, slot * TICK_S * NS_PER_S) > account_day(a, m->last_slot * TICK_S * NS_PER_S);
        HF_TRY(meter_money_tick(m, a, seq, time_ns, new_day, e));
    }
    return RC_OK;
}

static enum rc apply_tick(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    int64_t tick_s = rec->time_ns / NS_PER_S, slot = tick_s / TICK_S;

    HF_TRY(open_first_hour(m, rec->time_ns, e));
    if (tick_s / HOUR_S > m->open_hour)
        HF_TRY(meter_close_hour(m, rec->seq, rec->time_ns, tick_s / HOUR_S, e));
    HF_TRY(tick_money(m, rec->seq, slot, rec->time_ns, e));
    if (m->last_slot == NO_HOUR || slot > m->last_slot) {
        m->last_slot = slot;
        take_sample(m, slot);
    }
    for (size_t i = 0; i < m->n_accounts; i++)
        HF_TRY(meter_stage_tick(m, m->account[i], rec->seq, tick_s * NS_PER_S, e));
    return RC_OK;
}

/* ---- accounts ---- */

static struct meter_account *account_new(const struct journal_rec *rec, const struct account_rec *r)
{
    struct meter_account *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->id = rec->seq;
    a->created_ns = rec->time_ns;
    a->charged = r->upstream.n == 0;
    a->max_age_ns = UPSTREAM_MAX_AGE_NS;
    a->dirty = true;
    /* Names fit: the record was decoded. */
    HF_ASSERT(view_copy(r->name, a->name, sizeof(a->name)) &&
              view_copy(r->upstream, a->upstream, sizeof(a->upstream)) &&
              view_copy(r->prices, a->prices_name, sizeof(a->prices_name)) &&
              view_copy(r->timetable, a->timetable_name, sizeof(a->timetable_name)));
    return a;
}

static enum rc apply_account(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    const struct price_book *prices = meter_prices(m, r->prices);

    if (rec->seq <= ACCOUNT_DEFAULT || meter_account_named(m, r->name) || meter_account_of(m, rec->seq))
        return bad_record(rec, RC_CORRUPT, e, "the account exists");
    if (prices && !view_eqs(r->currency, prices->currency))
        return bad_record(rec, RC_CORRUPT, e, "its currency is not that of its price book");
    struct meter_account *a = account_new(rec, r);
    if (!a || meter_account_insert(m, a) != RC_OK)
        return no_memory(e);
    HF_TRY(meter_account_books(m, a, e));
    HF_TRY(meter_txn(m, e));
    return meter_run_load(m, a, e);
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
    case REC_KEY:
        return apply_key(m, rec, &r, e);
    case REC_KEY_REVOKE:
        return apply_revoke(m, rec, &r, e);
    case REC_USAGE:
        return apply_usage(m, rec, &r, e);
    case REC_STAGE:
        return meter_stage_recorded(m, &r, rec->seq, e);
    case REC_PRICES:
        return meter_books_apply(m, rec, &r, e);
    case REC_QUOTA:
        return meter_quota_apply(m, rec, &r, e);
    case REC_BUDGET:
        return budget_apply(m, rec, &r, e);
    default:
        return meter_money_apply(m, rec, &r, e);
    }
}

enum rc meter_refuse(struct meter *m, const struct journal_rec *rec, const char *why, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    return sql_exec(m->sql, e, "INSERT INTO refused_record (seq, type, why) VALUES (?, ?, ?)", "iit", (int64_t)rec->seq,
                    (int64_t)rec->type, why);
}

/* ---- */

static enum rc apply_by_type(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    if (rec->type == REC_TICK)
        return apply_tick(m, rec, e);
    if (rec->type >= REC_BUCKET && rec->type <= REC_RECLAIM)
        return apply_catalog(m, rec, e);
    if (rec->type >= REC_ACCOUNT && rec->type <= REC_ACCOUNT_SET)
        return apply_account_record(m, rec, e);
    return RC_OK;
}

enum rc meter_apply(struct meter *m, const struct journal_rec *rec, struct err *e)
{
    HF_ASSERT(rec->seq > m->cursor);
    m->arena = ARENA(APPLY_ARENA_MAX);
    m->last_ns = rec->time_ns;
    enum rc rc = apply_by_type(m, rec, e);
    arena_free(&m->arena);
    if (rc == RC_OK)
        m->cursor = rec->seq;
    return rc;
}
