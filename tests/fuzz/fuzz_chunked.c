/* Holdfast: any aws-chunked body decodes to the same bytes, or fails in the same way, however it is cut; and only what
 * was declared comes out. The first byte chooses the kind of body, the second the declared size, the third the cuts. */
#include "catalog/catalog.h"
#include "gateway/auth.h"

#define OUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum rc rc;
    const char *code;
    struct buf out;
};

static enum rc sink(void *ctx, struct view data)
{
    HF_ASSERT(data.n > 0);
    return buf_putv(ctx, data);
}

static struct outcome decode(const struct auth_result *auth, uint64_t declared, struct view body, size_t piece)
{
    struct outcome o = {.code = "", .out = BUF(OUT_MAX)};
    struct chunked *c;
    struct err e;
    HF_ASSERT(chunked_new(auth, declared, &c) == RC_OK);
    for (size_t at = 0; at < body.n && o.rc == RC_OK; at += piece)
        o.rc = chunked_feed(c, view_sub(body, at, piece), sink, &o.out, &o.code, &e);
    if (o.rc == RC_OK)
        o.rc = chunked_end(c, &o.code, &e);
    HF_ASSERT(o.rc == RC_OK || o.rc == RC_INVALID || o.rc == RC_DENIED);
    HF_ASSERT(o.rc == RC_OK ? o.out.n == declared : o.code[0] != 0);
    HF_ASSERT(o.out.n <= declared);
    chunked_free(c);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum auth_payload kinds[] = {AUTH_PAYLOAD_UNSIGNED_TRAILER, AUTH_PAYLOAD_CHUNKS,
                                              AUTH_PAYLOAD_CHUNKS_TRAILER};
    if (size < 3)
        return 0;
    struct auth_result auth = {.payload = kinds[data[0] % 3]};
    for (size_t i = 0; i + 1 < sizeof auth.seed_signature; i++)
        auth.seed_signature[i] = '0';
    struct view body = view_of(data + 3, size - 3);
    struct outcome whole = decode(&auth, data[1], body, body.n + 1);
    struct outcome cut = decode(&auth, data[1], body, data[2] % 32u + 1);
    HF_ASSERT(whole.rc == cut.rc && view_eqs(view_cstr(whole.code), cut.code));
    HF_ASSERT(view_eq(buf_view(&whole.out), buf_view(&cut.out)));
    buf_free(&whole.out);
    buf_free(&cut.out);
    return 0;
}
