/* Holdfast: the meter's side of the control database: tables, loading, the batch's transaction. */
#include "meter/meter_priv.h"

#include <stdio.h>
#include <stdlib.h>

static const char meter_schema[] =
    "CREATE TABLE meter_state ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " cursor INTEGER NOT NULL," /* last journal record that is in here */
    " open_hour INTEGER,"       /* hours since 1970; NULL before the first usage */
    " last_slot INTEGER,"       /* last 5 minutes that were sampled */
    " samples INTEGER NOT NULL);"
    "INSERT INTO meter_state VALUES (1, 0, NULL, NULL, 0);"
    "CREATE TABLE account ("
    " id INTEGER PRIMARY KEY," /* sequence of its record; 1 is default */
    " name TEXT NOT NULL UNIQUE,"
    " prices TEXT NOT NULL,"
    " timetable TEXT NOT NULL,"
    " created_ns INTEGER NOT NULL,"
    " balance_nano INTEGER NOT NULL,"
    " below_since_ns INTEGER," /* NULL: not below zero */
    " stage INTEGER NOT NULL);"
    "CREATE TABLE access_key ("
    " access_key TEXT PRIMARY KEY,"
    " account INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " created_ns INTEGER NOT NULL,"
    " revoked_ns INTEGER) WITHOUT ROWID;"
    "CREATE TABLE bucket_name ("
    " account INTEGER NOT NULL,"
    " bucket INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " PRIMARY KEY (account, bucket)) WITHOUT ROWID;"
    "CREATE TABLE open_usage (" /* what is not zero */
    " account INTEGER NOT NULL,"
    " bucket INTEGER NOT NULL,"
    " item TEXT NOT NULL,"
    " stored INTEGER NOT NULL," /* of storage items: bytes now */
    " sampled INTEGER NOT NULL,"
    " quantity_hi INTEGER NOT NULL," /* of the open hour, up to `sampled` */
    " quantity_lo INTEGER NOT NULL,"
    " PRIMARY KEY (account, bucket, item)) WITHOUT ROWID;"
    "CREATE TABLE month_usage (" /* of closed hours; month as 202611 */
    " account INTEGER NOT NULL,"
    " month INTEGER NOT NULL,"
    " bucket INTEGER NOT NULL,"
    " item TEXT NOT NULL,"
    " quantity_hi INTEGER NOT NULL,"
    " quantity_lo INTEGER NOT NULL,"
    " amount_nano INTEGER NOT NULL,"
    " PRIMARY KEY (account, month, bucket, item)) WITHOUT ROWID;"
    "CREATE TABLE stage_change ("
    " cause INTEGER NOT NULL," /* sequence of the tick or top-up */
    " account INTEGER NOT NULL,"
    " from_stage INTEGER NOT NULL,"
    " to_stage INTEGER NOT NULL,"
    " time_ns INTEGER NOT NULL,"
    " recorded_seq INTEGER," /* of the REC_STAGE that said so */
    " PRIMARY KEY (cause, account)) WITHOUT ROWID;"
    "CREATE INDEX stage_unrecorded ON stage_change (cause) WHERE recorded_seq IS NULL;"
    "CREATE TABLE book_text (" /* every text that priced or timed something; id as postings cite it */
    " id INTEGER PRIMARY KEY,"
    " is_timetable INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " sha256 BLOB NOT NULL,"
    " text TEXT NOT NULL);"
    "CREATE TABLE book_slot (" /* what the journal said last */
    " is_timetable INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " current INTEGER,"
    " pending INTEGER,"
    " PRIMARY KEY (is_timetable, name)) WITHOUT ROWID;";

static const char *const migrations[] = {ledger_schema, meter_schema};

/* ---- rows ---- */

static enum rc write_cell(struct meter *m, struct meter_row *r, unsigned cell, struct err *e)
{
    int64_t hi, lo, stored = cell < CLASS_COUNT ? r->stored[cell] : 0;

    ledger_split(r->open[cell], &hi, &lo);
    r->written |= 1u << cell;
    return sql_exec(m->sql, e,
                    "INSERT OR REPLACE INTO open_usage (account, bucket, item, stored, sampled, quantity_hi, "
                    "quantity_lo) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    "iitiiii", (int64_t)r->account->id, (int64_t)r->bucket, price_cell_name(cell), stored,
                    (int64_t)r->sampled, hi, lo);
}

static enum rc erase_cell(struct meter *m, struct meter_row *r, unsigned cell, struct err *e)
{
    r->written &= ~(1u << cell);
    return sql_exec(m->sql, e, "DELETE FROM open_usage WHERE account = ? AND bucket = ? AND item = ?", "iit",
                    (int64_t)r->account->id, (int64_t)r->bucket, price_cell_name(cell));
}

static enum rc write_row(struct meter *m, struct meter_row *r, struct err *e)
{
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        bool zero = r->open[cell] == 0 && (cell >= CLASS_COUNT || r->stored[cell] == 0);
        if (!zero)
            HF_TRY(write_cell(m, r, cell, e));
        else if (r->written & (1u << cell))
            HF_TRY(erase_cell(m, r, cell, e));
    }
    return RC_OK;
}

/* A row without anything in it is made again when it is needed. */
static enum rc write_rows(struct meter *m, struct err *e)
{
    while (m->dirty_rows) {
        struct meter_row *r = m->dirty_rows;
        HF_TRY(write_row(m, r, e));
        m->dirty_rows = r->next_dirty;
        r->dirty = false;
        if (r->written == 0)
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
        return sql_exec(m->sql, e, "INSERT OR IGNORE INTO bucket_name (account, bucket, name) VALUES (?, ?, ?)", "iiv",
                        (int64_t)r->account->id, (int64_t)r->bucket, name);
    HF_TRY(sql_query(m->sql, e, &q, "SELECT name FROM bucket_name WHERE account = ? AND bucket = ?", "ii",
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

static enum rc write_accounts(struct meter *m, struct err *e)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        struct meter_account *a = m->account[i];
        if (!a->dirty)
            continue;
        if (a->below)
            HF_TRY(sql_exec(m->sql, e,
                            "UPDATE account SET balance_nano = ?, below_since_ns = ?, stage = ? WHERE id = ?", "iiii",
                            a->balance_nano, a->below_since_ns, (int64_t)a->stage, (int64_t)a->id));
        else
            HF_TRY(sql_exec(m->sql, e,
                            "UPDATE account SET balance_nano = ?, below_since_ns = NULL, stage = ? WHERE id = ?", "iii",
                            a->balance_nano, (int64_t)a->stage, (int64_t)a->id));
        a->dirty = false;
    }
    return RC_OK;
}

static enum rc write_state(struct meter *m, struct err *e)
{
    HF_TRY(sql_exec(m->sql, e, "UPDATE meter_state SET cursor = ?, samples = ?", "ii", (int64_t)m->cursor,
                    (int64_t)m->samples));
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
    HF_TRY(write_rows(m, e));
    HF_TRY(write_accounts(m, e));
    HF_TRY(write_state(m, e));
    m->in_txn = false; /* committed or rolled back */
    HF_TRY(sql_commit(m->sql, e));
    m->committed = m->cursor;
    return RC_OK;
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

    HF_TRY(sql_query(m->sql, e, &q, "SELECT cursor, open_hour, last_slot, samples FROM meter_state", ""));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? err_set(e, RC_CORRUPT, "control database: it has no cursor; run `holdfast rebuild`") : rc;
    m->cursor = m->committed = (uint64_t)sql_i64(q, 0);
    m->open_hour = sql_is_null(q, 1) ? NO_HOUR : sql_i64(q, 1);
    m->last_slot = sql_is_null(q, 2) ? NO_HOUR : sql_i64(q, 2);
    m->samples = (uint64_t)sql_i64(q, 3);
    sql_done(q);
    return RC_OK;
}

static struct meter_account *read_account(struct sql_stmt *q)
{
    struct meter_account *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->id = (uint64_t)sql_i64(q, 0);
    a->charged = a->id != ACCOUNT_DEFAULT;
    a->created_ns = sql_i64(q, 4);
    a->balance_nano = sql_i64(q, 5);
    a->below = !sql_is_null(q, 6);
    a->below_since_ns = a->below ? sql_i64(q, 6) : 0;
    a->stage = (enum stage)sql_i64(q, 7);
    if (!view_copy(sql_text(q, 1), a->name, sizeof(a->name)) ||
        !view_copy(sql_text(q, 2), a->prices_name, sizeof(a->prices_name)) ||
        !view_copy(sql_text(q, 3), a->timetable_name, sizeof(a->timetable_name)) || (unsigned)a->stage >= STAGE_COUNT) {
        free(a);
        return NULL;
    }
    return a;
}

static enum rc load_account(struct meter *m, struct sql_stmt *q, struct err *e)
{
    struct meter_account *a = read_account(q);

    if (!a || meter_account_insert(m, a) != RC_OK)
        return err_set(e, RC_NOMEM, "control database: an account could not be loaded");
    HF_TRY(meter_account_books(m, a, e));
    meter_publish(m, a);
    return RC_OK;
}

static enum rc load_accounts(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT id, name, prices, timetable, created_ns, balance_nano, below_since_ns, stage FROM account "
                     "ORDER BY id",
                     ""));
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

static enum rc load_cell(struct meter *m, struct sql_stmt *q)
{
    struct meter_account *a = meter_account_of(m, (uint64_t)sql_i64(q, 0));
    struct meter_row *r;
    unsigned cell;

    if (!a || !price_cell_parse(sql_text(q, 2), &cell))
        return RC_CORRUPT;
    HF_TRY(meter_row_get(m, a, (uint64_t)sql_i64(q, 1), &r));
    r->open[cell] = ledger_join(sql_i64(q, 5), sql_i64(q, 6));
    r->sampled = (uint64_t)sql_i64(q, 4);
    r->written |= 1u << cell;
    if (cell < CLASS_COUNT)
        r->stored[cell] = sql_i64(q, 3);
    (void)view_copy(sql_text(q, 7), r->name, sizeof(r->name));
    return RC_OK;
}

static enum rc load_rows(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT u.account, u.bucket, u.item, u.stored, u.sampled, u.quantity_hi, u.quantity_lo, n.name "
                     "FROM open_usage u LEFT JOIN bucket_name n ON n.account = u.account AND n.bucket = u.bucket",
                     ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = load_cell(m, q);
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "control database: a usage sum could not be loaded (%s); run `holdfast rebuild`",
                           rc_name(rc));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* M4: the accounts' sums from their rows. Rows settle first, which changes nothing that is kept: see M3. */
static void sum_accounts(struct meter *m)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        struct meter_account *a = m->account[i];
        for (size_t j = 0; j < a->n_rows; j++) {
            meter_row_settle(m, a->row[j]);
            for (unsigned c = 0; c < CLASS_COUNT; c++)
                a->stored[c] += stored_billed(a->row[j]->stored[c]);
            for (unsigned cell = 0; cell < PRICE_CELLS; cell++)
                a->open[cell] += a->row[j]->open[cell];
        }
    }
}

static enum rc on_hour(void *ctx, const struct ledger_hour *h)
{
    struct meter_account *a = meter_account_of(ctx, h->account);
    if (a)
        a->recent[(uint64_t)h->hour % RECENT_HOURS] = (struct recent_hour){h->hour, h->variable_nano};
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
    sum_accounts(m);
    if (m->open_hour != NO_HOUR)
        HF_TRY(ledger_hours(m->sql, m->open_hour - RECENT_HOURS, on_hour, m, e));
    return meter_stages_load(m, e);
}

/* ---- opening ---- */

/* `default` is there from the start: it owns the first key. */
static enum rc seed_default(struct meter *m, struct err *e)
{
    return sql_exec(m->sql, e,
                    "INSERT OR IGNORE INTO account (id, name, prices, timetable, created_ns, balance_nano, stage) "
                    "VALUES (?, 'default', 'tencent-cos', 'tencent-cos', 0, 0, 0)",
                    "i", (int64_t)ACCOUNT_DEFAULT);
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
    HF_TRY(sql_migrate(m->sql, migrations, sizeof(migrations) / sizeof(migrations[0]), e));
    HF_TRY(seed_default(m, e));
    return meter_db_load(m, e);
}
