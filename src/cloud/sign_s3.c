/* Holdfast: AWS Signature Version 4 for S3 (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). All
 * headers that are given are signed. */
#include "cloud/sign_priv.h"

#include "codec/codec.h"

static const struct sign_v4 v4 = {"AWS4", "AWS4-HMAC-SHA256", "s3", "aws4_request"};

/* Runs of blanks count as one space. */
static enum rc put_value(struct view v, struct buf *out)
{
    bool blank = false;

    HF_TRY(buf_reserve(out, v.n));
    for (size_t i = 0; i < v.n; i++) {
        bool is_blank = v.p[i] == ' ' || v.p[i] == '\t';
        if (!is_blank || !blank)
            out->p[out->n++] = is_blank ? ' ' : v.p[i];
        blank = is_blank;
    }
    return RC_OK;
}

static enum rc put_query(const struct cloud_sign *s, struct arena *a, struct buf *out)
{
    struct cloud_header *q = NULL;

    HF_TRY(sign_encoded(s->query, s->n_query, false, a, &q));
    for (size_t i = 0; i < s->n_query; i++) {
        HF_TRY(buf_puts(out, i == 0 ? "" : "&"));
        HF_TRY(buf_putv(out, q[i].name));
        HF_TRY(buf_put(out, "=", 1));
        HF_TRY(buf_putv(out, q[i].value));
    }
    return buf_put(out, "\n", 1);
}

static enum rc put_canonical(const struct cloud_sign *s, const struct cloud_header *h, struct arena *a, struct buf *out)
{
    HF_TRY(buf_printf(out, "%s\n", s->method));
    HF_TRY(uri_encode(s->path, true, out));
    HF_TRY(buf_put(out, "\n", 1));
    HF_TRY(put_query(s, a, out));
    for (size_t i = 0; i < s->n_headers; i++) {
        HF_TRY(buf_putv(out, h[i].name));
        HF_TRY(buf_put(out, ":", 1));
        HF_TRY(put_value(h[i].value, out));
        HF_TRY(buf_put(out, "\n", 1));
    }
    HF_TRY(buf_put(out, "\n", 1));
    HF_TRY(sign_put_names(h, s->n_headers, out));
    HF_TRY(buf_put(out, "\n", 1));
    return buf_putv(out, s->payload_sha256);
}

enum rc sign_s3(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret)
{
    struct buf canonical = BUF(SIGN_MEMORY_MAX);
    struct cloud_header *h = NULL;
    struct sign_v4_out out;

    HF_TRY(sign_sorted(s->headers, s->n_headers, a, &h));
    enum rc rc = put_canonical(s, h, a, &canonical);
    if (rc == RC_OK)
        rc = sign_v4(&v4, s, k, buf_view(&canonical), &out);
    buf_free(&canonical);
    HF_TRY(rc);
    HF_TRY(buf_printf(ret, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", k->access_key, out.scope));
    HF_TRY(sign_put_names(h, s->n_headers, ret));
    return buf_printf(ret, ", Signature=%s", out.signature);
}
