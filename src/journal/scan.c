/* Holdfast: what stands on the disks when the journal is opened: segments, their headers, and each member's own word
 * about the newest epoch. */
#include <stdlib.h>

#include "journal/journal_priv.h"

enum { FOUND_FIRST = 64, NAME_DIGITS = 16 };

struct listing {
    struct scan *s;
    unsigned slot;
};

/* "seg-" and 16 digits, then the suffix. */
static bool name_parse(const char *name, uint64_t *ret_first, bool *ret_punched)
{
    struct view v = view_cstr(name), rest;
    uint8_t bytes[8];

    if (!view_starts(v, VIEW("seg-")) || v.n < 4 + NAME_DIGITS)
        return false;
    rest = view_sub(v, 4 + NAME_DIGITS, v.n);
    if (hex_decode(view_sub(v, 4, NAME_DIGITS), bytes, sizeof(bytes)) != RC_OK)
        return false;
    *ret_first = be64_get(bytes);
    *ret_punched = view_eqs(rest, PUNCHED_SUFFIX);
    return *ret_first != 0 && (rest.n == 0 || *ret_punched);
}

static enum rc on_name(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    struct scan *s = l->s;
    uint64_t first;
    bool punched;

    if (is_dir || !name_parse(name, &first, &punched))
        return RC_OK;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : FOUND_FIRST;
        struct found *v = realloc(s->v, cap * sizeof(*v));

        if (!v)
            return RC_NOMEM;
        s->v = v;
        s->cap = cap;
    }
    memset(&s->v[s->n], 0, sizeof(s->v[0]));
    s->v[s->n].first = first;
    if (punched)
        s->v[s->n].on[l->slot].punched = true;
    else
        s->v[s->n].on[l->slot].exists = true;
    s->n++;
    return RC_OK;
}

static int by_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* One row per segment, from one per file. */
static void merge(struct scan *s)
{
    size_t n = 0;

    if (s->n > 0)
        qsort(s->v, s->n, sizeof(s->v[0]), by_first);
    for (size_t i = 0; i < s->n; i++) {
        if (n == 0 || s->v[n - 1].first != s->v[i].first) {
            s->v[n++] = s->v[i];
            continue;
        }
        for (unsigned k = 0; k < JOURNAL_MEMBERS_MAX; k++) {
            s->v[n - 1].on[k].exists = s->v[n - 1].on[k].exists || s->v[i].on[k].exists;
            s->v[n - 1].on[k].punched = s->v[n - 1].on[k].punched || s->v[i].on[k].punched;
        }
    }
    s->n = n;
}

enum rc scan_head(struct journal *j, unsigned slot, uint64_t first, uint8_t bytes[SEG_HEADER_SIZE],
                  struct seg_head *ret, struct err *e)
{
    struct file_ref f;
    enum rc rc;

    HF_TRY(files_get(j, slot, first, &f, e));
    rc = read_padded(j->os, f.f, bytes, SEG_HEADER_SIZE, 0, e);
    files_put(j, &f);
    if (rc == RC_OK && seg_head_decode(bytes, j->set->store_uuid, first, ret) != RC_OK)
        rc = err_set(e, RC_CORRUPT, "%s: the header of segment %016llx is damaged", j->member[slot].disk->path,
                     (unsigned long long)first);
    return rc;
}

static void scan_file(struct journal *j, unsigned slot, struct found *f)
{
    struct found_file *on = &f->on[slot];
    struct member *m = &j->member[slot];
    uint8_t bytes[SEG_HEADER_SIZE];
    char path[OS_PATH_MAX];
    struct seg_head h;
    struct os_stat st;

    if (!on->exists || !seg_path(m, f->first, "", path) || os_stat(j->os, path, &st, NULL) != RC_OK)
        return;
    on->file_size = st.size_bytes;
    m->disk->bytes_used += st.allocated_bytes;
    if (scan_head(j, slot, f->first, bytes, &h, NULL) != RC_OK)
        return;
    on->holds = true;
    on->epoch = h.table.epoch;
    on->size = h.size;
    on->prev_first = h.prev_first;
    on->prev_end = h.prev_end;
    memcpy(on->sum, bytes + SEG_HEADER_SIZE - XXH_SIZE, XXH_SIZE);
}

/* A REC_EPOCH in a batch that verifies is newer than the segment's header. */
static void claim_batch(const struct image *im, struct claim *c)
{
    const uint8_t *header;
    struct rec_head r;
    struct view payload;
    struct disk_table t;
    uint32_t pos = 0;

    while (rec_next(image_records(im), im->head.records_size, &pos, &r, &header, &payload) == RC_OK) {
        c->last_seq = r.seq;
        if (r.type == REC_EPOCH && table_decode(payload, &t) == RC_OK && t.epoch >= c->table.epoch)
            c->table = t;
    }
}

/* A member's own word: from its last good header on, as far as its own batches go. */
static enum rc claim_read(struct journal *j, struct scan *s, unsigned slot, struct err *e)
{
    struct claim *c = &s->claim[slot];
    uint8_t bytes[SEG_HEADER_SIZE];
    struct seg_head h;
    struct image im;
    uint64_t off = SEG_HEADER_SIZE;
    size_t i = s->n;
    enum rc rc;

    while (i > 0 && !s->v[i - 1].on[slot].holds)
        i--;
    if (i == 0 || scan_head(j, slot, s->v[i - 1].first, bytes, &h, NULL) != RC_OK)
        return RC_OK;
    c->any = true;
    c->table = h.table;
    c->last_seq = h.first - 1;
    rc = image_init(&im, j, e);
    while (rc == RC_OK) {
        const struct image_expect x = {c->last_seq + 1, NULL};

        rc = image_read(&im, 1u << slot, h.first, off, h.size, true, &x, NULL);
        if (rc != RC_OK)
            break;
        claim_batch(&im, c);
        off += im.head.total;
        if (im.head.flags & BATCH_SEAL)
            break;
    }
    image_free(&im);
    return rc == RC_NOMEM ? err_set(e, rc, "no memory to read the journal") : RC_OK;
}

enum rc scan_disks(struct journal *j, struct scan *s, struct err *e)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];
        struct listing l = {s, i};
        enum rc rc;

        if (!disk_usable(m->disk))
            continue;
        rc = os_list(j->os, m->dir, on_name, &l, e);
        if (rc == RC_NOMEM)
            return err_set(e, rc, "no memory to list the journal");
        if (rc == RC_OK || rc == RC_NOT_FOUND)
            s->present |= 1u << i;
        else
            m->disk->state = DISK_QUARANTINED;
    }
    merge(s);
    for (size_t i = 0; i < s->n; i++)
        for (unsigned k = 0; k < j->n_members; k++)
            if (s->present >> k & 1)
                scan_file(j, k, &s->v[i]);
    for (unsigned k = 0; k < j->n_members; k++)
        if (s->present >> k & 1)
            HF_TRY(claim_read(j, s, k, e));
    return RC_OK;
}

void scan_free(struct scan *s)
{
    free(s->v);
}
