/* Extents coming alive and dying: their rows, and the live space of their volumes and segments. */
#include <stdlib.h>

#include "catalog/cat_priv.h"

#define EXTENT_ROW 16u

static void extent_key(struct cat_key *k, const struct extent *x)
{
    cat_key_u64(k, x->container);
    cat_key_add_u64(k, x->offset);
}

enum rc cat_extents_born(struct cat_txn *t, struct view packed)
{
    for (size_t i = 0; i < cat_extent_count(packed); i++) {
        struct extent x = cat_extent_at(packed, i);
        HF_TRY(cat_space_add(t, &x));
        if (x.kind != EXTENT_VOLUME)
            continue;
        struct cat_key k;
        uint8_t row[EXTENT_ROW];
        extent_key(&k, &x);
        be64_put(row, x.length);
        be64_put(row + 8, x.owner);
        HF_TRY(cat_txn_put(t, FAM_EXTENT, &k, view_of(row, sizeof(row))));
    }
    return RC_OK;
}

enum rc cat_extents_die(struct cat_txn *t, struct view packed, int64_t now_ns)
{
    for (size_t i = 0; i < cat_extent_count(packed); i++) {
        struct extent x = cat_extent_at(packed, i);
        HF_TRY(cat_space_kill(t, &x, now_ns));
        if (x.kind != EXTENT_VOLUME)
            continue;
        struct cat_key k;
        extent_key(&k, &x);
        HF_TRY(cat_txn_delete(t, FAM_EXTENT, &k));
    }
    return RC_OK;
}

enum rc cat_row_die(struct cat_txn *t, const struct cat_row *row, int64_t now_ns)
{
    if (!row->layout_apart)
        return cat_extents_die(t, row->extents, now_ns);
    struct cat_key k;
    struct cat_layout l;
    cat_key_u64(&k, row->seq);
    /* In a buffer of its own: killing asks for rows, and the row itself may be in t->found. */
    buf_clear(&t->layout);
    HF_TRY(kv_txn_get(t->kv, FAM_LAYOUT, cat_key_view(&k), &t->layout));
    HF_TRY(cat_layout_decode(buf_view(&t->layout), &l));
    HF_TRY(cat_extents_die(t, l.extents, now_ns));
    return cat_txn_delete(t, FAM_LAYOUT, &k);
}

/* ---- live extents for the store ---- */

struct cat_extents {
    struct kv_iter *it;
};

enum rc cat_extents_open(struct cat *c, uint64_t volume, struct cat_extents **ret)
{
    struct cat_key k = {.n = 0};
    struct cat_extents *x = malloc(sizeof(*x));
    if (!x)
        return RC_NOMEM;
    if (volume)
        cat_key_u64(&k, volume);
    enum rc rc = kv_iter_new(c->kv, NULL, FAM_EXTENT, cat_key_view(&k), &x->it);
    if (rc != RC_OK) {
        free(x);
        return rc;
    }
    *ret = x;
    return RC_OK;
}

enum rc cat_extents_next(void *extents, struct extent *ret)
{
    struct cat_extents *x = extents;
    struct view k, v;
    HF_TRY(kv_iter_next(x->it, &k, &v));
    if (k.n != 16 || v.n != EXTENT_ROW)
        return RC_CORRUPT;
    *ret = (struct extent){.kind = EXTENT_VOLUME,
                           .container = be64_get((const uint8_t *)k.p),
                           .offset = be64_get((const uint8_t *)k.p + 8),
                           .length = be64_get((const uint8_t *)v.p),
                           .owner = be64_get((const uint8_t *)v.p + 8)};
    return RC_OK;
}

void cat_extents_close(struct cat_extents *x)
{
    if (!x)
        return;
    kv_iter_free(x->it);
    free(x);
}
