/* Holdfast: what the four signatures have in common. */
#ifndef HF_CLOUD_SIGN_PRIV_H
#define HF_CLOUD_SIGN_PRIV_H

#include "cloud/sign.h"

#define SIGN_MEMORY_MAX (16u << 20)

enum rc sign_s3(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret) HF_MUST_USE;
enum rc sign_cos(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret) HF_MUST_USE;
enum rc sign_oss(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret) HF_MUST_USE;
enum rc sign_obs(const struct cloud_sign *s, const struct cloud_keys *k, struct arena *a, struct buf *ret) HF_MUST_USE;

/* Percent-encoded, the name also in lower case when asked; sorted by name, then value. A value without p stays so. */
enum rc sign_encoded(const struct cloud_header *in, size_t n, bool lower, struct arena *a,
                     struct cloud_header **ret) HF_MUST_USE;
/* Sorted copy with trimmed values. */
enum rc sign_sorted(const struct cloud_header *in, size_t n, struct arena *a, struct cloud_header **ret) HF_MUST_USE;
/* The names with ";" between them. */
enum rc sign_put_names(const struct cloud_header *h, size_t n, struct buf *out) HF_MUST_USE;
/* value of a header by its lower-case name; empty when absent. */
struct view sign_header(const struct cloud_sign *s, const char *name);

/* SigV4 and OSS V4: HMAC chain from prefix + secret over date, region, service and last word; then over "algorithm \n
 * time \n scope \n hex(sha256(canonical))". */
struct sign_v4 {
    const char *prefix, *algorithm, *service, *last;
};
struct sign_v4_out {
    char scope[CLOUD_REGION_MAX + 64];
    char signature[65];
};
enum rc sign_v4(const struct sign_v4 *v, const struct cloud_sign *s, const struct cloud_keys *k, struct view canonical,
                struct sign_v4_out *ret) HF_MUST_USE;

#endif
