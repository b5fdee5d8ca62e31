/* Work on the disks: scrub, heal, replace, reclaim. */
#include "sequence/engine_priv.h"

#include "base/log.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ---- scrub ---- */

/* Two rooms count their own bytes; a person wants one bar. */
struct two_part {
    const struct scrub_pace *outer;
    uint64_t before, total;
};

static void part_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct two_part *p = ctx;

    (void)total;
    p->outer->progress(p->outer->ctx, p->before + done, p->total);
}

static bool part_stop(void *ctx)
{
    struct two_part *p = ctx;

    return p->outer->stop && p->outer->stop(p->outer->ctx);
}

static uint64_t live_extent_bytes(struct engine *g)
{
    struct cat_extents *x = NULL;
    struct extent ext;
    uint64_t sum = 0;

    if (cat_extents_open(g->cat, 0, &x) != RC_OK)
        return 0;
    while (cat_extents_next(x, &ext) == RC_OK)
        sum += ext.length;
    cat_extents_close(x);
    return sum * g->disks->copies;
}

static enum rc scrub_store(struct engine *g, const struct scrub_pace *pace, struct scrub_count *add, struct err *e)
{
    struct cat_extents *x = NULL;

    enum rc rc = cat_extents_open(g->cat, 0, &x);
    if (rc != RC_OK)
        return err_set(e, rc, "the catalog's extents cannot be read");
    struct extent_source live = {cat_extents_next, x};
    rc = store_scrub(g->store, &live, pace, add, e);
    cat_extents_close(x);
    return rc;
}

enum rc engine_scrub(struct engine *g, const struct scrub_pace *pace, struct scrub_count *ret, struct err *e)
{
    struct scrub_count count = {0};
    unsigned members = g->disks->n < JOURNAL_MEMBERS_MAX ? g->disks->n : JOURNAL_MEMBERS_MAX;
    uint64_t journal_total = journal_bytes(g->journal) * members;
    struct two_part part = {pace, 0, journal_total + live_extent_bytes(g)};
    struct scrub_pace inner = {.bytes_per_s = pace->bytes_per_s,
                               .stop = part_stop,
                               .ctx = &part,
                               .progress = pace->progress ? part_progress : NULL};

    enum rc rc = diskset_scrub(g->disks, &count.corrupt, &count.repaired, e);
    if (rc != RC_OK)
        return rc;
    count.blocks += g->disks->n;
    /* A disk that cannot take its keys now is found corrupt and not repaired; the others do not wait for it. */
    rc = keystore_scrub(g->keys, &count.blocks, &count.corrupt, &count.repaired, e);
    if (rc == RC_NOMEM)
        return rc;
    if (rc != RC_OK)
        log_warn("scrub", "%s", e->text);
    HF_TRY(journal_scrub(g->journal, &inner, &count, e));
    part.before = journal_total;
    HF_TRY(scrub_store(g, &inner, &count, e));
    *ret = count;
    return RC_OK;
}

/* ---- heal ---- */

struct open_live {
    struct cat *cat;
    struct cat_extents *open;
};

static enum rc open_volume(void *ctx, uint64_t volume, struct extent_source *ret)
{
    struct open_live *l = ctx;

    cat_extents_close(l->open);
    l->open = NULL;
    HF_TRY(cat_extents_open(l->cat, volume, &l->open));
    *ret = (struct extent_source){cat_extents_next, l->open};
    return RC_OK;
}

/* Journal, volumes and keys are there: only now may the witness say so, for a start believes it. A disk that failed
 * meanwhile stays what it became. */
static enum rc call_ok(struct engine *g, unsigned slot, struct err *e)
{
    struct disk *k = &g->disks->disk[slot];
    enum disk_state was = DISK_REBUILDING;

    if (slot < JOURNAL_MEMBERS_MAX && !k->journal_whole)
        return err_set(e, RC_UNAVAILABLE, "disk %s left the journal while it was filled", k->path);
    if (!atomic_compare_exchange_strong(&k->state, &was, DISK_OK) && was != DISK_OK && was != DISK_DEGRADED)
        return err_set(e, RC_UNAVAILABLE, "disk %s became %s while it was filled", k->path, disk_state_name(was));
    return diskset_witness(g->disks, e);
}

enum rc engine_heal(struct engine *g, unsigned slot, bool (*stop)(void *ctx), void (*copied)(void *ctx, uint64_t bytes),
                    void *ctx, struct err *e)
{
    struct open_live live = {g->cat, NULL};
    enum rc rc = RC_OK;

    while (rc == RC_OK) {
        if (stop && stop(ctx))
            return err_set(e, RC_CANCELLED, "stopped");
        rc = journal_heal_step(g->journal, e);
        if (rc == RC_OK && copied)
            copied(ctx, 0);
    }
    while (rc == RC_END) {
        uint64_t bytes = 0;

        if (stop && stop(ctx)) {
            rc = err_set(e, RC_CANCELLED, "stopped");
            break;
        }
        rc = store_heal_step(g->store, slot, open_volume, &live, &bytes, e);
        if (rc == RC_OK && copied)
            copied(ctx, bytes);
        if (rc == RC_END)
            break;
        if (rc == RC_OK)
            rc = RC_END;
    }
    cat_extents_close(live.open);
    if (rc != RC_END)
        return rc;
    uint64_t blocks = 0, corrupt = 0, repaired = 0;
    HF_TRY(keystore_scrub(g->keys, &blocks, &corrupt, &repaired, e));
    HF_TRY(call_ok(g, slot, e));
    store_account_space(g->store);
    return RC_OK;
}

/* ---- replace ---- */

struct replace {
    struct engine *g;
    const char *old_path, *new_path;
    unsigned slot;
    void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
    void *ctx;
    uint64_t done, total;
};

static enum rc replace_member(void *ctx, struct err *e)
{
    struct replace *r = ctx;

    HF_TRY(diskset_replace(r->g->disks, r->old_path, r->new_path, &r->slot, e));
    if (r->slot < JOURNAL_MEMBERS_MAX)
        return journal_join(r->g->journal, r->slot, e);
    return RC_OK;
}

static bool replace_stop(void *ctx)
{
    struct replace *r = ctx;

    return engine_bg_ending(r->g);
}

static void replace_copied(void *ctx, uint64_t bytes)
{
    struct replace *r = ctx;

    r->done += bytes;
    if (r->progress)
        r->progress(r->ctx, r->done, r->total > r->done ? r->total : r->done);
}

enum rc engine_disk_replace(struct engine *g, const char *old_path, const char *new_path,
                            void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes), void *ctx,
                            struct err *e)
{
    struct replace r = {.g = g, .old_path = old_path, .new_path = new_path, .progress = progress, .ctx = ctx};

    r.total = live_extent_bytes(g) / g->disks->copies;
    engine_bg_take(g);
    enum rc rc = seq_run(g->seq, replace_member, &r, e);
    if (rc == RC_OK)
        rc = engine_heal(g, r.slot, replace_stop, replace_copied, &r, e);
    if (rc == RC_CANCELLED)
        err_set(e, rc, "stopped: %s took the place of %s and is filled after the next start", new_path, old_path);
    engine_bg_release(g);
    return rc;
}

/* ---- reclaim ---- */

struct dead {
    struct engine *g;
    int64_t before_ns;
    uint64_t volumes[RECLAIM_MAX], segments[RECLAIM_MAX];
    size_t n_volumes, n_segments;
};

static enum rc each_sealed(void *ctx, uint64_t volume, uint64_t size_bytes)
{
    struct dead *d = ctx;
    int64_t since = 0;

    (void)size_bytes;
    if (d->n_volumes < RECLAIM_MAX && cat_volume_dead(d->g->cat, volume, &since) && since <= d->before_ns)
        d->volumes[d->n_volumes++] = volume;
    return RC_OK;
}

static void keep_sealed(struct dead *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->n_segments; i++)
        if (journal_is_sealed(d->g->journal, d->segments[i]))
            d->segments[kept++] = d->segments[i];
    d->n_segments = kept;
}

enum rc engine_reclaim(struct engine *g, int64_t hold_ns, struct err *e)
{
    struct dead d = {.g = g, .before_ns = seq_now(g->seq) - hold_ns};

    HF_TRY(store_each_sealed(g->store, each_sealed, &d));
    HF_TRY(cat_dead_segments(g->cat, d.before_ns, d.segments, RECLAIM_MAX, &d.n_segments));
    keep_sealed(&d);
    if (d.n_volumes == 0 && d.n_segments == 0)
        return RC_OK;
    struct cat_op op = {.kind = CAT_RECLAIM,
                        .volumes = d.volumes,
                        .n_volumes = d.n_volumes,
                        .segments = d.segments,
                        .n_segments = d.n_segments};
    struct seq_req req = {.op = &op};
    enum rc rc = seq_call(g->seq, &req);
    if (rc != RC_OK)
        return err_set(e, rc, "reclaim: %s", req.err.text);
    /* The record is durable: what follows is idempotent and is done again after a crash, for a dropped volume has no
     * live extent. */
    for (size_t i = 0; i < d.n_volumes; i++)
        HF_TRY(store_drop(g->store, d.volumes[i], e));
    for (size_t i = 0; i < d.n_segments; i++)
        HF_TRY(journal_punch(g->journal, d.segments[i], e));
    log_info("engine", "gave back the space of %zu dead volumes and %zu segments", d.n_volumes, d.n_segments);
    return RC_OK;
}
