/* Holdfast: signing requests to other people's clouds: pure functions of the request, the keys and the time. cloud.h
 * names the sources. */
#ifndef HF_CLOUD_SIGN_H
#define HF_CLOUD_SIGN_H

#include "cloud/cloud.h"

struct cloud_sign {
    enum cloud_dialect dialect;
    const char *method;               /* "GET" */
    struct view path;                 /* decoded, with the leading "/", as in the URL */
    const struct cloud_header *query; /* decoded; value.p NULL = a subresource without a value */
    size_t n_query;
    const struct cloud_header *headers; /* those that are sent, Host included; names in lower case */
    size_t n_headers;
    struct view bucket; /* when the host names it and the path does not; else empty */
    struct view region;
    struct view payload_sha256; /* hex, or UNSIGNED-PAYLOAD */
    int64_t time_ns;
    int64_t valid_s; /* COS: length of the key time; 0 = 900 */
};
/* Appends the value of Authorization. x-amz-date, x-oss-date and Date must be among the headers already, as the dialect
 * wants. */
enum rc cloud_sign_header(const struct cloud_sign *s, const struct cloud_keys *k, struct buf *ret) HF_MUST_USE;
/* Appends path and query as they go over the wire. */
enum rc cloud_sign_url(const struct cloud_sign *s, struct buf *ret) HF_MUST_USE;

#endif
