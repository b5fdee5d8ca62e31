/* Holdfast: one batch as it should be, from what each member has of it; and making the members so. Recovery, readers,
 * scrub and heal all mend through here. */
#include <stdlib.h>

#include "journal/journal_priv.h"

enum { FIND_CHUNK = 1 << 20 };

static enum rc grow(uint8_t **p, size_t *cap, size_t n, struct err *e)
{
    uint8_t *q;

    if (n <= *cap)
        return RC_OK;
    q = realloc(*p, n);
    if (!q)
        return err_set(e, RC_NOMEM, "no memory to read a batch of %zu bytes", n);
    *p = q;
    *cap = n;
    return RC_OK;
}

enum rc image_init(struct image *im, struct journal *j, struct err *e)
{
    memset(im, 0, sizeof(*im));
    im->j = j;
    im->hole = calloc(JOURNAL_BATCH_RECORDS_MAX, sizeof(*im->hole));
    if (!im->hole)
        return err_set(e, RC_NOMEM, "no memory to read a batch");
    return grow(&im->bytes, &im->cap, BATCH_ALIGN, e);
}

void image_free(struct image *im)
{
    free(im->hole);
    free(im->bytes);
    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++)
        free(im->side[i].bytes);
}

/* Reads [from, to) of the batch from one member into its side. An I/O error is that member's, not ours. */
static enum rc side_read(struct image *im, unsigned slot, uint32_t from, uint32_t to, struct err *e)
{
    struct image_side *s = &im->side[slot];
    struct file_ref f = {NULL, NULL};
    enum rc rc;

    HF_TRY(grow(&s->bytes, &s->cap, to, e));
    memset(s->bytes + from, 0, to - from);
    rc = files_get(im->j, slot, im->seg, &f, NULL);
    if (rc == RC_OK)
        rc = read_padded(im->j->os, f.f, s->bytes + from, to - from, im->off + from, NULL);
    files_put(im->j, &f);
    if (rc != RC_OK)
        s->readable = false;
    return RC_OK;
}

static bool expected(const struct batch_head *h, const struct image_expect *x)
{
    return !x || ((x->first_seq == 0 || h->first_seq == x->first_seq) &&
                  (!x->head || memcmp(h->head, x->head, HASH_SIZE) == 0));
}

/* Header and records of one member. */
static enum rc side_open(struct image *im, unsigned slot, uint64_t limit, const struct image_expect *x, struct err *e)
{
    struct image_side *s = &im->side[slot];

    s->readable = true;
    s->holds = false;
    HF_TRY(side_read(im, slot, 0, BATCH_ALIGN, e));
    if (!s->readable || batch_head_decode(s->bytes, im->seg, im->off, limit, &s->head) != RC_OK)
        return RC_OK;
    if (s->head.total > BATCH_ALIGN)
        HF_TRY(side_read(im, slot, BATCH_ALIGN, s->head.total, e));
    if (!s->readable || !expected(&s->head, x))
        return RC_OK;
    s->holds = batch_verify(s->bytes, &s->head, s->bytes + BATCH_HEADER_SIZE + s->head.attach_size,
                            im->j->set->store_uuid) == RC_OK;
    return RC_OK;
}

/* The newest epoch's word counts. */
static int best_side(const struct image *im)
{
    int best = -1;

    for (int i = 0; i < JOURNAL_MEMBERS_MAX; i++)
        if ((im->mask >> i & 1) && im->side[i].holds &&
            (best < 0 || im->side[i].head.epoch > im->side[best].head.epoch))
            best = i;
    return best;
}

const uint8_t *image_records(const struct image *im)
{
    return im->bytes + BATCH_HEADER_SIZE + im->head.attach_size;
}

/* One attachment from whoever has it whole. */
static void image_attachment(struct image *im, const struct rec_head *r, bool punched)
{
    const struct block_id id = {im->seg, im->off + r->attach_offset, r->seq, 0};
    uint32_t n = BLOCK_HEADER_SIZE + r->attach_size;

    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX && !punched; i++) {
        const uint8_t *p = im->side[i].bytes + r->attach_offset;

        if (!(im->mask >> i & 1) || !im->side[i].readable)
            continue;
        if (block_verify(p, id, p + BLOCK_HEADER_SIZE, r->attach_size) != RC_OK)
            continue;
        memcpy(im->bytes + r->attach_offset, p, n);
        return;
    }
    im->hole[im->n_holes++] = (struct image_range){r->attach_offset, n};
    if (punched)
        return;
    if (im->n_damaged++ == 0)
        im->damaged_seq = r->seq;
}

static enum rc image_attachments(struct image *im, bool punched)
{
    const uint8_t *header;
    struct rec_head r;
    struct view payload;
    uint32_t pos = 0;
    enum rc rc;

    while ((rc = rec_next(image_records(im), im->head.records_size, &pos, &r, &header, &payload)) == RC_OK)
        if (r.attach_size > 0) {
            im->n_attach++;
            image_attachment(im, &r, punched);
        }
    return rc == RC_END ? RC_OK : rc;
}

/* After this every side has as many bytes as the image; only those that hold the very same batch still `hold`. */
static enum rc sides_complete(struct image *im, unsigned best, struct err *e)
{
    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++) {
        struct image_side *s = &im->side[i];

        if (!(im->mask >> i & 1))
            continue;
        if (s->holds && memcmp(s->bytes, im->side[best].bytes, BATCH_HEADER_SIZE) == 0)
            continue;
        if (s->holds && s->head.epoch == im->head.epoch)
            im->diverged = true;
        s->holds = false;
        HF_TRY(side_read(im, i, 0, im->head.total, e));
    }
    return RC_OK;
}

enum rc image_read(struct image *im, unsigned mask, uint64_t seg, uint64_t off, uint64_t limit, bool punched,
                   const struct image_expect *x, struct err *e)
{
    uint32_t records_at, used;
    int best;

    im->seg = seg;
    im->off = off;
    im->mask = mask;
    im->n_holes = im->n_damaged = im->n_attach = 0;
    im->diverged = false;
    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++)
        if (mask >> i & 1)
            HF_TRY(side_open(im, i, limit, x, e));
    best = best_side(im);
    if (best < 0)
        return err_set(e, RC_CORRUPT, "segment %016llx: no whole batch at offset %llu on any disk",
                       (unsigned long long)seg, (unsigned long long)off);
    im->head = im->side[best].head;
    HF_TRY(sides_complete(im, (unsigned)best, e));
    HF_TRY(grow(&im->bytes, &im->cap, im->head.total, e));
    records_at = BATCH_HEADER_SIZE + im->head.attach_size;
    used = records_at + im->head.records_size;
    memcpy(im->bytes, im->side[best].bytes, BATCH_HEADER_SIZE);
    memset(im->bytes + BATCH_HEADER_SIZE, 0, im->head.attach_size);
    memcpy(im->bytes + records_at, im->side[best].bytes + records_at, im->head.records_size);
    memset(im->bytes + used, 0, im->head.total - used);
    return image_attachments(im, punched);
}

unsigned image_differs(const struct image *im, unsigned mask)
{
    unsigned differs = 0;

    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++) {
        uint32_t at = 0;
        bool same = true;

        if (!(mask & im->mask & (1u << i)))
            continue;
        for (unsigned h = 0; h <= im->n_holes && same && im->side[i].readable; h++) {
            uint32_t to = h < im->n_holes ? im->hole[h].off : im->head.total;

            same = memcmp(im->bytes + at, im->side[i].bytes + at, to - at) == 0;
            at = h < im->n_holes ? im->hole[h].off + im->hole[h].n : to;
        }
        if (!same || !im->side[i].readable)
            differs |= 1u << i;
    }
    return differs;
}

/* What stands in the holes stays as the member has it. */
static enum rc fix_one(struct image *im, struct member *m, struct err *e)
{
    struct image_side *s = &im->side[m->slot];
    struct os *os = im->j->os;
    uint32_t n = im->head.total, at = 0;
    char path[OS_PATH_MAX];
    struct os_file *f;
    enum rc rc;

    HF_TRY(grow(&s->bytes, &s->cap, n, e));
    for (unsigned h = 0; h <= im->n_holes; h++) {
        uint32_t to = h < im->n_holes ? im->hole[h].off : n;

        memcpy(s->bytes + at, im->bytes + at, to - at);
        at = h < im->n_holes ? im->hole[h].off + im->hole[h].n : to;
    }
    if (!seg_path(m, im->seg, "", path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->dir);
    HF_TRY(os_open(os, path, OS_READ | OS_WRITE, &f, e));
    rc = os_pwrite(os, f, s->bytes, n, im->off, e);
    if (rc == RC_OK)
        rc = os_datasync(os, f, e);
    if (rc == RC_OK)
        rc = read_padded(os, f, s->bytes, n, im->off, e);
    os_close(os, f);
    if (rc != RC_OK)
        return rc;
    s->readable = true;
    s->holds = true;
    s->head = im->head;
    if (image_differs(im, 1u << m->slot))
        return err_set(e, RC_IO, "%s: what was written at %llu reads back differently", path,
                       (unsigned long long)im->off);
    return RC_OK;
}

unsigned image_fix(struct image *im, unsigned mask)
{
    unsigned right = 0, differs = image_differs(im, mask);

    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++) {
        struct err why = {{0}};

        if (!(mask & im->mask & (1u << i)))
            continue;
        if (!(differs >> i & 1) || fix_one(im, &im->j->member[i], &why) == RC_OK)
            right |= 1u << i;
        else
            member_fault(&im->j->member[i], &why);
    }
    return right;
}

/* Does a batch stand at this offset of that member, whole, and later than after_seq? */
static enum rc find_at(struct image *im, unsigned slot, uint64_t off, uint64_t limit, uint64_t after_seq,
                       struct batch_head *ret, struct err *e)
{
    im->off = off;
    HF_TRY(side_open(im, slot, limit, NULL, e));
    if (!im->side[slot].holds || im->side[slot].head.first_seq <= after_seq)
        return RC_END;
    *ret = im->side[slot].head;
    return RC_OK;
}

static enum rc find_on(struct image *im, unsigned slot, uint64_t off, uint64_t limit, uint64_t after_seq,
                       struct batch_head *ret, struct err *e)
{
    uint8_t *chunk = malloc(FIND_CHUNK);
    struct file_ref f = {NULL, NULL};
    struct batch_head h;
    enum rc rc = chunk ? RC_END : err_set(e, RC_NOMEM, "no memory to search a segment");

    for (; rc == RC_END && off < limit; off += FIND_CHUNK) {
        size_t n = limit - off < FIND_CHUNK ? (size_t)(limit - off) : FIND_CHUNK;

        /* What cannot be read holds nothing that can be found. */
        if (files_get(im->j, slot, im->seg, &f, NULL) != RC_OK)
            break;
        if (read_padded(im->j->os, f.f, chunk, n, off, NULL) != RC_OK)
            memset(chunk, 0, n);
        files_put(im->j, &f);
        for (size_t at = 0; rc == RC_END && at + BATCH_HEADER_SIZE <= n; at += BATCH_ALIGN)
            if (batch_head_decode(chunk + at, im->seg, off + at, limit, &h) == RC_OK)
                rc = find_at(im, slot, off + at, limit, after_seq, ret, e);
    }
    free(chunk);
    return rc;
}

enum rc image_find(struct image *im, unsigned mask, uint64_t seg, uint64_t off, uint64_t limit, uint64_t after_seq,
                   struct batch_head *ret, struct err *e)
{
    bool found = false;

    im->seg = seg;
    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++) {
        struct batch_head h;
        enum rc rc;

        if (!(mask >> i & 1))
            continue;
        rc = find_on(im, i, off, limit, after_seq, &h, e);
        if (rc != RC_OK && rc != RC_END)
            return rc;
        if (rc == RC_OK && (!found || h.offset < ret->offset))
            *ret = h;
        found = found || rc == RC_OK;
    }
    return found ? RC_OK : RC_END;
}
