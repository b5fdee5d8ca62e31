/* Holdfast: signatures: what they share, and which is whose. */
#include "cloud/sign_priv.h"

#include "codec/codec.h"

#define URL_KEEP_SLASH true
#define TO_SIGN_MAX 512

static enum rc encoded(struct view v, bool lower, struct arena *a, struct view *ret)
{
    struct buf b = BUF(SIGN_MEMORY_MAX);
    enum rc rc = uri_encode(v, false, &b);

    for (size_t i = 0; lower && i < b.n; i++)
        if (b.p[i] >= 'A' && b.p[i] <= 'Z')
            b.p[i] = (char)(b.p[i] - 'A' + 'a');
    if (rc == RC_OK) {
        *ret = arena_dup(a, buf_view(&b));
        rc = ret->p ? RC_OK : RC_NOMEM;
    }
    buf_free(&b);
    return rc;
}

static int compare(const void *a, const void *b)
{
    const struct cloud_header *x = a, *y = b;
    int c = view_cmp(x->name, y->name);

    return c ? c : view_cmp(x->value, y->value);
}

static enum rc copy_of(const struct cloud_header *in, size_t n, struct arena *a, struct cloud_header **ret)
{
    struct cloud_header *h = arena_alloc(a, (n + 1) * sizeof(*h));

    if (!h)
        return RC_NOMEM;
    if (n > 0)
        memcpy(h, in, n * sizeof(*h));
    *ret = h;
    return RC_OK;
}

enum rc sign_encoded(const struct cloud_header *in, size_t n, bool lower, struct arena *a, struct cloud_header **ret)
{
    struct cloud_header *h = NULL;

    HF_TRY(copy_of(in, n, a, &h));
    for (size_t i = 0; i < n; i++) {
        HF_TRY(encoded(in[i].name, lower, a, &h[i].name));
        if (in[i].value.p)
            HF_TRY(encoded(in[i].value, false, a, &h[i].value));
    }
    if (n > 1)
        qsort(h, n, sizeof(*h), compare);
    *ret = h;
    return RC_OK;
}

enum rc sign_sorted(const struct cloud_header *in, size_t n, struct arena *a, struct cloud_header **ret)
{
    struct cloud_header *h = NULL;

    HF_TRY(copy_of(in, n, a, &h));
    for (size_t i = 0; i < n; i++)
        h[i].value = view_trim(h[i].value);
    if (n > 1)
        qsort(h, n, sizeof(*h), compare);
    *ret = h;
    return RC_OK;
}

enum rc sign_put_names(const struct cloud_header *h, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            HF_TRY(buf_put(out, ";", 1));
        HF_TRY(buf_putv(out, h[i].name));
    }
    return RC_OK;
}

struct view sign_header(const struct cloud_sign *s, const char *name)
{
    for (size_t i = 0; i < s->n_headers; i++)
        if (view_eqs(s->headers[i].name, name))
            return view_trim(s->headers[i].value);
    return VIEW("");
}

static void v4_key(const struct sign_v4 *v, const struct cloud_keys *k, struct view date, struct view region,
                   uint8_t key[32])
{
    char first[sizeof(k->secret_key) + 16];
    int n = snprintf(first, sizeof(first), "%s%s", v->prefix, k->secret_key);

    HF_ASSERT(n > 0 && (size_t)n < sizeof(first));
    hmac_sha256(first, (size_t)n, date.p, date.n, key);
    hmac_sha256(key, 32, region.p, region.n, key);
    hmac_sha256(key, 32, v->service, strlen(v->service), key);
    hmac_sha256(key, 32, v->last, strlen(v->last), key);
    explicit_bzero(first, sizeof(first));
}

enum rc sign_v4(const struct sign_v4 *v, const struct cloud_sign *s, const struct cloud_keys *k, struct view canonical,
                struct sign_v4_out *ret)
{
    char when[TIME_TEXT_MAX], text[TO_SIGN_MAX], hex[65];
    uint8_t key[32], sum[32];

    if (s->region.n > CLOUD_REGION_MAX)
        return RC_LIMIT;
    time_basic(s->time_ns, when);
    snprintf(ret->scope, sizeof(ret->scope), "%.8s/%.*s/%s/%s", when, (int)s->region.n, s->region.n ? s->region.p : "",
             v->service, v->last);
    digest_once(DIGEST_SHA256, canonical.p, canonical.n, sum);
    hex_encode(sum, sizeof(sum), hex);
    int n = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s", v->algorithm, when, ret->scope, hex);
    HF_ASSERT(n > 0 && (size_t)n < sizeof(text));
    v4_key(v, k, view_of(when, 8), s->region, key);
    hmac_sha256(key, sizeof(key), text, (size_t)n, sum);
    hex_encode(sum, sizeof(sum), ret->signature);
    explicit_bzero(key, sizeof(key));
    return RC_OK;
}

enum rc cloud_sign_header(const struct cloud_sign *s, const struct cloud_keys *k, struct buf *ret)
{
    struct arena a = ARENA(SIGN_MEMORY_MAX);
    size_t before = ret->n;
    enum rc rc = RC_INVALID;

    switch (s->dialect) {
    case CLOUD_S3:
        rc = sign_s3(s, k, &a, ret);
        break;
    case CLOUD_COS:
        rc = sign_cos(s, k, &a, ret);
        break;
    case CLOUD_OSS:
        rc = sign_oss(s, k, &a, ret);
        break;
    case CLOUD_OBS:
        rc = sign_obs(s, k, &a, ret);
        break;
    }
    arena_free(&a);
    if (rc != RC_OK)
        ret->n = before;
    return rc;
}

static enum rc put_url(const struct cloud_sign *s, struct buf *ret)
{
    HF_TRY(uri_encode(s->path, URL_KEEP_SLASH, ret));
    for (size_t i = 0; i < s->n_query; i++) {
        HF_TRY(buf_put(ret, i == 0 ? "?" : "&", 1));
        HF_TRY(uri_encode(s->query[i].name, false, ret));
        if (!s->query[i].value.p)
            continue;
        HF_TRY(buf_put(ret, "=", 1));
        HF_TRY(uri_encode(s->query[i].value, false, ret));
    }
    return RC_OK;
}

enum rc cloud_sign_url(const struct cloud_sign *s, struct buf *ret)
{
    size_t before = ret->n;
    enum rc rc = put_url(s, ret);

    if (rc != RC_OK)
        ret->n = before;
    return rc;
}
