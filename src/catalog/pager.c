/* One page of a listing: prefix, delimiter, where it begins, when it is full. */
#include "catalog/cat_priv.h"

/* Does `after` say a common prefix of this very listing? Then what is under it is done with. */
static bool is_common_prefix(const struct cat_pager *p)
{
    size_t n = cat_pager_group(p, p->after);
    return n > 0 && n == p->after.n;
}

enum rc cat_pager_start(struct cat_pager *p, const struct cat_list *l, struct arena *a)
{
    *p = (struct cat_pager){.l = l, .a = a, .prefix = l->prefix, .after = l->after};
    p->max = l->max < CAT_LIST_MAX ? l->max : CAT_LIST_MAX;
    if (p->prefix.n > KEY_MAX)
        return RC_END;
    /* No key is between a text and its first KEY_MAX bytes: cutting changes nothing. */
    if (p->after.n > KEY_MAX)
        p->after.n = KEY_MAX;
    p->after_is_prefix = l->after.n <= KEY_MAX && p->after.n > 0 && (l->after_is_prefix || is_common_prefix(p));
    p->prefixes = arena_alloc(a, (p->max + 1) * sizeof(*p->prefixes));
    return p->prefixes ? RC_OK : RC_NOMEM;
}

size_t cat_pager_group(const struct cat_pager *p, struct view key)
{
    struct view d = p->l->delimiter;
    if (d.n == 0 || !view_starts(key, p->prefix))
        return 0;
    size_t at = view_find(key, d.p[0], p->prefix.n);
    while (at != SIZE_MAX && !view_eq(view_sub(key, at, d.n), d))
        at = view_find(key, d.p[0], at + 1);
    return at == SIZE_MAX ? 0 : at + d.n;
}

bool cat_pager_room(struct cat_pager *p)
{
    if (p->n_items < p->max)
        return true;
    p->truncated = p->max > 0;
    return false;
}

enum rc cat_pager_prefix(struct cat_pager *p, struct view prefix)
{
    struct view kept = arena_dup(p->a, prefix);
    if (!kept.p)
        return RC_NOMEM;
    p->prefixes[p->n_prefixes++] = kept;
    p->n_items++;
    return RC_OK;
}

void cat_pager_seek_key(const struct cat_pager *p, uint64_t bucket, bool within_after, struct cat_key *ret)
{
    if (p->after.n == 0 || view_cmp(p->after, p->prefix) < 0) {
        cat_key_prefix(ret, bucket, p->prefix);
    } else if (p->after_is_prefix) {
        cat_key_prefix(ret, bucket, p->after);
        cat_key_past(ret);
    } else {
        cat_key_object(ret, bucket, p->after);
        if (!within_after)
            cat_key_past(ret);
    }
}
