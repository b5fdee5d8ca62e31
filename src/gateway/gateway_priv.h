/* Holdfast, gateway: a request's state and what its files share.
 *
 * Life of a struct gw_req. Made in on_request, tied to its connection, freed when the last reference is gone. The
 * connection holds one reference; so does every job and every record that is on its way (gw_ref before handing out,
 * gw_unref when it is back). Therefore nothing that a worker or the sequencer touches may live in the HTTP room: all of
 * it is in this struct or in its arena. When the client goes away in the middle, on_close only marks the request
 * closed; what is on its way comes back, finds nobody to wake, and the last one frees.
 *
 * Steps. An operation has up to two: `check` sees the head and may refuse before any byte of the body (and before 100
 * Continue); `run` is called when the body is there. A step that waits suspends the connection, leaves the next step in
 * `then`, and returns; whoever finishes calls gw_wake. */
#ifndef HF_GATEWAY_GATEWAY_PRIV_H
#define HF_GATEWAY_GATEWAY_PRIV_H

#include <stdatomic.h>

#include "gateway/auth.h"
#include "gateway/gateway.h"
#include "gateway/parse_priv.h"

#define REQUEST_ARENA_MAX (16u << 20) /* layout of the largest object, parts of the largest Complete */
#define XML_ANSWER_MAX (16u << 20)    /* 1000 keys of 1024 bytes, each byte escaped, with room */
#define REQUEST_ID_SIZE 17
#define HOST_ID_SIZE 49
#define OWNER_ID_SIZE 65
#define LARGE_UPLOADS_MAX 256 /* windows of large bodies in memory at once; past it SlowDown */
#define LATENCY_BUCKETS 20

struct egress_net { /* whose traffic has a direction of its own */
    struct cidr net;
    enum price_item direction;
};

struct gateway {
    struct engine *engine;
    struct http_server *http;
    struct os_pool *pool;
    char *domain, *region;
    struct egress_net *net; /* the narrowest first: the first that has the address counts */
    unsigned n_nets;
    uint64_t id_seed;
    atomic_uint_fast64_t id_next;
    char host_id[HOST_ID_SIZE];
    atomic_uint large_uploads;
    pthread_mutex_t lock; /* guards live */
    pthread_cond_t idle;
    unsigned live; /* requests that are not freed */
    atomic_uint_fast64_t requests, by_status[6], bytes_in, bytes_out, latency_us_sum;
    atomic_uint_fast64_t latency_us_bucket[LATENCY_BUCKETS];
};

/* What a body is checked against (checksum.c). */
struct gw_checks {
    bool has_md5;
    uint8_t md5[16];
    bool has_sha256; /* the payload hash was signed */
    uint8_t sha256[32];
    struct checksum given;      /* kind NONE: the client gave none (yet: it may come in the trailer) */
    enum checksum_kind kind;    /* what to compute */
    enum checksum_kind trailer; /* announced by x-amz-trailer; NONE = none */
};
struct gw_digests {
    uint8_t md5[16];
    uint64_t crc64ecma;
    struct checksum checksum;
    uint8_t sha256[32];
};
/* Everything but the MD5, computed as the body goes by. */
struct gw_sums {
    enum checksum_kind kind;
    uint64_t crc64ecma, crc64;
    uint32_t crc32;
    struct digest *sha1, *sha256; /* NULL when not asked for */
};

/* Why a body is refused. */
struct gw_refusal {
    const char *code;    /* NULL = none */
    const char *message; /* constant or in the arena; NULL = the code's own */
};

struct upload; /* a body larger than INLINE_SIZE_MAX on its way to the store (upload.c) */
enum gw_body_kind { BODY_NONE, BODY_BUFFER, BODY_STREAM };
struct gw_body {
    enum gw_body_kind kind;
    uint64_t size;  /* of the object's bytes, without framing; UINT64_MAX = not told (XML only) */
    uint64_t taken; /* so far */
    size_t max;     /* of a buffered one */
    char *data;     /* BODY_BUFFER */
    size_t cap;
    struct chunked *chunked; /* aws-chunked framing; NULL = none */
    struct gw_checks checks;
    struct gw_digests digests; /* once the body has ended and was right */
    struct upload *upload;     /* BODY_STREAM */
    struct gw_refusal refusal;
};

struct gw_req;
struct gw_call { /* one record on its way */
    struct seq_req req;
    struct cat_op op;
    struct gw_req *g;
};

enum op_body { BODY_IS_NONE, BODY_IS_XML, BODY_IS_OBJECT };
struct op_def {
    enum gate gate;         /* of the account's stage */
    enum request_kind kind; /* as the meter counts it */
    bool needs_bucket;      /* an existing bucket of the caller */
    enum op_body body;
    void (*check)(struct gw_req *); /* may refuse; NULL = nothing to check */
    void (*run)(struct gw_req *);
};
const struct op_def *gw_op_def(enum gw_op op);

#define GW_REQ_MAGIC 0x48464752u
struct gw_req {
    uint32_t magic;
    struct gateway *gw;
    struct http_req *http;
    atomic_uint refs;
    pthread_mutex_t lock; /* guards closed: http is not touched from outside its thread once it is set */
    bool closed;
    struct arena arena;
    int64_t started_ns;
    char id[REQUEST_ID_SIZE];
    struct params params;
    struct route route;
    const struct op_def *op;
    bool known; /* the caller is who it says: auth and owner are valid */
    struct auth_result auth;
    struct cat_bucket bucket; /* id 0 = not looked up, or none */
    struct gw_body body;
    void (*then)(struct gw_req *); /* next step after a suspension */
    struct gw_call call;           /* for operations of one record */
    atomic_uint pending;           /* records on their way */
    void *work;                    /* the operation's own, in the arena */
    void (*work_free)(void *work); /* when the request is freed; NULL = nothing to do */
    unsigned status;               /* of the answer; 0 = none yet */
    bool header_failed;            /* an answer header could not be kept: no answer is better than a wrong one */
    atomic_bool counted;           /* a record of its own success counts this request */
    enum storage_class class;      /* of what was read or written */
    bool sends_object;             /* the answer's body is an object's bytes */
};

/* ---- request.c ---- */
void gw_ref(struct gw_req *g);
void gw_unref(struct gw_req *g);
/* From any thread: lets a suspended request go on. */
void gw_wake(struct gw_req *g);
/* In the connection's thread, before work is handed out: stops the connection; `then` runs after gw_wake. */
void gw_wait(struct gw_req *g, void (*then)(struct gw_req *));
/* Header of the request; of a presigned one x-amz-… also from the query. p NULL when absent. */
struct view gw_header(const struct gw_req *g, const char *name);
struct view gw_arg(const struct gw_req *g, const char *name); /* query parameter */
void gw_on_request(void *ctx, struct http_req *r);
void gw_on_body(void *ctx, struct http_req *r, struct view data, size_t *consumed);
void gw_on_end(void *ctx, struct http_req *r);
void gw_on_resume(void *ctx, struct http_req *r);
void gw_on_close(void *ctx, struct http_req *r, bool sent_whole, uint64_t body_bytes_sent);
void gw_on_refused(void *ctx, unsigned status, const char *what, struct buf *body, const char **content_type);

/* ---- reply.c: exactly one of the answers, once ---- */
void gw_add(struct gw_req *g, const char *name, struct view value);
void gw_adds(struct gw_req *g, const char *name, const char *value);
void gw_add_u64(struct gw_req *g, const char *name, uint64_t value);
void gw_add_time(struct gw_req *g, const char *name, int64_t ns);
void gw_add_etag(struct gw_req *g, const uint8_t md5[16], uint32_t parts);
void gw_add_version(struct gw_req *g, const char *name, uint64_t seq, bool null_version);
void gw_add_checksum(struct gw_req *g, const struct checksum *c, uint32_t parts);
void gw_fail(struct gw_req *g, const char *code);
/* message: a constant, or in the arena. */
void gw_fail_with(struct gw_req *g, const char *code, const char *message);
/* A failure below: out of memory, corrupt data, a full disk. what is for the log. */
void gw_fail_rc(struct gw_req *g, enum rc rc, const struct err *e, const char *what);
void gw_reply_empty(struct gw_req *g, unsigned status);
void gw_reply_head(struct gw_req *g, unsigned status, uint64_t content_length);
void gw_reply_stream(struct gw_req *g, unsigned status, uint64_t size, http_fill_fn *fill, void *ctx);
void gw_reply_buf(struct gw_req *g, unsigned status, struct buf *body);
bool gw_replied(const struct gw_req *g);

/* XML of an answer: errors stick, the end tells. */
struct xml_out {
    struct buf b;
    enum rc rc;
    bool url_keys; /* encoding-type=url */
};
void xo_begin(struct xml_out *x, const char *root); /* head, and root with S3's namespace */
void xo_open(struct xml_out *x, const char *name);
void xo_close(struct xml_out *x, const char *name);
void xo_text(struct xml_out *x, const char *name, struct view v);
void xo_str(struct xml_out *x, const char *name, const char *s);
void xo_u64(struct xml_out *x, const char *name, uint64_t v);
void xo_bool(struct xml_out *x, const char *name, bool v);
void xo_time(struct xml_out *x, const char *name, int64_t ns);
void xo_etag(struct xml_out *x, const char *name, const uint8_t md5[16], uint32_t parts); /* in quotes */
void xo_key(struct xml_out *x, const char *name, struct view v); /* URL-encoded when asked for */
void xo_checksum(struct xml_out *x, const struct checksum *c, uint32_t parts);
void xo_owner(struct xml_out *x, const char *name, const struct gw_req *g); /* the caller: owner of all it can see */
void gw_owner_id(uint64_t account, char id[OWNER_ID_SIZE]);
/* Closes root and answers; frees. */
void xo_reply(struct xml_out *x, struct gw_req *g, unsigned status, const char *root);

/* ---- class names as S3 has them ---- */
const char *gw_class_name(enum storage_class c);

/* ---- commit.c ---- */
/* The call's op with bucket, key, account and actor of the request; the rest zero. */
void gw_call_init(struct gw_req *g, struct gw_call *c, enum cat_op_kind kind);
/* Hands the records to the sequencer and waits; then runs when all are back. */
void gw_commit(struct gw_req *g, struct gw_call *calls, size_t n, void (*then)(struct gw_req *));
/* S3's code for a refused record; NULL = it was done. *ret_message in the arena or NULL. */
const char *gw_call_code(struct gw_req *g, const struct gw_call *c, const char **ret_message);
/* Answers when the record was refused; true = done, go on. */
bool gw_call_ok(struct gw_req *g, struct gw_call *c);

/* ---- metering.c ---- */
enum rc gw_nets_init(struct gateway *w, const struct gateway_cfg *cfg, struct err *e) HF_MUST_USE;
/* Of bytes that go to this address. */
enum price_item gw_direction(const struct gateway *w, const char *peer);
/* The request is over: what no record of its own says. */
void gw_meter(struct gw_req *g, uint64_t bytes_sent);
/* The reading side of a copy. */
void gw_meter_copied(struct gw_req *g, const struct cat_bucket *from, enum storage_class class, uint64_t bytes);
/* Takes these out of the day's quotas of the account and the bucket. false: answered. */
bool gw_take(struct gw_req *g, uint64_t requests, uint64_t egress_bytes);
/* Would an object or part of this size fit? The commit decides; this saves bodies that cannot. false: answered. */
bool gw_room(struct gw_req *g, uint64_t size);

/* ---- body.c ---- */
/* Chooses how to take the body of this operation; may refuse. */
void gw_body_begin(struct gw_req *g);
void gw_body_take(struct gw_req *g, struct view data, size_t *consumed);
/* The last byte has come: the operation runs once the digests are known and right; otherwise the refusal is answered.
 */
void gw_body_end(struct gw_req *g);
struct view gw_body_view(const struct gw_req *g);
void gw_body_free(struct gw_req *g);
/* Fills the body's fields of an operation: inline or extents, digests, checksum. */
void gw_body_into_op(struct gw_req *g, struct cat_op *op);

/* ---- upload.c ---- */
enum rc upload_new(struct gw_req *g, uint64_t size, const struct gw_checks *checks, struct upload **ret) HF_MUST_USE;
/* Bytes that can be taken now; 0 = the request was told to wait: suspend, gw_wake comes when there is room. */
size_t upload_room(struct upload *u);
/* n <= upload_room. */
void upload_put(struct upload *u, const void *p, size_t n);
/* No more comes; gw_wake when all is on disk. The connection is suspended before. */
void upload_end(struct upload *u);
/* Of what was done so far; the digests are there after upload_end's wake. */
enum rc upload_result(struct upload *u, struct gw_digests *ret, struct err *e) HF_MUST_USE;
void upload_extents(const struct upload *u, const struct extent **ret, size_t *ret_n);
/* The client is gone: the workers stop where they are. */
void upload_cancel(struct upload *u);
/* No job of it is running (the request's last reference is going). */
void upload_free(struct upload *u);

/* ---- checksum.c ---- */
/* From the request's headers. false: refused, answered. */
bool gw_checks_read(struct gw_req *g, struct gw_checks *ret);
enum rc gw_sums_init(struct gw_sums *s, enum checksum_kind kind, bool sha256) HF_MUST_USE;
void gw_sums_update(struct gw_sums *s, const void *p, size_t n);
void gw_sums_final(struct gw_sums *s, struct gw_digests *ret);
void gw_sums_free(struct gw_sums *s);
enum rc gw_digest_once(const void *p, size_t n, enum checksum_kind kind, bool sha256,
                       struct gw_digests *ret) HF_MUST_USE;
/* What was promised against what came; the refusal's code is NULL when it holds. */
struct gw_refusal gw_checks_verify(const struct gw_checks *c, const struct gw_digests *d);

/* ---- object_meta.c: headers that are kept with an object ---- */
/* Into the op: meta, tags, class. false: refused, answered. */
struct object_meta {
    struct view meta, tags;
    enum storage_class class;
};
bool gw_meta_read(struct gw_req *g, struct object_meta *ret);
/* What a copy takes over from its source's meta. false: answered. */
bool gw_meta_copied(struct gw_req *g, struct view meta, struct view *ret);
bool gw_tags_read(struct gw_req *g, struct view *ret);
/* x-amz-acl, SSE, object lock headers: only what changes nothing passes. false: refused, answered. */
bool gw_unbuilt_headers_ok(struct gw_req *g);
void gw_meta_add(struct gw_req *g, const struct cat_version *v);

/* ---- reading.c: verified bytes of an object ---- */
struct reading {
    struct store *store;
    const struct extent *x;
    size_t n, at;      /* the extent we are in */
    uint64_t base;     /* the object's offset where it begins */
    uint64_t position; /* next byte of the object to read */
    uint64_t end;
};
void reading_init(struct reading *r, struct store *s, const struct cat_version *v, uint64_t from, uint64_t n);
/* 1..n bytes, ending at a block boundary where it can. */
enum rc reading_next(struct reading *r, void *dst, size_t n, size_t *ret_n, struct err *e) HF_MUST_USE;
/* Exactly n bytes. */
enum rc reading_all(struct reading *r, void *dst, size_t n, struct err *e) HF_MUST_USE;

/* ---- lookups shared by operations (lookup.c) ---- */
/* Bucket of that name, owned by the caller and by whom owner_header says. false: answered. */
bool gw_bucket_find(struct gw_req *g, struct view name, const char *owner_header, struct cat_bucket *ret);
/* Version of the request's key that versionId asks for, delete markers answered as S3 does. false: answered. */
bool gw_version_find(struct gw_req *g, bool layout, struct cat_version *ret);
/* No parameter that speaks of a version or part, where a new object is made. false: answered. */
bool gw_makes_object(struct gw_req *g);
bool gw_upload_id(struct gw_req *g, uint64_t *ret);
/* If-Match & co. of a read. true: go on. */
bool gw_read_conditions(struct gw_req *g, const struct cat_version *v);
/* x-amz-copy-source-if-…: true: go on. */
bool gw_copy_conditions(struct gw_req *g, const struct cat_version *v);
/* Conditions of a write into the op; false: answered. */
bool gw_write_conditions(struct gw_req *g, struct cat_op *op);

/* ---- operations ---- */
void op_buckets_list(struct gw_req *g);
void op_bucket_create_check(struct gw_req *g);
void op_bucket_create(struct gw_req *g);
void op_bucket_head(struct gw_req *g);
void op_bucket_delete(struct gw_req *g);
void op_bucket_location(struct gw_req *g);
void op_versioning_get(struct gw_req *g);
void op_versioning_put(struct gw_req *g);
void op_bucket_tags_get(struct gw_req *g);
void op_bucket_tags_put(struct gw_req *g);
void op_bucket_tags_delete(struct gw_req *g);
void op_list_v1(struct gw_req *g);
void op_list_v2(struct gw_req *g);
void op_list_versions(struct gw_req *g);
void op_list_uploads(struct gw_req *g);
void op_delete_many_check(struct gw_req *g);
void op_delete_many(struct gw_req *g);
void op_object_put_check(struct gw_req *g);
void op_object_put(struct gw_req *g);
void op_object_copy(struct gw_req *g);
void op_object_get(struct gw_req *g);
void op_object_head(struct gw_req *g);
void op_object_delete(struct gw_req *g);
void op_object_tags_get(struct gw_req *g);
void op_object_tags_put(struct gw_req *g);
void op_object_tags_delete(struct gw_req *g);
void op_object_attributes(struct gw_req *g);
void op_upload_create(struct gw_req *g);
void op_upload_part_check(struct gw_req *g);
void op_upload_part(struct gw_req *g);
void op_upload_part_copy(struct gw_req *g);
void op_upload_complete(struct gw_req *g);
void op_upload_abort(struct gw_req *g);
void op_upload_parts(struct gw_req *g);
void op_not_made_read(struct gw_req *g);
void op_not_made(struct gw_req *g);
void op_preflight(struct gw_req *g);

#endif
