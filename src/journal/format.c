/* Holdfast: encoding and checking segment headers, batch headers and records. */
#include "journal/format_priv.h"

enum { FORMAT = 1 };
static const uint8_t seg_magic[4] = {'H', 'F', 'J', '1'};
static const uint8_t batch_magic[4] = {'H', 'F', 'J', 'B'};

/* Places in a segment's header. */
enum {
    SEG_STORE = 8,
    SEG_EPOCH = 24,
    SEG_FIRST = 32,
    SEG_SIZE = 40,
    SEG_PREV_FIRST = 48,
    SEG_PREV_END = 56,
    SEG_N_DISKS = 64,
    SEG_DISKS = 72,
    SEG_DISK_SIZE = 24,
    SEG_LAST_TIME = 456,
    SEG_PEAKS = 512,
    SEG_SUM = 4080
};

/* Places in a batch header. */
enum {
    BATCH_FLAGS = 6,
    BATCH_EPOCH = 8,
    BATCH_SEGMENT = 16,
    BATCH_OFFSET = 24,
    BATCH_FIRST = 32,
    BATCH_COUNT = 40,
    BATCH_TOTAL = 44,
    BATCH_ATTACH = 48,
    BATCH_RECORDS = 52,
    BATCH_HEAD = 56,
    BATCH_ZERO = 88,
    BATCH_SUM = 112
};

/* Places in a record header. */
enum {
    REC_TIME = 8,
    REC_TYPE = 16,
    REC_FORMAT = 18,
    REC_PAYLOAD = 24,
    REC_ATTACH = 28,
    REC_ATTACH_AT = 32,
    REC_SALT = 40,
    REC_HASH = 56
};

/* The store's own seed: bytes that a client sent, or another store wrote, never pass for a header of ours. */
static uint64_t store_seed(const uint8_t store[16])
{
    return xxh64(store, 16, 0);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* ---- segment header ---- */

static void seg_sum(const uint8_t *header, const uint8_t store[16], uint8_t sum[XXH_SIZE])
{
    xxh128(header, SEG_SUM, store_seed(store), sum);
}

void seg_head_encode(uint8_t dst[SEG_HEADER_SIZE], const struct seg_head *h, const uint8_t store[16])
{
    HF_ASSERT(h->tree.n == h->first - 1 && h->table.n <= DISKS_MAX);
    memset(dst, 0, SEG_HEADER_SIZE);
    memcpy(dst, seg_magic, sizeof(seg_magic));
    dst[4] = FORMAT;
    memcpy(dst + SEG_STORE, store, 16);
    le64_put(dst + SEG_EPOCH, h->table.epoch);
    le64_put(dst + SEG_FIRST, h->first);
    le64_put(dst + SEG_SIZE, h->size);
    le64_put(dst + SEG_PREV_FIRST, h->prev_first);
    le64_put(dst + SEG_PREV_END, h->prev_end);
    le64_put(dst + SEG_LAST_TIME, (uint64_t)h->last_time);
    le32_put(dst + SEG_N_DISKS, h->table.n);
    for (unsigned i = 0; i < h->table.n; i++) {
        uint8_t *d = dst + SEG_DISKS + i * SEG_DISK_SIZE;

        memcpy(d, h->table.disk[i].uuid, 16);
        d[16] = (uint8_t)h->table.disk[i].state;
        d[17] = h->table.disk[i].whole;
    }
    for (unsigned k = 0; k < TREE_PEAKS_MAX; k++)
        if ((h->tree.n >> k) & 1)
            memcpy(dst + SEG_PEAKS + k * HASH_SIZE, h->tree.peak[k], HASH_SIZE);
    seg_sum(dst, store, dst + SEG_SUM);
}

static bool seg_table_decode(const uint8_t *src, struct disk_table *t)
{
    t->epoch = le64_get(src + SEG_EPOCH);
    t->n = le32_get(src + SEG_N_DISKS);
    if (t->n > DISKS_MAX)
        return false;
    for (unsigned i = 0; i < t->n; i++) {
        const uint8_t *d = src + SEG_DISKS + i * SEG_DISK_SIZE;

        if (d[16] > DISK_QUARANTINED)
            return false;
        memcpy(t->disk[i].uuid, d, 16);
        t->disk[i].state = (enum disk_state)d[16];
        t->disk[i].whole = d[17] != 0;
    }
    return true;
}

enum rc seg_head_decode(const uint8_t *src, const uint8_t store[16], uint64_t first, struct seg_head *ret)
{
    uint8_t sum[XXH_SIZE];

    if (memcmp(src, seg_magic, sizeof(seg_magic)) != 0 || src[4] != FORMAT)
        return RC_CORRUPT;
    seg_sum(src, store, sum);
    if (memcmp(sum, src + SEG_SUM, XXH_SIZE) != 0 || memcmp(src + SEG_STORE, store, 16) != 0)
        return RC_CORRUPT;
    if (first == 0 || le64_get(src + SEG_FIRST) != first || !seg_table_decode(src, &ret->table))
        return RC_CORRUPT;
    ret->first = first;
    ret->size = le64_get(src + SEG_SIZE);
    ret->prev_first = le64_get(src + SEG_PREV_FIRST);
    ret->prev_end = le64_get(src + SEG_PREV_END);
    ret->last_time = (int64_t)le64_get(src + SEG_LAST_TIME);
    ret->tree.n = first - 1;
    for (unsigned k = 0; k < TREE_PEAKS_MAX; k++)
        if ((ret->tree.n >> k) & 1)
            memcpy(ret->tree.peak[k], src + SEG_PEAKS + k * HASH_SIZE, HASH_SIZE);
    return RC_OK;
}

/* ---- batch header ---- */

static void batch_sum(const uint8_t *header, const void *records, uint32_t records_size, const uint8_t store[16],
                      uint8_t sum[XXH_SIZE])
{
    xxh128(records, records_size, xxh64(header, BATCH_SUM, store_seed(store)), sum);
}

void batch_head_encode(uint8_t dst[BATCH_HEADER_SIZE], const struct batch_head *h, const void *records,
                       const uint8_t store[16])
{
    memset(dst, 0, BATCH_HEADER_SIZE);
    memcpy(dst, batch_magic, sizeof(batch_magic));
    dst[4] = FORMAT;
    le16_put(dst + BATCH_FLAGS, h->flags);
    le64_put(dst + BATCH_EPOCH, h->epoch);
    le64_put(dst + BATCH_SEGMENT, h->segment);
    le64_put(dst + BATCH_OFFSET, h->offset);
    le64_put(dst + BATCH_FIRST, h->first_seq);
    le32_put(dst + BATCH_COUNT, h->count);
    le32_put(dst + BATCH_TOTAL, h->total);
    le32_put(dst + BATCH_ATTACH, h->attach_size);
    le32_put(dst + BATCH_RECORDS, h->records_size);
    memcpy(dst + BATCH_HEAD, h->head, HASH_SIZE);
    batch_sum(dst, records, h->records_size, store, dst + BATCH_SUM);
}

enum rc batch_head_decode(const uint8_t *src, uint64_t segment, uint64_t offset, uint64_t limit, struct batch_head *ret)
{
    struct batch_head h;

    if (memcmp(src, batch_magic, sizeof(batch_magic)) != 0 || src[4] != FORMAT || src[5] != 0)
        return RC_CORRUPT;
    h.flags = le16_get(src + BATCH_FLAGS);
    h.epoch = le64_get(src + BATCH_EPOCH);
    h.segment = le64_get(src + BATCH_SEGMENT);
    h.offset = le64_get(src + BATCH_OFFSET);
    h.first_seq = le64_get(src + BATCH_FIRST);
    h.count = le32_get(src + BATCH_COUNT);
    h.total = le32_get(src + BATCH_TOTAL);
    h.attach_size = le32_get(src + BATCH_ATTACH);
    h.records_size = le32_get(src + BATCH_RECORDS);
    memcpy(h.head, src + BATCH_HEAD, HASH_SIZE);
    if (h.segment != segment || h.offset != offset || h.first_seq < segment || h.count > JOURNAL_BATCH_RECORDS_MAX ||
        h.flags > BATCH_SEAL || (h.count == 0) != (h.flags == BATCH_SEAL))
        return RC_CORRUPT;
    if (h.attach_size > JOURNAL_BATCH_MAX || h.records_size > JOURNAL_BATCH_MAX || h.total > JOURNAL_BATCH_MAX ||
        h.attach_size % ATTACH_ALIGN != 0 || offset > limit || h.total > limit - offset)
        return RC_CORRUPT;
    if (h.total != round_up((uint64_t)BATCH_HEADER_SIZE + h.attach_size + h.records_size, BATCH_ALIGN) ||
        !all_zero(src + BATCH_ZERO, BATCH_SUM - BATCH_ZERO))
        return RC_CORRUPT;
    *ret = h;
    return RC_OK;
}

/* The records run from first_seq without a gap, fill the region exactly, and their attachments stay in theirs. */
static enum rc records_verify(const struct batch_head *h, const uint8_t *records)
{
    struct rec_head r;
    const uint8_t *header;
    struct view payload;
    uint32_t pos = 0;

    for (uint32_t i = 0; i < h->count; i++) {
        HF_TRY(rec_next(records, h->records_size, &pos, &r, &header, &payload));
        if (r.seq != h->first_seq + i)
            return RC_CORRUPT;
        if (r.attach_size != 0 && (r.attach_offset < BATCH_HEADER_SIZE || r.attach_size > BLOCK_DATA_MAX ||
                                   (uint64_t)r.attach_offset + BLOCK_HEADER_SIZE + r.attach_size >
                                       (uint64_t)BATCH_HEADER_SIZE + h->attach_size))
            return RC_CORRUPT;
    }
    return pos == h->records_size ? RC_OK : RC_CORRUPT;
}

enum rc batch_verify(const uint8_t *src, const struct batch_head *h, const uint8_t *records, const uint8_t store[16])
{
    uint8_t sum[XXH_SIZE];

    batch_sum(src, records, h->records_size, store, sum);
    if (memcmp(sum, src + BATCH_SUM, XXH_SIZE) != 0)
        return RC_CORRUPT;
    return records_verify(h, records);
}

/* ---- record ---- */

void rec_head_encode(uint8_t dst[RECORD_HEADER_SIZE], const struct rec_head *h)
{
    memset(dst, 0, RECORD_HEADER_SIZE);
    le64_put(dst, h->seq);
    le64_put(dst + REC_TIME, (uint64_t)h->time_ns);
    le16_put(dst + REC_TYPE, h->type);
    dst[REC_FORMAT] = FORMAT;
    le32_put(dst + REC_PAYLOAD, h->payload_size);
    le32_put(dst + REC_ATTACH, h->attach_size);
    le32_put(dst + REC_ATTACH_AT, h->attach_offset);
    memcpy(dst + REC_SALT, h->salt, SALT_SIZE);
    memcpy(dst + REC_HASH, h->hash, HASH_SIZE);
}

enum rc rec_head_decode(const uint8_t *src, struct rec_head *ret)
{
    if (src[REC_FORMAT] != FORMAT)
        return RC_CORRUPT;
    ret->seq = le64_get(src);
    ret->time_ns = (int64_t)le64_get(src + REC_TIME);
    ret->type = le16_get(src + REC_TYPE);
    ret->payload_size = le32_get(src + REC_PAYLOAD);
    ret->attach_size = le32_get(src + REC_ATTACH);
    ret->attach_offset = le32_get(src + REC_ATTACH_AT);
    memcpy(ret->salt, src + REC_SALT, SALT_SIZE);
    memcpy(ret->hash, src + REC_HASH, HASH_SIZE);
    return ret->payload_size <= JOURNAL_PAYLOAD_MAX ? RC_OK : RC_CORRUPT;
}

void rec_hash(const uint8_t salt[SALT_SIZE], struct view payload, uint8_t hash[HASH_SIZE])
{
    digest_once2(DIGEST_SHA256, salt, SALT_SIZE, payload.p, payload.n, hash);
}

enum rc rec_next(const uint8_t *records, uint32_t size, uint32_t *pos, struct rec_head *ret, const uint8_t **ret_header,
                 struct view *ret_payload)
{
    const uint8_t *header = records + *pos;
    uint64_t n;

    if (*pos == size)
        return RC_END;
    if (size - *pos < RECORD_HEADER_SIZE)
        return RC_CORRUPT;
    HF_TRY(rec_head_decode(header, ret));
    n = round_up((uint64_t)RECORD_HEADER_SIZE + ret->payload_size, RECORD_ALIGN);
    if (n > size - *pos)
        return RC_CORRUPT;
    *ret_header = header;
    *ret_payload = view_of(header + RECORD_HEADER_SIZE, ret->payload_size);
    *pos += (uint32_t)n;
    return RC_OK;
}

/* ---- REC_EPOCH ---- */

enum { TAG_EPOCH = 1, TAG_DISK = 2 };
enum { TAG_DISK_UUID = 1, TAG_DISK_STATE = 2, TAG_DISK_WHOLE = 3 };
enum { DISK_FIELD_MAX = 64 };

static enum rc entry_encode(const struct disk_entry *d, struct buf *out)
{
    HF_TRY(tlv_put(out, TAG_DISK_UUID, view_of(d->uuid, 16)));
    HF_TRY(tlv_put_u64(out, TAG_DISK_STATE, d->state));
    return tlv_put_u64(out, TAG_DISK_WHOLE, d->whole);
}

enum rc table_encode(const struct disk_table *t, struct buf *out)
{
    HF_TRY(tlv_put_u64(out, TAG_EPOCH, t->epoch));
    for (unsigned i = 0; i < t->n; i++) {
        struct buf one = BUF(DISK_FIELD_MAX);
        enum rc rc = entry_encode(&t->disk[i], &one);

        if (rc == RC_OK)
            rc = tlv_put(out, TAG_DISK, buf_view(&one));
        buf_free(&one);
        HF_TRY(rc);
    }
    return RC_OK;
}

static enum rc entry_decode(struct view v, struct disk_entry *ret)
{
    struct tlv t = {v};
    struct view value;
    uint32_t tag;
    uint64_t u;
    enum rc rc;

    memset(ret, 0, sizeof(*ret));
    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        if (tag == TAG_DISK_UUID) {
            if (value.n != 16)
                return RC_CORRUPT;
            memcpy(ret->uuid, value.p, 16);
        } else if (tag == TAG_DISK_STATE) {
            HF_TRY(tlv_u64(value, &u));
            if (u > DISK_QUARANTINED)
                return RC_CORRUPT;
            ret->state = (enum disk_state)u;
        } else if (tag == TAG_DISK_WHOLE) {
            HF_TRY(tlv_u64(value, &u));
            ret->whole = u != 0;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc table_decode(struct view payload, struct disk_table *ret)
{
    struct tlv t = {payload};
    struct view value;
    uint32_t tag;
    enum rc rc;

    memset(ret, 0, sizeof(*ret));
    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        if (tag == TAG_EPOCH)
            HF_TRY(tlv_u64(value, &ret->epoch));
        if (tag != TAG_DISK)
            continue;
        if (ret->n == DISKS_MAX)
            return RC_CORRUPT;
        HF_TRY(entry_decode(value, &ret->disk[ret->n]));
        ret->n++;
    }
    return rc == RC_END ? RC_OK : rc;
}
