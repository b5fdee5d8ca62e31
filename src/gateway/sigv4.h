/* Holdfast: the arithmetic of AWS Signature Version 4: canonical request, string to sign, signing key, signature. Knows
 * nothing of who may do what. Private to the auth files. */
#ifndef HF_GATEWAY_SIGV4_H
#define HF_GATEWAY_SIGV4_H

#include "catalog/catalog.h"
#include "gateway/auth.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4_CHUNK_ALGORITHM "AWS4-HMAC-SHA256-PAYLOAD"
#define SIGV4_TRAILER_ALGORITHM "AWS4-HMAC-SHA256-TRAILER"
#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_HEX 64        /* digits of a SHA-256 */
#define SIGV4_SIGNED_MAX 64 /* names in SignedHeaders */

/* Who signed, for when and where. Lengths are checked by whoever fills it. */
struct sigv4_scope {
    struct view date; /* yyyymmdd */
    struct view region;
    struct view amz_date; /* yyyymmddThhmmssZ */
};

/* HMAC chain: secret, date, region, "s3", "aws4_request". RC_LIMIT: the secret is longer than SECRET_KEY_MAX. */
enum rc sigv4_key(struct view secret, const struct sigv4_scope *s, uint8_t ret_key[32]) HF_MUST_USE;

/* The same, remembered per thread (sigv4_cache.c). */
enum rc sigv4_key_cached(struct view secret, const struct sigv4_scope *s, uint8_t ret_key[32]) HF_MUST_USE;

/* The canonical request, in scratch. The path is decoded once and encoded again; dots and double slashes stay. The
 * query is sorted; X-Amz-Signature is left out of it. Each name of signed_headers must be there, else RC_NOT_FOUND with
 * it in *ret_missing. RC_INVALID: a broken escape in path or query. RC_LIMIT: names repeated to make it huge. */
enum rc sigv4_canonical(const struct auth_request *q, struct view signed_headers, struct view payload_hash,
                        struct arena *scratch, struct view *ret, struct view *ret_missing) HF_MUST_USE;

/* Hex signature of lines under the string to sign "algorithm \n amz_date \n scope \n" + middle + hex(sha256(content)).
 * middle is empty for a request; for a chunk the previous signature and more, each line with its end. */
void sigv4_sign(const uint8_t key[32], const char *algorithm, const struct sigv4_scope *s, struct view middle,
                const uint8_t content_sha256[32], char ret_hex[SIGV4_HEX + 1]);

/* Constant time; false for any other length. */
bool sigv4_same(const char hex[SIGV4_HEX + 1], struct view given);

/* Name of the list at *at (";" between them), which is moved behind it; false at the end. */
bool sigv4_next_name(struct view list, size_t *at, struct view *ret_name);
/* Case-insensitive. */
bool sigv4_same_name(struct view a, struct view b);

#endif
