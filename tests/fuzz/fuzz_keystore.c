/* Holdfast: a keystore file that decodes can be encoded, and decodes to the same keys again. */
#include "account/keystore_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_image m, again;
    struct buf out = BUF(KEYSTORE_FILE_MAX);
    bool whole = false;

    enum rc rc = key_image_decode(view_of(data, size), &m, &whole);
    if (rc == RC_OK) {
        HF_ASSERT(m.n <= KEYSTORE_KEYS_MAX);
        HF_ASSERT(key_image_encode(&m, &out) == RC_OK);
        HF_ASSERT(key_image_decode(buf_view(&out), &again, &whole) == RC_OK && whole && again.n == m.n);
        key_image_free(&again);
        key_image_free(&m);
    } else {
        HF_ASSERT(rc == RC_CORRUPT || rc == RC_NOMEM || rc == RC_LIMIT || rc == RC_UNSUPPORTED);
    }
    wipe_buf(&out);
    return 0;
}
