/* Holdfast: the meter's side of the control database: tables, loading, the batch's transaction. */
#include "meter/meter_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "meter/budget.h"

static const char budget_schema[] = BUDGET_SCHEMA;
static const char *const migrations[] = {ledger_schema, meter_schema, budget_schema};

/* ---- rows ---- */

static enum rc write_cell(struct meter *m, struct meter_row *r, unsigned cell, struct err *e)
{
    int64_t hi, lo;

    ledger_split(r->open[cell], &hi, &lo);
    r->written |= (uint64_t)1 << cell;
    return sql_exec(m->sql, e, "INSERT OR REPLACE INTO open_usage VALUES (?, ?, ?, ?, ?)", "iiiii",
                    (int64_t)r->account->id, (int64_t)r->bucket, (int64_t)cell, hi, lo);
}

static enum rc erase_cell(struct meter *m, struct meter_row *r, unsigned cell, struct err *e)
{
    r->written &= ~((uint64_t)1 << cell);
    return sql_exec(m->sql, e, "DELETE FROM open_usage WHERE account = ? AND bucket = ? AND cell = ?", "iii",
                    (int64_t)r->account->id, (int64_t)r->bucket, (int64_t)cell);
}

static enum rc write_stored(struct meter *m, struct meter_row *r, unsigned class, struct err *e)
{
    if (r->stored[class] != 0 || r->objects[class] != 0 || r->padding[class] != 0) {
        r->stored_written |= 1u << class;
        return sql_exec(m->sql, e, "INSERT OR REPLACE INTO stored VALUES (?, ?, ?, ?, ?, ?)", "iiiiii",
                        (int64_t)r->account->id, (int64_t)r->bucket, (int64_t) class, r->stored[class],
                        r->objects[class], (int64_t)r->sampled);
    }
    if (!(r->stored_written & (1u << class)))
        return RC_OK;
    r->stored_written &= ~(1u << class);
    return sql_exec(m->sql, e, "DELETE FROM stored WHERE account = ? AND bucket = ? AND class = ?", "iii",
                    (int64_t)r->account->id, (int64_t)r->bucket, (int64_t) class);
}

static enum rc write_day(struct meter *m, struct meter_row *r, struct err *e)
{
    bool any = r->day_requests > 0 || r->day_egress > 0;

    if (!any && !r->day_written)
        return RC_OK;
    r->day_written = any;
    if (!any)
        return sql_exec(m->sql, e, "DELETE FROM day_usage WHERE account = ? AND bucket = ?", "ii",
                        (int64_t)r->account->id, (int64_t)r->bucket);
    return sql_exec(m->sql, e, "INSERT OR REPLACE INTO day_usage VALUES (?, ?, ?, ?, ?)", "iiiii",
                    (int64_t)r->account->id, (int64_t)r->bucket, r->day, (int64_t)r->day_requests,
                    (int64_t)r->day_egress);
}

static enum rc write_row(struct meter *m, struct meter_row *r, struct err *e)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        HF_TRY(write_stored(m, r, c, e));
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        if (r->open[cell] > 0)
            HF_TRY(write_cell(m, r, cell, e));
        else if (r->written >> cell & 1)
            HF_TRY(erase_cell(m, r, cell, e));
    }
    return write_day(m, r, e);
}

/* A row without anything in it is made again when it is needed. */
static enum rc write_rows(struct meter *m, struct err *e)
{
    while (m->dirty_rows) {
        struct meter_row *r = m->dirty_rows;
        HF_TRY(write_row(m, r, e));
        m->dirty_rows = r->next_dirty;
        r->dirty = false;
        if (r->written == 0 && r->stored_written == 0 && !r->day_written)
            meter_row_remove(m, r);
    }
    return RC_OK;
}

/* The name of a bucket is kept for statements, after the bucket and the row are gone too. */
enum rc meter_row_named(struct meter *m, struct meter_row *r, struct view name, struct err *e)
{
    struct sql_stmt *q;

    if (r->name[0] || r->bucket == 0)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    if (name.n > 0 && view_copy(name, r->name, sizeof(r->name)))
        return sql_exec(m->sql, e, "INSERT OR IGNORE INTO bucket (account, bucket, name) VALUES (?, ?, ?)", "iiv",
                        (int64_t)r->account->id, (int64_t)r->bucket, name);
    HF_TRY(sql_query(m->sql, e, &q, "SELECT name FROM bucket WHERE account = ? AND bucket = ?", "ii",
                     (int64_t)r->account->id, (int64_t)r->bucket));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? RC_OK : rc;
    bool fits = view_copy(sql_text(q, 0), r->name, sizeof(r->name));
    sql_done(q);
    return fits ? RC_OK
                : err_set(e, RC_CORRUPT, "control database: a bucket's name is too long; run `holdfast rebuild`");
}

/* ---- the batch's transaction ---- */

enum rc meter_txn(struct meter *m, struct err *e)
{
    if (m->in_txn)
        return RC_OK;
    HF_TRY(sql_begin(m->sql, e));
    m->in_txn = true;
    return RC_OK;
}

static enum rc write_account(struct meter *m, struct meter_account *a, struct err *e)
{
    HF_TRY(meter_money_write(m, a, e));
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT OR REPLACE INTO account (id, name, upstream, prices, timetable, next_prices, "
                    "next_timetable, created_ns, balance_nano, reserved_nano, credit_nano, late_fee_nano, max_age_ns, "
                    "burn_nano, grace_until_ns, stage, samples) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                    "?, ?)",
                    "ittttttiiiiiiiiii", (int64_t)a->id, a->name, a->upstream, a->prices_name, a->timetable_name,
                    a->next_prices, a->next_timetable, a->created_ns, a->balance_nano, a->reserved_nano, a->credit_nano,
                    a->late_fee_nano, a->max_age_ns, a->burn_nano, a->grace_until_ns, (int64_t)a->stage,
                    (int64_t)a->samples));
    if (a->below)
        HF_TRY(sql_exec(m->sql, e, "UPDATE account SET below_since_ns = ? WHERE id = ?", "ii", a->below_since_ns,
                        (int64_t)a->id));
    if (a->has_balance)
        HF_TRY(
            sql_exec(m->sql, e, "UPDATE account SET balance_ns = ? WHERE id = ?", "ii", a->balance_ns, (int64_t)a->id));
    a->dirty = false;
    return RC_OK;
}

static enum rc write_accounts(struct meter *m, struct err *e)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        if (m->account[i]->dirty)
            HF_TRY(write_account(m, m->account[i], e));
    }
    return RC_OK;
}

static enum rc write_state(struct meter *m, struct err *e)
{
    HF_TRY(sql_exec(m->sql, e, "UPDATE meter_state SET cursor = ?, last_ns = ?", "ii", (int64_t)m->cursor, m->last_ns));
    if (m->open_hour != NO_HOUR)
        HF_TRY(sql_exec(m->sql, e, "UPDATE meter_state SET open_hour = ?", "i", m->open_hour));
    if (m->last_slot != NO_HOUR)
        HF_TRY(sql_exec(m->sql, e, "UPDATE meter_state SET last_slot = ?", "i", m->last_slot));
    return RC_OK;
}

enum rc meter_commit(struct meter *m, struct err *e)
{
    if (m->committed == m->cursor && !m->in_txn && !m->dirty_rows)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    HF_TRY(meter_keys_write(m, e));
    HF_TRY(meter_small_write(m, e));
    HF_TRY(write_rows(m, e));
    HF_TRY(write_accounts(m, e));
    HF_TRY(write_state(m, e));
    m->in_txn = false; /* committed or rolled back */
    HF_TRY(sql_commit(m->sql, e));
    m->committed = m->cursor;
    return RC_OK;
}

enum rc meter_flush(struct meter *m, struct err *e)
{
    struct err why = {.text = ""};
    enum rc rc = meter_keys_write(m, &why);

    if (rc == RC_OK)
        rc = meter_small_write(m, &why);
    if (rc == RC_OK)
        return RC_OK;
    meter_fail(m, rc, &why);
    return err_set(e, rc, "%s", why.text);
}

enum rc meter_reload(struct meter *m, struct err *e)
{
    sql_rollback(m->sql);
    m->in_txn = false;
    return meter_db_load(m, e);
}

/* ---- loading ---- */

static enum rc load_state(struct meter *m, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT cursor, open_hour, last_slot, last_ns FROM meter_state", ""));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? err_set(e, RC_CORRUPT, "control database: it has no cursor; run `holdfast rebuild`") : rc;
    m->cursor = m->committed = (uint64_t)sql_i64(q, 0);
    m->open_hour = sql_is_null(q, 1) ? NO_HOUR : sql_i64(q, 1);
    m->last_slot = sql_is_null(q, 2) ? NO_HOUR : sql_i64(q, 2);
    m->last_ns = sql_i64(q, 3);
    sql_done(q);
    return RC_OK;
}

#define ACCOUNT_COLUMNS                                                                                                \
    "id, name, upstream, prices, timetable, next_prices, next_timetable, created_ns, balance_nano, reserved_nano, "    \
    "credit_nano, late_fee_nano, max_age_ns, balance_ns, burn_nano, grace_until_ns, below_since_ns, stage, samples"

static bool read_names(struct sql_stmt *q, struct meter_account *a)
{
    return view_copy(sql_text(q, 1), a->name, sizeof(a->name)) &&
           view_copy(sql_text(q, 2), a->upstream, sizeof(a->upstream)) &&
           view_copy(sql_text(q, 3), a->prices_name, sizeof(a->prices_name)) &&
           view_copy(sql_text(q, 4), a->timetable_name, sizeof(a->timetable_name)) &&
           view_copy(sql_text(q, 5), a->next_prices, sizeof(a->next_prices)) &&
           view_copy(sql_text(q, 6), a->next_timetable, sizeof(a->next_timetable));
}

static struct meter_account *read_account(struct sql_stmt *q)
{
    struct meter_account *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->id = (uint64_t)sql_i64(q, 0);
    a->created_ns = sql_i64(q, 7);
    a->balance_nano = sql_i64(q, 8);
    a->reserved_nano = sql_i64(q, 9);
    a->credit_nano = sql_i64(q, 10);
    a->late_fee_nano = sql_i64(q, 11);
    a->max_age_ns = sql_i64(q, 12);
    a->has_balance = !sql_is_null(q, 13);
    a->balance_ns = a->has_balance ? sql_i64(q, 13) : 0;
    a->burn_nano = sql_i64(q, 14);
    a->grace_until_ns = sql_i64(q, 15);
    a->below = !sql_is_null(q, 16);
    a->below_since_ns = a->below ? sql_i64(q, 16) : 0;
    a->stage = (enum stage)sql_i64(q, 17);
    a->samples = (uint64_t)sql_i64(q, 18);
    if (!read_names(q, a) || (unsigned)a->stage >= STAGE_COUNT) {
        free(a);
        return NULL;
    }
    a->charged = a->id != ACCOUNT_DEFAULT && !a->upstream[0];
    return a;
}

static enum rc load_account(struct meter *m, struct sql_stmt *q, struct err *e)
{
    struct meter_account *a = read_account(q);

    if (!a || meter_account_insert(m, a) != RC_OK)
        return err_set(e, RC_NOMEM, "control database: an account could not be loaded");
    HF_TRY(meter_account_books(m, a, e));
    return meter_money_load(m, a, e);
}

static enum rc load_accounts(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT " ACCOUNT_COLUMNS " FROM account ORDER BY id", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = load_account(m, q, e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc load_keys(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT access_key, account, revoked_ns FROM access_key", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = registry_add_key(m->registry, sql_text(q, 0), (uint64_t)sql_i64(q, 1));
        if (rc == RC_OK && !sql_is_null(q, 2))
            rc = registry_revoke_key(m->registry, sql_text(q, 0));
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "control database: an access key could not be loaded: %s", rc_name(rc));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc row_of(struct meter *m, struct sql_stmt *q, struct meter_row **ret)
{
    struct meter_account *a = meter_account_of(m, (uint64_t)sql_i64(q, 0));

    if (!a)
        return RC_CORRUPT;
    return meter_row_get(m, a, (uint64_t)sql_i64(q, 1), ret);
}

static enum rc load_stored(struct meter *m, struct sql_stmt *q)
{
    struct meter_row *r;
    int64_t class = sql_i64(q, 2);

    HF_TRY(row_of(m, q, &r));
    if (class < 0 || class >= CLASS_COUNT)
        return RC_CORRUPT;
    r->stored[class] = sql_i64(q, 3);
    r->objects[class] = sql_i64(q, 4);
    r->sampled = (uint64_t)sql_i64(q, 5);
    r->stored_written |= 1u << class;
    return RC_OK;
}

static enum rc load_open(struct meter *m, struct sql_stmt *q)
{
    struct meter_row *r;
    int64_t cell = sql_i64(q, 2);

    HF_TRY(row_of(m, q, &r));
    if (cell < 0 || cell >= PRICE_CELLS)
        return RC_CORRUPT;
    r->open[cell] = ledger_join(sql_i64(q, 3), sql_i64(q, 4));
    r->written |= (uint64_t)1 << cell;
    return RC_OK;
}

static enum rc load_day(struct meter *m, struct sql_stmt *q)
{
    struct meter_row *r;

    HF_TRY(row_of(m, q, &r));
    r->day = sql_i64(q, 2);
    r->day_requests = (uint64_t)sql_i64(q, 3);
    r->day_egress = (uint64_t)sql_i64(q, 4);
    r->day_written = true;
    return RC_OK;
}

static enum rc load_name(struct meter *m, struct sql_stmt *q)
{
    struct meter_row *r = meter_row_find(m, (uint64_t)sql_i64(q, 0), (uint64_t)sql_i64(q, 1));
    return !r || view_copy(sql_text(q, 2), r->name, sizeof(r->name)) ? RC_OK : RC_CORRUPT;
}

/* fn takes each row of the query. */
static enum rc load_each(struct meter *m, const char *text, enum rc (*fn)(struct meter *m, struct sql_stmt *q),
                         struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, text, ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = fn(m, q);
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "control database: a usage sum could not be loaded (%s); run `holdfast rebuild`",
                           rc_name(rc));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc load_rows(struct meter *m, struct err *e)
{
    HF_TRY(load_each(m, "SELECT account, bucket, class, bytes, objects, sampled FROM stored", load_stored, e));
    HF_TRY(load_each(m, "SELECT account, bucket, cell, quantity_hi, quantity_lo FROM open_usage", load_open, e));
    HF_TRY(load_each(m, "SELECT account, bucket, day, requests, egress FROM day_usage", load_day, e));
    return load_each(m, "SELECT account, bucket, name FROM bucket", load_name, e);
}

static enum rc load_recent(struct meter *m, struct meter_account *a, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    if (m->open_hour == NO_HOUR)
        return RC_OK;
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT hour, cell, list_nano FROM hour_usage WHERE account = ? AND hour >= ? ORDER BY hour, cell",
                     "ii", (int64_t)a->id, m->open_hour - RECENT_HOURS));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = meter_recent_add(a, sql_i64(q, 0), (unsigned)sql_i64(q, 1), sql_i64(q, 2));
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "meter: out of memory");
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* M4: what follows from the rows. They settle on the way, which changes nothing that is kept: see M3. */
static enum rc load_sums(struct meter *m, struct meter_account *a, struct err *e)
{
    HF_TRY(meter_small_load(m, a, e));
    meter_account_sum(a);
    HF_TRY(meter_run_load(m, a, e));
    meter_packs_convert(m, a);
    HF_TRY(load_recent(m, a, e));
    meter_publish(m, a, m->last_ns);
    return RC_OK;
}

enum rc meter_db_load(struct meter *m, struct err *e)
{
    meter_state_clear(m);
    HF_TRY(load_state(m, e));
    HF_TRY(meter_books_load(m, e));
    HF_TRY(load_accounts(m, e));
    HF_TRY(load_keys(m, e));
    HF_TRY(load_rows(m, e));
    for (size_t i = 0; i < m->n_accounts; i++)
        HF_TRY(load_sums(m, m->account[i], e));
    HF_TRY(meter_quotas_load(m, e));
    HF_TRY(meter_stages_load(m, e));
    return budget_load(m, e);
}

/* ---- opening ---- */

/* `default` is there from the start: it owns the first key. */
static enum rc seed_default(struct meter *m, struct err *e)
{
    return sql_exec(m->sql, e,
                    "INSERT OR IGNORE INTO account (id, name, upstream, prices, timetable, next_prices, "
                    "next_timetable, created_ns, balance_nano, reserved_nano, credit_nano, late_fee_nano, max_age_ns, "
                    "burn_nano, grace_until_ns, stage, samples) "
                    "VALUES (?, 'default', '', 'tencent-cos', 'tencent-cos', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
                    "i", (int64_t)ACCOUNT_DEFAULT);
}

static enum rc seed(struct meter *m, struct err *e)
{
    HF_TRY(sql_begin(m->sql, e));
    enum rc rc = seed_default(m, e);
    if (rc == RC_OK)
        rc = ledger_names(m->sql, e);
    if (rc == RC_OK)
        return sql_commit(m->sql, e);
    sql_rollback(m->sql);
    return rc;
}

/* The tables are derived: a file with those of another version is made anew and not migrated. PRAGMA application_id
 * holds what the tables' texts hash to. */
static int64_t schema_mark(void)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof(migrations) / sizeof(migrations[0]); i++)
        hash = xxh64(migrations[i], strlen(migrations[i]), hash);
    return (int64_t)(hash & INT32_MAX) | 1; /* 0 is that of a new file */
}

static enum rc pragma_number(struct meter *m, const char *pragma, int64_t *ret, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(m->sql, e, &q, pragma, ""));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? RC_CORRUPT : rc;
    *ret = sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}

static enum rc open_tables(struct meter *m, struct err *e)
{
    char text[64];
    int64_t version = 0, mark = 0;

    HF_TRY(pragma_number(m, "PRAGMA user_version", &version, e));
    HF_TRY(pragma_number(m, "PRAGMA application_id", &mark, e));
    if (version > 0 && mark != schema_mark())
        return err_set(e, RC_CORRUPT, "control database: made by another version");
    snprintf(text, sizeof(text), "PRAGMA application_id = %lld", (long long)schema_mark());
    HF_TRY(sql_exec(m->sql, e, text, ""));
    return sql_migrate(m->sql, migrations, sizeof(migrations) / sizeof(migrations[0]), e);
}

enum rc meter_db_open(struct meter *m, struct err *e)
{
    char path[OS_PATH_MAX];

    if (!m->data_dir[0]) {
        HF_TRY(sql_open_memory(&m->sql, e));
    } else {
        if (!os_path(path, m->data_dir, "control.db"))
            return err_set(e, RC_LIMIT, "%s: the path is too long", m->data_dir);
        HF_TRY(sql_open(m->os, path, &m->sql, e));
    }
    HF_TRY(open_tables(m, e));
    HF_TRY(seed(m, e));
    return meter_db_load(m, e);
}
