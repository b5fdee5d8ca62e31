/* Holdfast: Huawei OBS signature in a header (support.huaweicloud.com/api-obs, "Authentication of Signature in a
 * Header"): HMAC-SHA1 over method, Content-MD5, Content-Type, date, x-obs-* headers and the resource with those
 * parameters that name a subresource. */
#include "cloud/sign_priv.h"

#include "codec/codec.h"

/* Parameters that are part of the resource; all others are not signed. */
static const char *const subresources[] = {
    "acl",
    "append",
    "backtosource",
    "cors",
    "delete",
    "deletebucket",
    "encryption",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "position",
    "quota",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "storageClass",
    "storagePolicy",
    "storageinfo",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
    "x-image-process",
};

static bool is_subresource(struct view name)
{
    for (size_t i = 0; i < sizeof(subresources) / sizeof(*subresources); i++)
        if (view_eqs(name, subresources[i]))
            return true;
    return false;
}

static enum rc put_resource(const struct cloud_sign *s, struct arena *a, struct buf *out)
{
    struct cloud_header *q = NULL;
    bool first = true;

    if (s->bucket.n > 0) {
        HF_TRY(buf_put(out, "/", 1));
        HF_TRY(buf_putv(out, s->bucket));
    }
    HF_TRY(uri_encode(s->path, true, out));
    HF_TRY(sign_sorted(s->query, s->n_query, a, &q));
    for (size_t i = 0; i < s->n_query; i++) {
        if (!is_subresource(q[i].name))
            continue;
        HF_TRY(buf_put(out, first ? "?" : "&", 1));
        first = false;
        HF_TRY(buf_putv(out, q[i].name));
        if (q[i].value.n == 0)
            continue;
        HF_TRY(buf_put(out, "=", 1));
        HF_TRY(buf_putv(out, q[i].value));
    }
    return RC_OK;
}

static enum rc put_line(struct view v, struct buf *out)
{
    HF_TRY(buf_putv(out, v));
    return buf_put(out, "\n", 1);
}

static enum rc put_to_sign(const struct cloud_sign *s, struct arena *a, struct buf *out)
{
    struct cloud_header *h = NULL;

    HF_TRY(put_line(view_cstr(s->method), out));
    HF_TRY(put_line(sign_header(s, "content-md5"), out));
    HF_TRY(put_line(sign_header(s, "content-type"), out));
    /* With x-obs-date the place of Date stays empty. */
    HF_TRY(put_line(sign_header(s, "x-obs-date").n > 0 ? VIEW("") : sign_header(s, "date"), out));
    HF_TRY(sign_sorted(s->headers, s->n_headers, a, &h));
    for (size_t i = 0; i < s->n_headers; i++) {
        if (!view_starts(h[i].name, VIEW("x-obs-")))
            continue;
        HF_TRY(buf_putv(out, h[i].name));
        HF_TRY(buf_put(out, ":", 1));
        HF_TRY(put_line(h[i].value, out));
    }
    return put_resource(s, a, out);
}

enum rc sign_obs(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret)
{
    struct buf text = BUF(SIGN_MEMORY_MAX);
    uint8_t sum[20];
    char b64[32];
    enum rc rc = put_to_sign(s, a, &text);

    if (rc == RC_OK)
        hmac_sha1(k->secret_key, strlen(k->secret_key), text.p, text.n, sum);
    buf_free(&text);
    HF_TRY(rc);
    base64_encode(sum, sizeof(sum), b64);
    return buf_printf(ret, "OBS %s:%s", k->access_key, b64);
}
