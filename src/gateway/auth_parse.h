/* Holdfast: what a request says about who sent it, taken apart but not yet believed. Private to auth.c and
 * auth_parse.c. */
#ifndef HF_GATEWAY_AUTH_PARSE_H
#define HF_GATEWAY_AUTH_PARSE_H

#include "gateway/sigv4.h"

struct auth_claim {
    bool presigned;
    bool version_2;                       /* presigned; date, region, signed_headers and amz_date are empty */
    struct view access_key, date, region; /* of the credential */
    struct view signed_headers, signature;
    struct view expires;  /* version 2: as sent */
    struct view amz_date; /* as sent, or made of Date (in scratch) */
    int64_t signed_ns;
    int64_t expires_s;   /* presigned: after signed_ns, which is 0 under version 2 */
    struct view payload; /* x-amz-content-sha256, or what stands for it */
};

/* RC_OK, or RC_DENIED with S3's code and words. Views borrow from q and scratch. */
enum rc auth_parse(const struct auth_request *q, struct arena *scratch, struct auth_claim *ret, const char **ret_code,
                   struct err *e) HF_MUST_USE;

/* First header of that name; p NULL when absent. */
struct view auth_header(const struct auth_request *q, const char *name);
enum rc auth_denied(const char *code, const char **ret_code, struct err *e, const char *fmt, ...) HF_MUST_USE
    __attribute__((format(printf, 4, 5)));

#endif
