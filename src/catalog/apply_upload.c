/* Applying what happens to multipart uploads: begun, parts, aborted, completed. */
#include "catalog/cat_priv.h"

enum rc cat_rec_extents(const struct journal_rec *rec, const struct cat_rec *r, struct buf *out)
{
    if (!r->has_inline)
        return cat_extent_pack(out, r->extents, r->n_extents);
    if (rec->attach.segment == 0 || rec->attach.size != r->size)
        return RC_CORRUPT;
    struct extent x = {.kind = EXTENT_INLINE,
                       .container = rec->attach.segment,
                       .offset = rec->attach.offset,
                       .length = rec->attach.size,
                       .owner = rec->seq};
    return cat_extent_pack(out, &x, 1);
}

enum rc cat_apply_upload(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_upload_row u = {
        .created_ns = rec->time_ns, .class = r->class, .meta = r->meta, .tags = r->tags, .checksum = r->checksum};
    struct cat_key k;
    HF_TRY(cat_upload_encode(&u, &t->row));
    cat_key_upload(&k, r->bucket, r->key, rec->seq);
    return cat_txn_put(t, FAM_UPLOAD, &k, buf_view(&t->row));
}

enum rc cat_apply_part(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_key k;
    struct view v;
    struct cat_part_row p;
    cat_key_part(&k, r->upload, r->part);
    enum rc rc = cat_txn_get(t, FAM_PART, &k, &v);
    if (rc == RC_OK)
        rc = cat_part_decode(v, &p);
    if (rc == RC_OK)
        rc = cat_extents_die(t, p.extents, rec->time_ns); /* a part that is sent again replaces the old one */
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    buf_clear(&t->extents);
    HF_TRY(cat_rec_extents(rec, r, &t->extents));
    HF_TRY(cat_extents_born(t, buf_view(&t->extents)));
    p = (struct cat_part_row){.size = r->size,
                              .crc64ecma = r->crc64ecma,
                              .checksum = r->checksum,
                              .modified_ns = rec->time_ns,
                              .extents = buf_view(&t->extents)};
    memcpy(p.md5, r->etag_md5, sizeof(p.md5));
    HF_TRY(cat_part_encode(&p, &t->row));
    return cat_txn_put(t, FAM_PART, &k, buf_view(&t->row));
}

enum rc cat_apply_abort(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    return cat_upload_drop(t, r->bucket, r->key, r->upload, rec->time_ns);
}

/* ---- complete ---- */

struct gather {
    struct cat_txn *t;
    const struct cat_rec *r;
    int64_t now_ns;
    size_t next; /* in the record's list */
    uint64_t size;
    struct buf *extents, *sizes;
};

/* Listed parts hand their extents over, alive as they are; the others die. The rows all go. */
static enum rc gather_part(void *ctx, uint32_t number, const struct cat_part_row *p)
{
    struct gather *g = ctx;
    struct cat_key k;
    if (g->next < g->r->n_parts && g->r->part_list[g->next] == number) {
        uint8_t size[8];
        le64_put(size, p->size);
        HF_TRY(buf_put(g->sizes, size, sizeof(size)));
        HF_TRY(buf_putv(g->extents, p->extents));
        g->size += p->size;
        g->next++;
    } else {
        HF_TRY(cat_extents_die(g->t, p->extents, g->now_ns));
    }
    cat_key_part(&k, g->r->upload, number);
    return cat_txn_delete(g->t, FAM_PART, &k);
}

enum rc cat_apply_complete(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r,
                           struct buf *extents, struct buf *sizes)
{
    struct gather g = {.t = t, .r = r, .now_ns = rec->time_ns, .extents = extents, .sizes = sizes};
    struct cat_key k;
    HF_TRY(cat_each_part(t, r->upload, gather_part, &g));
    if (g.next != r->n_parts || g.size != r->size)
        return RC_CORRUPT;
    cat_key_upload(&k, r->bucket, r->key, r->upload);
    return cat_txn_delete(t, FAM_UPLOAD, &k);
}
