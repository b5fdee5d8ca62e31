/* Holdfast: reading everything, mending what is wrong. */
#include "journal/journal_priv.h"

struct scrub {
    struct journal *j;
    const struct scrub_pace *pace;
    struct scrub_count *add;
    uint64_t done, total; /* bytes of the journal */
    uint64_t read;        /* from all members */
    int64_t since;
};

static unsigned bits(unsigned mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/* Between batches: tell, stop, or wait until the pace allows more. */
static enum rc pause_between(struct scrub *s)
{
    const struct scrub_pace *p = s->pace;

    if (!p)
        return RC_OK;
    if (p->progress)
        p->progress(p->ctx, s->done, s->total > s->done ? s->total : s->done);
    for (;;) {
        int64_t due, left;

        if (p->stop && p->stop(p->ctx))
            return RC_CANCELLED;
        if (p->bytes_per_s == 0)
            return RC_OK;
        due = (int64_t)((unsigned __int128)s->read * (uint64_t)NS_PER_S / p->bytes_per_s);
        left = due - (clock_mono_ns(s->j->os->clock) - s->since);
        if (left <= 0)
            return RC_OK;
        /* Nothing ever reaches this sequence: a wait that a close ends. */
        if (journal_wait(s->j, UINT64_MAX, left < NS_PER_S ? left : NS_PER_S) == RC_CANCELLED)
            return RC_CANCELLED;
    }
}

/* Places that were damaged, and those of them that are right now. What a disk refused to take back is not lost as long
 * as another has it: that disk is left out. */
static void counted(struct scrub *s, unsigned damaged, unsigned mended)
{
    s->add->corrupt += bits(damaged);
    s->add->repaired += bits(damaged & mended);
}

/* Places that nobody has whole. */
static void counted_lost(struct scrub *s, unsigned n)
{
    s->add->corrupt += n;
    s->add->unrepairable += n;
}

/* A file that is gone is copied back; the active one cannot be, so its member is left out and joins again. */
static void scrub_missing(struct scrub *s, struct seg *g)
{
    struct journal *j = s->j;

    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];
        struct err why = {{0}};
        char path[OS_PATH_MAX];
        struct os_stat st;

        if (!(g->have & members_live(j) & (1u << i)) || !seg_path(m, g->first, "", path) ||
            os_stat(j->os, path, &st, &why) != RC_NOT_FOUND)
            continue;
        g->have &= (uint8_t) ~(1u << i);
        index_have(j, g->first, i, false);
        files_drop(j, i, g->first);
        if (g->end == 0) {
            member_fault(m, &why);
            counted(s, 1u << i, 0);
        } else if (heal_copy(j, &j->image, g, 0, g->have, m, &why) == RC_OK) {
            g->have |= (uint8_t)(1u << i);
            index_have(j, g->first, i, true);
            counted(s, 1u << i, 1u << i);
        } else if (g->have) {
            counted(s, 1u << i, 0);
        } else {
            counted_lost(s, 1);
        }
    }
}

static void scrub_header(struct scrub *s, const struct seg *g, unsigned mask)
{
    uint8_t good[SEG_HEADER_SIZE], bytes[SEG_HEADER_SIZE];
    unsigned bad = 0;
    bool any = false;
    struct seg_head h;

    for (unsigned i = 0; i < s->j->n_members && !any; i++)
        any = (g->have >> i & 1) && scan_head(s->j, i, g->first, good, &h, NULL) == RC_OK;
    if (!any) {
        counted_lost(s, 1);
        return;
    }
    for (unsigned i = 0; i < s->j->n_members; i++) {
        if (!(mask >> i & 1))
            continue;
        if (scan_head(s->j, i, g->first, bytes, &h, NULL) != RC_OK || memcmp(bytes, good, sizeof(good)) != 0)
            bad |= 1u << i;
        s->add->blocks++;
        s->add->bytes += SEG_HEADER_SIZE;
        s->read += SEG_HEADER_SIZE;
    }
    if (bad)
        repair_bytes(s->j, bad, g->first, 0, good, sizeof(good));
    counted(s, bad, members_live(s->j));
}

/* A punched segment says so on every member. */
static void scrub_sidecar(struct scrub *s, const struct seg *g, unsigned mask)
{
    for (unsigned i = 0; i < s->j->n_members && g->punched; i++) {
        struct err why = {{0}};
        char path[OS_PATH_MAX];
        struct os_stat st;

        if ((mask >> i & 1) && seg_path(&s->j->member[i], g->first, PUNCHED_SUFFIX, path) &&
            os_stat(s->j->os, path, &st, NULL) == RC_NOT_FOUND &&
            punched_mark(s->j, &s->j->member[i], g->first, &why) != RC_OK)
            member_fault(&s->j->member[i], &why);
    }
}

/* Sets *off behind the batch. RC_END: nothing that can be read follows. */
static enum rc scrub_batch(struct scrub *s, const struct seg *g, uint64_t *off, uint64_t end, struct err *e)
{
    struct journal *j = s->j;
    struct image *im = &j->image;
    unsigned mask = g->have & members_live(j), differs;
    struct batch_head next;
    enum rc rc = image_read(im, g->have, g->first, *off, end, g->punched, NULL, e);

    if (rc == RC_CORRUPT) {
        counted_lost(s, 1);
        HF_TRY(image_find(im, g->have, g->first, *off + BATCH_ALIGN, end, g->first - 1, &next, e));
        *off = next.offset;
        return RC_OK;
    }
    HF_TRY(rc);
    differs = image_differs(im, mask);
    counted(s, differs, differs ? image_fix(im, mask) : 0);
    counted_lost(s, im->n_damaged);
    s->add->blocks += (uint64_t)bits(mask) * (1 + im->n_attach);
    s->add->bytes += (uint64_t)bits(mask) * im->head.total;
    s->read += (uint64_t)bits(mask) * im->head.total;
    s->done += im->head.total;
    *off += im->head.total;
    return RC_OK;
}

/* How far the segment is durable. */
static uint64_t durable_end(struct journal *j, uint64_t first)
{
    struct seg g;
    uint64_t end = 0;

    pthread_mutex_lock(&j->lock);
    if (j->tail_seg == first)
        end = j->tail_off;
    pthread_mutex_unlock(&j->lock);
    return index_get(j, first, &g) && g.end != 0 ? g.end : end;
}

static enum rc scrub_segment(struct scrub *s, uint64_t first, struct err *e)
{
    struct journal *j = s->j;
    uint64_t off = SEG_HEADER_SIZE, end = durable_end(j, first);
    struct seg g;
    enum rc rc = RC_OK;

    while (rc == RC_OK && off < end) {
        unsigned mask;

        pthread_mutex_lock(&j->heal_lock);
        if (!index_get(j, first, &g)) {
            pthread_mutex_unlock(&j->heal_lock);
            return RC_OK; /* an empty segment that was made anew */
        }
        if (off == SEG_HEADER_SIZE) {
            scrub_missing(s, &g);
            mask = g.have & members_live(j);
            scrub_header(s, &g, mask);
            scrub_sidecar(s, &g, mask);
            s->done += SEG_HEADER_SIZE;
        }
        rc = scrub_batch(s, &g, &off, end, e);
        pthread_mutex_unlock(&j->heal_lock);
        if (rc == RC_OK)
            rc = pause_between(s);
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc journal_scrub(struct journal *j, const struct scrub_pace *pace, struct scrub_count *add, struct err *e)
{
    struct scrub s = {.j = j, .pace = pace, .add = add, .total = journal_bytes(j)};
    struct seg g;

    s.since = clock_mono_ns(j->os->clock);
    while (journal_heal_step(j, NULL) == RC_OK) /* what cannot be copied is counted below, where it is read */
        HF_TRY(pause_between(&s));
    for (size_t i = 0; index_at(j, i, &g); i++)
        HF_TRY(scrub_segment(&s, g.first, e));
    return RC_OK;
}
