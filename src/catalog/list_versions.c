/* ListObjectVersions: FAM_CURRENT and FAM_VERSION merged, from one snapshot. Keys ascend; within a key the newest comes
 * first, which is the current one when there is one. */
#include "catalog/cat_priv.h"

/* One family's place. */
struct source {
    struct kv_iter *it;
    bool valid;
    struct view row_key, value;
    struct view object; /* the row's key without the sequence behind it: both families compare by it */
    size_t suffix;      /* bytes of that sequence */
};

struct listing {
    struct cat_pager p;
    struct source current, version;
    uint64_t bucket;
    struct cat_version *versions;
    size_t n_versions;
    struct view last;
    bool last_is_prefix;
    uint64_t last_seq;
    char key[KEY_MAX]; /* of the item at hand */
    size_t key_n;
    /* Of the key at hand: has something newer of it been seen? Then the next is not its latest. */
    struct cat_key seen;
    bool seen_any;
};

static enum rc source_set(struct source *s, enum rc rc)
{
    s->valid = rc == RC_OK;
    if (rc == RC_OK && s->row_key.n < s->suffix)
        return RC_CORRUPT;
    if (s->valid)
        s->object = view_sub(s->row_key, 0, s->row_key.n - s->suffix);
    return rc == RC_END ? RC_OK : rc;
}

static enum rc source_next(struct source *s)
{
    return source_set(s, kv_iter_next(s->it, &s->row_key, &s->value));
}

static enum rc source_seek(struct source *s, const struct cat_key *k)
{
    return source_set(s, kv_iter_seek(s->it, cat_key_view(k), &s->row_key, &s->value));
}

/* The source whose item comes next; NULL at the end. */
static struct source *pick(struct listing *s)
{
    if (!s->current.valid)
        return s->version.valid ? &s->version : NULL;
    if (!s->version.valid)
        return &s->current;
    return view_cmp(s->current.object, s->version.object) <= 0 ? &s->current : &s->version;
}

static bool seen_newer(const struct listing *s, struct view object)
{
    return s->seen_any && view_eq(cat_key_view(&s->seen), object);
}

static enum rc see(struct listing *s, struct view object)
{
    if (object.n > sizeof(s->seen.p))
        return RC_CORRUPT;
    memcpy(s->seen.p, object.p, object.n);
    s->seen.n = object.n;
    s->seen_any = true;
    return RC_OK;
}

/* Goes on within a key: what is not older than the version given last has been given. */
static enum rc skip_given(struct listing *s, uint64_t after_version)
{
    struct cat_key object;
    struct cat_row row;
    cat_key_object(&object, s->bucket, s->p.after);
    for (;;) {
        struct source *at = pick(s);
        if (!at || !view_eq(at->object, cat_key_view(&object)))
            return RC_OK;
        HF_TRY(cat_row_decode(at->value, &row));
        if (row.seq < after_version)
            return RC_OK;
        HF_TRY(see(s, at->object));
        if (at == &s->current) {
            HF_TRY(source_next(at));
        } else { /* straight to the first older one */
            struct cat_key older;
            cat_key_version(&older, s->bucket, s->p.after, after_version - 1);
            HF_TRY(source_seek(at, &older));
        }
    }
}

static enum rc list_version(struct listing *s, struct source *at)
{
    struct cat_row row;
    struct cat_version *v = &s->versions[s->n_versions];
    HF_TRY(cat_row_decode(at->value, &row));
    HF_TRY(cat_version_fill(&row, false, s->p.a, v));
    v->key = arena_dup(s->p.a, view_of(s->key, s->key_n));
    if (!v->key.p)
        return RC_NOMEM;
    v->latest = !seen_newer(s, at->object);
    HF_TRY(see(s, at->object));
    s->n_versions++;
    s->p.n_items++;
    s->last = v->key;
    s->last_is_prefix = false;
    s->last_seq = v->seq;
    return source_next(at);
}

static enum rc list_group(struct listing *s, size_t group)
{
    struct cat_key past;
    struct view prefix = view_of(s->key, group);
    cat_key_prefix(&past, s->bucket, prefix);
    cat_key_past(&past);
    HF_TRY(cat_pager_prefix(&s->p, prefix));
    s->last = s->p.prefixes[s->p.n_prefixes - 1];
    s->last_is_prefix = true;
    s->last_seq = 0;
    HF_TRY(source_seek(&s->current, &past));
    return source_seek(&s->version, &past);
}

static enum rc list_run(struct listing *s)
{
    struct cat_key from;
    bool within = s->p.l->after_version > 0 && s->p.after.n > 0 && !s->p.after_is_prefix;
    cat_pager_seek_key(&s->p, s->bucket, within, &from);
    HF_TRY(source_seek(&s->current, &from));
    HF_TRY(source_seek(&s->version, &from));
    if (within)
        HF_TRY(skip_given(s, s->p.l->after_version));
    struct source *at;
    while ((at = pick(s)) != NULL && cat_pager_room(&s->p)) {
        struct view rest;
        HF_TRY(cat_key_decode(at->row_key, s->key, &s->key_n, &rest));
        size_t group = cat_pager_group(&s->p, view_of(s->key, s->key_n));
        HF_TRY(group ? list_group(s, group) : list_version(s, at));
    }
    return RC_OK;
}

static enum rc list_open(struct listing *s, struct cat *c, struct kv_snap *snap)
{
    struct cat_key prefix;
    cat_key_prefix(&prefix, s->bucket, s->p.prefix);
    s->version.suffix = 8;
    HF_TRY(kv_iter_new(c->kv, snap, FAM_CURRENT, cat_key_view(&prefix), &s->current.it));
    return kv_iter_new(c->kv, snap, FAM_VERSION, cat_key_view(&prefix), &s->version.it);
}

enum rc cat_list_versions(struct cat *c, uint64_t bucket, const struct cat_list *l, struct arena *a,
                          struct cat_listed *ret)
{
    struct listing s = {.bucket = bucket};
    struct kv_snap *snap;
    *ret = (struct cat_listed){0};
    enum rc rc = cat_pager_start(&s.p, l, a);
    if (rc != RC_OK)
        return rc == RC_END ? RC_OK : rc;
    s.versions = arena_alloc(a, (s.p.max + 1) * sizeof(*s.versions));
    if (!s.versions)
        return RC_NOMEM;
    HF_TRY(kv_snap_new(c->kv, &snap));
    rc = list_open(&s, c, snap);
    if (rc == RC_OK)
        rc = list_run(&s);
    kv_iter_free(s.current.it);
    kv_iter_free(s.version.it);
    kv_snap_free(c->kv, snap);
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
        ret->next_version = s.last_seq;
    }
    return RC_OK;
}
