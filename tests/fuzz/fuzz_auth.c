/* Holdfast: any request is accepted or refused with a code and a sentence; and whatever we sign, we accept. The input
 * is lines: method, path, query, then "name:value" for each header. */
#include "catalog/catalog.h"
#include "gateway/auth.h"

#define HEADERS_MAX 100
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define NOW_NS (1369353600 * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rc lookup(void *ctx, struct view access_key, struct caller *ret)
{
    (void)ctx;
    if (access_key.n == 0 || access_key.n > ACCESS_KEY_MAX)
        return RC_NOT_FOUND;
    *ret = (struct caller){.account = 1};
    HF_ASSERT(view_copy(access_key, ret->access_key, sizeof ret->access_key));
    HF_ASSERT(view_copy(VIEW(SECRET), ret->secret, sizeof ret->secret));
    return RC_OK;
}

static struct view next_line(struct view *rest)
{
    size_t end = view_find(*rest, '\n', 0);
    struct view line = view_sub(*rest, 0, end);
    *rest = view_sub(*rest, end == SIZE_MAX ? rest->n : end + 1, rest->n);
    return line;
}

/* As src/http lets them through. */
static bool is_token(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return v.n > 0;
}

static void read_headers(struct view rest, struct cat_header *h, size_t *ret_n)
{
    size_t n = 0;
    while (rest.n > 0 && n < HEADERS_MAX) {
        struct view line = next_line(&rest);
        size_t colon = view_find(line, ':', 0);
        if (colon == SIZE_MAX || !is_token(view_sub(line, 0, colon)))
            continue;
        h[n++] = (struct cat_header){view_sub(line, 0, colon), view_trim(view_sub(line, colon + 1, line.n))};
    }
    *ret_n = n;
}

static enum rc check(const struct auth_request *q, const char **ret_code)
{
    struct arena scratch = ARENA((size_t)16 << 20);
    struct auth_result r = {0};
    struct err e = {""};
    *ret_code = NULL;
    enum rc rc = auth_check(q, lookup, NULL, &scratch, &r, ret_code, &e);
    HF_ASSERT(rc == RC_OK || rc == RC_DENIED);
    HF_ASSERT(rc == RC_OK || (*ret_code != NULL && e.text[0] != 0));
    HF_ASSERT((rc == RC_OK) == (r.caller.account == 1));
    auth_wipe(&r);
    arena_free(&scratch);
    return rc;
}

/* Without what the input says of its signature, with one of ours. */
static void sign_and_check(const struct auth_request *q, struct cat_header *h)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_headers; i++)
        if (!view_ieqs(h[i].name, "authorization") && !view_ieqs(h[i].name, "x-amz-date") &&
            !view_ieqs(h[i].name, "x-amz-content-sha256"))
            h[n++] = h[i];
    h[n++] = (struct cat_header){VIEW("X-Amz-Date"), VIEW("20130524T000000Z")};
    h[n++] = (struct cat_header){VIEW("x-amz-content-sha256"), VIEW("UNSIGNED-PAYLOAD")};
    struct auth_request mine = *q;
    mine.n_headers = n;
    struct buf text = BUF((size_t)1 << 20);
    if (auth_sign(&mine, VIEW("KEY"), VIEW(SECRET), VIEW("r"), VIEW("UNSIGNED-PAYLOAD"), &text) == RC_OK) {
        h[n] = (struct cat_header){VIEW("Authorization"), buf_view(&text)};
        mine.n_headers = n + 1;
        const char *code;
        HF_ASSERT(check(&mine, &code) == RC_OK || !view_eqs(view_cstr(code), "SignatureDoesNotMatch"));
    }
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = view_of(data, size);
    struct cat_header headers[HEADERS_MAX + 3];
    struct auth_request q = {.headers = headers, .now_ns = NOW_NS};
    q.method = next_line(&rest);
    q.path = next_line(&rest);
    q.query = next_line(&rest);
    read_headers(rest, headers, &q.n_headers);
    const char *code;
    (void)check(&q, &code);
    sign_and_check(&q, headers);
    return 0;
}
