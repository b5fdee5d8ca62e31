/* Holdfast, gateway: turning what a client sent into values. Pure functions of their input, private to the room: no
 * connection, no engine, so they are tested and fuzzed alone. Views in results live in the arena that was given, or
 * borrow from the input where it says so. A refusal names S3's error code. */
#ifndef HF_GATEWAY_PARSE_PRIV_H
#define HF_GATEWAY_PARSE_PRIV_H

#include "catalog/catalog.h"
#include "codec/codec.h"

/* ---- query parameters (params.c) ---- */
#define PARAMS_MAX 128u
struct param {
    struct view name, value; /* decoded once, '+' is a space */
};
struct params {
    struct param *list;
    size_t n;
};
/* RC_INVALID: a broken escape, no UTF-8, a NUL; RC_LIMIT: more than PARAMS_MAX. */
enum rc gw_params_parse(struct view query, struct arena *a, struct params *ret) HF_MUST_USE;
/* First of that name (exact); p NULL when absent, an empty but non-NULL view for "?name" and "?name=". */
struct view gw_param(const struct params *q, const char *name);
/* As gw_param, names without regard to case: headers that a presigned URL carries in its query. */
struct view gw_param_nocase(const struct params *q, const char *name);
/* Decimal parameter between min and max; absent leaves *value alone. */
enum rc gw_param_u64(const struct params *q, const char *name, uint64_t min, uint64_t max, uint64_t *value) HF_MUST_USE;

/* ---- routing (route.c) ---- */
enum gw_op {
    OP_NONE,
    OP_BUCKETS_LIST,
    OP_BUCKET_CREATE,
    OP_BUCKET_HEAD,
    OP_BUCKET_DELETE,
    OP_BUCKET_LOCATION,
    OP_VERSIONING_GET,
    OP_VERSIONING_PUT,
    OP_BUCKET_TAGS_GET,
    OP_BUCKET_TAGS_PUT,
    OP_BUCKET_TAGS_DELETE,
    OP_LIST_V1,
    OP_LIST_V2,
    OP_LIST_VERSIONS,
    OP_LIST_UPLOADS,
    OP_DELETE_MANY,
    OP_OBJECT_PUT,
    OP_OBJECT_COPY,
    OP_OBJECT_GET,
    OP_OBJECT_HEAD,
    OP_OBJECT_DELETE,
    OP_OBJECT_TAGS_GET,
    OP_OBJECT_TAGS_PUT,
    OP_OBJECT_TAGS_DELETE,
    OP_OBJECT_ATTRIBUTES,
    OP_UPLOAD_CREATE,
    OP_UPLOAD_PART,
    OP_UPLOAD_PART_COPY,
    OP_UPLOAD_COMPLETE,
    OP_UPLOAD_ABORT,
    OP_UPLOAD_PARTS,
    OP_NOT_MADE_READ, /* a subresource that is not built: its neutral answer */
    OP_NOT_MADE,      /* 501 */
    OP_PREFLIGHT,     /* OPTIONS: CORS is not enabled */
    OP_COUNT
};
/* Subresources that are not built. Reads answer what AWS answers for a bucket that never configured them: tools such
 * as Terraform read every one. Writes are refused with 501: a setting that would do nothing must not look accepted. */
enum neutral {
    NEUTRAL_ERROR,    /* the "not configured" code */
    NEUTRAL_ACL,      /* the owner has full control */
    NEUTRAL_EMPTY,    /* an empty document */
    NEUTRAL_PAYER,    /* the bucket's owner pays */
    NEUTRAL_LIST,     /* an empty list, or NoSuchConfiguration for an id */
    NEUTRAL_NOT_READ, /* cannot be read at all: 405 */
};
struct not_made {
    const char *name;
    bool bucket, object; /* of which it is a subresource */
    enum neutral neutral;
    const char *text; /* error code, or name of the document's element */
};
struct route {
    enum gw_op op;
    struct view bucket, key;            /* decoded; empty when the request names none */
    const struct not_made *subresource; /* of the OP_NOT_MADE ones; NULL otherwise */
    bool by_host;                       /* the host names the bucket, not the path */
};
struct route_request {
    struct view method, path, host; /* raw */
    const char *domain;             /* virtual-host style below it */
    const struct params *params;
    bool copies; /* x-amz-copy-source is there */
};
/* RC_OK, or RC_INVALID with S3's code: InvalidURI, InvalidBucketName, KeyTooLongError, MethodNotAllowed,
 * InvalidArgument. ret->bucket and ret->key are set as far as they were understood. */
enum rc gw_route(const struct route_request *q, struct arena *a, struct route *ret, const char **ret_code) HF_MUST_USE;
/* S3's rules for names: 3 to 63 of a-z 0-9 . -, no IP address, letters or digits at both ends. */
bool gw_bucket_name_ok(struct view name);
/* The not-built subresource of that name, for buckets or objects; NULL when there is none. */
const struct not_made *gw_not_made(struct view name, bool object);

/* ---- headers (headers_in.c) ---- */
enum range_kind {
    RANGE_NONE, /* absent, malformed or of several ranges: the whole object */
    RANGE_OK,
    RANGE_UNSATISFIABLE
};
/* "bytes=a-b", "bytes=a-", "bytes=-n" against a size; first and last are inclusive. */
enum range_kind gw_range(struct view header, uint64_t size, uint64_t *ret_first, uint64_t *ret_last);
/* x-amz-copy-source-range: both ends, inside the source. */
enum rc gw_copy_range(struct view header, uint64_t size, uint64_t *ret_first, uint64_t *ret_last) HF_MUST_USE;
struct copy_source {
    struct view bucket, key;
    bool has_version;
    struct cat_want version;
};
/* "[/]bucket/key[?versionId=v]", percent-encoded. RC_INVALID with InvalidArgument-like meaning. */
enum rc gw_copy_source(struct view header, struct arena *a, struct copy_source *ret) HF_MUST_USE;
/* Is etag (no quotes) in an If-Match or If-None-Match list? "*" matches all. Weak tags compare by their value. */
bool gw_etag_listed(struct view header, const char *etag);
/* "\"abc\"" -> abc; without quotes as it is. */
struct view gw_unquote(struct view v);
/* Version id parameter: absent = the latest. */
enum rc gw_version_param(struct view v, struct cat_want *ret) HF_MUST_USE;
/* Continuation tokens: ours, opaque, text safe in a URL. */
enum rc gw_token_encode(struct view next, bool is_prefix, struct arena *a, struct view *ret) HF_MUST_USE;
enum rc gw_token_decode(struct view token, struct arena *a, struct view *ret_next, bool *ret_is_prefix) HF_MUST_USE;

/* ---- tags (tags_in.c) ---- */
#define TAG_KEY_MAX 128   /* S3: characters */
#define TAG_VALUE_MAX 256 /* S3: characters */
struct tag {
    struct view key, value;
};
struct tag_list {
    struct tag tag[BUCKET_TAGS_MAX];
    size_t n;
};
/* RC_INVALID with S3's code (InvalidTag, BadRequest) and a message; limit is TAGS_MAX or BUCKET_TAGS_MAX. */
enum rc gw_tags_add(struct tag_list *t, size_t limit, struct view key, struct view value, const char **ret_code,
                    const char **ret_message) HF_MUST_USE;
/* From x-amz-tagging (or what the catalog keeps). */
enum rc gw_tags_parse(struct view text, size_t limit, struct arena *a, struct tag_list *ret, const char **ret_code,
                      const char **ret_message) HF_MUST_USE;
/* As the catalog keeps them: k=v&k=v, percent-encoded. */
enum rc gw_tags_text(const struct tag_list *t, struct arena *a, struct view *ret) HF_MUST_USE;

/* ---- checksums by name (checksum_in.c) ---- */
/* "crc32" of x-amz-checksum-crc32, "CRC32" of x-amz-checksum-algorithm: any case; NONE when unknown. */
enum checksum_kind gw_checksum_kind(struct view name);
const char *gw_checksum_name(enum checksum_kind k);    /* "CRC32" */
const char *gw_checksum_header(enum checksum_kind k);  /* "x-amz-checksum-crc32" */
const char *gw_checksum_element(enum checksum_kind k); /* "ChecksumCRC32" */
size_t gw_checksum_size(enum checksum_kind k);
/* base64 text of that kind's size (composite ones carry "-N" behind). */
enum rc gw_checksum_parse(enum checksum_kind k, struct view text, struct checksum *ret) HF_MUST_USE;
#define CHECKSUM_TEXT_MAX 64
/* parts: for the "-N" of composite ones. */
const char *gw_checksum_text(const struct checksum *c, uint32_t parts, char *buf);

/* ---- XML bodies (xml_in.c); views live in the arena; RC_INVALID = MalformedXML ---- */
#define DELETE_MANY_MAX 1000u /* S3 */
struct delete_item {
    struct view key, version, etag; /* version.p, etag.p NULL when absent */
    bool unbuilt;                   /* it has a condition that is not built: LastModifiedTime, Size */
};
struct delete_list {
    struct delete_item *items;
    size_t n;
    bool quiet;
};
enum rc gw_xml_delete(struct view doc, struct arena *a, struct delete_list *ret) HF_MUST_USE;
struct part_list {
    struct cat_part_ref *parts;
    size_t n;
};
/* An ETag that is no MD5 gives RC_NOT_FOUND: InvalidPart. */
enum rc gw_xml_complete(struct view doc, struct arena *a, struct part_list *ret) HF_MUST_USE;
enum rc gw_xml_tagging(struct view doc, size_t limit, struct arena *a, struct tag_list *ret, const char **ret_code,
                       const char **ret_message) HF_MUST_USE;
/* RC_UNSUPPORTED: MfaDelete is asked for. */
enum rc gw_xml_versioning(struct view doc, enum versioning *ret) HF_MUST_USE;
/* CreateBucketConfiguration; the location is empty when there is none. */
enum rc gw_xml_location(struct view doc, struct arena *a, struct view *ret) HF_MUST_USE;

/* ---- errors (s3error.c) ---- */
struct s3_error {
    const char *code;
    unsigned status;
    const char *message;
};
/* Never NULL: an unknown code is InternalError. */
const struct s3_error *gw_s3_error(const char *code);
struct s3_error_place { /* what the answer says about where; views may be empty */
    struct view resource, bucket, key;
    const char *request_id, *host_id;
};
enum rc gw_s3_error_xml(const struct s3_error *x, const char *message, const struct s3_error_place *at,
                        struct buf *out) HF_MUST_USE;

/* ---- networks (cidr.c) ---- */
struct cidr {
    uint8_t addr[16];
    unsigned bits;
    bool v6;
};
enum rc gw_cidr_parse(const char *text, struct cidr *ret) HF_MUST_USE;
/* address: numeric, IPv4-mapped IPv6 counts as IPv4. */
bool gw_cidr_has(const struct cidr *c, const char *address);

#endif
