/* Holdfast: recovery of the active segment: batch by batch to the end of its history, with the trusted members made
 * equal on the way.
 *
 * At most one batch was in flight, so behind the last acknowledged batch each member holds that batch whole, torn or
 * not at all. A place where no trusted member has a whole batch is therefore the end, unless something later proves
 * that it is not: another whole batch behind it, or the witness's mark. Then it is damage in the middle (J4). */
#include <inttypes.h>
#include <stdlib.h>

#include "journal/journal_priv.h"

struct walk {
    struct journal *j;
    struct image im;
    unsigned trusted;
    struct journal_report *report;
    struct seg_head head;
    unsigned others; /* present members that are not trusted: their batches only fill what the tree proves */
    struct tree tree;
    uint8_t root[HASH_SIZE];
    uint64_t off, next, epoch;
    int64_t last_time;
    bool sealed;
};

void repair_bytes(struct journal *j, unsigned mask, uint64_t first, uint64_t off, const uint8_t *bytes, size_t n)
{
    uint8_t back[BATCH_ALIGN];

    HF_ASSERT(n <= sizeof(back));
    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];
        struct err why = {{0}};
        char path[OS_PATH_MAX];
        struct os_file *f = NULL;
        enum rc rc;

        if (!(mask >> i & 1) || !seg_path(m, first, "", path))
            continue;
        rc = os_open(j->os, path, OS_READ | OS_WRITE, &f, &why);
        if (rc == RC_OK)
            rc = os_pwrite(j->os, f, bytes, n, off, &why);
        if (rc == RC_OK)
            rc = os_datasync(j->os, f, &why);
        if (rc == RC_OK)
            rc = os_pread(j->os, f, back, n, off, &why);
        if (rc == RC_OK && memcmp(back, bytes, n) != 0)
            rc = err_set(&why, RC_IO, "%s: a repair at %" PRIu64 " reads back differently", path, off);
        os_close(j->os, f);
        if (rc != RC_OK)
            member_fault(m, &why);
    }
}

/* Members that failed during the walk are no longer asked. */
static unsigned trusted_now(const struct walk *w)
{
    unsigned mask = w->trusted;

    for (unsigned i = 0; i < w->j->n_members; i++)
        if (w->j->member[i].failed)
            mask &= ~(1u << i);
    return mask;
}

static enum rc apply_records(struct walk *w, struct err *e)
{
    const uint8_t *header, *records = image_records(&w->im);
    uint8_t leaf[HASH_SIZE], hash[HASH_SIZE];
    struct rec_head r;
    struct view payload;
    uint32_t pos = 0;
    enum rc rc;

    while ((rc = rec_next(records, w->im.head.records_size, &pos, &r, &header, &payload)) == RC_OK) {
        rec_hash(r.salt, payload, hash);
        if (memcmp(hash, r.hash, HASH_SIZE) != 0)
            return err_set(e, RC_CORRUPT, "record %" PRIu64 ": the payload is not the one that was hashed", r.seq);
        tree_leaf(header, leaf);
        tree_add(&w->tree, leaf);
        w->last_time = r.time_ns;
    }
    return rc == RC_END ? RC_OK : rc;
}

/* The batch in the image is history: on all trusted members, then in the tree. */
static enum rc accept(struct walk *w, struct err *e)
{
    unsigned trusted = trusted_now(w), lack = image_differs(&w->im, trusted);

    if (w->im.diverged)
        return err_set(e, RC_CORRUPT,
                       "two disks hold different records from sequence %" PRIu64 " on, both of epoch %" PRIu64
                       ": start with the right one alone and confirm its epoch",
                       w->next, w->im.head.epoch);
    if (lack)
        w->report->copied_batches++;
    if (!image_fix(&w->im, trusted))
        return err_set(e, RC_IO, "the last batches of the journal could not be written back to any disk");
    HF_TRY(apply_records(w, e));
    tree_root(&w->tree, w->root);
    w->off += w->im.head.total;
    w->next += w->im.head.count;
    w->epoch = w->im.head.epoch;
    w->sealed = w->im.head.flags & BATCH_SEAL;
    return RC_OK;
}

/* Is there anything that shows that history does not end before `seq`: the witness's mark, or a batch at or after
 * `from` that begins after it? *ret_next is where history goes on, at least. */
static enum rc proven_later(struct walk *w, uint64_t from, uint64_t seq, uint64_t *ret_next, struct err *e)
{
    struct journal *j = w->j;
    struct batch_head h;
    struct image im;
    enum rc rc;

    HF_TRY(image_init(&im, j, e));
    rc = image_find(&im, trusted_now(w), w->head.first, from, w->head.size, seq, &h, e);
    image_free(&im);
    if (rc == RC_OK)
        *ret_next = h.first_seq;
    if (rc == RC_END && j->set->acked >= seq && !j->set->confirm_epoch) {
        *ret_next = j->set->acked + 1;
        rc = RC_OK;
    }
    return rc;
}

static enum rc image_here(struct walk *w, unsigned mask, struct err *e)
{
    const struct image_expect x = {w->next, w->root};
    enum rc rc = image_read(&w->im, mask, w->head.first, w->off, w->head.size, false, &x, e);

    if (rc == RC_OK && w->im.head.epoch < w->epoch)
        return RC_CORRUPT;
    return rc;
}

/* No trusted member has this batch whole. RC_END: the end of history. RC_OK: somebody else's was proven and taken. */
static enum rc fill_or_end(struct walk *w, struct err *e)
{
    uint64_t later;
    enum rc rc = proven_later(w, w->off + BATCH_ALIGN, w->next, &later, e);

    if (rc != RC_OK)
        return rc;
    rc = image_here(w, trusted_now(w) | w->others, e);
    if (rc == RC_OK)
        return accept(w, e);
    if (rc != RC_CORRUPT)
        return rc;
    return err_set(e, RC_CORRUPT,
                   "sequences %" PRIu64 " to %" PRIu64 " are damaged or missing on every disk (segment %016" PRIx64
                   ", offset %" PRIu64 "): attach a disk that holds them",
                   w->next, later - 1, w->head.first, w->off);
}

static enum rc step(struct walk *w, struct err *e)
{
    uint64_t later;
    enum rc rc;

    if (w->sealed || w->off + BATCH_ALIGN > w->head.size)
        return RC_END;
    rc = image_here(w, trusted_now(w), e);
    if (rc == RC_CORRUPT)
        return fill_or_end(w, e);
    HF_TRY(rc);
    if (w->im.n_damaged == 0)
        return accept(w, e);
    /* Records whole, a body not: torn if it is the last, else damage, which is told to whoever reads that body. */
    rc = proven_later(w, w->off + w->im.head.total, w->next + w->im.head.count - 1, &later, e);
    return rc == RC_OK ? accept(w, e) : rc;
}

/* Behind the end there are zeros, so that nothing there is ever taken for history, and the next append finds the file
 * as a fresh one. */
static enum rc wipe_part(struct journal *j, struct member *m, void *ctx, struct err *e)
{
    const struct walk *w = ctx;
    uint8_t chunk[16 * BATCH_ALIGN], zero[16 * BATCH_ALIGN] = {0};
    char path[OS_PATH_MAX];
    struct os_file *f;
    struct os_stat st;
    enum rc rc;

    if (!seg_path(m, w->head.first, "", path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->dir);
    HF_TRY(os_open(j->os, path, OS_READ | OS_WRITE, &f, e));
    rc = j->os->ops->fstat(j->os, f, &st, e);
    for (uint64_t off = w->off; rc == RC_OK && !w->sealed && off < w->head.size; off += sizeof(chunk)) {
        uint64_t left = w->head.size - off;
        size_t n = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

        rc = read_padded(j->os, f, chunk, n, off, e);
        if (rc == RC_OK && (memcmp(chunk, zero, n) != 0 || off + n > st.size_bytes))
            rc = os_pwrite(j->os, f, zero, n, off, e);
    }
    /* What was found may be in the page cache only: durable before anybody reads it. */
    if (rc == RC_OK)
        rc = os_datasync(j->os, f, e);
    if (rc == RC_OK)
        rc = os_sync_dir(j->os, m->dir, e);
    os_close(j->os, f);
    return rc;
}

static enum rc count_cut(struct walk *w, struct err *e)
{
    uint8_t block[BATCH_ALIGN], zero[BATCH_ALIGN] = {0};
    bool torn = false;

    for (unsigned i = 0; i < w->j->n_members && !w->sealed && w->off < w->head.size; i++) {
        struct file_ref f;

        if (!(trusted_now(w) >> i & 1))
            continue;
        if (files_get(w->j, i, w->head.first, &f, e) != RC_OK)
            continue;
        if (read_padded(w->j->os, f.f, block, sizeof(block), w->off, e) == RC_OK)
            torn = torn || memcmp(block, zero, sizeof(block)) != 0;
        files_put(w->j, &f);
    }
    w->report->cut_batches += torn;
    return RC_OK;
}

static enum rc walk_all(struct walk *w, struct err *e)
{
    struct journal *j = w->j;
    enum rc rc;

    do
        rc = step(w, e);
    while (rc == RC_OK);
    if (rc != RC_END)
        return rc;
    HF_TRY(count_cut(w, e));
    if (w->next - 1 < j->set->acked && !j->set->confirm_epoch)
        return err_set(e, RC_CORRUPT,
                       "the journal ends at sequence %" PRIu64 ", but %" PRIu64
                       " were acknowledged: a disk came back with old data. Attach the right one, or confirm the loss",
                       w->next - 1, j->set->acked);
    if (!members_run(j, trusted_now(w), wipe_part, w))
        return err_set(e, RC_IO, "%s", j->fault.text);
    j->cur.first = w->head.first;
    j->cur.size = w->head.size;
    j->cur.off = w->off;
    j->cur.prev_first = w->head.prev_first;
    j->cur.prev_end = w->head.prev_end;
    j->cur.sealed = w->sealed;
    tree_copy(&j->tree, &w->tree);
    memcpy(j->root, w->root, HASH_SIZE);
    j->next_seq = w->next;
    j->last_time = w->last_time;
    j->epoch = w->epoch;
    return RC_OK;
}

enum rc walk_tail(struct journal *j, unsigned trusted, unsigned others, uint64_t first, struct journal_report *r,
                  struct err *e)
{
    struct walk *w = calloc(1, sizeof(*w));
    uint8_t bytes[SEG_HEADER_SIZE];
    enum rc rc = RC_CORRUPT;

    if (!w)
        return err_set(e, RC_NOMEM, "no memory for recovery");
    w->j = j;
    w->trusted = trusted;
    w->report = r;
    w->others = others;
    for (unsigned i = 0; i < j->n_members && rc != RC_OK; i++)
        if (trusted_now(w) >> i & 1)
            rc = scan_head(j, i, first, bytes, &w->head, e);
    if (rc == RC_OK)
        rc = image_init(&w->im, j, e);
    if (rc == RC_OK) {
        tree_copy(&w->tree, &w->head.tree);
        tree_root(&w->tree, w->root);
        w->off = SEG_HEADER_SIZE;
        w->next = first;
        w->epoch = w->head.table.epoch;
        w->last_time = w->head.last_time;
        rc = walk_all(w, e);
    }
    image_free(&w->im);
    free(w);
    return rc;
}
