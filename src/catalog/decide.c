/* Deciding: dispatch, ownership, conditions, and what all records have in common. */
#include "catalog/cat_priv.h"

enum rc cat_refuse(struct cat_done *done, enum cat_why why)
{
    done->why = why;
    switch (why) {
    case CAT_NO_SUCH_BUCKET:
    case CAT_NO_SUCH_KEY:
    case CAT_NO_SUCH_VERSION:
    case CAT_NO_SUCH_UPLOAD:
        return RC_NOT_FOUND;
    case CAT_NOT_OWNER:
    case CAT_QUOTA:
        return RC_DENIED;
    case CAT_BUCKET_EXISTS:
    case CAT_BUCKET_OWNED_BY_YOU:
        return RC_EXISTS;
    case CAT_BUCKET_NOT_EMPTY:
    case CAT_METHOD_NOT_ALLOWED:
        return RC_CONFLICT;
    case CAT_PRECONDITION_FAILED:
        return RC_PRECONDITION;
    case CAT_INVALID_PART:
    case CAT_INVALID_PART_ORDER:
    case CAT_PART_TOO_SMALL:
    case CAT_BAD_CHECKSUM:
        return RC_INVALID;
    case CAT_WHY_NONE:
        break;
    }
    HF_BUG("refused without a reason");
}

enum rc cat_decide_bucket(struct cat_txn *t, const struct cat_op *op, const struct cat_txn_bucket **ret,
                          struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    enum rc rc = cat_txn_bucket(t, op->bucket, &b);
    if (rc == RC_NOT_FOUND)
        return cat_refuse(done, CAT_NO_SUCH_BUCKET);
    if (rc != RC_OK)
        return rc;
    if (b->account != op->account)
        return cat_refuse(done, CAT_NOT_OWNER);
    done->versioned = b->versioning != VERSIONING_OFF;
    *ret = b;
    return RC_OK;
}

void cat_rec_start(struct cat_rec *r, enum rec_type type, const struct cat_op *op, const struct cat_txn_bucket *b)
{
    r->type = type;
    r->account = b->account;
    r->bucket = b->id;
    r->bucket_name = op->bucket;
    r->versioning = b->versioning;
    r->key = op->key;
    r->requests = op->requests;
    r->actor = op->actor;
}

void cat_rec_delta(struct cat_rec *r, enum storage_class class, int64_t bytes, int64_t objects)
{
    unsigned i = 0;
    while (i < r->n_delta && r->delta[i].class != class)
        i++;
    if (i == r->n_delta)
        r->delta[r->n_delta++] = (struct cat_delta){.class = class};
    r->delta[i].bytes += bytes;
    r->delta[i].objects += objects;
}

void cat_rec_gone(struct cat_rec *r, const struct cat_row *row)
{
    cat_rec_delta(r, row->class, -(int64_t)row->size, -1);
    if (row->class == CLASS_STANDARD)
        return;
    HF_ASSERT(r->n_gone < GONE_MAX);
    r->gone[r->n_gone++] = (struct cat_gone){.class = row->class, .size = row->size, .created_ns = row->modified_ns};
}

static bool etag_matches(struct view wanted, const struct cat_row *row)
{
    char text[ETAG_TEXT_MAX];
    return view_eqs(wanted, "*") || view_eqs(wanted, cat_etag_text(row->etag_md5, row->etag_parts, text));
}

enum rc cat_decide_conditions(struct cat_txn *t, const struct cat_op *op, uint64_t bucket, struct cat_done *done)
{
    struct cat_row cur;
    if (op->if_match.n == 0 && op->if_none_match.n == 0)
        return RC_OK;
    enum rc rc = cat_txn_current(t, bucket, op->key, &cur);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    if (rc == RC_NOT_FOUND)
        return op->if_match.n ? cat_refuse(done, CAT_NO_SUCH_KEY) : RC_OK;
    if (op->if_match.n && !etag_matches(op->if_match, &cur))
        return cat_refuse(done, CAT_PRECONDITION_FAILED);
    if (op->if_none_match.n && etag_matches(op->if_none_match, &cur))
        return cat_refuse(done, CAT_PRECONDITION_FAILED);
    return RC_OK;
}

enum rc cat_decide_replaced(struct cat_txn *t, struct cat_rec *r)
{
    struct cat_row old;
    bool current;
    if (!r->null_version)
        return RC_OK; /* a version of its own beside the others */
    enum rc rc = r->versioning == VERSIONING_OFF ? cat_txn_current(t, r->bucket, r->key, &old)
                                                 : cat_txn_find(t, r->bucket, r->key, 0, true, &old, &current);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && old.marker))
        return RC_OK;
    if (rc == RC_OK)
        cat_rec_gone(r, &old);
    return rc;
}

void cat_done_row(struct cat_done *done, const struct cat_row *row)
{
    done->null_version = row->null_version;
    done->size = row->size;
    done->etag_parts = row->etag_parts;
    done->checksum = row->checksum;
    memcpy(done->etag_md5, row->etag_md5, sizeof(done->etag_md5));
}

static cat_decide_fn *decide_of(enum cat_op_kind kind)
{
    switch (kind) {
    case CAT_BUCKET_CREATE:
        return cat_decide_bucket_create;
    case CAT_BUCKET_DELETE:
        return cat_decide_bucket_delete;
    case CAT_BUCKET_VERSIONING:
        return cat_decide_bucket_versioning;
    case CAT_BUCKET_TAGS:
        return cat_decide_bucket_tags;
    case CAT_PUT:
        return cat_decide_put;
    case CAT_DELETE:
        return cat_decide_delete;
    case CAT_TAGS:
        return cat_decide_tags;
    case CAT_UPLOAD:
        return cat_decide_upload;
    case CAT_PART:
        return cat_decide_part;
    case CAT_COMPLETE:
        return cat_decide_complete;
    case CAT_ABORT:
        return cat_decide_abort;
    case CAT_RECLAIM:
        return cat_decide_reclaim;
    }
    HF_BUG("no such operation");
}

static bool needs_key(enum cat_op_kind kind)
{
    return kind >= CAT_PUT && kind <= CAT_ABORT;
}

/* What the record changes in all, and whether a quota forbids it. */
static enum rc decide_quota(struct cat_txn *t, const struct cat_rec *r, struct cat_done *done)
{
    done->account = r->account;
    done->bucket = r->bucket;
    for (unsigned i = 0; i < r->n_delta; i++) {
        done->bytes += r->delta[i].bytes;
        done->objects += r->delta[i].objects;
    }
    if (!t->quota || (done->bytes <= 0 && done->objects <= 0))
        return RC_OK;
    enum rc rc = t->quota(t->quota_ctx, r);
    return rc == RC_DENIED ? cat_refuse(done, CAT_QUOTA) : rc;
}

enum rc cat_decide(struct cat_txn *t, const struct cat_op *op, enum rec_type *ret_type, struct buf *payload,
                   struct cat_done *done)
{
    struct cat_rec r = {0};
    *done = (struct cat_done){.why = CAT_WHY_NONE};
    if (op->key.n > KEY_MAX || op->meta.n > REC_META_MAX || op->tags.n > REC_TEXT_MAX || op->actor.n > REC_TEXT_MAX)
        return RC_LIMIT;
    if (needs_key(op->kind) && op->key.n == 0)
        return RC_INVALID;
    enum rc rc = decide_of(op->kind)(t, op, &r, done);
    if (rc == RC_OK && !done->nothing_to_do)
        rc = decide_quota(t, &r, done);
    if (rc == RC_OK && !done->nothing_to_do)
        rc = cat_rec_encode(&r, payload);
    arena_free(&t->arena); /* only now: the record may borrow from it */
    if (rc == RC_OK)
        *ret_type = r.type;
    return rc;
}
