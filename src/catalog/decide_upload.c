/* Deciding about multipart uploads: begin, abort. Parts: decide_object.c, which knows bodies; Complete: complete.c. */
#include "catalog/cat_priv.h"

enum rc cat_decide_upload(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    cat_rec_start(r, REC_UPLOAD, op, b);
    r->class = op->class;
    r->meta = op->meta;
    r->tags = op->tags;
    r->checksum = (struct checksum){.kind = op->checksum.kind, .composite = op->checksum.composite};
    return RC_OK;
}

enum rc cat_decide_abort(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    struct cat_upload_row u;
    uint64_t bytes, n;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    enum rc rc = cat_txn_upload(t, b->id, op->key, op->upload, &u);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? cat_refuse(done, CAT_NO_SUCH_UPLOAD) : rc;
    HF_TRY(cat_parts_bytes(t, op->upload, &bytes, &n));
    cat_rec_start(r, REC_UPLOAD_ABORT, op, b);
    r->class = u.class;
    r->upload = op->upload;
    cat_rec_delta(r, u.class, -(int64_t)bytes, 0);
    return RC_OK;
}
