/* Holdfast store: the live extents that a caller lists, in order, one volume at a time. */
#include "store/store_priv.h"

#include <stdlib.h>

#define LIST_FIRST 256u

enum rc live_next(struct live_cursor *u, struct err *e)
{
    do {
        enum rc rc = u->source->next(u->source->ctx, &u->ahead);
        u->has = rc == RC_OK;
        if (rc == RC_END)
            return RC_OK;
        if (rc != RC_OK)
            return err_set(e, rc, "the list of live extents cannot be read: %s", rc_name(rc));
    } while (u->ahead.kind != EXTENT_VOLUME);
    if (u->ahead.container < u->at || (u->ahead.container == u->at && u->ahead.offset < u->at_offset))
        return err_set(e, RC_INVALID, "the list of live extents is out of order at volume %016llx",
                       (unsigned long long)u->ahead.container);
    u->at = u->ahead.container;
    u->at_offset = u->ahead.offset;
    return RC_OK;
}

enum rc live_collect(struct live_cursor *u, uint64_t id, struct extent_list *ret, struct err *e)
{
    ret->n = 0;
    while (u->has && u->ahead.container == id) {
        if (extent_list_add(ret, &u->ahead) != RC_OK)
            return err_set(e, RC_NOMEM, "out of memory while listing a volume");
        HF_TRY(live_next(u, e));
    }
    return RC_OK;
}

enum rc extent_list_add(struct extent_list *l, const struct extent *x)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : LIST_FIRST;
        struct extent *grown = realloc(l->x, cap * sizeof *grown);
        if (!grown)
            return RC_NOMEM;
        l->x = grown;
        l->cap = cap;
    }
    l->x[l->n++] = *x;
    return RC_OK;
}

uint64_t live_blocks(const struct extent_list *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += extent_blocks(l->x[i].length);
    return n;
}
