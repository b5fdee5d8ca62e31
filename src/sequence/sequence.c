/* The sequencer's thread, its queue, and the calls that others make on it. */
#include "sequence/seq_priv.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Ticks of one batch when many are due (a start after a long stop, an advance of the virtual clock). */
#define TICKS_PER_BATCH 288u
#define IDLE_POLL_NS (1LL * NS_PER_S)

static void wait_until(struct seq *s, int64_t for_ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += for_ns / NS_PER_S;
    t.tv_nsec += for_ns % NS_PER_S;
    if (t.tv_nsec >= NS_PER_S) {
        t.tv_sec++;
        t.tv_nsec -= NS_PER_S;
    }
    s->waiting = true;
    pthread_cond_timedwait(&s->wake, &s->lock, &t);
    s->waiting = false;
}

/* Under load a batch that waits a moment for company costs fewer syncs than two small ones. Alone, nobody waits. */
static void gather(struct seq *s)
{
    int64_t gather_ns = s->cfg.gather_ns;

    if (gather_ns > 0 && s->last_batch > 2 && s->queued < s->last_batch && !s->closing)
        wait_until(s, gather_ns);
}

static struct seq_req *take_queue(struct seq *s)
{
    struct seq_req *r = s->head;

    s->last_batch = s->queued;
    s->head = s->tail = NULL;
    s->queued = 0;
    return r;
}

static void run_commands(struct seq *s)
{
    struct seq_command *c = s->commands;

    s->commands = NULL;
    while (c) {
        struct seq_command *next = c->next;

        pthread_mutex_unlock(&s->lock);
        c->rc = c->fn(c->ctx, c->e);
        pthread_mutex_lock(&s->lock);
        c->finished = true;
        pthread_cond_broadcast(&s->command_done);
        c = next;
    }
}

static void expel_failed(struct seq *s)
{
    unsigned slots = atomic_exchange(&s->failed_slots, 0);
    struct err e;

    for (unsigned slot = 0; slots != 0; slot++, slots >>= 1)
        if ((slots & 1) && journal_expel(s->journal, slot, &e) != RC_OK)
            log_error("sequence", "disk %s could not be left out of the journal: %s", s->disks->disk[slot].path,
                      e.text);
}

/* A disk left or joined the journal: the operator hears why. */
static void log_epoch(struct seq *s)
{
    uint64_t epoch = journal_epoch(s->journal);
    struct err why = {""};

    if (epoch == s->epoch_seen)
        return;
    s->epoch_seen = epoch;
    journal_last_fault(s->journal, &why);
    log_warn("sequence", "the journal goes on in epoch %llu%s%s", (unsigned long long)epoch, why.text[0] ? ": " : "",
             why.text);
}

/* Ticks that are overdue by more than one come before anything else that happens now: a record raises the time of all
 * behind it, and a tick that is raised to now samples nothing. */
static enum rc make_up_ticks(struct seq *s)
{
    bool more = !s->cfg.virtual_clock && s->next_tick_ns + TICK_NS <= seq_now(s);

    while (more) {
        HF_TRY(seq_batch_ticks(s, seq_now(s), TICKS_PER_BATCH, &more));
        HF_TRY(seq_batch_commit(s));
    }
    return RC_OK;
}

/* What time alone makes due: ticks, the minute's usage, the meter's notes. Failures are logged where they happen. */
static void housekeeping(struct seq *s)
{
    int64_t mono = clock_mono_ns(s->os->clock);
    bool more = false;
    enum rc rc = RC_OK;

    if (s->broken)
        return;
    rc = make_up_ticks(s);
    if (rc == RC_OK && !s->cfg.virtual_clock && s->next_tick_ns <= seq_now(s)) {
        rc = seq_batch_usage(s);
        if (rc == RC_OK)
            rc = seq_batch_ticks(s, seq_now(s), TICKS_PER_BATCH, &more);
    } else if (rc == RC_OK && mono >= s->usage_due_ns) {
        rc = seq_batch_usage(s);
        if (rc == RC_OK)
            rc = seq_batch_notes(s);
        s->usage_due_ns = mono + USAGE_EVERY_NS;
    }
    if (rc == RC_OK && s->staged_records > 0)
        rc = seq_batch_commit(s);
    if (rc != RC_OK)
        s->usage_due_ns = mono + USAGE_EVERY_NS;
}

static void take_batch(struct seq *s, struct seq_req *r)
{
    while (r) {
        struct seq_req *next = r->next;

        seq_batch_take(s, r);
        r = next;
    }
    if (seq_batch_commit(s) != RC_OK)
        log_warn("sequence", "a batch failed and was answered so");
}

static void *run(void *ctx)
{
    struct seq *s = ctx;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (!s->head && !s->commands && !s->closing) {
            s->last_batch = 0;
            wait_until(s, IDLE_POLL_NS);
        }
        gather(s);
        if (!s->head && !s->commands && s->closing)
            break;
        struct seq_req *batch = take_queue(s);
        run_commands(s);
        pthread_mutex_unlock(&s->lock);
        if (atomic_load(&s->failed_slots))
            expel_failed(s);
        housekeeping(s);
        if (batch)
            take_batch(s, batch);
        log_epoch(s);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

struct seeding {
    struct stored *stored;
    enum rc rc;
};

static void seed_one(void *ctx, const struct meter_stored *of)
{
    struct seeding *x = ctx;

    if (x->rc == RC_OK)
        x->rc = stored_seed(x->stored, of);
}

/* What the journal's records so far have stored, as the meter has summed it. */
static enum rc seed(struct seq *s)
{
    struct seeding x = {.rc = stored_new(&s->stored)};

    if (x.rc != RC_OK)
        return x.rc;
    x.stored = s->stored;
    HF_TRY(meter_each_stored(s->meter, seed_one, &x));
    return x.rc;
}

enum rc seq_open(struct os *os, struct diskset *disks, struct journal *j, struct store *store, struct cat *c,
                 struct meter *m, const struct seq_cfg *cfg, struct seq **ret, struct err *e)
{
    struct seq *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;

    if (!s)
        return err_set(e, RC_NOMEM, "sequencer: out of memory");
    *s = (struct seq){.os = os, .disks = disks, .journal = j, .store = store, .cat = c, .meter = m, .cfg = *cfg};
    if (s->cfg.gather_ns == 0)
        s->cfg.gather_ns = GATHER_DEFAULT_NS;
    if (s->cfg.hold_ns == 0)
        s->cfg.hold_ns = HOLD_DEFAULT_NS;
    s->payload = BUF(PAYLOAD_MAX);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->time_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_cond_init(&s->command_done, &attr);
    pthread_condattr_destroy(&attr);
    enum rc rc = cat_txn_new(c, &s->txn);
    if (rc != RC_OK) {
        err_set(e, rc, "sequencer: out of memory");
        goto err0;
    }
    cat_txn_on_quota(s->txn, seq_batch_quota, s);
    rc = seed(s);
    if (rc != RC_OK) {
        err_set(e, rc, "sequencer: what is stored cannot be summed up");
        goto err1;
    }
    seq_time_init(s);
    s->epoch_seen = journal_epoch(j);
    s->usage_due_ns = clock_mono_ns(os->clock) + USAGE_EVERY_NS;
    /* A record at the very start, so that a restart of a virtual clock stands where this one stood; and the price books
     * that apply from here on, so that a replay does not depend on files. */
    if (cfg->virtual_clock && disks->fresh)
        rc = seq_batch_record(s, REC_TICK, s->virtual_ns, (struct view){NULL, 0});
    /* Without space there are none now; what is stored can still be read, and deleted. */
    if (rc == RC_OK && make_up_ticks(s) != RC_OK && s->broken)
        rc = RC_UNAVAILABLE;
    if (rc == RC_OK)
        rc = seq_batch_prices(s);
    if (rc == RC_OK)
        rc = seq_batch_commit(s);
    if (rc != RC_OK) {
        err_set(e, rc, "the journal takes no records%s%s", s->broken ? ": " : "", s->broken ? s->broken : "");
        goto err1;
    }
    rc = os_thread(&s->thread, "hf-sequencer", run, s);
    if (rc != RC_OK) {
        err_set(e, rc, "no thread for the sequencer");
        goto err1;
    }
    *ret = s;
    return RC_OK;
err1:
    stored_free(s->stored);
    cat_txn_free(s->txn);
err0:
    free(s);
    return rc;
}

static enum rc last_usage(void *ctx, struct err *e)
{
    struct seq *s = ctx;

    (void)e;
    if (s->broken)
        return RC_UNAVAILABLE;
    HF_TRY(seq_batch_usage(s));
    HF_TRY(seq_batch_notes(s));
    return seq_batch_commit(s);
}

void seq_close(struct seq *s)
{
    struct err e;

    if (!s)
        return;
    if (seq_run(s, last_usage, s, &e) != RC_OK)
        log_warn("sequence", "the last minute's reads were not recorded");
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    cat_txn_free(s->txn);
    stored_free(s->stored);
    buf_free(&s->payload);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->command_done);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->time_lock);
    free(s);
}

void seq_submit(struct seq *s, struct seq_req *r)
{
    r->next = NULL;
    r->rc = RC_OK;
    r->err.text[0] = 0;
    r->cat = (struct cat_done){0};
    pthread_mutex_lock(&s->lock);
    if (s->closing) {
        pthread_mutex_unlock(&s->lock);
        r->rc = err_set(&r->err, RC_CANCELLED, "shutting down");
        r->done(r);
        return;
    }
    if (s->tail)
        s->tail->next = r;
    else
        s->head = r;
    s->tail = r;
    s->queued++;
    /* While a batch gathers, only the one that completes it needs to wake the thread. */
    if (s->waiting && (s->last_batch == 0 || s->queued >= s->last_batch))
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* seq_call: the waiter lives on the caller's stack. */
struct call {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool finished;
};

static void call_done(struct seq_req *r)
{
    struct call *c = r->ctx;

    pthread_mutex_lock(&c->lock);
    c->finished = true;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->lock);
}

enum rc seq_call(struct seq *s, struct seq_req *r)
{
    struct call c = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

    r->done = call_done;
    r->ctx = &c;
    seq_submit(s, r);
    pthread_mutex_lock(&c.lock);
    while (!c.finished)
        pthread_cond_wait(&c.cond, &c.lock);
    pthread_mutex_unlock(&c.lock);
    pthread_cond_destroy(&c.cond);
    pthread_mutex_destroy(&c.lock);
    return r->rc;
}

enum rc seq_run(struct seq *s, enum rc (*fn)(void *ctx, struct err *e), void *ctx, struct err *e)
{
    struct seq_command c = {.fn = fn, .ctx = ctx, .e = e, .rc = RC_OK};

    pthread_mutex_lock(&s->lock);
    if (s->closing) {
        pthread_mutex_unlock(&s->lock);
        return err_set(e, RC_CANCELLED, "shutting down");
    }
    struct seq_command **end = &s->commands;
    while (*end)
        end = &(*end)->next;
    *end = &c;
    pthread_cond_signal(&s->wake);
    while (!c.finished)
        pthread_cond_wait(&s->command_done, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return c.rc;
}

/* ---- advancing a virtual clock ---- */

struct advance {
    struct seq *s;
    int64_t to_ns;
    bool more;
};

/* One piece: some ticks, and at the end a record at the very instant, so that a restart stands there too. */
static enum rc advance_piece(void *ctx, struct err *e)
{
    struct advance *a = ctx;
    struct seq *s = a->s;

    if (s->broken)
        return err_set(e, RC_UNAVAILABLE, "%s: restart holdfast to recover", s->broken);
    HF_TRY(seq_batch_usage(s));
    HF_TRY(seq_batch_ticks(s, a->to_ns, TICKS_PER_BATCH, &a->more));
    int64_t reached = a->more ? s->next_tick_ns - TICK_NS : a->to_ns;
    if (!a->more)
        HF_TRY(seq_batch_record(s, REC_TICK, a->to_ns, (struct view){NULL, 0}));
    HF_TRY(seq_batch_commit(s));
    seq_time_set_virtual(s, reached > seq_now(s) ? reached : seq_now(s));
    return RC_OK;
}

static enum rc settle_piece(void *ctx, struct err *e)
{
    struct seq *s = ctx;

    (void)e;
    HF_TRY(seq_batch_notes(s));
    return seq_batch_commit(s);
}

static enum rc wait_readers(struct seq *s, struct err *e)
{
    return meter_wait(s->meter, journal_durable(s->journal), e);
}

enum rc seq_advance(struct seq *s, int64_t by_ns, void (*progress)(void *ctx, int64_t done_ns, int64_t total_ns),
                    void *ctx, struct err *e)
{
    if (!s->cfg.virtual_clock)
        return err_set(e, RC_UNSUPPORTED,
                       "the clock is real: only a daemon started with --virtual-clock can be advanced");
    int64_t from = seq_now(s);
    if (by_ns <= 0 || by_ns > INT64_MAX / 2 - from)
        return err_set(e, RC_INVALID, "the clock can only be advanced, by a span such as 25h");
    struct advance a = {s, from + by_ns, true};

    while (a.more) {
        HF_TRY(seq_run(s, advance_piece, &a, e));
        HF_TRY(wait_readers(s, e));
        HF_TRY(seq_run(s, settle_piece, s, e));
        if (progress)
            progress(ctx, seq_now(s) - from, by_ns);
    }
    return wait_readers(s, e);
}

enum rc seq_settle(struct seq *s, struct err *e)
{
    HF_TRY(seq_run(s, last_usage, s, e));
    HF_TRY(wait_readers(s, e));
    HF_TRY(seq_run(s, settle_piece, s, e));
    return wait_readers(s, e);
}

enum rc seq_quota(struct seq *s, uint64_t account, const struct cat_bucket *b, int64_t bytes, int64_t objects,
                  struct err *ret_message)
{
    struct quota_change c;

    stored_peek(s->stored, account, b->id, bytes, objects, &c);
    c.bucket = view_cstr(b->name);
    return registry_quota(meter_registry(s->meter), &c, ret_message);
}

void seq_disk_failed(struct seq *s, unsigned slot)
{
    HF_ASSERT(slot < DISKS_MAX);
    atomic_fetch_or(&s->failed_slots, 1u << slot);
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void seq_stats(struct seq *s, struct seq_stats *ret)
{
    *ret = (struct seq_stats){atomic_load(&s->n_batches), atomic_load(&s->n_records), atomic_load(&s->n_failed),
                              atomic_load(&s->n_refused)};
}
