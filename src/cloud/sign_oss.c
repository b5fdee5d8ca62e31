/* Holdfast: Aliyun OSS Signature Version 4, OSS4-HMAC-SHA256 (help.aliyun.com, "Signature Version 4"). Signed are
 * Content-Type, Content-MD5, x-oss-* and, as the additional header, Host. A parameter without a value is signed without
 * "=", and one that is empty with it. */
#include "cloud/sign_priv.h"

#include "codec/codec.h"

static const struct sign_v4 v4 = {"aliyun_v4", "OSS4-HMAC-SHA256", "oss", "aliyun_v4_request"};

static bool is_signed(struct view name)
{
    return view_eqs(name, "content-type") || view_eqs(name, "content-md5") || view_eqs(name, "host") ||
           view_starts(name, VIEW("x-oss-"));
}

static enum rc put_query(const struct cloud_sign *s, struct arena *a, struct buf *out)
{
    struct cloud_header *q = NULL;

    HF_TRY(sign_encoded(s->query, s->n_query, false, a, &q));
    for (size_t i = 0; i < s->n_query; i++) {
        HF_TRY(buf_puts(out, i == 0 ? "" : "&"));
        HF_TRY(buf_putv(out, q[i].name));
        if (!q[i].value.p)
            continue;
        HF_TRY(buf_put(out, "=", 1));
        HF_TRY(buf_putv(out, q[i].value));
    }
    return buf_put(out, "\n", 1);
}

static enum rc put_canonical(const struct cloud_sign *s, bool host, struct arena *a, struct buf *out)
{
    struct cloud_header *h = NULL;

    HF_TRY(sign_sorted(s->headers, s->n_headers, a, &h));
    HF_TRY(buf_printf(out, "%s\n", s->method));
    if (s->bucket.n > 0) {
        HF_TRY(buf_put(out, "/", 1));
        HF_TRY(buf_putv(out, s->bucket));
    }
    HF_TRY(uri_encode(s->path, true, out));
    HF_TRY(buf_put(out, "\n", 1));
    HF_TRY(put_query(s, a, out));
    for (size_t i = 0; i < s->n_headers; i++) {
        if (!is_signed(h[i].name))
            continue;
        HF_TRY(buf_putv(out, h[i].name));
        HF_TRY(buf_put(out, ":", 1));
        HF_TRY(buf_putv(out, h[i].value));
        HF_TRY(buf_put(out, "\n", 1));
    }
    HF_TRY(buf_printf(out, "\n%s\n", host ? "host" : ""));
    return buf_putv(out, s->payload_sha256);
}

enum rc sign_oss(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret)
{
    struct buf canonical = BUF(SIGN_MEMORY_MAX);
    struct sign_v4_out out;
    bool host = sign_header(s, "host").n > 0;
    enum rc rc = put_canonical(s, host, a, &canonical);

    if (rc == RC_OK)
        rc = sign_v4(&v4, s, k, buf_view(&canonical), &out);
    buf_free(&canonical);
    HF_TRY(rc);
    return buf_printf(ret, "OSS4-HMAC-SHA256 Credential=%s/%s,%sSignature=%s", k->access_key, out.scope,
                      host ? "AdditionalHeaders=host," : "", out.signature);
}
