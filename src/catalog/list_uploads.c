/* ListMultipartUploads: a range of FAM_UPLOAD. Keys ascend, within a key the oldest upload comes first. */
#include "catalog/cat_priv.h"

struct listing {
    struct cat_pager p;
    struct kv_iter *it;
    uint64_t bucket;
    struct cat_upload *uploads;
    size_t n_uploads;
    struct view last;
    uint64_t last_upload; /* 0 after a common prefix */
};

static enum rc list_upload(struct listing *s, struct view key, uint64_t seq, struct view value)
{
    struct cat_upload_row row;
    HF_TRY(cat_upload_decode(value, &row));
    struct cat_upload u = {.seq = seq,
                           .created_ns = row.created_ns,
                           .class = row.class,
                           .checksum_kind = row.checksum.kind,
                           .checksum_composite = row.checksum.composite,
                           .key = arena_dup(s->p.a, key),
                           .meta = arena_dup(s->p.a, row.meta),
                           .tags = arena_dup(s->p.a, row.tags)};
    if (!u.key.p || !u.meta.p || !u.tags.p)
        return RC_NOMEM;
    s->uploads[s->n_uploads++] = u;
    s->p.n_items++;
    s->last = u.key;
    s->last_upload = seq;
    return RC_OK;
}

static enum rc list_group(struct listing *s, struct view prefix, struct view *k, struct view *v)
{
    struct cat_key past;
    cat_key_prefix(&past, s->bucket, prefix);
    cat_key_past(&past);
    HF_TRY(cat_pager_prefix(&s->p, prefix));
    s->last = s->p.prefixes[s->p.n_prefixes - 1];
    s->last_upload = 0;
    return kv_iter_seek(s->it, cat_key_view(&past), k, v);
}

static enum rc list_run(struct listing *s)
{
    struct cat_key from;
    struct view k, v, rest;
    char text[KEY_MAX];
    size_t n;
    bool within = s->p.l->after_version > 0 && s->p.after.n > 0 && !s->p.after_is_prefix;
    cat_pager_seek_key(&s->p, s->bucket, within, &from);
    if (within && view_cmp(s->p.after, s->p.prefix) >= 0)
        cat_key_upload(&from, s->bucket, s->p.after, s->p.l->after_version + 1);
    enum rc rc = kv_iter_seek(s->it, cat_key_view(&from), &k, &v);
    while (rc == RC_OK && cat_pager_room(&s->p)) {
        HF_TRY(cat_key_decode(k, text, &n, &rest));
        if (rest.n != 8)
            return RC_CORRUPT;
        struct view key = view_of(text, n);
        size_t group = cat_pager_group(&s->p, key);
        if (group) {
            rc = list_group(s, view_sub(key, 0, group), &k, &v);
        } else {
            HF_TRY(list_upload(s, key, be64_get((const uint8_t *)rest.p), v));
            rc = kv_iter_next(s->it, &k, &v);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc cat_list_uploads(struct cat *c, uint64_t bucket, const struct cat_list *l, struct arena *a,
                         struct cat_uploads_listed *ret)
{
    struct listing s = {.bucket = bucket};
    struct cat_key prefix;
    *ret = (struct cat_uploads_listed){0};
    enum rc rc = cat_pager_start(&s.p, l, a);
    if (rc != RC_OK)
        return rc == RC_END ? RC_OK : rc;
    s.uploads = arena_alloc(a, (s.p.max + 1) * sizeof(*s.uploads));
    if (!s.uploads)
        return RC_NOMEM;
    cat_key_prefix(&prefix, bucket, s.p.prefix);
    HF_TRY(kv_iter_new(c->kv, NULL, FAM_UPLOAD, cat_key_view(&prefix), &s.it));
    rc = list_run(&s);
    kv_iter_free(s.it);
    if (rc != RC_OK)
        return rc;
    *ret = (struct cat_uploads_listed){.uploads = s.uploads,
                                       .n_uploads = s.n_uploads,
                                       .prefixes = s.p.prefixes,
                                       .n_prefixes = s.p.n_prefixes,
                                       .truncated = s.p.truncated};
    if (s.p.truncated) {
        ret->next_key = s.last;
        ret->next_upload = s.last_upload;
    }
    return RC_OK;
}
