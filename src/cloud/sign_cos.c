/* Holdfast: Tencent COS q-sign (cloud.tencent.com/document/product/436/7778). The path is signed decoded; names of
 * headers and parameters are signed percent-encoded in lower case. All headers that are given are signed. The key of
 * the second HMAC is the text of the first one's hex digits. */
#include "cloud/sign_priv.h"

#include "codec/codec.h"

#define VALID_S_DEFAULT 900

static enum rc put_pairs(const struct cloud_header *h, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        HF_TRY(buf_puts(out, i == 0 ? "" : "&"));
        HF_TRY(buf_putv(out, h[i].name));
        HF_TRY(buf_put(out, "=", 1));
        HF_TRY(buf_putv(out, h[i].value));
    }
    return buf_put(out, "\n", 1);
}

static enum rc put_http_string(const struct cloud_sign *s, const struct cloud_header *q, const struct cloud_header *h,
                               struct buf *out)
{
    for (const char *m = s->method; *m; m++)
        HF_TRY(buf_put(out, (char[]){(char)(*m >= 'A' && *m <= 'Z' ? *m - 'A' + 'a' : *m)}, 1));
    HF_TRY(buf_put(out, "\n", 1));
    HF_TRY(buf_putv(out, s->path));
    HF_TRY(buf_put(out, "\n", 1));
    HF_TRY(put_pairs(q, s->n_query, out));
    return put_pairs(h, s->n_headers, out);
}

static void signature(const struct cloud_keys *k, const char *key_time, struct view http, char ret[41])
{
    uint8_t sum[20];
    char key[41], hex[41], text[160];

    hmac_sha1(k->secret_key, strlen(k->secret_key), key_time, strlen(key_time), sum);
    hex_encode(sum, sizeof(sum), key);
    digest_once(DIGEST_SHA1, http.p, http.n, sum);
    hex_encode(sum, sizeof(sum), hex);
    int n = snprintf(text, sizeof(text), "sha1\n%s\n%s\n", key_time, hex);
    HF_ASSERT(n > 0 && (size_t)n < sizeof(text));
    hmac_sha1(key, 40, text, (size_t)n, sum);
    hex_encode(sum, sizeof(sum), ret);
    explicit_bzero(key, sizeof(key));
}

enum rc sign_cos(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret)
{
    struct buf http = BUF(SIGN_MEMORY_MAX);
    struct cloud_header *q = NULL, *h = NULL, *trimmed = NULL;
    char key_time[64], sig[41];
    long long from = s->time_ns / NS_PER_S;

    snprintf(key_time, sizeof(key_time), "%lld;%lld", from, from + (s->valid_s ? s->valid_s : VALID_S_DEFAULT));
    HF_TRY(sign_encoded(s->query, s->n_query, true, a, &q));
    HF_TRY(sign_sorted(s->headers, s->n_headers, a, &trimmed));
    HF_TRY(sign_encoded(trimmed, s->n_headers, true, a, &h));
    enum rc rc = put_http_string(s, q, h, &http);
    if (rc == RC_OK)
        signature(k, key_time, buf_view(&http), sig);
    buf_free(&http);
    HF_TRY(rc);
    HF_TRY(buf_printf(ret, "q-sign-algorithm=sha1&q-ak=%s&q-sign-time=%s&q-key-time=%s&q-header-list=", k->access_key,
                      key_time, key_time));
    HF_TRY(sign_put_names(h, s->n_headers, ret));
    HF_TRY(buf_puts(ret, "&q-url-param-list="));
    HF_TRY(sign_put_names(q, s->n_query, ret));
    return buf_printf(ret, "&q-signature=%s", sig);
}
