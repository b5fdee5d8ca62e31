/* Holdfast: the fields that are read from a payload, put again, are the same bytes up to where it stopped parsing. */
#include "codec/codec.h"

#define OUT_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A value that is a number has one spelling, signed or not. */
static void assert_number_is_canonical(struct view value)
{
    struct buf out = BUF(100);
    uint64_t u;
    int64_t s;

    enum rc rc = tlv_u64(value, &u);
    HF_ASSERT(tlv_i64(value, &s) == rc);
    if (rc == RC_OK) {
        HF_ASSERT(tlv_put_u64(&out, 1, u) == RC_OK);
        HF_ASSERT(view_eq(view_sub(buf_view(&out), 2, value.n), value) && out.n == value.n + 2);
        buf_clear(&out);
        HF_ASSERT(tlv_put_i64(&out, 1, s) == RC_OK);
        HF_ASSERT(view_eq(view_sub(buf_view(&out), 2, value.n), value) && out.n == value.n + 2);
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tlv t = {view_of(data, size)};
    struct buf out = BUF(OUT_MAX);
    struct view value;
    uint32_t tag;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        HF_ASSERT(tlv_put(&out, tag, value) == RC_OK);
        HF_ASSERT(out.n + t.rest.n == size);
        assert_number_is_canonical(value);
    }
    HF_ASSERT(rc == RC_CORRUPT || (rc == RC_END && out.n == size));
    HF_ASSERT(view_eq(buf_view(&out), view_of(data, out.n)));
    buf_free(&out);
    return 0;
}
