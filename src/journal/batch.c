/* Holdfast: a batch: its place, its records, and one write per member for all of it. */
#include <stdlib.h>

#include "journal/journal_priv.h"

static const uint8_t zeros[ATTACH_ALIGN];

/* What the header, two pieces per attachment, the last padding and the records take. */
static unsigned iov_max(unsigned attach_max)
{
    return 3 + 2 * attach_max;
}

enum rc batch_grow(struct batch *b, uint64_t cap, struct err *e)
{
    uint8_t *p;

    if (cap <= b->cap)
        return RC_OK;
    HF_ASSERT(!b->open && cap <= JOURNAL_BATCH_MAX);
    p = malloc((size_t)cap + BATCH_ALIGN);
    if (!p)
        return err_set(e, RC_NOMEM, "no memory for a journal batch");
    free(b->records);
    b->records = p;
    b->cap = (uint32_t)cap;
    return RC_OK;
}

enum rc batch_init(struct batch *b, uint32_t cap, unsigned attach_max, struct err *e)
{
    b->frames_max = attach_max;
    b->frames = calloc(attach_max ? attach_max : 1, sizeof(*b->frames));
    b->iov = calloc(iov_max(attach_max), sizeof(*b->iov));
    if (!b->frames || !b->iov)
        return err_set(e, RC_NOMEM, "no memory for a journal batch");
    return batch_grow(b, cap, e);
}

void batch_free(struct batch *b)
{
    free(b->records);
    free(b->frames);
    free(b->iov);
}

void batch_place(struct journal *j, struct batch *b, uint64_t reserve)
{
    uint64_t used = j->cur.off + reserve;

    b->open = true;
    b->off = j->cur.off;
    b->room = used < j->cur.size ? j->cur.size - used : 0;
    if (b->room > JOURNAL_BATCH_MAX)
        b->room = JOURNAL_BATCH_MAX;
    b->first_seq = j->next_seq;
    b->last_time = j->last_time;
    b->count = b->attach_size = b->records_size = 0;
    b->n_iov = 1; /* the header's */
    tree_copy(&b->tree, &j->tree);
}

static uint64_t attach_extent(size_t n)
{
    return n ? round_up(BLOCK_HEADER_SIZE + n, ATTACH_ALIGN) : 0;
}

static uint64_t record_extent(size_t n)
{
    return round_up(RECORD_HEADER_SIZE + n, RECORD_ALIGN);
}

uint64_t batch_need(struct view payload, struct view attach)
{
    return round_up(BATCH_HEADER_SIZE + attach_extent(attach.n) + record_extent(payload.n), BATCH_ALIGN);
}

static bool batch_fits(const struct batch *b, struct view payload, struct view attach)
{
    uint64_t records = b->records_size + record_extent(payload.n);
    uint64_t attachments = b->attach_size + attach_extent(attach.n);

    return b->count < JOURNAL_BATCH_RECORDS_MAX && records <= b->cap &&
           round_up(BATCH_HEADER_SIZE + attachments + records, BATCH_ALIGN) <= b->room &&
           (attach.n == 0 || b->n_iov + 4 <= iov_max(b->frames_max));
}

static void next_salt(struct journal *j, struct batch *b, uint8_t salt[SALT_SIZE])
{
    if (b->salts_left == 0) {
        os_random(j->os, b->salts, sizeof(b->salts)); /* many at once: a call each would cost more than the hash */
        b->salts_left = sizeof(b->salts) / SALT_SIZE;
    }
    b->salts_left--;
    memcpy(salt, b->salts + (size_t)b->salts_left * SALT_SIZE, SALT_SIZE);
}

/* The body stays where it is; only its block header is ours. Returns its offset from the batch's start. */
static uint32_t attach_add(struct journal *j, struct batch *b, struct view attach, uint64_t seq)
{
    struct batch_frame *frame = &b->frames[(b->n_iov - 1) / 2];
    uint32_t at = BATCH_HEADER_SIZE + b->attach_size;
    /* attach_size is kept aligned; the padding of the one before goes in front of this header. */
    size_t pad = 0;

    if (b->n_iov > 1) {
        size_t before = b->iov[b->n_iov - 1].iov_len;

        pad = round_up(before, ATTACH_ALIGN) - before;
    }
    memset(frame->bytes, 0, ATTACH_ALIGN);
    block_seal(frame->bytes + ATTACH_ALIGN, (struct block_id){j->cur.first, b->off + at, seq, 0}, attach.p,
               (uint32_t)attach.n);
    b->iov[b->n_iov++] = (struct iovec){frame->bytes + ATTACH_ALIGN - pad, pad + BLOCK_HEADER_SIZE};
    b->iov[b->n_iov++] = (struct iovec){(void *)(uintptr_t)attach.p, attach.n};
    b->attach_size += (uint32_t)attach_extent(attach.n);
    return at;
}

enum rc batch_stage(struct journal *j, struct batch *b, enum rec_type type, int64_t time_ns, struct view payload,
                    struct view attach, struct journal_rec *ret)
{
    uint8_t *p = b->records + b->records_size;
    uint8_t leaf[HASH_SIZE];
    struct rec_head h = {0};
    uint32_t extent = (uint32_t)record_extent(payload.n);

    if (!batch_fits(b, payload, attach))
        return RC_LIMIT;
    if (time_ns <= b->last_time && b->first_seq + b->count > 1)
        time_ns = b->last_time + 1;
    h.seq = b->first_seq + b->count;
    h.time_ns = time_ns;
    h.type = (uint16_t)type;
    h.payload_size = (uint32_t)payload.n;
    if (attach.n > 0) {
        h.attach_size = (uint32_t)attach.n;
        h.attach_offset = attach_add(j, b, attach, h.seq);
    }
    next_salt(j, b, h.salt);
    memset(p + extent - RECORD_ALIGN, 0, RECORD_ALIGN);
    if (payload.n > 0)
        memcpy(p + RECORD_HEADER_SIZE, payload.p, payload.n);
    rec_hash(h.salt, payload, h.hash);
    rec_head_encode(p, &h);
    tree_leaf(p, leaf);
    tree_add(&b->tree, leaf);
    b->records_size += extent;
    b->last_time = time_ns;
    b->count++;
    *ret = (struct journal_rec){
        .seq = h.seq, .time_ns = time_ns, .type = type, .payload = view_of(p + RECORD_HEADER_SIZE, payload.n)};
    if (attach.n > 0)
        ret->attach = (struct attach_loc){j->cur.first, b->off + h.attach_offset, h.attach_size};
    return RC_OK;
}

/* Closes the iovec: header in front, padding and records behind. Returns the batch's whole size. */
static uint32_t batch_seal(struct journal *j, struct batch *b)
{
    uint64_t used = (uint64_t)BATCH_HEADER_SIZE + b->attach_size + b->records_size;
    uint32_t total = (uint32_t)round_up(used, BATCH_ALIGN), pad = total - (uint32_t)used;
    struct batch_head h = {.epoch = j->epoch,
                           .segment = j->cur.first,
                           .offset = b->off,
                           .first_seq = b->first_seq,
                           .count = b->count,
                           .total = total,
                           .attach_size = b->attach_size,
                           .records_size = b->records_size};

    memcpy(h.head, j->root, HASH_SIZE);
    memset(b->records + b->records_size, 0, pad);
    batch_head_encode(b->header, &h, b->records, j->set->store_uuid);
    b->iov[0] = (struct iovec){b->header, BATCH_HEADER_SIZE};
    if (b->n_iov > 1) {
        size_t last = b->iov[b->n_iov - 1].iov_len, gap = round_up(last, ATTACH_ALIGN) - last;

        if (gap > 0)
            b->iov[b->n_iov++] = (struct iovec){(void *)(uintptr_t)zeros, gap};
    }
    b->iov[b->n_iov++] = (struct iovec){b->records, b->records_size + pad};
    return total;
}

static enum rc append_part(struct journal *j, struct member *m, void *ctx, struct err *e)
{
    const struct batch *b = ctx;

    HF_TRY(os_pwritev(j->os, m->active, b->iov, (int)b->n_iov, b->off, e));
    return os_datasync(j->os, m->active, e);
}

enum rc batch_append(struct journal *j, struct batch *b, struct err *e)
{
    uint32_t total = batch_seal(j, b);
    unsigned whole = members_whole(j);

    HF_ASSERT(b->open && b->count > 0 && b->off == j->cur.off && b->first_seq == j->next_seq && !j->cur.sealed);
    b->open = false;
    if (!(members_run(j, members_live(j), append_part, b) & whole))
        return journal_die(j, e);
    tree_copy(&j->tree, &b->tree);
    tree_root(&j->tree, j->root);
    j->cur.off += total;
    j->next_seq += b->count;
    j->last_time = b->last_time;
    return RC_OK;
}
