/* What runs beside the requests: healing of disks that lack something, reclaiming, and the paced scrub. One thread. */
#include "sequence/engine_priv.h"

#include "base/log.h"

#include <stdlib.h>
#include <time.h>

static bool must_stop(void *ctx)
{
    struct engine *g = ctx;

    pthread_mutex_lock(&g->bg->lock);
    bool stop = g->bg->closing || g->bg->pause;
    pthread_mutex_unlock(&g->bg->lock);
    return stop;
}

/* At most so much of the newest history could an old copy of a disk pass for after a crash. */
static void mark_when_due(struct engine *g)
{
    int64_t now = clock_mono_ns(g->os->clock);

    if (now < g->bg->mark_due_ns)
        return;
    journal_mark(g->journal);
    g->bg->mark_due_ns = now + MARK_EVERY_NS;
}

/* A pass of days gives way to the freeing of space as soon as that is what matters. */
static bool scrub_must_stop(void *ctx)
{
    struct engine *g = ctx;

    mark_when_due(g);
    return must_stop(g) || journal_full(g->journal);
}

static bool any_degraded(const struct engine *g)
{
    for (unsigned i = 0; i < g->disks->n; i++)
        if (g->disks->disk[i].state == DISK_DEGRADED)
            return true;
    return false;
}

static void scrub_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct engine *g = ctx;

    pthread_mutex_lock(&g->bg->lock);
    g->bg->report.done_bytes = done;
    g->bg->report.total_bytes = total;
    pthread_mutex_unlock(&g->bg->lock);
}

static void count_pass(struct engine *g, const struct scrub_count *c)
{
    struct engine_scrub_report *r = &g->bg->report;

    pthread_mutex_lock(&g->bg->lock);
    r->last = *c;
    r->last_pass_ns = clock_real_ns(g->os->clock);
    r->total.blocks += c->blocks;
    r->total.bytes += c->bytes;
    r->total.corrupt += c->corrupt;
    r->total.repaired += c->repaired;
    r->total.unrepairable += c->unrepairable;
    r->done_bytes = r->total_bytes = 0;
    pthread_mutex_unlock(&g->bg->lock);
    if (c->corrupt)
        log_warn("scrub", "%llu corrupt, %llu repaired, %llu unrepairable", (unsigned long long)c->corrupt,
                 (unsigned long long)c->repaired, (unsigned long long)c->unrepairable);
}

static void scrub_pass(struct engine *g)
{
    struct scrub_pace pace = {
        .bytes_per_s = g->bg->scrub_bytes_per_s, .stop = scrub_must_stop, .progress = scrub_progress, .ctx = g};
    struct scrub_count count = {0};
    struct err e = {""};

    enum rc rc = engine_scrub(g, &pace, &count, &e);
    if (rc == RC_OK)
        count_pass(g, &count);
    else if (rc != RC_CANCELLED)
        log_error("scrub", "%s", e.text);
}

static void heal_all(struct engine *g)
{
    struct err e = {""};

    for (unsigned i = 0; i < g->disks->n; i++) {
        if (g->disks->disk[i].state != DISK_REBUILDING)
            continue;
        enum rc rc = engine_heal(g, i, must_stop, NULL, g, &e);
        if (rc == RC_OK)
            log_info("engine", "disk %s holds everything again", g->disks->disk[i].path);
        else if (rc != RC_CANCELLED)
            log_error("engine", "disk %s is not whole yet: %s", g->disks->disk[i].path, e.text);
    }
}

/* Sleeps until the time is up or somebody wants something; true while there is work to go on with. */
static bool rest(struct engine *g, int64_t ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ns / NS_PER_S;
    pthread_mutex_lock(&g->bg->lock);
    if (!g->bg->closing)
        pthread_cond_timedwait(&g->bg->wake, &g->bg->lock, &t);
    bool go_on = !g->bg->closing;
    pthread_mutex_unlock(&g->bg->lock);
    return go_on;
}

static void *run(void *ctx)
{
    struct engine *g = ctx;
    struct err e = {""};
    int64_t scrub_due = clock_mono_ns(g->os->clock) + SCRUB_FIRST_NS;

    while (rest(g, RECLAIM_EVERY_NS)) {
        if (must_stop(g))
            continue;
        pthread_mutex_lock(&g->bg->work);
        mark_when_due(g);
        store_account_space(g->store);
        heal_all(g);
        enum rc rc = engine_reclaim(g, g->bg->hold_ns, &e);
        if (rc != RC_OK && rc != RC_CANCELLED)
            log_warn("engine", "space was not given back: %s", e.text);
        int64_t now = clock_mono_ns(g->os->clock);
        /* Damage is known: the next pass does not wait for its turn. */
        if (any_degraded(g) && scrub_due > now + SCRUB_DEGRADED_NS)
            scrub_due = now + SCRUB_DEGRADED_NS;
        if (now >= scrub_due && !journal_full(g->journal)) {
            scrub_pass(g);
            scrub_due = clock_mono_ns(g->os->clock) + SCRUB_PAUSE_NS;
        }
        pthread_mutex_unlock(&g->bg->work);
    }
    return NULL;
}

enum rc engine_bg_start(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    struct engine_bg *b = calloc(1, sizeof *b);
    pthread_condattr_t attr;

    if (!b)
        return err_set(e, RC_NOMEM, "out of memory");
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_init(&b->work, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &attr);
    pthread_condattr_destroy(&attr);
    b->scrub_bytes_per_s = cfg->scrub_bytes_per_s ? cfg->scrub_bytes_per_s : SCRUB_DEFAULT_BYTES_PER_S;
    b->hold_ns = cfg->seq.hold_ns ? cfg->seq.hold_ns : 24LL * 3600 * NS_PER_S;
    g->bg = b;
    store_account_space(g->store);
    if (cfg->no_background)
        return RC_OK;
    enum rc rc = os_thread(&b->thread, "hf-background", run, g);
    b->started = rc == RC_OK;
    return rc == RC_OK ? RC_OK : err_set(e, rc, "no thread for the background work");
}

void engine_end_work(struct engine *g)
{
    pthread_mutex_lock(&g->bg->lock);
    g->bg->closing = true;
    pthread_cond_broadcast(&g->bg->wake);
    pthread_mutex_unlock(&g->bg->lock);
}

bool engine_bg_ending(struct engine *g)
{
    pthread_mutex_lock(&g->bg->lock);
    bool ending = g->bg->closing;
    pthread_mutex_unlock(&g->bg->lock);
    return ending;
}

void engine_bg_stop(struct engine *g)
{
    struct engine_bg *b = g->bg;

    if (!b)
        return;
    engine_end_work(g);
    if (b->started)
        pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->work);
    free(b);
    g->bg = NULL;
}

void engine_bg_take(struct engine *g)
{
    pthread_mutex_lock(&g->bg->lock);
    g->bg->pause = true;
    pthread_cond_broadcast(&g->bg->wake);
    pthread_mutex_unlock(&g->bg->lock);
    pthread_mutex_lock(&g->bg->work);
    pthread_mutex_lock(&g->bg->lock);
    g->bg->pause = false;
    pthread_mutex_unlock(&g->bg->lock);
}

void engine_bg_release(struct engine *g)
{
    pthread_mutex_unlock(&g->bg->work);
}

void engine_scrub_report(struct engine *g, struct engine_scrub_report *ret)
{
    pthread_mutex_lock(&g->bg->lock);
    *ret = g->bg->report;
    pthread_mutex_unlock(&g->bg->lock);
}
