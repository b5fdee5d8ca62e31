/* Holdfast: S3 semantics on HTTP. One gateway per listening address; all state below it is the engine's.
 *
 * Authentication: SigV4 in the Authorization header, presigned, and streaming
 * (STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER], STREAMING-UNSIGNED-PAYLOAD-TRAILER), before 100 Continue; any region
 * is accepted; skew up to 15 minutes of real time. SigV2 presigned URLs too, as boto3 makes them; nothing else of it.
 * Answers and error codes: S3's XML (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). Subresources
 * not built yet answer AWS's "not configured" code on read and 501 NotImplemented on write, never 200. Threads:
 * everything of a request runs in its connection's thread, in a worker (large bodies: MD5 on a strand, checksums and
 * disk writes on another), or in the sequencer's `done`, which only resumes the connection. Memory: a request holds at
 * most GATEWAY_WINDOW bytes of body.
 */
#ifndef HF_GATEWAY_GATEWAY_H
#define HF_GATEWAY_GATEWAY_H

#include "http/http.h"
#include "sequence/engine.h"

#define GATEWAY_WINDOW (4u << 20)
#define OBJECT_PUT_MAX (5ull << 30) /* one PUT or part: 5 GiB (S3's limit) */
#define XML_BODY_MAX (2u << 20)

struct gateway;
struct egress_ranges {
    const char *const *cidr; /* "10.0.0.0/8", "2001:db8::/32", or one address */
    unsigned n;
};
struct gateway_cfg {
    const char *listen;
    const char *domain; /* virtual-host style: BUCKET.domain; NULL = "localhost" and what follows the bucket in
                           s3.*-like hosts is not guessed */
    const char *region; /* shown by GetBucketLocation; default "us-east-1" (then the answer is empty, as AWS's) */
    /* Networks that are not the internet, by the client's address (the longest match counts); none by default. */
    struct egress_ranges egress_internal, egress_cdn, egress_cross_region;
    unsigned http_threads, worker_threads; /* 0 = default */
};
enum rc gateway_open(struct engine *g, const struct gateway_cfg *cfg, struct gateway **ret, struct err *e) HF_MUST_USE;
const char *gateway_address(const struct gateway *w);
/* Drains: requests in flight end, new ones are refused; at most grace_ms. */
void gateway_close(struct gateway *w, unsigned grace_ms);
struct gateway_stats {
    uint64_t requests, by_status[6], bytes_in, bytes_out, connections;
    uint64_t latency_us_bucket[20]; /* power of two histogram: < 64 us << i */
    uint64_t latency_us_sum;
};
void gateway_stats(struct gateway *w, struct gateway_stats *ret);

#endif
