/* Holdfast: what the files of cloud share: the dialects' names, a request as it goes over the wire, error answers. */
#ifndef HF_CLOUD_PRIV_H
#define HF_CLOUD_PRIV_H

#include "cloud/cloud.h"
#include "cloud/sign.h"

/* ---- dialects (dialect.c) ---- */
struct cloud_names {
    const char *scheme;     /* "cos" */
    const char *prefix;     /* of vendor headers: "x-cos-" */
    const char *no_replace; /* header that makes a PUT fail when the key exists; NULL: If-None-Match or nothing */
    bool conditions;        /* If-Match and If-None-Match on writes */
    bool list_v2;           /* ListObjectsV2; else markers */
};
const struct cloud_names *cloud_names(enum cloud_dialect d);
/* S3's name of a storage class in the dialect's words; NULL when it has none like it. */
const char *cloud_storage_class(enum cloud_dialect d, struct view s3_name);

/* ---- a try of a request (wire.c, wire_body.c) ---- */
#define WIRE_QUERY_MAX 12
#define WIRE_HEADERS_MAX 160
#define WIRE_MEMORY_MAX (4u << 20) /* names and values of one request; a Complete of 10 000 parts is in body */

struct cloud_wire {
    const char *method;
    struct view path; /* decoded */
    struct cloud_header query[WIRE_QUERY_MAX];
    size_t n_query;
    struct cloud_header headers[WIRE_HEADERS_MAX]; /* Authorization last */
    size_t n_headers;
    struct buf url; /* the whole URL */
    struct buf body;
    bool own_body; /* body is ours (XML), not the caller's source */
    uint64_t body_size;
    struct arena arena;
};
/* The request, signed for time_ns. RC_UNSUPPORTED and RC_INVALID: this can never be asked of that dialect. */
enum rc cloud_wire_make(const struct cloud_target *t, const struct cloud_keys *k, const struct cloud_request *r,
                        int64_t time_ns, struct cloud_wire *ret, struct err *e) HF_MUST_USE;
void cloud_wire_free(struct cloud_wire *w);
/* The XML body that the operation needs, if any. */
enum rc cloud_wire_body(const struct cloud_request *r, struct buf *ret, struct err *e) HF_MUST_USE;

/* ---- error answers (answers.c) ---- */
struct cloud_fault {
    char code[CLOUD_CODE_MAX + 1], message[CLOUD_MESSAGE_MAX + 1], request_id[CLOUD_CODE_MAX + 1];
};
/* false when the body is no error document. */
bool cloud_fault_read(struct view xml, struct cloud_fault *ret);

#endif
