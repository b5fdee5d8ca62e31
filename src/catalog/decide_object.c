/* Deciding about objects: put, delete, tags. */
#include "catalog/cat_priv.h"

/* A body comes as it was stored: beside its record, or in whole extents of volumes, or there is none. */
static enum rc body_of(const struct cat_op *op, struct cat_rec *r)
{
    uint64_t sum = op->body.n;
    if (op->body.n > INLINE_SIZE_MAX || op->n_extents > OBJECT_EXTENTS_MAX)
        return RC_LIMIT;
    if (op->body.n && op->n_extents)
        return RC_INVALID;
    for (size_t i = 0; i < op->n_extents; i++)
        sum += op->extents[i].length;
    if (sum != op->size)
        return RC_INVALID;
    r->has_inline = op->body.n > 0;
    r->extents = op->extents;
    r->n_extents = op->n_extents;
    r->size = op->size;
    r->crc64ecma = op->crc64ecma;
    r->checksum = op->checksum;
    memcpy(r->etag_md5, op->md5, sizeof(r->etag_md5));
    return RC_OK;
}

enum rc cat_decide_put(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    HF_TRY(cat_decide_conditions(t, op, b->id, done));
    cat_rec_start(r, REC_OBJECT, op, b);
    HF_TRY(body_of(op, r));
    r->null_version = b->versioning != VERSIONING_ON;
    r->class = op->class;
    r->meta = op->meta;
    r->tags = op->tags;
    cat_rec_delta(r, op->class, (int64_t)op->size, 1);
    HF_TRY(cat_decide_replaced(t, r));
    done->null_version = r->null_version;
    done->size = op->size;
    done->checksum = op->checksum;
    memcpy(done->etag_md5, op->md5, sizeof(done->etag_md5));
    return RC_OK;
}

enum rc cat_decide_part(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    struct cat_upload_row u;
    struct cat_part_row old;
    struct cat_key k;
    struct view v;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    if (op->part == 0 || op->part > PARTS_MAX)
        return RC_LIMIT;
    enum rc rc = cat_txn_upload(t, b->id, op->key, op->upload, &u);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? cat_refuse(done, CAT_NO_SUCH_UPLOAD) : rc;
    cat_rec_start(r, REC_PART, op, b);
    HF_TRY(body_of(op, r));
    r->class = u.class;
    r->upload = op->upload;
    r->part = op->part;
    cat_rec_delta(r, u.class, (int64_t)op->size, 0);
    cat_key_part(&k, op->upload, op->part);
    rc = cat_txn_get(t, FAM_PART, &k, &v);
    if (rc == RC_OK)
        rc = cat_part_decode(v, &old);
    if (rc == RC_OK)
        cat_rec_delta(r, u.class, -(int64_t)old.size, 0);
    else if (rc != RC_NOT_FOUND)
        return rc;
    done->size = op->size;
    done->checksum = op->checksum;
    memcpy(done->etag_md5, op->md5, sizeof(done->etag_md5));
    return RC_OK;
}

/* ---- delete ---- */

/* Without a version: a marker where versions are kept, else the object goes. */
static enum rc delete_latest(struct cat_txn *t, const struct cat_txn_bucket *b, struct cat_rec *r,
                             struct cat_done *done)
{
    struct cat_row row;
    r->null_version = b->versioning != VERSIONING_ON;
    r->marker = b->versioning != VERSIONING_OFF;
    done->null_version = r->null_version;
    done->marker = r->marker;
    if (r->marker)
        return cat_decide_replaced(t, r);
    enum rc rc = cat_txn_current(t, r->bucket, r->key, &row);
    done->nothing_to_do = rc == RC_NOT_FOUND;
    if (rc == RC_OK)
        cat_rec_gone(r, &row);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* With a version: it goes, marker or not. Deleting what is not there succeeds, as S3 has it. */
static enum rc delete_version(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    struct cat_row row;
    bool current;
    done->version = op->version.null_version ? 0 : op->version.seq;
    done->null_version = op->version.null_version;
    enum rc rc = cat_txn_find(t, r->bucket, r->key, op->version.seq, op->version.null_version, &row, &current);
    if (rc == RC_NOT_FOUND && op->if_match.n)
        return cat_refuse(done, CAT_NO_SUCH_KEY);
    done->nothing_to_do = rc == RC_NOT_FOUND;
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    done->marker = row.marker;
    char etag[ETAG_TEXT_MAX];
    if (op->if_match.n && !view_eqs(op->if_match, "*") &&
        (row.marker || !view_eqs(op->if_match, cat_etag_text(row.etag_md5, row.etag_parts, etag))))
        return cat_refuse(done, CAT_PRECONDITION_FAILED);
    r->version = done->version;
    r->null_version = done->null_version;
    if (!row.marker)
        cat_rec_gone(r, &row);
    return RC_OK;
}

enum rc cat_decide_delete(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    cat_rec_start(r, REC_DELETE, op, b);
    if (!op->version.any_latest)
        return delete_version(t, op, r, done);
    HF_TRY(cat_decide_conditions(t, op, b->id, done));
    return delete_latest(t, b, r, done);
}

/* ---- tags ---- */

/* A key whose newest version is a marker is a missing key; a marker named by its version is no object to tag. */
enum rc cat_decide_tags(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    struct cat_row row;
    bool current;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    enum rc rc = op->version.any_latest
                     ? cat_txn_current(t, b->id, op->key, &row)
                     : cat_txn_find(t, b->id, op->key, op->version.seq, op->version.null_version, &row, &current);
    if (rc == RC_NOT_FOUND)
        return cat_refuse(done, op->version.any_latest ? CAT_NO_SUCH_KEY : CAT_NO_SUCH_VERSION);
    if (rc != RC_OK)
        return rc;
    if (row.marker)
        return cat_refuse(done, CAT_METHOD_NOT_ALLOWED);
    cat_rec_start(r, REC_OBJECT_SET, op, b);
    r->version = row.null_version ? 0 : row.seq;
    r->null_version = row.null_version;
    r->tags = op->tags;
    done->version = row.seq;
    cat_done_row(done, &row);
    return RC_OK;
}
