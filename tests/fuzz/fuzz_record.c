/* Holdfast: a payload that decodes can be encoded, and what is encoded decodes to the same encoding again. The first
 * byte chooses the record's type. */
#include "catalog/record.h"

#define OUT_MAX ((size_t)64 << 20)
#define ARENA_BYTES ((size_t)32 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rc again(enum rec_type type, struct view payload, struct arena *a, struct buf *out)
{
    struct cat_rec r;
    HF_TRY(cat_rec_decode(type, payload, a, &r));
    HF_ASSERT(r.key.n <= KEY_MAX && r.n_delta <= CLASS_COUNT && r.n_parts <= PARTS_MAX);
    return cat_rec_encode(&r, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum rec_type type = (enum rec_type)(REC_BUCKET + data[0] % (REC_RECLAIM - REC_BUCKET + 1));
    struct arena a = ARENA(ARENA_BYTES);
    struct buf once = BUF(OUT_MAX), twice = BUF(OUT_MAX);
    enum rc rc = again(type, view_of(data + 1, size - 1), &a, &once);
    if (rc == RC_OK) {
        HF_ASSERT(again(type, buf_view(&once), &a, &twice) == RC_OK);
        HF_ASSERT(view_eq(buf_view(&once), buf_view(&twice)));
    } else {
        HF_ASSERT(rc == RC_CORRUPT || rc == RC_NOMEM);
    }
    buf_free(&once);
    buf_free(&twice);
    arena_free(&a);
    return 0;
}
