/* Holdfast: a text that base64 or hex takes is exactly what it writes for those bytes, and any bytes survive both. */
#include <stdlib.h>

#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *must(void *p)
{
    HF_ASSERT(p);
    return p;
}

/* decode(encode(x)) = x */
static void assert_bytes_survive(const uint8_t *data, size_t size)
{
    char *text = must(malloc(2 * size + 5)); /* room for either encoding and its 0 */
    uint8_t *back = must(malloc(size + 1));
    size_t n;

    base64_encode(data, size, text);
    HF_ASSERT(strlen(text) == base64_size(size));
    HF_ASSERT(base64_decode(view_cstr(text), back, size, &n) == RC_OK);
    HF_ASSERT(view_eq(view_of(back, n), view_of(data, size)));
    hex_encode(data, size, text);
    HF_ASSERT(hex_decode(view_cstr(text), back, size) == RC_OK);
    HF_ASSERT(view_eq(view_of(back, size), view_of(data, size)));
    free(back);
    free(text);
}

/* encode(decode(t)) = t */
static void assert_text_is_canonical(struct view v)
{
    uint8_t *bytes = must(malloc(v.n + 1));
    size_t n;

    if (base64_decode(v, bytes, v.n, &n) == RC_OK) {
        char *text = must(malloc(base64_size(n) + 1));

        base64_encode(bytes, n, text);
        HF_ASSERT(view_eqs(v, text));
        free(text);
    }
    if (hex_decode(v, bytes, v.n / 2) == RC_OK) {
        char *text = must(malloc(v.n + 1));

        hex_encode(bytes, v.n / 2, text);
        HF_ASSERT(view_ieqs(v, text));
        free(text);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    assert_bytes_survive(data, size);
    assert_text_is_canonical(view_of(data, size));
    return 0;
}
