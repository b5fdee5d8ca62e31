/* Deciding a CompleteMultipartUpload: its list against the parts that are there, entity tag and checksums of the whole,
 * and a repeated one after its success. */
#include "catalog/cat_priv.h"

#define REPEAT_SCAN_MAX 1000u /* versions of a key looked through for the one an upload became */

struct complete {
    struct cat_txn *t;
    const struct cat_op *op;
    enum checksum_kind kind; /* of the whole; NONE = none */
    bool composite;
    size_t next; /* in op->parts */
    uint64_t size, listed_extents, all_bytes;
    uint64_t crc64ecma;
    uint64_t full; /* running CRC of the whole */
    bool lacks_checksum;
    uint32_t first_small, first_bad;
    struct buf md5s, sums;
};

/* ---- checksums of the whole from those of the parts ---- */

static uint64_t checksum_number(const struct checksum *c)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < c->size; i++)
        v = v << 8 | c->value[i];
    return v;
}

static uint64_t full_combine(enum checksum_kind kind, uint64_t a, uint64_t b, uint64_t len_b)
{
    switch (kind) {
    case CHECKSUM_CRC32:
        return crc32_combine((uint32_t)a, (uint32_t)b, len_b);
    case CHECKSUM_CRC32C:
        return crc32c_combine((uint32_t)a, (uint32_t)b, len_b);
    case CHECKSUM_CRC64NVME:
        return crc64nvme_combine(a, b, len_b);
    default:
        return 0; /* digests cannot be combined: composite only */
    }
}

static void checksum_set(struct checksum *c, uint64_t v)
{
    c->size = cat_checksum_size(c->kind);
    for (unsigned i = 0; i < c->size; i++)
        c->value[i] = (uint8_t)(v >> 8 * (c->size - 1 - i));
}

static void composite_make(const struct buf *sums, struct checksum *c)
{
    c->composite = true;
    c->size = cat_checksum_size(c->kind);
    switch (c->kind) {
    case CHECKSUM_CRC32:
        checksum_set(c, crc32_update(0, sums->p, sums->n));
        break;
    case CHECKSUM_CRC32C:
        checksum_set(c, crc32c_update(0, sums->p, sums->n));
        break;
    case CHECKSUM_SHA1:
        digest_once(DIGEST_SHA1, sums->p, sums->n, c->value);
        break;
    case CHECKSUM_SHA256:
        digest_once(DIGEST_SHA256, sums->p, sums->n, c->value);
        break;
    case CHECKSUM_CRC64NVME: /* always of the full object */
    case CHECKSUM_NONE:
        HF_BUG("no composite of this kind");
    }
}

static void checksum_kind_of(struct complete *c, const struct cat_upload_row *u)
{
    c->kind = u->checksum.kind;
    c->composite = u->checksum.composite;
    if (c->kind == CHECKSUM_NONE) { /* the client says at the end what it wants checked */
        c->kind = c->op->checksum.kind;
        c->composite = c->op->checksum.composite;
    }
    if (c->kind == CHECKSUM_CRC64NVME)
        c->composite = false;
    if (c->kind == CHECKSUM_SHA1 || c->kind == CHECKSUM_SHA256)
        c->composite = true;
}

/* A checksum of the whole needs every part's; without them the object has none. One that the client sends must be what
 * we find. */
static enum rc checksum_of_whole(const struct complete *c, struct checksum *ret, struct cat_done *done)
{
    const struct checksum *said = &c->op->checksum;
    struct checksum sum = {.kind = CHECKSUM_NONE};
    if (c->kind != CHECKSUM_NONE && !c->lacks_checksum) {
        sum.kind = c->kind;
        if (c->composite)
            composite_make(&c->sums, &sum);
        else
            checksum_set(&sum, c->full);
    }
    if (said->kind != CHECKSUM_NONE && said->size != 0 && !cat_checksum_eq(said, &sum))
        return cat_refuse(done, CAT_BAD_CHECKSUM);
    *ret = sum;
    return RC_OK;
}

/* ---- the list against the parts ---- */

static bool part_matches(const struct cat_part_ref *ref, const struct cat_part_row *p)
{
    if (memcmp(ref->md5, p->md5, sizeof(p->md5)) != 0)
        return false;
    return ref->checksum.kind == CHECKSUM_NONE || cat_checksum_eq(&ref->checksum, &p->checksum);
}

static enum rc take(struct complete *c, const struct cat_part_ref *ref, const struct cat_part_row *p)
{
    bool last = c->next + 1 == c->op->n_parts;
    if (!part_matches(ref, p) && !c->first_bad)
        c->first_bad = ref->number;
    if (!last && p->size < PART_SIZE_MIN && !c->first_small)
        c->first_small = ref->number;
    HF_TRY(buf_put(&c->md5s, p->md5, sizeof(p->md5)));
    c->crc64ecma = c->next ? crc64ecma_combine(c->crc64ecma, p->crc64ecma, p->size) : p->crc64ecma;
    if (p->checksum.kind != c->kind || p->checksum.size == 0) {
        c->lacks_checksum = true;
    } else {
        HF_TRY(buf_put(&c->sums, p->checksum.value, p->checksum.size));
        uint64_t v = checksum_number(&p->checksum);
        c->full = c->next ? full_combine(c->kind, c->full, v, p->size) : v;
    }
    c->size += p->size;
    c->listed_extents += cat_extent_count(p->extents);
    c->next++;
    return RC_OK;
}

static enum rc see_part(void *ctx, uint32_t number, const struct cat_part_row *p)
{
    struct complete *c = ctx;
    c->all_bytes += p->size;
    /* Listed parts below this number are not there. */
    while (c->next < c->op->n_parts && c->op->parts[c->next].number < number) {
        if (!c->first_bad)
            c->first_bad = c->op->parts[c->next].number;
        c->next++;
    }
    if (c->next < c->op->n_parts && c->op->parts[c->next].number == number)
        return take(c, &c->op->parts[c->next], p);
    return RC_OK;
}

static enum rc refuse_part(struct cat_done *done, enum cat_why why, uint32_t number)
{
    done->bad_part = number;
    return cat_refuse(done, why);
}

static enum rc list_check(const struct cat_op *op, struct cat_done *done)
{
    if (op->n_parts == 0 || op->n_parts > PARTS_MAX)
        return cat_refuse(done, CAT_INVALID_PART);
    for (size_t i = 0; i < op->n_parts; i++) {
        if (i > 0 && op->parts[i].number <= op->parts[i - 1].number)
            return refuse_part(done, CAT_INVALID_PART_ORDER, op->parts[i].number);
        if (op->parts[i].number == 0 || op->parts[i].number > PARTS_MAX)
            return refuse_part(done, CAT_INVALID_PART, op->parts[i].number);
    }
    return RC_OK;
}

static enum rc parts_check(struct complete *c, struct cat_done *done)
{
    HF_TRY(cat_each_part(c->t, c->op->upload, see_part, c));
    if (c->next < c->op->n_parts && !c->first_bad)
        c->first_bad = c->op->parts[c->next].number;
    if (c->first_bad)
        return refuse_part(done, CAT_INVALID_PART, c->first_bad);
    if (c->first_small)
        return refuse_part(done, CAT_PART_TOO_SMALL, c->first_small);
    return c->listed_extents > OBJECT_EXTENTS_MAX ? RC_LIMIT : RC_OK;
}

/* ---- a repeated Complete ---- */

static bool made_by(const struct cat_row *row, const struct cat_op *op, const uint8_t etag[16])
{
    return row->upload == op->upload && row->etag_parts == op->n_parts && memcmp(row->etag_md5, etag, 16) == 0;
}

static void etag_of_list(const struct cat_op *op, struct digest *d, uint8_t etag[16])
{
    for (size_t i = 0; i < op->n_parts; i++)
        digest_update(d, op->parts[i].md5, sizeof(op->parts[i].md5));
    digest_final(d, etag);
}

static enum rc find_made(struct cat_txn *t, const struct cat_op *op, uint64_t bucket, const uint8_t etag[16],
                         struct cat_row *ret)
{
    struct cat_key k;
    struct kv_iter *it;
    struct view key, value;
    enum rc rc = cat_txn_current(t, bucket, op->key, ret);
    if (rc != RC_NOT_FOUND && (rc != RC_OK || made_by(ret, op, etag)))
        return rc;
    cat_key_object(&k, bucket, op->key);
    HF_TRY(kv_txn_iter(t->kv, FAM_VERSION, cat_key_view(&k), &it));
    rc = RC_NOT_FOUND;
    for (unsigned i = 0; i < REPEAT_SCAN_MAX && rc == RC_NOT_FOUND; i++) {
        rc = kv_iter_next(it, &key, &value);
        if (rc == RC_OK)
            rc = cat_row_decode(value, ret);
        if (rc == RC_OK && !made_by(ret, op, etag))
            rc = RC_NOT_FOUND;
    }
    kv_iter_free(it);
    return rc == RC_END ? RC_NOT_FOUND : rc;
}

static enum rc repeated(struct cat_txn *t, const struct cat_op *op, uint64_t bucket, struct cat_done *done)
{
    struct cat_row row;
    uint8_t etag[16];
    struct digest *d = digest_new(DIGEST_MD5);
    if (!d)
        return RC_NOMEM;
    etag_of_list(op, d, etag);
    digest_free(d);
    enum rc rc = find_made(t, op, bucket, etag, &row);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? cat_refuse(done, CAT_NO_SUCH_UPLOAD) : rc;
    cat_done_row(done, &row);
    done->nothing_to_do = true;
    done->seq = row.seq;
    done->time_ns = row.modified_ns;
    return RC_OK;
}

/* ---- the decision ---- */

static enum rc record_make(struct complete *c, const struct cat_txn_bucket *b, const struct cat_upload_row *u,
                           struct cat_rec *r)
{
    uint32_t *numbers = arena_alloc(&c->t->arena, c->op->n_parts * sizeof(*numbers));
    struct view meta = arena_dup(&c->t->arena, u->meta), tags = arena_dup(&c->t->arena, u->tags);
    if (!numbers || !meta.p || !tags.p)
        return RC_NOMEM;
    for (size_t i = 0; i < c->op->n_parts; i++)
        numbers[i] = c->op->parts[i].number;
    cat_rec_start(r, REC_OBJECT, c->op, b);
    r->null_version = b->versioning != VERSIONING_ON;
    r->class = u->class;
    r->meta = meta;
    r->tags = tags;
    r->upload = c->op->upload;
    r->part_list = numbers;
    r->n_parts = c->op->n_parts;
    return RC_OK;
}

static enum rc whole_of(struct complete *c, struct cat_rec *r, struct cat_done *done)
{
    HF_TRY(checksum_of_whole(c, &r->checksum, done));
    r->size = c->size;
    r->crc64ecma = c->crc64ecma;
    r->etag_parts = (uint32_t)c->op->n_parts;
    digest_once(DIGEST_MD5, c->md5s.p, c->md5s.n, r->etag_md5);
    /* The listed parts' bytes were counted when they came, and stay; the others go. */
    cat_rec_delta(r, r->class, (int64_t)c->size - (int64_t)c->all_bytes, 1);
    HF_TRY(cat_decide_replaced(c->t, r));
    done->null_version = r->null_version;
    done->size = r->size;
    done->checksum = r->checksum;
    done->etag_parts = r->etag_parts;
    memcpy(done->etag_md5, r->etag_md5, sizeof(done->etag_md5));
    return RC_OK;
}

enum rc cat_decide_complete(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    struct cat_upload_row u;
    struct complete c = {.t = t, .op = op, .md5s = BUF(16u * PARTS_MAX), .sums = BUF((size_t)CHECKSUM_MAX * PARTS_MAX)};
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    HF_TRY(list_check(op, done));
    enum rc rc = cat_txn_upload(t, b->id, op->key, op->upload, &u);
    if (rc == RC_NOT_FOUND)
        return repeated(t, op, b->id, done);
    if (rc == RC_OK)
        rc = record_make(&c, b, &u, r);
    if (rc == RC_OK) {
        checksum_kind_of(&c, &u);
        rc = parts_check(&c, done);
    }
    if (rc == RC_OK)
        rc = cat_decide_conditions(t, op, b->id, done);
    if (rc == RC_OK)
        rc = whole_of(&c, r, done);
    buf_free(&c.md5s);
    buf_free(&c.sums);
    return rc;
}
