/* Holdfast: the meter's reader: opening, its thread, batches, waiting. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#define IDLE_NS                                                                                                        \
    (20 * 1000000LL)                /* how long the reader sleeps on the journal at a time: it notices the end so soon \
                                     */
#define GATHER_NS (20 * 1000000LL)  /* how long records may gather before they are read, when nobody waits for them */
#define RETRY_NS (1000 * 1000000LL) /* after a failure */

void meter_lock(struct meter *m)
{
    pthread_mutex_lock(&m->turn);
    pthread_mutex_lock(&m->lock);
    pthread_mutex_unlock(&m->turn);
}

void meter_unlock(struct meter *m)
{
    pthread_mutex_unlock(&m->lock);
}

/* ---- reading ---- */

static enum rc reader_open(struct meter *m, struct err *e)
{
    if (m->reader)
        return RC_OK;
    return journal_reader_open(m->journal, m->cursor + 1, &m->reader, e);
}

static void reader_drop(struct meter *m)
{
    if (m->reader)
        journal_reader_close(m->reader);
    m->reader = NULL;
}

/* Applies up to max records. RC_END at the durable mark. */
static enum rc read_some(struct meter *m, unsigned max, struct err *e)
{
    struct journal_rec rec;

    HF_TRY(reader_open(m, e));
    for (unsigned i = 0; i < max; i++) {
        HF_TRY(journal_read(m->reader, &rec, e));
        HF_TRY(meter_apply(m, &rec, e));
    }
    return RC_OK;
}

void meter_fail(struct meter *m, enum rc rc, const struct err *why)
{
    struct err again;

    m->failed = rc;
    m->reason = *why;
    reader_drop(m);
    if (meter_reload(m, &again) != RC_OK) {
        m->failed = RC_CORRUPT;
        m->reason = again;
    }
    pthread_cond_broadcast(&m->done);
}

static enum rc step(struct meter *m, unsigned max, struct err *e)
{
    unsigned left = max;
    enum rc rc = RC_OK;

    while (rc == RC_OK && (max == 0 || left > 0)) {
        unsigned n = max == 0 || left > METER_BATCH_RECORDS ? METER_BATCH_RECORDS : left;
        rc = read_some(m, n, e);
        left -= max == 0 ? 0 : n;
        if (rc == RC_OK && m->cursor - m->committed >= METER_COMMIT_RECORDS)
            rc = meter_commit(m, e);
    }
    if (rc == RC_OK || rc == RC_END) {
        enum rc committed = meter_commit(m, e);
        rc = committed == RC_OK ? rc : committed;
    }
    if (rc != RC_OK && rc != RC_END) {
        struct err why = {.text = ""};
        err_set(&why, rc, "%s", e ? e->text : rc_name(rc));
        meter_fail(m, rc, &why);
    }
    return rc;
}

enum rc meter_step(struct meter *m, unsigned max, struct err *e)
{
    struct err local = {.text = ""};

    HF_ASSERT(m->inert && m->journal);
    meter_lock(m);
    enum rc rc = step(m, max, &local);
    if (rc == RC_OK || rc == RC_END)
        m->failed = RC_OK;
    meter_unlock(m);
    if (rc != RC_OK && rc != RC_END)
        return err_set(e, rc, "meter: %s", local.text);
    return rc;
}

/* ---- the thread ---- */

/* Waits on wake, at most for ns: of the kernel's own time, whatever clock the business has. Caller holds the lock. */
static void doze(struct meter *m, int64_t ns)
{
    int64_t until_ns = clock_mono_ns(os_clock()) + ns;
    const struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};

    if (m->stopping || m->wanted > m->committed)
        return;
    (void)pthread_cond_timedwait(&m->wake, &m->lock, &until);
}

/* Commits when somebody waits for what was applied, when enough has gathered, or when it has waited long enough. */
static enum rc commit_when_due(struct meter *m, bool at_mark, int64_t *since_ns, struct err *e)
{
    int64_t now = clock_mono_ns(os_clock());

    if (m->cursor == m->committed) {
        *since_ns = now;
        return RC_OK;
    }
    bool waited_for = m->wanted > m->committed && (at_mark || m->cursor >= m->wanted);
    if (!waited_for && m->cursor - m->committed < METER_COMMIT_RECORDS && now - *since_ns < METER_COMMIT_NS)
        return RC_OK;
    HF_TRY(meter_commit(m, e));
    *since_ns = now;
    pthread_cond_broadcast(&m->done);
    return RC_OK;
}

/* One round of the reader, lock held; false when there is nothing to do now. */
static bool round_of_reading(struct meter *m, int64_t *since_ns)
{
    struct err e = {.text = ""};
    enum rc rc = read_some(m, METER_BATCH_RECORDS, &e);
    bool at_mark = rc == RC_END;

    if (rc == RC_OK || at_mark)
        rc = commit_when_due(m, at_mark, since_ns, &e);
    if (rc != RC_OK) {
        meter_fail(m, rc, &e);
        return false;
    }
    if (m->failed != RC_OK)
        m->failed = RC_OK;
    return !at_mark;
}

/* Nothing to read, or a failure: sleep until there is a reason not to. Called and returns with the lock held. */
static void rest(struct meter *m)
{
    if (m->failed != RC_OK) {
        m->wanted = m->committed; /* those who waited have been told */
        doze(m, RETRY_NS);
        return;
    }
    if (m->cursor != m->committed) {
        doze(m, GATHER_NS);
        return;
    }
    uint64_t next = m->cursor + 1;
    bool stop = m->stopping;
    meter_unlock(m);
    if (!stop) {
        enum rc rc = journal_wait(m->journal, next, IDLE_NS);
        meter_lock(m);
        if (rc == RC_OK)
            doze(m, GATHER_NS);
        return;
    }
    meter_lock(m);
}

static void *reader_main(void *ctx)
{
    struct meter *m = ctx;
    int64_t since_ns = clock_mono_ns(os_clock());

    meter_lock(m);
    while (!m->stopping && m->failed != RC_CORRUPT) {
        if (!round_of_reading(m, &since_ns)) {
            rest(m);
        } else {
            meter_unlock(m);
            meter_lock(m);
        }
    }
    meter_unlock(m);
    return NULL;
}

/* ---- waiting ---- */

static enum rc wait_failed(const struct meter *m, struct err *e)
{
    if (m->failed != RC_OK)
        return err_set(e, RC_IO, "the meter cannot follow the journal: %s", m->reason.text);
    return err_set(e, RC_CANCELLED, "the meter is closing");
}

static enum rc wait_for_thread(struct meter *m, uint64_t seq, struct err *e)
{
    if (seq > m->wanted)
        m->wanted = seq;
    pthread_cond_signal(&m->wake);
    while (m->committed < seq && m->failed == RC_OK && !m->stopping)
        pthread_cond_wait(&m->done, &m->lock);
    return m->committed >= seq ? RC_OK : wait_failed(m, e);
}

enum rc meter_wait(struct meter *m, uint64_t seq, struct err *e)
{
    struct err local = {.text = ""};
    enum rc rc = RC_OK;

    meter_lock(m);
    if (m->running) {
        rc = wait_for_thread(m, seq, e);
    } else if (m->journal) {
        while (rc == RC_OK && m->committed < seq)
            rc = step(m, 0, &local);
        if (m->committed >= seq)
            rc = RC_OK;
        else if (rc != RC_OK)
            rc = err_set(e, RC_IO, "the meter cannot follow the journal: %s",
                         rc == RC_END ? "it ends earlier" : local.text);
    }
    meter_unlock(m);
    return rc;
}

uint64_t meter_cursor(struct meter *m)
{
    return m->cursor;
}

struct registry *meter_registry(struct meter *m)
{
    return m->registry;
}

/* ---- opening and closing ---- */

static enum rc meter_new(struct os *os, struct journal *j, struct keystore *k, const struct meter_cfg *cfg,
                         struct meter **ret)
{
    pthread_condattr_t monotonic;
    struct meter *m = calloc(1, sizeof(*m));

    if (!m)
        return RC_NOMEM;
    m->os = os;
    m->journal = j;
    m->inert = cfg->inert;
    m->open_hour = m->last_slot = NO_HOUR;
    HF_ASSERT(pthread_condattr_init(&monotonic) == 0);
    HF_ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    HF_ASSERT(pthread_mutex_init(&m->turn, NULL) == 0 && pthread_mutex_init(&m->lock, NULL) == 0);
    HF_ASSERT(pthread_mutex_init(&m->queue_lock, NULL) == 0);
    HF_ASSERT(pthread_cond_init(&m->wake, &monotonic) == 0 && pthread_cond_init(&m->done, NULL) == 0);
    pthread_condattr_destroy(&monotonic);
    if (notes_new(&m->notes) != RC_OK || key_sums_new(&m->keys) != RC_OK || small_objects_new(&m->small) != RC_OK ||
        registry_new(k, &m->registry) != RC_OK) {
        meter_close(m);
        return RC_NOMEM;
    }
    *ret = m;
    return RC_OK;
}

static enum rc check_against_journal(const struct meter *m, struct err *e)
{
    if (m->journal && m->cursor > journal_durable(m->journal))
        return err_set(e, RC_CORRUPT,
                       "control database: it knows record %llu, but the journal ends at %llu; run `holdfast rebuild`",
                       (unsigned long long)m->cursor, (unsigned long long)journal_durable(m->journal));
    return RC_OK;
}

static enum rc start(struct meter *m, struct err *e)
{
    if (m->inert || !m->journal)
        return RC_OK;
    m->running = true;
    enum rc rc = os_thread(&m->thread, "meter", reader_main, m);
    if (rc != RC_OK) {
        m->running = false;
        return err_set(e, rc, "meter: the reader's thread could not be started");
    }
    return RC_OK;
}

enum rc meter_open(struct os *os, struct journal *j, struct keystore *k, const struct meter_cfg *cfg,
                   struct meter **ret, struct err *e)
{
    struct meter *m;
    enum rc rc = meter_new(os, j, k, cfg, &m);

    if (rc != RC_OK)
        return err_set(e, rc, "meter: out of memory");
    if (cfg->data_dir && !view_copy(view_cstr(cfg->data_dir), m->data_dir, sizeof(m->data_dir)))
        rc = err_set(e, RC_LIMIT, "the data folder's path is too long");
    if (rc == RC_OK)
        rc = meter_books_local(m, e);
    if (rc == RC_OK && (rc = meter_db_open(m, e)) == RC_CORRUPT)
        rc = err_wrap(e, rc, "the control database is damaged (`holdfast rebuild` makes it again from the journal)");
    if (rc == RC_OK)
        rc = check_against_journal(m, e);
    if (rc == RC_OK)
        rc = start(m, e);
    if (rc != RC_OK) {
        meter_close(m);
        return rc;
    }
    *ret = m;
    return RC_OK;
}

static void stop(struct meter *m)
{
    if (!m->running)
        return;
    meter_lock(m);
    m->stopping = true;
    pthread_cond_broadcast(&m->wake);
    pthread_cond_broadcast(&m->done);
    meter_unlock(m);
    pthread_join(m->thread, NULL);
}

/* What is not committed is in the journal and is read again at the next start, so an error here costs only time. */
static void last_commit(struct meter *m)
{
    struct err ignored;

    if (!m->sql)
        return;
    if (m->failed != RC_OK || meter_commit(m, &ignored) != RC_OK)
        sql_rollback(m->sql);
    sql_close(m->sql);
}

void meter_close(struct meter *m)
{
    if (!m)
        return;
    stop(m);
    last_commit(m);
    reader_drop(m);
    if (m->keys && m->small)
        meter_state_clear(m);
    key_sums_free(m->keys);
    small_objects_free(m->small);
    free(m->line);
    free(m->queue);
    registry_free(m->registry);
    notes_free(m->notes);
    meter_books_free(m);
    pthread_cond_destroy(&m->wake);
    pthread_cond_destroy(&m->done);
    pthread_mutex_destroy(&m->queue_lock);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->turn);
    free(m);
}

enum rc meter_destroy(struct os *os, const char *data_dir, struct err *e)
{
    static const char *const files[] = {"control.db", "control.db-wal", "control.db-shm", "control.db-journal"};
    char path[OS_PATH_MAX];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!os_path(path, data_dir, files[i]))
            return err_set(e, RC_LIMIT, "%s: the path is too long", data_dir);
        enum rc rc = os_unlink(os, path, e);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
    }
    enum rc rc = os_sync_dir(os, data_dir, e);
    return rc == RC_NOT_FOUND ? RC_OK : rc; /* no folder, no database */
}
