/* ListObjects: one range of FAM_CURRENT, one seek past each common prefix. */
#include "catalog/cat_priv.h"

struct listing {
    struct cat_pager p;
    struct kv_iter *it;
    uint64_t bucket;
    struct cat_version *versions;
    size_t n_versions;
    struct view last; /* item given last */
    bool last_is_prefix;
};

static enum rc list_key(struct listing *s, struct view key, struct view value)
{
    struct cat_row row;
    struct cat_version *v = &s->versions[s->n_versions];
    HF_TRY(cat_row_decode(value, &row));
    HF_TRY(cat_version_fill(&row, false, s->p.a, v));
    v->key = arena_dup(s->p.a, key);
    if (!v->key.p)
        return RC_NOMEM;
    v->latest = true;
    s->n_versions++;
    s->p.n_items++;
    s->last = v->key;
    s->last_is_prefix = false;
    return RC_OK;
}

/* Gives the common prefix and moves past everything under it. */
static enum rc list_group(struct listing *s, struct view prefix, struct view *k, struct view *v)
{
    struct cat_key past;
    cat_key_prefix(&past, s->bucket, prefix);
    cat_key_past(&past);
    HF_TRY(cat_pager_prefix(&s->p, prefix));
    s->last = s->p.prefixes[s->p.n_prefixes - 1];
    s->last_is_prefix = true;
    return kv_iter_seek(s->it, cat_key_view(&past), k, v);
}

static enum rc list_run(struct listing *s)
{
    struct cat_key from;
    struct view k, v, rest;
    char text[KEY_MAX];
    size_t n;
    cat_pager_seek_key(&s->p, s->bucket, false, &from);
    enum rc rc = kv_iter_seek(s->it, cat_key_view(&from), &k, &v);
    while (rc == RC_OK && cat_pager_room(&s->p)) {
        HF_TRY(cat_key_decode(k, text, &n, &rest));
        struct view key = view_of(text, n);
        size_t group = cat_pager_group(&s->p, key);
        if (group) {
            rc = list_group(s, view_sub(key, 0, group), &k, &v);
        } else {
            HF_TRY(list_key(s, key, v));
            rc = kv_iter_next(s->it, &k, &v);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc cat_list_objects(struct cat *c, uint64_t bucket, const struct cat_list *l, struct arena *a,
                         struct cat_listed *ret)
{
    struct listing s = {.bucket = bucket};
    struct cat_key prefix;
    *ret = (struct cat_listed){0};
    enum rc rc = cat_pager_start(&s.p, l, a);
    if (rc != RC_OK)
        return rc == RC_END ? RC_OK : rc;
    s.versions = arena_alloc(a, (s.p.max + 1) * sizeof(*s.versions));
    if (!s.versions)
        return RC_NOMEM;
    cat_key_prefix(&prefix, bucket, s.p.prefix);
    HF_TRY(kv_iter_new(c->kv, NULL, FAM_CURRENT, cat_key_view(&prefix), &s.it));
    rc = list_run(&s);
    kv_iter_free(s.it);
    if (rc != RC_OK)
        return rc;
    *ret = (struct cat_listed){.versions = s.versions,
                               .n_versions = s.n_versions,
                               .prefixes = s.p.prefixes,
                               .n_prefixes = s.p.n_prefixes,
                               .truncated = s.p.truncated};
    if (s.p.truncated) {
        ret->next = s.last;
        ret->next_is_prefix = s.last_is_prefix;
    }
    return RC_OK;
}
