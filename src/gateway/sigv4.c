/* Holdfast: the arithmetic of AWS Signature Version 4
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). */
#include "gateway/sigv4.h"

#include <stdlib.h>

/* Longest string to sign: algorithm, dates, region, two or three digests. */
#define TO_SIGN_MAX 512
/* Beyond the request itself: line ends, and the fixed texts. */
#define CANONICAL_EXTRA 256

struct query_arg {
    struct view name, value; /* encoded */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool sigv4_same_name(struct view a, struct view b)
{
    if (a.n != b.n)
        return false; /* most names differ here already */
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool sigv4_next_name(struct view list, size_t *at, struct view *ret_name)
{
    if (*at > list.n || list.n == 0)
        return false;
    size_t end = view_find(list, ';', *at);
    if (end == SIZE_MAX)
        end = list.n;
    *ret_name = view_sub(list, *at, end - *at);
    *at = end + 1;
    return true;
}

/* A buffer of fixed size over scratch memory: it never grows, so it is never freed. */
static bool scratch_buf(struct arena *scratch, size_t size, struct buf *ret)
{
    char *p = arena_alloc(scratch, size);
    if (!p)
        return false;
    *ret = (struct buf){.p = p, .n = 0, .cap = size, .max = size};
    return true;
}

/* Decodes and encodes again, so that all spellings of the same bytes look the same. tmp is overwritten. */
static enum rc put_recoded(struct view raw, bool is_path, struct buf *tmp, struct buf *out)
{
    buf_clear(tmp);
    HF_TRY(uri_decode(raw, !is_path, tmp));
    return uri_encode(buf_view(tmp), is_path, out);
}

static int compare_args(const void *a, const void *b)
{
    const struct query_arg *x = a, *y = b;
    int c = view_cmp(x->name, y->name);
    return c ? c : view_cmp(x->value, y->value);
}

static struct view put_arg_part(struct view raw, struct buf *tmp, struct buf *out, enum rc *rc)
{
    size_t from = out->n;
    if (*rc == RC_OK)
        *rc = put_recoded(raw, false, tmp, out);
    return view_sub(buf_view(out), from, out->n);
}

/* Arguments of the query, encoded into `text`, without the signature. */
static enum rc read_args(struct view query, struct buf *tmp, struct buf *text, struct query_arg *args, size_t *ret_n)
{
    enum rc rc = RC_OK;
    size_t n = 0;
    for (size_t at = 0; at < query.n && rc == RC_OK;) {
        size_t end = view_find(query, '&', at);
        struct view one = view_sub(query, at, end == SIZE_MAX ? query.n : end - at);
        at += one.n + 1;
        if (one.n == 0)
            continue;
        size_t eq = view_find(one, '=', 0);
        args[n].name = put_arg_part(view_sub(one, 0, eq), tmp, text, &rc);
        args[n].value = put_arg_part(eq == SIZE_MAX ? VIEW("") : view_sub(one, eq + 1, one.n), tmp, text, &rc);
        if (!view_eqs(args[n].name, "X-Amz-Signature"))
            n++;
    }
    *ret_n = n;
    return rc;
}

static enum rc put_query(struct view query, struct arena *scratch, struct buf *tmp, struct buf *out)
{
    if (query.n == 0)
        return RC_OK;
    size_t max = 1;
    for (size_t i = 0; i < query.n; i++)
        max += query.p[i] == '&';
    struct query_arg *args = arena_alloc(scratch, max * sizeof *args);
    struct buf text;
    if (!args || !scratch_buf(scratch, query.n * 3, &text))
        return RC_NOMEM;
    size_t n = 0;
    HF_TRY(read_args(query, tmp, &text, args, &n));
    if (n > 1)
        qsort(args, n, sizeof *args, compare_args);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            HF_TRY(buf_put(out, "&", 1));
        HF_TRY(buf_putv(out, args[i].name));
        HF_TRY(buf_put(out, "=", 1));
        HF_TRY(buf_putv(out, args[i].value));
    }
    return RC_OK;
}

/* Without blanks at the ends, runs of blanks inside as one space. */
static enum rc put_value(struct view v, struct buf *out)
{
    v = view_trim(v);
    HF_TRY(buf_reserve(out, v.n));
    bool blank = false;
    for (size_t i = 0; i < v.n; i++) {
        bool is_blank = v.p[i] == ' ' || v.p[i] == '\t';
        if (!is_blank)
            out->p[out->n++] = v.p[i];
        else if (!blank)
            out->p[out->n++] = ' ';
        blank = is_blank;
    }
    return RC_OK;
}

static enum rc put_lower(struct view v, struct buf *out)
{
    HF_TRY(buf_reserve(out, v.n));
    for (size_t i = 0; i < v.n; i++)
        out->p[out->n++] = lower(v.p[i]);
    return RC_OK;
}

/* "name:value\n"; values of lines of the same name are joined by commas. */
static enum rc put_header(const struct auth_request *q, struct view name, struct buf *out)
{
    HF_TRY(put_lower(name, out));
    size_t found = 0;
    for (size_t i = 0; i < q->n_headers; i++) {
        if (!sigv4_same_name(q->headers[i].name, name))
            continue;
        HF_TRY(buf_put(out, found++ == 0 ? ":" : ",", 1));
        HF_TRY(put_value(q->headers[i].value, out));
    }
    return found ? buf_put(out, "\n", 1) : RC_NOT_FOUND;
}

static enum rc put_headers(const struct auth_request *q, struct view signed_headers, struct buf *out,
                           struct view *ret_missing)
{
    struct view name;
    for (size_t at = 0; sigv4_next_name(signed_headers, &at, &name);) {
        enum rc rc = put_header(q, name, out);
        if (rc == RC_NOT_FOUND)
            *ret_missing = name;
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static size_t canonical_max(const struct auth_request *q, struct view signed_headers, struct view payload_hash)
{
    size_t n = q->method.n + 3 * q->path.n + 4 * q->query.n + 2 * signed_headers.n + payload_hash.n + CANONICAL_EXTRA;
    for (size_t i = 0; i < q->n_headers; i++)
        n += q->headers[i].name.n + q->headers[i].value.n + 3;
    return n;
}

enum rc sigv4_canonical(const struct auth_request *q, struct view signed_headers, struct view payload_hash,
                        struct arena *scratch, struct view *ret, struct view *ret_missing)
{
    struct buf out, tmp;
    if (!scratch_buf(scratch, canonical_max(q, signed_headers, payload_hash), &out) ||
        !scratch_buf(scratch, q->path.n + q->query.n + 1, &tmp))
        return RC_NOMEM;
    HF_TRY(buf_putv(&out, q->method));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(put_recoded(q->path, true, &tmp, &out));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(put_query(q->query, scratch, &tmp, &out));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(put_headers(q, signed_headers, &out, ret_missing));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(buf_putv(&out, signed_headers));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(buf_putv(&out, payload_hash));
    *ret = buf_view(&out);
    return RC_OK;
}

enum rc sigv4_key(struct view secret, const struct sigv4_scope *s, uint8_t ret_key[32])
{
    char first[4 + SECRET_KEY_MAX] = "AWS4";
    if (secret.n > SECRET_KEY_MAX)
        return RC_LIMIT;
    memcpy(first + 4, secret.p, secret.n);
    uint8_t k[32];
    hmac_sha256(first, 4 + secret.n, s->date.p, s->date.n, k);
    hmac_sha256(k, sizeof k, s->region.p, s->region.n, k);
    hmac_sha256(k, sizeof k, "s3", 2, k);
    hmac_sha256(k, sizeof k, "aws4_request", 12, ret_key);
    explicit_bzero(first, sizeof first);
    explicit_bzero(k, sizeof k);
    return RC_OK;
}

/* The lengths of all that goes in are limited, and TO_SIGN_MAX holds their sum. */
static size_t append(char *to, size_t n, struct view v)
{
    HF_ASSERT(v.n <= TO_SIGN_MAX - n);
    if (v.n)
        memcpy(to + n, v.p, v.n);
    return n + v.n;
}

void sigv4_sign(const uint8_t key[32], const char *algorithm, const struct sigv4_scope *s, struct view middle,
                const uint8_t content_sha256[32], char ret_hex[SIGV4_HEX + 1])
{
    char text[TO_SIGN_MAX], hex[SIGV4_HEX + 1];
    hex_encode(content_sha256, 32, hex);
    const struct view parts[] = {view_cstr(algorithm),
                                 VIEW("\n"),
                                 s->amz_date,
                                 VIEW("\n"),
                                 s->date,
                                 VIEW("/"),
                                 s->region,
                                 VIEW("/s3/aws4_request\n"),
                                 middle,
                                 view_of(hex, SIGV4_HEX)};
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        n = append(text, n, parts[i]);
    uint8_t mac[32];
    hmac_sha256(key, 32, text, n, mac);
    hex_encode(mac, sizeof mac, ret_hex);
}

bool sigv4_same(const char hex[SIGV4_HEX + 1], struct view given)
{
    return given.n == SIGV4_HEX && bytes_equal_ct(hex, given.p, SIGV4_HEX);
}
