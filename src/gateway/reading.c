/* Bytes of an object, verified, in order, extent by extent. */
#include "gateway/gateway_priv.h"

void reading_init(struct reading *r, struct store *s, const struct cat_version *v, uint64_t from, uint64_t n)
{
    *r = (struct reading){.store = s, .x = v->extents, .n = v->n_extents, .position = from, .end = from + n};
}

/* Whole blocks go straight into the destination, so pieces end where a block ends when they can. */
static size_t piece_size(uint64_t at, uint64_t left_of_extent, size_t n)
{
    if (n >= left_of_extent)
        return (size_t)left_of_extent;
    uint64_t end = (at + n) / BLOCK_DATA_MAX * BLOCK_DATA_MAX;
    return end > at ? (size_t)(end - at) : n;
}

enum rc reading_next(struct reading *r, void *dst, size_t n, size_t *ret_n, struct err *e)
{
    HF_ASSERT(n > 0 && r->position < r->end);
    while (r->at < r->n && r->position - r->base >= r->x[r->at].length) {
        r->base += r->x[r->at].length;
        r->at++;
    }
    if (r->at == r->n)
        return err_set(e, RC_CORRUPT, "the object's layout ends at byte %llu, before its size",
                       (unsigned long long)r->base);
    const struct extent *x = &r->x[r->at];
    uint64_t at = r->position - r->base;
    if (n > r->end - r->position)
        n = (size_t)(r->end - r->position);
    size_t piece = piece_size(at, x->length - at, n);
    HF_TRY(store_read(r->store, x, at, dst, piece, e));
    r->position += piece;
    *ret_n = piece;
    return RC_OK;
}

enum rc reading_all(struct reading *r, void *dst, size_t n, struct err *e)
{
    char *to = dst;
    while (n > 0) {
        size_t got = 0;
        HF_TRY(reading_next(r, to, n, &got, e));
        to += got;
        n -= got;
    }
    return RC_OK;
}
