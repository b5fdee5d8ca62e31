/* Header values: ranges, copy sources, entity tags, versions, continuation tokens. */
#include "gateway/parse_priv.h"

#define TOKEN_TEXT_MAX 4096u /* base64 of a key and its flag, with room to spare */

/* "a-b": each end may be empty; false when it is no pair of numbers. */
static bool split_range(struct view spec, struct view *ret_first, struct view *ret_last)
{
    size_t dash = view_find(spec, '-', 0);
    if (dash == SIZE_MAX)
        return false;
    *ret_first = view_trim(view_sub(spec, 0, dash));
    *ret_last = view_trim(view_sub(spec, dash + 1, spec.n));
    return true;
}

static bool range_spec(struct view header, struct view *ret)
{
    struct view v = view_trim(header);
    static const char unit[] = "bytes=";
    if (v.n < sizeof unit - 1 || !view_ieqs(view_sub(v, 0, sizeof unit - 1), unit))
        return false;
    *ret = view_trim(view_sub(v, sizeof unit - 1, v.n));
    return true;
}

static enum range_kind suffix_range(struct view n_text, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    uint64_t n = 0;
    if (!view_u64(n_text, &n))
        return RANGE_NONE;
    if (n == 0 || size == 0)
        return RANGE_UNSATISFIABLE;
    *ret_first = n >= size ? 0 : size - n;
    *ret_last = size - 1;
    return RANGE_OK;
}

enum range_kind gw_range(struct view header, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    struct view spec, a, b;
    if (!range_spec(header, &spec) || view_find(spec, ',', 0) != SIZE_MAX || !split_range(spec, &a, &b))
        return RANGE_NONE;
    if (a.n == 0)
        return suffix_range(b, size, ret_first, ret_last);
    uint64_t first = 0, last = UINT64_MAX;
    if (!view_u64(a, &first) || (b.n > 0 && !view_u64(b, &last)) || last < first)
        return RANGE_NONE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    *ret_first = first;
    *ret_last = last < size ? last : size - 1;
    return RANGE_OK;
}

enum rc gw_copy_range(struct view header, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    struct view spec, a, b;
    uint64_t first = 0, last = 0;
    if (!range_spec(header, &spec) || !split_range(spec, &a, &b) || !view_u64(a, &first) || !view_u64(b, &last))
        return RC_INVALID;
    if (last < first || last >= size)
        return RC_INVALID;
    *ret_first = first;
    *ret_last = last;
    return RC_OK;
}

static enum rc decode(struct view raw, struct arena *a, struct view *ret)
{
    struct buf out = BUF(raw.n + 1);
    enum rc rc = uri_decode(raw, false, &out);
    if (rc == RC_OK && (out.n == 0 || !utf8_valid(buf_view(&out)) || memchr(out.p, 0, out.n) != NULL))
        rc = RC_INVALID;
    if (rc == RC_OK) {
        *ret = arena_dup(a, buf_view(&out));
        rc = ret->p != NULL ? RC_OK : RC_NOMEM;
    }
    buf_free(&out);
    return rc;
}

enum rc gw_version_param(struct view v, struct cat_want *ret)
{
    struct cat_want w = {0};
    if (v.p == NULL)
        w.any_latest = true;
    else if (!cat_version_parse(v, &w.seq, &w.null_version))
        return RC_INVALID;
    *ret = w;
    return RC_OK;
}

/* Clients encode the slash between bucket and key too (%2F), so it is looked for after decoding. */
enum rc gw_copy_source(struct view header, struct arena *a, struct copy_source *ret)
{
    static const char query[] = "?versionId=";
    struct view path = view_trim(header), version = {NULL, 0};
    size_t mark = view_find(path, '?', 0);
    if (mark != SIZE_MAX) {
        if (!view_starts(view_sub(path, mark, path.n), VIEW("?versionId=")))
            return RC_INVALID;
        version = view_sub(path, mark + sizeof query - 1, path.n);
        path = view_sub(path, 0, mark);
    }
    struct copy_source s = {0};
    struct view whole;
    HF_TRY(decode(path, a, &whole));
    if (whole.p[0] == '/')
        whole = view_sub(whole, 1, whole.n);
    size_t slash = view_find(whole, '/', 0);
    if (slash == SIZE_MAX)
        return RC_INVALID;
    s.bucket = view_sub(whole, 0, slash);
    s.key = view_sub(whole, slash + 1, whole.n);
    if (!gw_bucket_name_ok(s.bucket) || s.key.n == 0 || s.key.n > KEY_MAX)
        return RC_INVALID;
    s.has_version = version.p != NULL;
    HF_TRY(gw_version_param(version, &s.version));
    *ret = s;
    return RC_OK;
}

struct view gw_unquote(struct view v)
{
    v = view_trim(v);
    if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
        return view_sub(v, 1, v.n - 2);
    return v;
}

bool gw_etag_listed(struct view header, const char *etag)
{
    size_t from = 0;
    while (from <= header.n) {
        size_t comma = view_find(header, ',', from);
        size_t end = comma == SIZE_MAX ? header.n : comma;
        struct view one = view_trim(view_sub(header, from, end - from));
        if (view_starts(one, VIEW("W/")))
            one = view_sub(one, 2, one.n);
        one = gw_unquote(one);
        if (view_eqs(one, "*") || view_eqs(one, etag))
            return true;
        from = end + 1;
    }
    return false;
}

enum rc gw_token_encode(struct view next, bool is_prefix, struct arena *a, struct view *ret)
{
    char *raw = arena_alloc(a, next.n + 1);
    char *text = arena_alloc(a, base64_size(next.n + 1) + 1);
    if (raw == NULL || text == NULL)
        return RC_NOMEM;
    raw[0] = is_prefix ? 'p' : 'k';
    if (next.n > 0)
        memcpy(raw + 1, next.p, next.n);
    base64_encode(raw, next.n + 1, text);
    *ret = view_cstr(text);
    return RC_OK;
}

enum rc gw_token_decode(struct view token, struct arena *a, struct view *ret_next, bool *ret_is_prefix)
{
    if (token.n < 4 || token.n > TOKEN_TEXT_MAX)
        return RC_INVALID;
    char *raw = arena_alloc(a, token.n);
    if (raw == NULL)
        return RC_NOMEM;
    size_t n = 0;
    if (base64_decode(token, raw, token.n, &n) != RC_OK || n < 1 || (raw[0] != 'p' && raw[0] != 'k'))
        return RC_INVALID;
    *ret_next = view_of(raw + 1, n - 1);
    *ret_is_prefix = raw[0] == 'p';
    return RC_OK;
}
