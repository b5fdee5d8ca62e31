/* Holdfast: one client for other people's object stores: S3, Tencent COS, Aliyun OSS, Huawei OBS.
 *
 * A target is a bucket somewhere, with keys. Requests run in one thread of their own (libcurl's multi interface) and
 * end in their `done`, which runs there and must not block; cloud_call waits. Every request is signed anew for every
 * try, because signatures hold a time. What goes wrong is classified (enum cloud_class), so that those above decide by
 * class and never by text.
 *
 * A conditional write that is tried again after a lost answer may meet itself and end as CLOUD_CONDITION: compare the
 * ETag with a HEAD. A 404 to a HEAD is CLOUD_GONE even when the bucket is gone, and a 403 CLOUD_DENIED even in arrears,
 * because such an answer has no body: CLOUD_BUCKET_HEAD tells.
 *
 * Secrets come from a file (mode 0600, YAML: access_key, secret_key, perhaps session_token) or the caller; they are
 * never in errors, logs or answers. No data leaves unsigned; redirects are followed only to the same host with
 * another region (S3 301/307 with x-amz-bucket-region), once.
 *
 * Signatures: AWS SigV4 (docs.aws.amazon.com, "Authenticating Requests (AWS Signature Version 4)"), COS q-sign
 * (cloud.tencent.com/document/product/436/7778), OSS V4 "OSS4-HMAC-SHA256" (help.aliyun.com, "Signature Version 4"),
 * OBS header signature (support.huaweicloud.com, "Authentication of Signature in a Header"). tests/clients compares
 * each with the vendor's npm package on the same requests. */
#ifndef HF_CLOUD_CLOUD_H
#define HF_CLOUD_CLOUD_H

#include "base/err.h"
#include "base/view.h"
#include "os/os.h"

#define CLOUD_HOST_MAX 255
#define CLOUD_BUCKET_MAX 222 /* COS: name-appid */
#define CLOUD_REGION_MAX 63
#define CLOUD_CODE_MAX 63
#define CLOUD_MESSAGE_MAX 255
#define CLOUD_ETAG_MAX 127
#define CLOUD_VERSION_MAX 1024
#define CLOUD_BODY_MAX (8u << 20) /* of an answer that is kept in memory: lists, errors */

enum cloud_dialect { CLOUD_S3, CLOUD_COS, CLOUD_OSS, CLOUD_OBS };
struct cloud_target {
    enum cloud_dialect dialect;
    bool tls, path_style;
    char host[CLOUD_HOST_MAX + 1]; /* with the bucket in front unless path_style */
    unsigned port;
    char bucket[CLOUD_BUCKET_MAX + 1];
    char region[CLOUD_REGION_MAX + 1];
};
/* s3://127.0.0.1:17480/photos-copy, s3s://s3.example.com/photos, s3://photos (AWS, with region): "s3" is plain HTTP
 * when the host is an address or has a port, else TLS; "s3s" is TLS. cos://BUCKET-APPID.REGION, oss://BUCKET.REGION,
 * obs://BUCKET.REGION name the vendors' public hosts over TLS; cos|oss|obs://HOST:PORT/BUCKET an endpoint of that
 * dialect in plain HTTP (tests, gateways), path-style. region NULL: from the URL, else us-east-1. RC_INVALID says what
 * is wrong with which part. */
enum rc cloud_target_parse(struct view url, const char *region, struct cloud_target *ret, struct err *e) HF_MUST_USE;

struct cloud_keys {
    char access_key[129], secret_key[257], token[2049]; /* token empty = none */
};
/* RC_DENIED when others may read the file; RC_INVALID with file:line:column. */
enum rc cloud_keys_read(struct os *os, const char *path, struct cloud_keys *ret, struct err *e) HF_MUST_USE;
void cloud_keys_wipe(struct cloud_keys *k);

enum cloud_class {
    /* 2xx, and what was asked for was checked: length, checksum where the answer has one */
    CLOUD_OK,
    /* 5xx, connection lost or refused, time-out, 409 OperationAborted: tried again with jitter until the deadline */
    CLOUD_RETRY,
    /* 404 of a key, version or upload; 405 of a delete marker; 410 */
    CLOUD_GONE,
    /* 404 NoSuchBucket */
    CLOUD_NO_BUCKET,
    /* 412, 304, 409 of a conditional write */
    CLOUD_CONDITION,
    /* 401, 403: keys, policy, signature */
    CLOUD_DENIED,
    /* 403 RequestTimeTooSkewed and its names elsewhere, or a 403 whose Date is far from ours: the answer's Date is
     * taken as the target's time and one more try is made */
    CLOUD_SKEW,
    /* COS 451 UnavailableForLegalReasons; OSS 403 UserDisable, InDebt, InDebtOverdue; OBS 403
     * InArrearOrInsufficientBalance, DeregisterUserId; AWS 403 AccountProblem, AllAccessDisabled (the vendors' pages on
     * overdue payments). Never tried again here */
    CLOUD_ARREARS,
    /* 503 SlowDown, 429, RequestLimitExceeded, QpsLimitExceeded …: all of the client's requests wait (Retry-After) */
    CLOUD_THROTTLED,
    /* what came is not what its checksum or length says, what was stored is not what was sent, BadDigest; tried once
     * more */
    CLOUD_CORRUPT,
    /* any other 4xx: asking again will not help. Also what was never sent: an impossible request, a condition that the
     * cloud would overlook (If-Match on writes anywhere but S3; If-None-Match "*" on OBS), a body that could not be
     * read, a sink that said no, a certificate that does not hold */
    CLOUD_REFUSED,
    CLOUD_CLASSES
};
const char *cloud_class_name(enum cloud_class c);
/* Of an answer: HTTP status (0 = none came), the error code of its XML (may be empty). */
enum cloud_class cloud_classify(enum cloud_dialect d, unsigned status, struct view code);

struct cloud_cfg {
    struct cloud_target target;
    struct cloud_keys keys;
    const char *ca_file;        /* NULL = the system's */
    unsigned connections;       /* at once; 0 = 16 */
    uint64_t bytes_per_s;       /* both ways together; 0 = no limit */
    uint64_t requests_per_s;    /* 0 = no limit */
    int64_t connect_timeout_ns; /* 0 = 5 s */
    int64_t stall_timeout_ns;   /* no byte either way for so long ends the try; 0 = 20 s */
    int64_t deadline_ns;        /* of a request with all its tries, unless it says otherwise; 0 = 60 s */
    uint64_t seed;              /* of the jitter; 0 = random */
};
struct cloud;
enum rc cloud_new(struct os *os, const struct cloud_cfg *cfg, struct cloud **ret, struct err *e) HF_MUST_USE;
/* Ends what is under way: it is done with CLOUD_RETRY. */
void cloud_free(struct cloud *c);

struct cloud_header {
    struct view name, value;
};
struct cloud_part { /* for Complete, ascending */
    uint32_t number;
    char etag[CLOUD_ETAG_MAX + 1];
};
enum cloud_op {
    CLOUD_PUT,
    CLOUD_GET,
    CLOUD_HEAD,
    CLOUD_DELETE, /* a key, or a version of it */
    CLOUD_LIST,   /* ListObjectsV2 or the dialect's equal */
    CLOUD_LIST_VERSIONS,
    CLOUD_UPLOAD, /* multipart begins */
    CLOUD_PART,
    CLOUD_COMPLETE,
    CLOUD_ABORT,
    CLOUD_TAGS_PUT,
    CLOUD_TAGS_GET,
    CLOUD_BUCKET_HEAD,      /* is it there, may we: asked with a list of one key, because a HEAD's answer has no code */
    CLOUD_BUCKET_VERSIONING /* GET: cloud_versioning_read */
};
/* Gives up to n bytes of the body at `off`; called again from 0 for another try. 0 bytes before size: the body failed.
 */
typedef size_t cloud_source_fn(void *ctx, uint64_t off, void *dst, size_t n);
/* Takes bytes of a GET in order; false ends the transfer. A try that is made again begins at off 0 of the range. */
typedef bool cloud_sink_fn(void *ctx, uint64_t off, const void *p, size_t n);

struct cloud_request {
    /* in: borrowed until done */
    enum cloud_op op;
    struct view key, version; /* version empty = the latest */
    uint64_t size;            /* of the body */
    cloud_source_fn *source;  /* with body_md5 or body_sha256 where known: sent and so checked by the target */
    const uint8_t *body_md5, *body_sha256;
    cloud_sink_fn *sink;
    uint64_t from, n;                    /* GET: range; n 0 = to the end */
    struct view if_match, if_none_match; /* entity tags without quotes, or "*" */
    const struct cloud_header
        *headers; /* content-type, cache-control …, meta names WITHOUT the dialect's prefix in meta */
    size_t n_headers;
    const struct cloud_header *meta; /* user metadata: name without x-amz-meta-, x-cos-meta- … */
    size_t n_meta;
    struct view storage_class; /* S3's names; mapped to the dialect's */
    struct view tags;          /* url-encoded k=v&k=v */
    struct view upload;
    uint32_t part;
    const struct cloud_part *parts;
    size_t n_parts;
    struct view prefix, after, token; /* lists: after = start-after or key marker */
    unsigned max;
    int64_t deadline_ns; /* from submit; 0 = the client's */
    void (*done)(struct cloud_request *r);
    void *ctx;
    /* out */
    enum cloud_class class;
    unsigned status, tries;
    char code[CLOUD_CODE_MAX + 1], message[CLOUD_MESSAGE_MAX + 1], request_id[CLOUD_CODE_MAX + 1];
    struct err err;  /* a sentence: what, where, what to do */
    uint64_t length; /* of the object (HEAD, GET: whole object even of a range) */
    char etag[CLOUD_ETAG_MAX + 1];
    bool has_crc64; /* CRC64-ECMA as COS, OSS and OBS return it */
    uint64_t crc64;
    int64_t modified_ns;
    bool delete_marker;
    char version_id[CLOUD_VERSION_MAX + 1];
    struct buf answer; /* lists, tags, upload: the body; owned, cloud_request_clear frees */
    struct buf got;    /* HEAD, GET: headers that describe the object, as "name\0value\0" pairs, lower case; owned */
    /* private */
    struct cloud_request *next;
    int64_t due_ns, end_ns;
    bool skewed, moved, again;
    void *waiter;
};
/* `done` is called once, in the client's thread; it may submit again. */
void cloud_submit(struct cloud *c, struct cloud_request *r);
/* Waits; `done` is not called. Never from a `done`. */
enum cloud_class cloud_call(struct cloud *c, struct cloud_request *r);
void cloud_request_clear(struct cloud_request *r);

/* ---- what lists and other XML answers say; the arena keeps it ---- */
struct cloud_entry {
    struct view key, version, etag; /* etag without quotes */
    uint64_t size;
    int64_t modified_ns;
    bool latest, marker;
    struct view storage_class;
};
struct cloud_listed {
    struct cloud_entry *entry;
    size_t n;
    bool truncated;
    struct view next, next_version; /* feeds token, or after and version */
};
/* RC_CORRUPT for what is no such answer: an empty or broken page is never an empty list. */
enum rc cloud_list_read(struct view xml, bool versions, struct arena *a, struct cloud_listed *ret,
                        struct err *e) HF_MUST_USE;
enum rc cloud_upload_read(struct view xml, char *ret_id, size_t size, struct err *e) HF_MUST_USE;
/* The ETag, without quotes. */
enum rc cloud_complete_read(struct view xml, char *ret_etag, size_t size, struct err *e) HF_MUST_USE;
enum rc cloud_versioning_read(struct view xml, bool *ret_enabled, struct err *e) HF_MUST_USE;
/* Appends k=v&k=v, url-encoded, as cloud_request.tags has it. */
enum rc cloud_tags_read(struct view xml, struct buf *ret, struct err *e) HF_MUST_USE;

/* ---- health of a target, from real answers ---- */
struct cloud_stats {
    uint64_t requests, tries, bytes_in, bytes_out;
    uint64_t by_class[CLOUD_CLASSES];
    int64_t last_ok_ns, last_bad_ns; /* monotonic; 0 = never */
    enum cloud_class last;
    int64_t skew_ns; /* target's time less ours, from its Date headers */
};
void cloud_stats(struct cloud *c, struct cloud_stats *ret);

#endif
