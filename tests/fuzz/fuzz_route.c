/* Holdfast: any request target, host, range and copy source is either refused or understood within the limits. The
 * input is lines: method, host, path, query, range, copy source. */
#include "gateway/parse_priv.h"

#define ARENA_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct view line(struct view *rest)
{
    size_t end = view_find(*rest, '\n', 0);
    struct view v = view_sub(*rest, 0, end);
    *rest = end == SIZE_MAX ? VIEW("") : view_sub(*rest, end + 1, rest->n);
    return v;
}

static void check_route(struct view method, struct view host, struct view path, struct view query, struct arena *a)
{
    struct params params;
    struct route r;
    const char *code = NULL;
    if (gw_params_parse(query, a, &params) != RC_OK)
        return;
    struct route_request q = {method, path, host, "localhost", &params, method.n % 2 == 0};
    enum rc rc = gw_route(&q, a, &r, &code);
    HF_ASSERT(rc == RC_OK || (rc == RC_INVALID && code != NULL && gw_s3_error(code)->status != 500));
    if (rc != RC_OK || r.op == OP_PREFLIGHT)
        return;
    HF_ASSERT(r.op != OP_NONE && r.op < OP_COUNT);
    HF_ASSERT(r.key.n <= KEY_MAX && utf8_valid(r.key) && utf8_valid(r.bucket));
    HF_ASSERT(r.bucket.n == 0 || gw_bucket_name_ok(r.bucket));
    HF_ASSERT(r.op != OP_NOT_MADE_READ || r.subresource != NULL);
}

static void check_range(struct view range, uint64_t size)
{
    uint64_t first = 0, last = 0;
    if (gw_range(range, size, &first, &last) == RANGE_OK)
        HF_ASSERT(first <= last && last < size);
    if (gw_copy_range(range, size, &first, &last) == RC_OK)
        HF_ASSERT(first <= last && last < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = ARENA(ARENA_MAX);
    struct view rest = view_of(data, size);
    struct view method = line(&rest), host = line(&rest), path = line(&rest), query = line(&rest);
    struct view range = line(&rest), source = line(&rest), next;
    struct copy_source s;
    bool is_prefix;
    check_route(method, host, path, query, &a);
    check_range(range, 0);
    check_range(range, 1000);
    check_range(range, UINT64_MAX);
    if (gw_copy_source(source, &a, &s) == RC_OK)
        HF_ASSERT(gw_bucket_name_ok(s.bucket) && s.key.n > 0 && s.key.n <= KEY_MAX && utf8_valid(s.key));
    (void)gw_etag_listed(range, "abc");
    (void)!gw_token_decode(query, &a, &next, &is_prefix);
    arena_free(&a);
    return 0;
}
