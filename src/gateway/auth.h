/* Holdfast: who asks? AWS Signature Version 4
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html): Authorization header and
 * presigned query; what the payload promises (x-amz-content-sha256); and the decoding of aws-chunked bodies. Of
 * Signature Version 2 only presigned URLs (?AWSAccessKeyId=…&Expires=…&Signature=…), because boto3 makes them unless it
 * is told otherwise (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html). Pure functions of
 * the request and a key lookup: no HTTP room inside, so they can be fuzzed and tested on AWS's published vectors. */
#ifndef HF_GATEWAY_AUTH_H
#define HF_GATEWAY_AUTH_H

#include "account/account.h"
#include "codec/codec.h"

struct auth_request {
    struct view method, path, query;  /* raw, as sent */
    const struct cat_header *headers; /* in order of arrival, any case */
    size_t n_headers;
    struct view
        host_bucket; /* the bucket when the host names it (virtual-host style), else empty; version 2 signs it */
    int64_t now_ns;  /* real time */
};
enum auth_payload {
    AUTH_PAYLOAD_SHA256,           /* sha256 is to be checked over the body */
    AUTH_PAYLOAD_UNSIGNED,         /* UNSIGNED-PAYLOAD, presigned */
    AUTH_PAYLOAD_CHUNKS,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    AUTH_PAYLOAD_CHUNKS_TRAILER,   /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
    AUTH_PAYLOAD_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};
struct auth_result {
    struct caller caller; /* wipe with auth_wipe */
    enum auth_payload payload;
    uint8_t sha256[32];
    /* for signed chunks; all zero under version 2, which has none */
    uint8_t signing_key[32];
    char seed_signature[65];
    char scope_date[9]; /* yyyymmdd */
    char scope_region[64];
    char amz_date[17];
    bool presigned;
};
typedef enum rc auth_lookup_fn(void *ctx, struct view access_key, struct caller *ret);
/* RC_OK, or RC_DENIED with S3's error code in *ret_code and S3's words in e: AccessDenied (no credentials at all, a
 * presigned request before or past its time, host or an x-amz-* header that is not signed, a version 2 URL that lacks a
 * part), InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed, AuthorizationHeaderMalformed,
 * AuthorizationQueryParametersError, InvalidRequest (signature version 2 in the Authorization header; no
 * x-amz-content-sha256; signed chunks under version 2), InvalidArgument (two mechanisms at once, an unknown one, a bad
 * x-amz-content-sha256), InvalidURI (a broken escape). RC_NOMEM, and what lookup returns beyond
 * RC_NOT_FOUND, pass through. Repeated x-amz-date, x-amz-content-sha256: the first counts, the signature covers all. */
enum rc auth_check(const struct auth_request *q, auth_lookup_fn *lookup, void *ctx, struct arena *scratch,
                   struct auth_result *ret, const char **ret_code, struct err *e) HF_MUST_USE;
void auth_wipe(struct auth_result *r);
/* For clients and tests: signs a request (headers host, x-amz-date, x-amz-content-sha256 given in q). Result: the
 * Authorization value. */
enum rc auth_sign(const struct auth_request *q, struct view access_key, struct view secret, struct view region,
                  struct view payload_hash, struct buf *ret_authorization) HF_MUST_USE;

/* aws-chunked: "hex-size[;chunk-signature=…]\r\n" data "\r\n" … "0[;…]\r\n" trailers "\r\n". Framing never ends up in
 * the object. */
struct chunked;
#define CHUNKED_LINE_MAX 4096
#define CHUNKED_TRAILERS_MAX 8
/* decoded_size from x-amz-decoded-content-length (RC_INVALID later when the chunks do not add up to it). What it needs
 * of auth is copied. */
enum rc chunked_new(const struct auth_result *auth, uint64_t decoded_size, struct chunked **ret) HF_MUST_USE;
/* Takes input, gives decoded pieces through sink (data lives until it returns). Chunk signatures are verified when the
 * chunk ends: the caller must not acknowledge before chunked_end was RC_OK. RC_DENIED: SignatureDoesNotMatch;
 * RC_INVALID: malformed (IncompleteBody, InvalidRequest, MalformedTrailerError). What the sink returns passes through,
 * with *ret_code untouched. An error is final. */
enum rc chunked_feed(struct chunked *c, struct view in, enum rc (*sink)(void *ctx, struct view data), void *ctx,
                     const char **ret_code, struct err *e) HF_MUST_USE;
enum rc chunked_end(struct chunked *c, const char **ret_code,
                    struct err *e) HF_MUST_USE; /* the final chunk and its trailer were there and right */
/* Trailer by lower-case name, after chunked_end; p NULL when absent. */
struct view chunked_trailer(const struct chunked *c, const char *name);
void chunked_free(struct chunked *c);

#endif
