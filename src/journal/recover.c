/* Holdfast: recovery. From what stands on the disks: the chain of segments, its last one walked to the end, the trusted
 * members equal. Sealed segments are checked by header and seal only; their bytes are the readers' and the scrub's to
 * verify, so a start costs the same however long the journal is. */
#include <inttypes.h>
#include <stdlib.h>

#include "journal/journal_priv.h"

struct recovery {
    struct journal *j;
    const struct scan *s;
    struct authority *a;
    struct journal_report *report;
    size_t *chain; /* positions in s->v, the newest first */
    size_t n;
    unsigned incomplete; /* trusted members that lack a sealed segment */
};

void seal_expected(const struct journal *j, uint64_t first, const struct seg_head *after, uint8_t dst[BATCH_ALIGN])
{
    struct batch_head h = {.flags = BATCH_SEAL,
                           .epoch = after->table.epoch,
                           .segment = first,
                           .offset = after->prev_end - BATCH_ALIGN,
                           .first_seq = after->first,
                           .total = BATCH_ALIGN};

    memset(dst, 0, BATCH_ALIGN);
    tree_root(&after->tree, h.head);
    batch_head_encode(dst, &h, dst + BATCH_HEADER_SIZE, j->set->store_uuid);
}

bool seal_holds(const struct journal *j, uint64_t first, const struct seg_head *after, const uint8_t *src)
{
    uint8_t root[HASH_SIZE];
    struct batch_head h;

    if (batch_head_decode(src, first, after->prev_end - BATCH_ALIGN, after->prev_end, &h) != RC_OK ||
        batch_verify(src, &h, src + BATCH_HEADER_SIZE, j->set->store_uuid) != RC_OK)
        return false;
    for (size_t i = BATCH_HEADER_SIZE; i < BATCH_ALIGN; i++)
        if (src[i] != 0)
            return false;
    tree_root(&after->tree, root);
    return h.flags == BATCH_SEAL && h.first_seq == after->first && memcmp(h.head, root, HASH_SIZE) == 0;
}

/* Of those in mask whose header verifies: the newest epoch's. -1 when none is. */
static int best_head(const struct found *f, unsigned mask)
{
    int best = -1;

    for (int i = 0; i < JOURNAL_MEMBERS_MAX; i++)
        if ((mask >> i & 1) && f->on[i].holds && (best < 0 || f->on[i].epoch > f->on[best].epoch))
            best = i;
    return best;
}

static bool same_sum(const struct found *f, unsigned a, unsigned b)
{
    return f->on[a].holds && f->on[b].holds && memcmp(f->on[a].sum, f->on[b].sum, XXH_SIZE) == 0;
}

/* The header that a segment must have, from any that can still be read. What a trusted member has is the measure; only
 * when none of them has it whole, another member's is taken. */
static enum rc any_head(const struct recovery *r, const struct found *f, uint8_t bytes[SEG_HEADER_SIZE],
                        struct seg_head *ret, unsigned *ret_slot, struct err *e)
{
    enum rc rc = err_set(e, RC_CORRUPT, "the header of segment %016" PRIx64 " is damaged on every disk", f->first);
    int like = best_head(f, r->a->trusted);

    if (like < 0)
        like = best_head(f, r->s->present);
    for (unsigned i = 0; like >= 0 && i < r->j->n_members; i++) {
        if (!(r->s->present >> i & 1) || !same_sum(f, i, (unsigned)like))
            continue;
        rc = scan_head(r->j, i, f->first, bytes, ret, e);
        if (rc != RC_OK)
            continue;
        *ret_slot = i;
        return RC_OK;
    }
    return rc;
}

static unsigned holders(const struct found *f, unsigned mask)
{
    unsigned have = 0;

    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++)
        if ((mask >> i & 1) && f->on[i].exists)
            have |= 1u << i;
    return have;
}

/* A segment behind the last good one whose header nobody has: if no batch was ever written to it, it may go. */
static enum rc refuse_or_forget(struct recovery *r, const struct found *f, struct err *e)
{
    struct journal *j = r->j;
    struct batch_head h;
    struct image im;
    enum rc rc;

    HF_TRY(image_init(&im, j, e));
    rc = image_find(&im, holders(f, r->a->trusted), f->first, SEG_HEADER_SIZE, j->seg_max, f->first - 1, &h, e);
    image_free(&im);
    if (rc == RC_OK)
        return err_set(e, RC_CORRUPT,
                       "the header of segment %016" PRIx64 " is damaged on every disk: sequences from %" PRIu64
                       " on cannot be read. Attach a disk that holds it",
                       f->first, f->first);
    if (rc != RC_END)
        return rc;
    for (unsigned i = 0; i < j->n_members; i++) {
        char path[OS_PATH_MAX];

        files_drop(j, i, f->first);
        if ((holders(f, r->a->trusted) >> i & 1) && seg_path(&j->member[i], f->first, "", path))
            file_forget(j->os, path);
    }
    return RC_OK;
}

static int cmp_first(const void *key, const void *row)
{
    uint64_t first = *(const uint64_t *)key, other = ((const struct found *)row)->first;

    return first < other ? -1 : first > other;
}

/* From the last segment back to the first, by what each header says of the one before it. */
static enum rc chain_build(struct recovery *r, struct err *e)
{
    const struct scan *s = r->s;
    size_t at = s->n;

    while (at > 0 && best_head(&s->v[at - 1], r->a->trusted) < 0) {
        if (holders(&s->v[at - 1], r->a->trusted))
            HF_TRY(refuse_or_forget(r, &s->v[at - 1], e));
        at--;
    }
    HF_ASSERT(at > 0); /* a trusted member has a claim, which began with a good header */
    at--;
    for (;;) {
        const struct found *f = &s->v[at], *prev;
        unsigned mask = r->n == 0 ? r->a->trusted : s->present;
        int best = best_head(f, best_head(f, r->a->trusted) >= 0 ? r->a->trusted : mask);

        if (best < 0)
            return err_set(e, RC_CORRUPT, "the header of segment %016" PRIx64 " is damaged on every disk", f->first);
        r->chain[r->n++] = at;
        if (f->on[best].prev_first == 0)
            return f->first == 1 ? RC_OK
                                 : err_set(e, RC_CORRUPT, "segment %016" PRIx64 " names none before it", f->first);
        prev = f->on[best].prev_first < f->first
                   ? bsearch(&f->on[best].prev_first, s->v, s->n, sizeof(s->v[0]), cmp_first)
                   : NULL;
        if (!prev || !holders(prev, s->present))
            return err_set(e, RC_CORRUPT,
                           "sequences %" PRIu64 " to %" PRIu64 " are missing on every disk: attach one that holds them",
                           f->on[best].prev_first, f->first - 1);
        at = (size_t)(prev - s->v);
    }
}

enum seal_state { SEAL_RIGHT, SEAL_DAMAGED, SEAL_OTHER };

/* Another seal that is whole belongs to another history: that is not damage, and nothing is written over it. */
static enum seal_state seal_on(struct journal *j, unsigned slot, const struct found *f, const struct seg_head *after)
{
    uint64_t off = after->prev_end - BATCH_ALIGN;
    uint8_t block[BATCH_ALIGN], root[HASH_SIZE];
    struct batch_head h;
    struct file_ref ref;
    enum rc rc;

    if (files_get(j, slot, f->first, &ref, NULL) != RC_OK)
        return SEAL_DAMAGED;
    rc = read_padded(j->os, ref.f, block, sizeof(block), off, NULL);
    files_put(j, &ref);
    if (rc == RC_OK && seal_holds(j, f->first, after, block))
        return SEAL_RIGHT;
    tree_root(&after->tree, root);
    if (rc == RC_OK && batch_head_decode(block, f->first, off, after->prev_end, &h) == RC_OK &&
        batch_verify(block, &h, block + BATCH_HEADER_SIZE, j->set->store_uuid) == RC_OK &&
        !(h.flags == BATCH_SEAL && h.first_seq == after->first && memcmp(h.head, root, HASH_SIZE) == 0))
        return SEAL_OTHER;
    return SEAL_DAMAGED;
}

/* A member without the seal may lack more: it was cut off, or lied about a sync, or came back with older data. The
 * whole segment is compared. What nobody has whole is left to its readers, who say so. */
static enum rc segment_mend(struct recovery *r, const struct seg *s, struct err *e)
{
    struct image *im = &r->j->image;
    struct image_expect x = {s->first, NULL};
    enum rc rc = RC_OK;

    for (uint64_t off = SEG_HEADER_SIZE; rc == RC_OK && off < s->end; off += im->head.total) {
        rc = image_read(im, s->have, s->first, off, s->end, s->punched, &x, e);
        if (rc != RC_OK)
            break;
        image_fix(im, s->have & r->a->trusted);
        x.first_seq += im->head.count;
    }
    return rc == RC_CORRUPT ? RC_OK : rc;
}

/* Header and seal of one sealed segment on every present member; `head` is the header it must have. True: a seal was
 * missing or damaged. */
static bool sealed_check(struct recovery *r, const struct found *f, unsigned like, const uint8_t *head,
                         const struct seg_head *after, struct seg *ret)
{
    bool unsealed = false;
    struct journal *j = r->j;

    for (unsigned i = 0; i < j->n_members; i++) {
        const struct found_file *on = &f->on[i];
        bool trusted = r->a->trusted >> i & 1, head_ok = same_sum(f, i, like);
        enum seal_state seal;

        if (!(r->s->present >> i & 1) || !on->exists || on->file_size < after->prev_end)
            continue;
        seal = seal_on(j, i, f, after);
        if (trusted && seal != SEAL_OTHER && (!head_ok || seal == SEAL_DAMAGED)) {
            uint8_t bytes[BATCH_ALIGN];

            if (!head_ok)
                repair_bytes(j, 1u << i, f->first, 0, head, SEG_HEADER_SIZE);
            seal_expected(j, f->first, after, bytes);
            if (seal == SEAL_DAMAGED)
                repair_bytes(j, 1u << i, f->first, after->prev_end - BATCH_ALIGN, bytes, sizeof(bytes));
            unsealed = unsealed || seal == SEAL_DAMAGED;
            head_ok = !j->member[i].failed;
            seal = SEAL_RIGHT;
            r->report->repaired_segments++;
        }
        if (head_ok && seal == SEAL_RIGHT)
            ret->have |= (uint8_t)(1u << i);
    }
    return unsealed;
}

static bool any_punched(const struct found *f)
{
    for (unsigned i = 0; i < JOURNAL_MEMBERS_MAX; i++)
        if (f->on[i].punched)
            return true;
    return false;
}

/* One sealed segment into the index. */
static enum rc sealed_add(struct recovery *r, const struct found *f, const struct seg_head *after, struct err *e)
{
    struct journal *j = r->j;
    uint8_t head[SEG_HEADER_SIZE];
    struct seg_head h;
    unsigned like;
    struct seg s = {.first = f->first, .end = after->prev_end, .punched = any_punched(f)};

    HF_TRY(any_head(r, f, head, &h, &like, e));
    s.size = h.size;
    if (s.end < SEG_HEADER_SIZE + BATCH_ALIGN || s.end % BATCH_ALIGN != 0)
        return err_set(e, RC_CORRUPT, "segment %016" PRIx64 " gives an impossible end of the one before it",
                       after->first);
    if (sealed_check(r, f, like, head, after, &s))
        HF_TRY(segment_mend(r, &s, e));
    if (!s.have)
        return err_set(e, RC_CORRUPT,
                       "sequences %" PRIu64 " to %" PRIu64 " are missing on every disk: attach one that holds them",
                       f->first, after->first - 1);
    r->incomplete |= r->a->trusted & ~(unsigned)s.have;
    j->bytes_sealed += s.end;
    for (unsigned i = 0; i < j->n_members; i++)
        if (f->on[i].file_size > s.end && (r->a->trusted >> i & 1)) {
            keeper_trim(j, s.first, s.end);
            break;
        }
    return index_add(j, &s, e);
}

static enum rc sealed_all(struct recovery *r, struct err *e)
{
    for (size_t i = r->n - 1; i > 0; i--) {
        const struct found *f = &r->s->v[r->chain[i]], *next = &r->s->v[r->chain[i - 1]];
        uint8_t bytes[SEG_HEADER_SIZE];
        struct seg_head after;
        unsigned from;

        HF_TRY(any_head(r, next, bytes, &after, &from, e));
        HF_TRY(sealed_add(r, f, &after, e));
    }
    return RC_OK;
}

/* The active segment: its header right on all who have it, its history walked, and copied to those who lack it. */
static enum rc active_recover(struct recovery *r, struct err *e)
{
    struct journal *j = r->j;
    const struct found *f = &r->s->v[r->chain[0]];
    unsigned best, have = holders(f, r->a->trusted), others = holders(f, r->s->present & ~r->a->trusted);
    uint8_t bytes[SEG_HEADER_SIZE];
    struct seg_head h;
    struct seg s;

    HF_TRY(any_head(r, f, bytes, &h, &best, e));
    for (unsigned i = 0; i < j->n_members; i++)
        if ((have >> i & 1) && !same_sum(f, i, best)) {
            repair_bytes(j, 1u << i, f->first, 0, bytes, SEG_HEADER_SIZE);
            r->report->repaired_segments++;
        }
    HF_TRY(walk_tail(j, have, others, f->first, r->report, e));
    s = (struct seg){.first = f->first, .size = h.size, .have = (uint8_t)have};
    if (j->cur.sealed)
        s.end = j->cur.off;
    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];
        struct err why = {{0}};

        if (m->failed || !(r->a->trusted & ~have & (1u << i)))
            continue;
        if (heal_copy(j, &j->image, &s, j->cur.off, have, m, &why) == RC_OK)
            s.have |= (uint8_t)(1u << i);
        else
            member_fault(m, &why);
    }
    s.end = 0; /* segment_roll closes it */
    return index_add(j, &s, e);
}

/* A trusted member that lacks old segments is filled in the background, unless none would be left that has all. */
static enum rc complete_members(struct recovery *r, struct err *e)
{
    struct journal *j = r->j;
    bool at_once = !(r->a->trusted & ~r->incomplete);
    struct seg s;

    for (size_t i = 0; at_once && index_at(j, i, &s); i++)
        for (unsigned k = 0; k < j->n_members; k++) {
            if (s.end == 0 || !(r->a->trusted & ~(unsigned)s.have & (1u << k)))
                continue;
            HF_TRY(heal_copy(j, &j->image, &s, 0, s.have, &j->member[k], e));
            index_have(j, s.first, k, true);
            r->report->repaired_segments++;
        }
    for (unsigned k = 0; k < j->n_members && !at_once; k++)
        if (r->incomplete >> k & 1) {
            j->member[k].disk->journal_whole = false;
            j->member[k].disk->state = DISK_REBUILDING;
            r->a->changed = true;
        }
    return RC_OK;
}

static enum rc members_open(struct recovery *r, struct err *e)
{
    struct journal *j = r->j;

    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];
        struct err why = {{0}};
        char path[OS_PATH_MAX];

        if (!(r->a->trusted >> i & 1))
            continue;
        m->in_epoch = true;
        if (!m->failed && (!seg_path(m, j->cur.first, "", path) ||
                           os_open(j->os, path, OS_READ | OS_WRITE, &m->active, &why) != RC_OK))
            member_fault(m, &why);
        if (!m->failed)
            keeper_adopt(j, m);
    }
    return members_whole(j) ? RC_OK : journal_die(j, e);
}

enum rc recover(struct journal *j, const struct scan *s, struct authority *a, struct journal_report *report,
                struct err *e)
{
    struct recovery r = {.j = j, .s = s, .a = a, .report = report};
    enum rc rc;

    r.chain = calloc(s->n, sizeof(*r.chain));
    if (!r.chain)
        return err_set(e, RC_NOMEM, "no memory for recovery");
    rc = chain_build(&r, e);
    if (rc == RC_OK)
        rc = sealed_all(&r, e);
    if (rc == RC_OK)
        rc = active_recover(&r, e);
    if (rc == RC_OK)
        rc = complete_members(&r, e);
    if (rc == RC_OK)
        rc = members_open(&r, e);
    free(r.chain);
    a->changed = a->changed || j->epoch != a->epoch;
    return rc;
}
