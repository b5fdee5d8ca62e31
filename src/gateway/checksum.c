/* What a client promises about its body (Content-MD5, x-amz-checksum-*, trailers, the signed hash), and whether it
 * held. https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
#include "gateway/gateway_priv.h"

static const enum checksum_kind all_kinds[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME, CHECKSUM_SHA1,
                                               CHECKSUM_SHA256};
#define ALL_KINDS (sizeof all_kinds / sizeof *all_kinds)

static bool refuse(struct gw_req *g, const char *code, const char *message)
{
    gw_fail_with(g, code, message);
    return false;
}

static bool read_md5(struct gw_req *g, struct gw_checks *c)
{
    struct view v = http_header(g->http, "content-md5");
    if (v.p == NULL)
        return true;
    size_t n = 0;
    uint8_t raw[DIGEST_MAX];
    if (base64_decode(view_trim(v), raw, sizeof raw, &n) != RC_OK || n != sizeof c->md5)
        return refuse(g, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    memcpy(c->md5, raw, sizeof c->md5);
    c->has_md5 = true;
    return true;
}

/* Checksums come from real headers only: a presigned URL that carries one was made before the body was known. */
static bool read_value(struct gw_req *g, struct gw_checks *c)
{
    for (size_t i = 0; i < ALL_KINDS; i++) {
        const char *header = gw_checksum_header(all_kinds[i]);
        struct view v = http_header(g->http, header);
        if (v.p == NULL)
            continue;
        if (c->given.kind != CHECKSUM_NONE)
            return refuse(g, "InvalidRequest",
                          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
        if (gw_checksum_parse(all_kinds[i], v, &c->given) != RC_OK)
            return refuse(g, "InvalidRequest", arena_printf(&g->arena, "Value for %s header is invalid.", header));
        c->kind = all_kinds[i];
    }
    return true;
}

/* x-amz-trailer names one checksum that follows the last chunk. */
static bool read_trailer(struct gw_req *g, struct gw_checks *c)
{
    struct view v = http_header(g->http, "x-amz-trailer");
    if (v.p == NULL)
        return true;
    for (size_t i = 0; i < ALL_KINDS; i++)
        if (view_ieqs(view_trim(v), gw_checksum_header(all_kinds[i])))
            c->trailer = all_kinds[i];
    if (c->trailer == CHECKSUM_NONE)
        return refuse(g, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
    if (c->given.kind != CHECKSUM_NONE)
        return refuse(g, "InvalidRequest",
                      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    c->kind = c->trailer;
    return true;
}

static bool read_algorithm(struct gw_req *g, struct gw_checks *c)
{
    struct view v = http_header(g->http, "x-amz-sdk-checksum-algorithm");
    if (v.p == NULL)
        return true;
    enum checksum_kind k = gw_checksum_kind(view_trim(v));
    if (k == CHECKSUM_NONE)
        return refuse(g, "InvalidRequest", "Checksum algorithm provided is unsupported.");
    if (c->kind == CHECKSUM_NONE)
        return refuse(g, "InvalidRequest",
                      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                      "headers were found.");
    if (c->kind != k)
        return refuse(g, "InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    return true;
}

bool gw_checks_read(struct gw_req *g, struct gw_checks *ret)
{
    struct gw_checks c = {0};
    /* On Complete they speak of the object that is put together, not of the body. */
    bool of_body = g->route.op != OP_UPLOAD_COMPLETE;
    if (!read_md5(g, &c))
        return false;
    if (of_body && (!read_value(g, &c) || !read_trailer(g, &c) || !read_algorithm(g, &c)))
        return false;
    if (g->auth.payload == AUTH_PAYLOAD_SHA256) {
        c.has_sha256 = true;
        memcpy(c.sha256, g->auth.sha256, sizeof c.sha256);
    }
    *ret = c;
    return true;
}

/* ---- computing ---- */
enum rc gw_sums_init(struct gw_sums *s, enum checksum_kind kind, bool sha256)
{
    *s = (struct gw_sums){.kind = kind};
    if (kind == CHECKSUM_SHA1 && (s->sha1 = digest_new(DIGEST_SHA1)) == NULL)
        return RC_NOMEM;
    if ((sha256 || kind == CHECKSUM_SHA256) && (s->sha256 = digest_new(DIGEST_SHA256)) == NULL) {
        gw_sums_free(s);
        return RC_NOMEM;
    }
    return RC_OK;
}

void gw_sums_update(struct gw_sums *s, const void *p, size_t n)
{
    s->crc64ecma = crc64ecma_update(s->crc64ecma, p, n);
    if (s->kind == CHECKSUM_CRC32)
        s->crc32 = crc32_update(s->crc32, p, n);
    else if (s->kind == CHECKSUM_CRC32C)
        s->crc32 = crc32c_update(s->crc32, p, n);
    else if (s->kind == CHECKSUM_CRC64NVME)
        s->crc64 = crc64nvme_update(s->crc64, p, n);
    if (s->sha1 != NULL)
        digest_update(s->sha1, p, n);
    if (s->sha256 != NULL)
        digest_update(s->sha256, p, n);
}

void gw_sums_final(struct gw_sums *s, struct gw_digests *ret)
{
    ret->crc64ecma = s->crc64ecma;
    ret->checksum = (struct checksum){.kind = s->kind, .size = (uint8_t)gw_checksum_size(s->kind)};
    uint8_t *value = ret->checksum.value;
    if (s->sha1 != NULL)
        digest_final(s->sha1, value);
    if (s->sha256 != NULL)
        digest_final(s->sha256, ret->sha256);
    if (s->kind == CHECKSUM_SHA256)
        memcpy(value, ret->sha256, sizeof ret->sha256);
    else if (s->kind == CHECKSUM_CRC64NVME)
        be64_put(value, s->crc64);
    else if (s->kind == CHECKSUM_CRC32 || s->kind == CHECKSUM_CRC32C)
        for (int i = 0; i < 4; i++)
            value[i] = (uint8_t)(s->crc32 >> (24 - 8 * i));
}

void gw_sums_free(struct gw_sums *s)
{
    digest_free(s->sha1);
    digest_free(s->sha256);
    s->sha1 = s->sha256 = NULL;
}

enum rc gw_digest_once(const void *p, size_t n, enum checksum_kind kind, bool sha256, struct gw_digests *ret)
{
    memset(ret, 0, sizeof *ret);
    digest_once(DIGEST_MD5, p, n, ret->md5);
    struct gw_sums s;
    /* A whole body in memory needs no streaming digest: the two SHAs are done by digest_once. */
    bool sha_kind = kind == CHECKSUM_SHA1 || kind == CHECKSUM_SHA256;
    HF_TRY(gw_sums_init(&s, sha_kind ? CHECKSUM_NONE : kind, false));
    gw_sums_update(&s, p, n);
    gw_sums_final(&s, ret);
    gw_sums_free(&s);
    if (sha256 || kind == CHECKSUM_SHA256)
        digest_once(DIGEST_SHA256, p, n, ret->sha256);
    if (sha_kind)
        ret->checksum = (struct checksum){.kind = kind, .size = (uint8_t)gw_checksum_size(kind)};
    if (kind == CHECKSUM_SHA1)
        digest_once(DIGEST_SHA1, p, n, ret->checksum.value);
    else if (kind == CHECKSUM_SHA256)
        memcpy(ret->checksum.value, ret->sha256, sizeof ret->sha256);
    return RC_OK;
}

/* ---- verifying ---- */
static const char *mismatch(enum checksum_kind k)
{
    switch (k) {
    case CHECKSUM_CRC32:
        return "The CRC32 you specified did not match the calculated checksum.";
    case CHECKSUM_CRC32C:
        return "The CRC32C you specified did not match the calculated checksum.";
    case CHECKSUM_CRC64NVME:
        return "The CRC64NVME you specified did not match the calculated checksum.";
    case CHECKSUM_SHA1:
        return "The SHA1 you specified did not match the calculated checksum.";
    default:
        return "The SHA256 you specified did not match the calculated checksum.";
    }
}

struct gw_refusal gw_checks_verify(const struct gw_checks *c, const struct gw_digests *d)
{
    if (c->has_sha256 && !bytes_equal_ct(c->sha256, d->sha256, sizeof c->sha256))
        return (struct gw_refusal){"XAmzContentSHA256Mismatch", NULL};
    if (c->has_md5 && memcmp(c->md5, d->md5, sizeof c->md5) != 0)
        return (struct gw_refusal){"BadDigest", "The Content-MD5 you specified did not match what we received."};
    if (c->given.kind == CHECKSUM_NONE)
        return (struct gw_refusal){NULL, NULL};
    HF_ASSERT(c->given.kind == d->checksum.kind);
    if (memcmp(c->given.value, d->checksum.value, c->given.size) != 0)
        return (struct gw_refusal){"BadDigest", mismatch(c->given.kind)};
    return (struct gw_refusal){NULL, NULL};
}
