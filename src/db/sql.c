/* SQL on SQLite: opening with the settings that crash safety needs, migrations, transactions, cached statements. */
#include "db/sql.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/sqlite_vfs.h"

/* Statement texts are literals, so their number is that of the places in the program that use them. */
#define SQL_STMT_MAX 512
#define SQL_VFS_NAME_MAX 40

struct sql_stmt {
    struct sql *owner;
    const char *text;
    sqlite3_stmt *st;
    bool busy; /* between sql_query and its end: a nested use of the same text gets a second statement */
    struct sql_stmt *next;
};

#define SQL_BUCKETS 128u
struct sql {
    sqlite3 *db;
    struct sql_stmt *cache[SQL_BUCKETS];
    unsigned n_cached;
};

static const char sql_text_rollback[] = "ROLLBACK";

static enum rc rc_of_sqlite(int code)
{
    if (code == SQLITE_IOERR_NOMEM)
        return RC_NOMEM;
    if (code == SQLITE_IOERR_CORRUPTFS)
        return RC_CORRUPT;
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return RC_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return RC_CORRUPT;
    case SQLITE_FULL:
        return RC_FULL;
    case SQLITE_NOMEM:
        return RC_NOMEM;
    case SQLITE_CONSTRAINT:
        return RC_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
        return RC_UNAVAILABLE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return RC_DENIED;
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
        return RC_LIMIT;
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
        return RC_CANCELLED;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
        return RC_INVALID;
    default:
        return RC_IO;
    }
}

/* The first words of the statement are enough to find it; a whole migration would fill the sentence. */
static enum rc sql_fail(struct sql *s, const char *text, struct err *e)
{
    enum rc rc = rc_of_sqlite(sqlite3_extended_errcode(s->db));
    if (rc == RC_OK)
        rc = RC_IO;
    return err_set(e, rc, "control database: %s (in: %.120s)", sqlite3_errmsg(s->db), text);
}

static enum rc sql_run(struct sql *s, const char *text, struct err *e)
{
    if (sqlite3_exec(s->db, text, NULL, NULL, NULL) != SQLITE_OK)
        return sql_fail(s, text, e);
    return RC_OK;
}

/* ---- statements ---- */

static unsigned sql_bucket(const char *text)
{
    return (unsigned)(((uintptr_t)text >> 3) % SQL_BUCKETS);
}

static enum rc sql_prepare(struct sql *s, const char *text, struct sql_stmt **ret, struct err *e)
{
    if (s->n_cached >= SQL_STMT_MAX)
        return err_set(e, RC_LIMIT, "control database: more than %d statements", SQL_STMT_MAX);
    struct sql_stmt *q = calloc(1, sizeof(*q));
    if (!q)
        return err_set(e, RC_NOMEM, "control database: out of memory");
    const char *tail = NULL;
    if (sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &q->st, &tail) != SQLITE_OK) {
        free(q);
        return sql_fail(s, text, e);
    }
    HF_ASSERT(q->st && tail && *tail == 0); /* exactly one statement per text */
    q->owner = s;
    q->text = text;
    q->next = s->cache[sql_bucket(text)];
    s->cache[sql_bucket(text)] = q;
    s->n_cached++;
    *ret = q;
    return RC_OK;
}

static enum rc sql_take(struct sql *s, const char *text, struct sql_stmt **ret, struct err *e)
{
    struct sql_stmt *q = s->cache[sql_bucket(text)];
    while (q && (q->text != text || q->busy))
        q = q->next;
    if (!q)
        HF_TRY(sql_prepare(s, text, &q, e));
    q->busy = true;
    *ret = q;
    return RC_OK;
}

static int sql_bind_view(sqlite3_stmt *st, int i, struct view v, bool blob, sqlite3_destructor_type own)
{
    const char *p = v.p ? v.p : ""; /* a NULL pointer would bind NULL, and empty is not NULL */
    if (blob)
        return sqlite3_bind_blob64(st, i, p, v.n, own);
    return sqlite3_bind_text64(st, i, p, v.n, own, SQLITE_UTF8);
}

/* own: SQLITE_STATIC when the arguments outlive the run, SQLITE_TRANSIENT when they may not. */
static enum rc sql_bind(struct sql_stmt *q, const char *args, va_list ap, sqlite3_destructor_type own, struct err *e)
{
    HF_ASSERT(sqlite3_bind_parameter_count(q->st) == (int)strlen(args));
    for (int i = 1; args[i - 1]; i++) {
        int code = SQLITE_OK;
        const char *t;
        switch (args[i - 1]) {
        case 'i':
            code = sqlite3_bind_int64(q->st, i, va_arg(ap, int64_t));
            break;
        case 't':
            t = va_arg(ap, const char *);
            code = t ? sqlite3_bind_text(q->st, i, t, -1, own) : sqlite3_bind_null(q->st, i);
            break;
        case 'v':
            code = sql_bind_view(q->st, i, va_arg(ap, struct view), false, own);
            break;
        case 'b':
            code = sql_bind_view(q->st, i, va_arg(ap, struct view), true, own);
            break;
        default:
            HF_BUG("sql: unknown argument letter");
        }
        if (code != SQLITE_OK)
            return sql_fail(q->owner, q->text, e);
    }
    return RC_OK;
}

void sql_done(struct sql_stmt *q)
{
    if (!q)
        return;
    /* The reset repeats the error of the last step, which sql_next has already returned. */
    sqlite3_reset(q->st);
    sqlite3_clear_bindings(q->st);
    q->busy = false;
}

/* Runs to its end what was bound (rc), and is done with it. */
static enum rc sql_finish(struct sql_stmt *q, enum rc rc, struct err *e)
{
    int code = SQLITE_ROW;
    while (rc == RC_OK && code == SQLITE_ROW)
        code = sqlite3_step(q->st);
    if (rc == RC_OK && code != SQLITE_DONE)
        rc = sql_fail(q->owner, q->text, e);
    sql_done(q);
    return rc;
}

enum rc sql_exec(struct sql *s, struct err *e, const char *text, const char *args, ...)
{
    struct sql_stmt *q;
    HF_TRY(sql_take(s, text, &q, e));
    va_list ap;
    va_start(ap, args);
    enum rc rc = sql_bind(q, args, ap, SQLITE_STATIC, e);
    va_end(ap);
    return sql_finish(q, rc, e);
}

enum rc sql_exec_i64(struct sql *s, struct err *e, const char *text, const int64_t *args, unsigned n)
{
    struct sql_stmt *q;
    enum rc rc = RC_OK;
    HF_TRY(sql_take(s, text, &q, e));
    HF_ASSERT(sqlite3_bind_parameter_count(q->st) == (int)n);
    for (unsigned i = 0; rc == RC_OK && i < n; i++) {
        if (sqlite3_bind_int64(q->st, (int)i + 1, args[i]) != SQLITE_OK)
            rc = sql_fail(s, text, e);
    }
    return sql_finish(q, rc, e);
}

enum rc sql_query(struct sql *s, struct err *e, struct sql_stmt **ret, const char *text, const char *args, ...)
{
    struct sql_stmt *q;
    HF_TRY(sql_take(s, text, &q, e));
    va_list ap;
    va_start(ap, args);
    enum rc rc = sql_bind(q, args, ap, SQLITE_TRANSIENT, e);
    va_end(ap);
    if (rc != RC_OK) {
        sql_done(q);
        return rc;
    }
    *ret = q;
    return RC_OK;
}

enum rc sql_next(struct sql_stmt *q, struct err *e)
{
    HF_ASSERT(q->busy);
    int code = sqlite3_step(q->st);
    if (code == SQLITE_ROW)
        return RC_OK;
    enum rc rc = code == SQLITE_DONE ? RC_END : sql_fail(q->owner, q->text, e);
    sql_done(q);
    return rc;
}

int64_t sql_i64(struct sql_stmt *q, int column)
{
    return sqlite3_column_int64(q->st, column);
}

struct view sql_text(struct sql_stmt *q, int column)
{
    /* column_blob gives text as stored, without conversion, and keeps zero bytes in blobs. */
    bool blob = sqlite3_column_type(q->st, column) == SQLITE_BLOB;
    const void *p = blob ? sqlite3_column_blob(q->st, column) : (const void *)sqlite3_column_text(q->st, column);
    if (!p)
        return VIEW("");
    return view_of(p, (size_t)sqlite3_column_bytes(q->st, column));
}

bool sql_is_null(struct sql_stmt *q, int column)
{
    return sqlite3_column_type(q->st, column) == SQLITE_NULL;
}

int64_t sql_changes(struct sql *s)
{
    return sqlite3_changes64(s->db);
}

int64_t sql_last_id(struct sql *s)
{
    return sqlite3_last_insert_rowid(s->db);
}

/* ---- transactions and migrations ---- */

enum rc sql_begin(struct sql *s, struct err *e)
{
    return sql_exec(s, e, "BEGIN IMMEDIATE", "");
}

enum rc sql_commit(struct sql *s, struct err *e)
{
    enum rc rc = sql_exec(s, e, "COMMIT", "");
    if (rc != RC_OK)
        sql_rollback(s);
    return rc;
}

void sql_rollback(struct sql *s)
{
    /* A failure such as a full disk may have rolled back already. The statement was prepared at the opening, so that
     * rolling back needs no memory; SQLite leaves the transaction even when it meets an I/O error on the way. */
    if (!sqlite3_get_autocommit(s->db)) {
        struct err ignored;
        enum rc rc = sql_exec(s, &ignored, sql_text_rollback, "");
        HF_ASSERT(rc == RC_OK || sqlite3_get_autocommit(s->db));
    }
}

static enum rc sql_user_version(struct sql *s, int64_t *ret, struct err *e)
{
    struct sql_stmt *q;
    HF_TRY(sql_query(s, e, &q, "PRAGMA user_version", ""));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? err_set(e, RC_CORRUPT, "control database: it has no version") : rc;
    *ret = sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}

static enum rc sql_migrate_one(struct sql *s, const char *text, unsigned version, struct err *e)
{
    char pragma[48]; /* a PRAGMA takes no parameters; the number is ours */
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %u", version);
    HF_TRY(sql_begin(s, e));
    enum rc rc = sql_run(s, text, e);
    if (rc == RC_OK)
        rc = sql_run(s, pragma, e);
    if (rc == RC_OK)
        return sql_commit(s, e);
    sql_rollback(s);
    return rc;
}

enum rc sql_migrate(struct sql *s, const char *const *migrations, unsigned n, struct err *e)
{
    int64_t version = 0;
    HF_TRY(sql_user_version(s, &version, e));
    if (version < 0 || version > (int64_t)n)
        return err_set(e, RC_UNSUPPORTED,
                       "control database: its version %" PRId64 " is newer than this program's %u; use a newer "
                       "holdfast, or `holdfast rebuild`",
                       version, n);
    for (unsigned i = (unsigned)version; i < n; i++)
        HF_TRY(sql_migrate_one(s, migrations[i], i + 1, e));
    return RC_OK;
}

/* ---- opening ---- */

/* locking_mode comes first: with it WAL needs no shared memory, which the VFS does not have. The cache is bounded,
 * mmap off so that each read is a call that the seam can fail. */
static const char sql_settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                   "PRAGMA journal_mode=WAL;"
                                   "PRAGMA synchronous=NORMAL;"
                                   "PRAGMA foreign_keys=ON;"
                                   "PRAGMA trusted_schema=OFF;"
                                   "PRAGMA cell_size_check=ON;"
                                   "PRAGMA temp_store=MEMORY;"
                                   "PRAGMA mmap_size=0;"
                                   "PRAGMA cache_size=-4096;"
                                   "PRAGMA journal_size_limit=8388608";

static enum rc sql_open_vfs(const char *path, const char *vfs, struct sql **ret, struct err *e)
{
    struct sql *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(e, RC_NOMEM, "control database: out of memory");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &s->db, flags, vfs);
    enum rc rc = RC_OK;
    if (code != SQLITE_OK)
        rc = err_set(e, rc_of_sqlite(code), "%s: %s", path, s->db ? sqlite3_errmsg(s->db) : "out of memory");
    if (rc == RC_OK)
        rc = sql_run(s, sql_settings, e);
    int64_t version;
    if (rc == RC_OK)
        rc = sql_user_version(s, &version, e); /* reads the file: one that is no database is found here */
    struct sql_stmt *rollback;
    if (rc == RC_OK && (rc = sql_take(s, sql_text_rollback, &rollback, e)) == RC_OK)
        sql_done(rollback);
    if (rc != RC_OK) {
        sql_close(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

static enum rc sql_expect_wal(struct sql *s, const char *path, struct err *e)
{
    struct sql_stmt *q;
    HF_TRY(sql_query(s, e, &q, "PRAGMA journal_mode", ""));
    enum rc rc = sql_next(q, e);
    if (rc == RC_OK && !view_eqs(sql_text(q, 0), "wal"))
        rc = err_set(e, RC_IO, "%s: the database could not be put into WAL mode", path);
    sql_done(q);
    return rc;
}

enum rc sql_open(struct os *os, const char *path, struct sql **ret, struct err *e)
{
    /* One VFS per struct os, named by its address and kept: another database may be on it. */
    char vfs[SQL_VFS_NAME_MAX];
    snprintf(vfs, sizeof(vfs), "holdfast-%" PRIxPTR, (uintptr_t)os);
    if (!sqlite3_vfs_find(vfs))
        HF_TRY(os_sqlite_vfs(os, vfs, e));
    struct sql *s;
    HF_TRY(sql_open_vfs(path, vfs, &s, e));
    enum rc rc = sql_expect_wal(s, path, e);
    if (rc != RC_OK) {
        sql_close(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

enum rc sql_open_memory(struct sql **ret, struct err *e)
{
    return sql_open_vfs(":memory:", NULL, ret, e);
}

void sql_close(struct sql *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < SQL_BUCKETS; i++) {
        while (s->cache[i]) {
            struct sql_stmt *q = s->cache[i];
            s->cache[i] = q->next;
            sqlite3_finalize(q->st);
            free(q);
        }
    }
    /* With all statements finalized close cannot be busy; an I/O error of its checkpoint costs nothing, the WAL stays.
     */
    int code = sqlite3_close(s->db);
    HF_ASSERT(code != SQLITE_BUSY);
    free(s);
}
