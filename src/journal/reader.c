/* Holdfast: readers: record by record behind the durable mark. */
#include <inttypes.h>
#include <stdlib.h>

#include "journal/journal_priv.h"

struct journal_reader {
    struct journal *j;
    uint64_t next;     /* sequence */
    uint64_t seg, off; /* of the batch after the one at hand */
    struct batch_head head;
    uint32_t at; /* in the records at hand */
    bool any;    /* a batch is at hand */
    unsigned slot;
    uint64_t batch_off; /* of the one at hand */
    uint8_t *bytes;     /* header, then records (attachments left out) */
    size_t cap;
};

static enum rc reader_grow(struct journal_reader *r, size_t n, struct err *e)
{
    uint8_t *p;

    if (n <= r->cap)
        return RC_OK;
    p = realloc(r->bytes, n);
    if (!p)
        return err_set(e, RC_NOMEM, "no memory to read the journal");
    r->bytes = p;
    r->cap = n;
    return RC_OK;
}

/* Header and records from one member; the first block usually has both. */
static enum rc read_from(struct journal_reader *r, unsigned slot, uint64_t limit, struct err *e)
{
    struct journal *j = r->j;
    struct file_ref f;
    uint32_t have = BATCH_ALIGN, at;
    enum rc rc;

    HF_TRY(reader_grow(r, BATCH_ALIGN, e));
    HF_TRY(files_get(j, slot, r->seg, &f, e));
    rc = read_padded(j->os, f.f, r->bytes, have, r->off, e);
    if (rc == RC_OK)
        rc = batch_head_decode(r->bytes, r->seg, r->off, limit, &r->head);
    if (rc == RC_OK) {
        at = BATCH_HEADER_SIZE + r->head.attach_size;
        rc = reader_grow(r, (size_t)BATCH_HEADER_SIZE + r->head.records_size, e);
        if (rc == RC_OK && at + r->head.records_size <= have)
            memmove(r->bytes + BATCH_HEADER_SIZE, r->bytes + at, r->head.records_size);
        else if (rc == RC_OK)
            rc = read_padded(j->os, f.f, r->bytes + BATCH_HEADER_SIZE, r->head.records_size, r->off + at, e);
    }
    files_put(j, &f);
    if (rc == RC_OK)
        rc = batch_verify(r->bytes, &r->head, r->bytes + BATCH_HEADER_SIZE, j->set->store_uuid);
    return rc == RC_OK && r->head.first_seq != r->next ? RC_CORRUPT : rc;
}

/* One member's copy is bad: from the others, and the bad place is written again. */
static enum rc read_mended(struct journal_reader *r, const struct seg *s, uint64_t limit, struct err *e)
{
    const struct image_expect x = {r->next, NULL};
    struct journal *j = r->j;
    struct image *im = &j->image;
    enum rc rc;

    pthread_mutex_lock(&j->heal_lock);
    rc = image_read(im, s->have, r->seg, r->off, limit, s->punched, &x, e);
    if (rc == RC_OK)
        rc = reader_grow(r, (size_t)BATCH_HEADER_SIZE + im->head.records_size, e);
    if (rc == RC_OK) {
        r->head = im->head;
        memcpy(r->bytes, im->bytes, BATCH_HEADER_SIZE);
        memcpy(r->bytes + BATCH_HEADER_SIZE, image_records(im), im->head.records_size);
        /* Those that cannot be mended have failed; what we have is right all the same. */
        image_fix(im, s->have & members_live(j));
    }
    pthread_mutex_unlock(&j->heal_lock);
    if (rc == RC_CORRUPT)
        err_set(e, rc,
                "record %" PRIu64 " is damaged on every disk that has it (segment %016" PRIx64 ", offset %" PRIu64
                ", last tried %s)",
                r->next, r->seg, r->off, j->member[r->slot].disk->path);
    return rc;
}

/* The batch at (seg, off), which is behind the durable mark. */
static enum rc load(struct journal_reader *r, struct err *e)
{
    struct journal *j = r->j;
    struct seg s;
    uint64_t limit;
    enum rc rc = RC_CORRUPT;

    if (!index_get(j, r->seg, &s))
        return err_set(e, RC_CORRUPT, "segment %016" PRIx64 " is not in the journal", r->seg);
    limit = s.end ? s.end : s.size;
    if (!(s.have >> r->slot & 1) || j->member[r->slot].failed)
        for (r->slot = 0; r->slot + 1 < j->n_members && !(s.have & members_live(j) & (1u << r->slot)); r->slot++)
            continue;
    if (s.have >> r->slot & 1)
        rc = read_from(r, r->slot, limit, e);
    if (rc == RC_NOMEM)
        return rc;
    if (rc != RC_OK)
        HF_TRY(read_mended(r, &s, limit, e));
    r->batch_off = r->off;
    r->off += r->head.total;
    r->at = 0;
    r->any = true;
    if (r->head.flags & BATCH_SEAL) { /* sequences have no gaps: the next segment's name is the next sequence */
        r->seg = r->next;
        r->off = SEG_HEADER_SIZE;
        r->any = false;
    }
    return RC_OK;
}

static enum rc take(struct journal_reader *r, struct journal_rec *ret, struct err *e)
{
    const uint8_t *header;
    struct rec_head h;
    struct view payload;
    enum rc rc = rec_next(r->bytes + BATCH_HEADER_SIZE, r->head.records_size, &r->at, &h, &header, &payload);

    if (rc == RC_END) {
        r->any = false;
        return rc;
    }
    if (rc != RC_OK)
        return err_set(e, rc, "record %" PRIu64 " does not parse", r->next);
    *ret = (struct journal_rec){.seq = h.seq, .time_ns = h.time_ns, .type = (enum rec_type)h.type, .payload = payload};
    if (h.attach_size > 0)
        ret->attach = (struct attach_loc){r->head.segment, r->batch_off + h.attach_offset, h.attach_size};
    r->next = h.seq + 1;
    return RC_OK;
}

enum rc journal_read(struct journal_reader *r, struct journal_rec *ret, struct err *e)
{
    for (;;) {
        enum rc rc;

        if (r->any) {
            rc = take(r, ret, e);
            if (rc != RC_END)
                return rc;
        }
        if (r->next > r->j->durable)
            return RC_END;
        HF_TRY(load(r, e));
    }
}

/* At the tail, without reading anything. */
static bool at_tail(struct journal_reader *r, uint64_t from)
{
    struct journal *j = r->j;
    bool tail;

    pthread_mutex_lock(&j->lock);
    tail = from == j->durable + 1;
    if (tail) {
        r->seg = j->tail_seg;
        r->off = j->tail_off;
        r->next = from;
    }
    pthread_mutex_unlock(&j->lock);
    return tail;
}

/* Forward from the segment's start to the record wanted. */
static enum rc seek(struct journal_reader *r, uint64_t from, struct err *e)
{
    struct journal_rec skip;
    struct seg s;

    if (at_tail(r, from))
        return RC_OK;
    if (from == 0 || from > r->j->durable || !index_find(r->j, from, &s))
        return err_set(e, RC_INVALID, "the journal has sequences 1 to %" PRIu64 ", not %" PRIu64, r->j->durable, from);
    r->seg = s.first;
    r->off = SEG_HEADER_SIZE;
    r->next = s.first;
    do {
        HF_TRY(load(r, e));
        r->next = r->head.first_seq + r->head.count;
    } while (r->next <= from);
    r->next = r->head.first_seq;
    while (r->next < from)
        HF_TRY(take(r, &skip, e));
    return RC_OK;
}

enum rc journal_reader_open(struct journal *j, uint64_t from, struct journal_reader **ret, struct err *e)
{
    struct journal_reader *r = calloc(1, sizeof(*r));
    enum rc rc;

    if (!r)
        return err_set(e, RC_NOMEM, "no memory for a reader");
    r->j = j;
    rc = seek(r, from, e);
    if (rc != RC_OK) {
        journal_reader_close(r);
        return rc;
    }
    *ret = r;
    return RC_OK;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    free(r->bytes);
    free(r);
}
