/* Holdfast: any bytes survive percent-encoding; whatever decodes can be encoded and decoded to the same bytes. */
#include "codec/codec.h"

#define OUT_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_round_trip(struct view v, bool keep_slash, bool plus)
{
    struct buf text = BUF(OUT_MAX), back = BUF(OUT_MAX);

    HF_ASSERT(uri_encode(v, keep_slash, &text) == RC_OK);
    HF_ASSERT(uri_decode(buf_view(&text), plus, &back) == RC_OK);
    HF_ASSERT(view_eq(buf_view(&back), v));
    buf_free(&text);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view v = view_of(data, size);

    for (int plus = 0; plus < 2; plus++) {
        struct buf out = BUF(OUT_MAX);
        enum rc rc = uri_decode(v, plus, &out);

        HF_ASSERT(rc == RC_OK || rc == RC_INVALID);
        HF_ASSERT(out.n <= size && (rc == RC_OK || out.n == 0));
        if (rc == RC_OK)
            assert_round_trip(buf_view(&out), plus, plus);
        buf_free(&out);
        assert_round_trip(v, plus, !plus);
    }
    (void)utf8_valid(v);
    return 0;
}
