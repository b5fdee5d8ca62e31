/* Holdfast: is a request really from whom it says? */
#include "gateway/auth.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/auth_parse.h"
#include "gateway/sigv2.h"

#define SKEW_MAX_S 900 /* 15 minutes, S3's */

static const struct {
    const char *text;
    enum auth_payload payload;
} payload_words[] = {
    {"UNSIGNED-PAYLOAD", AUTH_PAYLOAD_UNSIGNED},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", AUTH_PAYLOAD_UNSIGNED_TRAILER},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", AUTH_PAYLOAD_CHUNKS},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", AUTH_PAYLOAD_CHUNKS_TRAILER},
};

static enum rc payload_read(struct view v, struct auth_result *ret, const char **ret_code, struct err *e)
{
    for (size_t i = 0; i < sizeof payload_words / sizeof *payload_words; i++) {
        if (view_eqs(v, payload_words[i].text)) {
            ret->payload = payload_words[i].payload;
            return RC_OK;
        }
    }
    ret->payload = AUTH_PAYLOAD_SHA256;
    if (hex_decode(v, ret->sha256, sizeof ret->sha256) == RC_OK)
        return RC_OK;
    return auth_denied("InvalidArgument", ret_code, e,
                       "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                       "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid "
                       "sha256 value.");
}

static bool is_signed(struct view signed_headers, struct view header)
{
    struct view name;
    for (size_t at = 0; sigv4_next_name(signed_headers, &at, &name);)
        if (sigv4_same_name(name, header))
            return true;
    return false;
}

static bool must_be_signed(struct view name)
{
    return sigv4_same_name(name, VIEW("host")) || sigv4_same_name(view_sub(name, 0, 6), VIEW("x-amz-"));
}

/* What tells S3 what to do must be covered by the signature: host, and each x-amz-* that was sent. */
static enum rc coverage_check(const struct auth_request *q, const struct auth_claim *c, const char **ret_code,
                              struct err *e)
{
    if (!is_signed(c->signed_headers, VIEW("host")))
        return auth_denied("AccessDenied", ret_code, e,
                           "There were headers present in the request which were not "
                           "signed: host");
    for (size_t i = 0; i < q->n_headers; i++) {
        struct view name = q->headers[i].name;
        if (must_be_signed(name) && !is_signed(c->signed_headers, name))
            return auth_denied("AccessDenied", ret_code, e,
                               "There were headers present in the request which were not signed: %.*s", (int)name.n,
                               name.p);
    }
    return RC_OK;
}

static enum rc time_check(const struct auth_request *q, const struct auth_claim *c, const char **ret_code,
                          struct err *e)
{
    int64_t late_s = q->now_ns / NS_PER_S - c->signed_ns / NS_PER_S;
    if (!c->presigned && llabs(late_s) <= SKEW_MAX_S)
        return RC_OK;
    if (!c->presigned)
        return auth_denied("RequestTimeTooSkewed", ret_code, e,
                           "The difference between the request time and the server's time is too large.");
    if (late_s < -SKEW_MAX_S)
        return auth_denied("AccessDenied", ret_code, e, "Request is not valid yet");
    if (late_s > c->expires_s)
        return auth_denied("AccessDenied", ret_code, e, "Request has expired");
    return RC_OK;
}

static enum rc mismatch(const char **ret_code, struct err *e)
{
    return auth_denied("SignatureDoesNotMatch", ret_code, e,
                       "The request signature we calculated does not match the signature you provided. Check your key "
                       "and signing method.");
}

static enum rc canonical_make(const struct auth_request *q, const struct auth_claim *c, struct arena *scratch,
                              struct view *ret, const char **ret_code, struct err *e)
{
    struct view missing;
    enum rc rc = sigv4_canonical(q, c->signed_headers, c->payload, scratch, ret, &missing);
    if (rc == RC_NOT_FOUND)
        return auth_denied("SignatureDoesNotMatch", ret_code, e,
                           "The header %.*s is listed as signed, but the request does not have it.", (int)missing.n,
                           missing.p);
    if (rc == RC_INVALID)
        return auth_denied("InvalidURI", ret_code, e, "Couldn't parse the specified URI.");
    if (rc == RC_LIMIT)
        return auth_denied("AuthorizationHeaderMalformed", ret_code, e, "A header is listed as signed more than once.");
    return rc;
}

static enum rc signature_check(const struct auth_request *q, const struct auth_claim *c, struct arena *scratch,
                               struct auth_result *r, const char **ret_code, struct err *e)
{
    struct view canonical;
    HF_TRY(canonical_make(q, c, scratch, &canonical, ret_code, e));
    const struct sigv4_scope scope = {c->date, c->region, c->amz_date};
    if (sigv4_key_cached(view_cstr(r->caller.secret), &scope, r->signing_key) != RC_OK)
        return mismatch(ret_code, e);
    uint8_t digest[32];
    digest_once(DIGEST_SHA256, canonical.p, canonical.n, digest);
    sigv4_sign(r->signing_key, SIGV4_ALGORITHM, &scope, VIEW(""), digest, r->seed_signature);
    return sigv4_same(r->seed_signature, c->signature) ? RC_OK : mismatch(ret_code, e);
}

static enum rc signature_2_check(const struct auth_request *q, const struct auth_claim *c, struct view secret,
                                 struct arena *scratch, const char **ret_code, struct err *e)
{
    struct view to_sign;
    enum rc rc = sigv2_to_sign(q, c->expires, scratch, &to_sign);
    if (rc == RC_INVALID)
        return auth_denied("InvalidURI", ret_code, e, "Couldn't parse the specified URI.");
    if (rc != RC_OK)
        return rc;
    char signature[SIGV2_SIGNATURE_N + 1];
    sigv2_sign(secret, to_sign, signature);
    return sigv2_same(signature, c->signature) ? RC_OK : mismatch(ret_code, e);
}

/* Each chunk's signature continues that of the head, which only version 4 can. */
static enum rc chunks_check(const struct auth_claim *c, enum auth_payload payload, const char **ret_code, struct err *e)
{
    if (!c->version_2 || (payload != AUTH_PAYLOAD_CHUNKS && payload != AUTH_PAYLOAD_CHUNKS_TRAILER))
        return RC_OK;
    return auth_denied("InvalidRequest", ret_code, e, "Signed chunks need AWS4-HMAC-SHA256.");
}

static enum rc caller_find(const struct auth_claim *c, auth_lookup_fn *lookup, void *ctx, struct caller *ret,
                           const char **ret_code, struct err *e)
{
    enum rc rc = c->access_key.n <= ACCESS_KEY_MAX ? lookup(ctx, c->access_key, ret) : RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return auth_denied("InvalidAccessKeyId", ret_code, e,
                           "The AWS Access Key Id you provided does not exist in our records.");
    return rc;
}

static enum rc claim_check(const struct auth_request *q, const struct auth_claim *c, auth_lookup_fn *lookup, void *ctx,
                           struct arena *scratch, struct auth_result *r, const char **ret_code, struct err *e)
{
    HF_TRY(payload_read(c->payload, r, ret_code, e));
    HF_TRY(chunks_check(c, r->payload, ret_code, e));
    if (!c->version_2) /* which covers all x-amz-* by itself, and knows no list */
        HF_TRY(coverage_check(q, c, ret_code, e));
    HF_TRY(caller_find(c, lookup, ctx, &r->caller, ret_code, e));
    HF_TRY(time_check(q, c, ret_code, e));
    r->presigned = c->presigned;
    if (c->version_2)
        return signature_2_check(q, c, view_cstr(r->caller.secret), scratch, ret_code, e);
    HF_TRY(signature_check(q, c, scratch, r, ret_code, e));
    /* Lengths were checked when the claim was read. */
    HF_ASSERT(view_copy(c->date, r->scope_date, sizeof r->scope_date));
    HF_ASSERT(view_copy(c->region, r->scope_region, sizeof r->scope_region));
    HF_ASSERT(view_copy(c->amz_date, r->amz_date, sizeof r->amz_date));
    return RC_OK;
}

enum rc auth_check(const struct auth_request *q, auth_lookup_fn *lookup, void *ctx, struct arena *scratch,
                   struct auth_result *ret, const char **ret_code, struct err *e)
{
    struct auth_claim claim;
    HF_TRY(auth_parse(q, scratch, &claim, ret_code, e));
    struct auth_result r = {0};
    enum rc rc = claim_check(q, &claim, lookup, ctx, scratch, &r, ret_code, e);
    if (rc == RC_OK)
        *ret = r;
    auth_wipe(&r);
    return rc;
}

void auth_wipe(struct auth_result *r)
{
    explicit_bzero(r->caller.secret, sizeof r->caller.secret);
    explicit_bzero(r->signing_key, sizeof r->signing_key);
}

/* ---- signing, for clients and tests ---- */

static int compare_names(const void *a, const void *b)
{
    return view_cmp(*(const struct view *)a, *(const struct view *)b);
}

/* Names of all headers in lower case, sorted, each once, with ";" between them. */
static enum rc list_headers(const struct auth_request *q, struct arena *scratch, struct buf *out)
{
    struct view *names = arena_alloc(scratch, (q->n_headers + 1) * sizeof *names);
    if (!names)
        return RC_NOMEM;
    for (size_t i = 0; i < q->n_headers; i++) {
        char *name = arena_cstr(scratch, q->headers[i].name);
        if (!name)
            return RC_NOMEM;
        names[i] = view_cstr(name);
        for (; *name; name++)
            if (*name >= 'A' && *name <= 'Z')
                *name = (char)(*name - 'A' + 'a');
    }
    if (q->n_headers > 1)
        qsort(names, q->n_headers, sizeof *names, compare_names);
    for (size_t i = 0; i < q->n_headers; i++) {
        if (i > 0 && view_eq(names[i], names[i - 1]))
            continue;
        if (out->n > 0)
            HF_TRY(buf_put(out, ";", 1));
        HF_TRY(buf_putv(out, names[i]));
    }
    return RC_OK;
}

#define SIGN_SCRATCH_MAX (1u << 20)
#define SIGNED_LIST_MAX 16384u

static enum rc sign_in(const struct auth_request *q, struct arena *scratch, struct buf *list, struct view access_key,
                       struct view secret, struct view region, struct view payload_hash, struct buf *ret)
{
    struct view amz_date = auth_header(q, "x-amz-date");
    if (amz_date.n != 16)
        return RC_INVALID;
    const struct sigv4_scope scope = {view_sub(amz_date, 0, 8), region, amz_date};
    struct view canonical, missing;
    uint8_t key[32], digest[32];
    char hex[SIGV4_HEX + 1];
    HF_TRY(list_headers(q, scratch, list));
    HF_TRY(sigv4_canonical(q, buf_view(list), payload_hash, scratch, &canonical, &missing));
    HF_TRY(sigv4_key(secret, &scope, key));
    digest_once(DIGEST_SHA256, canonical.p, canonical.n, digest);
    sigv4_sign(key, SIGV4_ALGORITHM, &scope, VIEW(""), digest, hex);
    explicit_bzero(key, sizeof key);
    return buf_printf(ret, "%s Credential=%.*s/%.*s/%.*s/s3/aws4_request,SignedHeaders=%.*s,Signature=%s",
                      SIGV4_ALGORITHM, (int)access_key.n, access_key.p, (int)scope.date.n, scope.date.p, (int)region.n,
                      region.p, (int)list->n, list->p, hex);
}

enum rc auth_sign(const struct auth_request *q, struct view access_key, struct view secret, struct view region,
                  struct view payload_hash, struct buf *ret_authorization)
{
    if (region.n >= sizeof(((struct auth_result *)0)->scope_region))
        return RC_LIMIT;
    struct arena scratch = ARENA(SIGN_SCRATCH_MAX);
    struct buf list = BUF(SIGNED_LIST_MAX);
    enum rc rc = sign_in(q, &scratch, &list, access_key, secret, region, payload_hash, ret_authorization);
    buf_free(&list);
    arena_free(&scratch);
    return rc;
}
