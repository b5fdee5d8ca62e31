/* Holdfast: buckets, objects, versions, uploads and listing, on ordered keys. A reader of the journal (records 10..39),
 * applied by the sequencer in commit order; all of it is derived, `holdfast rebuild` makes it again (invariant 3).
 *
 * Deciding. cat_decide looks at an operation against the database plus the overlay of everything sequenced before it,
 * checks its conditions, and gives the payload of the record that would carry it out, or says why not. cat_apply
 * applies a record to the overlay; live commits, replay after a crash and rebuild use the same function. A decided
 * operation that is not followed by its cat_apply on the same txn must be followed by cat_txn_reset.
 *
 * Families. Keys are big-endian, so byte order is the order wanted; object keys are escaped 00 -> 00 FF, ended 00 01:
 *   meta      cursor (last applied sequence), number of current objects
 *   bucket    name -> bucket; bucketid id -> name
 *   current   bucket id, key -> newest version, when it is no delete marker. One get for GET, one range for LIST: old
 *             versions and delete markers are never in its way
 *   version   bucket id, key, ~sequence -> every other version and every delete marker
 *   null      bucket id, key -> sequence of the null version, when it is in `version`
 *   layout    sequence of a version -> extents and part sizes of a big object, so HEAD and LIST read small values
 *   upload    bucket id, key, upload sequence; part: upload sequence, part number
 *   extent    volume, offset -> length, owner: the live extents, for scrub, heal and dropping
 *   space     segment or volume -> live bytes, live extents and the business time of the last death, for the hold
 *
 * Threads: txn functions are the sequencer's; reads (cat_get_*, cat_list_*) from any thread, each from one snapshot. */
#ifndef HF_CATALOG_CATALOG_H
#define HF_CATALOG_CATALOG_H

#include "catalog/record.h"
#include "db/kv.h"

#define CAT_LIST_MAX 1000u /* entries of one page; more is asked for in vain */

struct cat;
/* RC_CORRUPT: cat_destroy it and replay from the journal. Damage met later comes back as RC_CORRUPT from the call that
 * met it; cat_close then removes the database, so the next open starts at cursor 0. */
enum rc cat_open(const char *dir, bool in_memory, struct cat **ret, struct err *e) HF_MUST_USE;
void cat_close(struct cat *c);
enum rc cat_destroy(const char *dir, struct err *e) HF_MUST_USE;
uint64_t cat_cursor(struct cat *c);  /* last applied sequence that this open database holds */
uint64_t cat_objects(struct cat *c); /* current objects, delete markers not counted */
uint64_t cat_memory_bytes(struct cat *c);
enum rc cat_flush(struct cat *c, struct err *e) HF_MUST_USE;
/* Around a replay from nothing, by one txn: see kv_bulk_begin. */
enum rc cat_bulk_begin(struct cat *c) HF_MUST_USE;
void cat_bulk_end(struct cat *c);

struct cat_bucket {
    uint64_t id, account;
    char name[BUCKET_NAME_MAX + 1];
    int64_t created_ns;
    enum versioning versioning;
    struct view tags; /* url-encoded, in the arena */
};

/* Headers kept with an object: content-type, cache-control, content-disposition, content-encoding, content-language,
 * expires, x-amz-website-redirect-location and every x-amz-meta-*; names in lower case. */
struct cat_header {
    struct view name, value;
};
enum rc cat_headers_encode(const struct cat_header *h, size_t n, struct buf *out) HF_MUST_USE;
/* The views borrow from v. */
enum rc cat_headers_decode(struct view v, struct arena *a, struct cat_header **ret, size_t *ret_n) HF_MUST_USE;

struct cat_part_info {
    uint32_t number;
    uint64_t size;
    uint8_t md5[16];
    struct checksum checksum;
    int64_t modified_ns;
};
struct cat_version {
    uint64_t seq; /* of its record; version id is made of it */
    bool null_version, marker;
    bool latest; /* in lists; of cat_get_object when it is the current version, or the latest was asked for */
    uint64_t size;
    int64_t modified_ns;
    uint8_t etag_md5[16];
    uint32_t etag_parts;
    uint64_t crc64ecma;
    struct checksum checksum;
    enum storage_class class;
    struct view key;              /* in lists; in the arena */
    struct view meta, tags;       /* cat_get_object; in the arena */
    const struct extent *extents; /* cat_get_object with want_layout; in the arena */
    size_t n_extents;
    const uint64_t *part_sizes; /* with want_layout: n_parts sizes, for ?partNumber=; none unless multipart */
    size_t n_parts;
};
#define ETAG_TEXT_MAX 48
/* Without quotes: "9e107d9d372bb6826bd81d3542a419d6-3". */
const char *cat_etag_text(const uint8_t md5[16], uint32_t parts, char *buf);
#define VERSION_TEXT_MAX 40
/* "null" or 32 characters; opaque to clients. */
const char *cat_version_text(uint64_t seq, bool null_version, char *buf);
bool cat_version_parse(struct view v, uint64_t *ret_seq, bool *ret_null);
#define UPLOAD_TEXT_MAX 40
const char *cat_upload_text(uint64_t seq, char *buf);
bool cat_upload_parse(struct view v, uint64_t *ret_seq);

/* ---- reads ---- */
enum rc cat_get_bucket(struct cat *c, struct view name, struct arena *a, struct cat_bucket *ret) HF_MUST_USE;
enum rc cat_list_buckets(struct cat *c, uint64_t account, struct arena *a, struct cat_bucket **ret,
                         size_t *ret_n) HF_MUST_USE;
/* The version asked for: want.any_latest, or want.null_version, or want.seq. A delete marker is returned as such
 * (RC_OK, marker set); the caller turns it into 404 or 405. RC_NOT_FOUND when there is none. */
struct cat_want {
    bool any_latest, null_version, layout;
    uint64_t seq;
};
enum rc cat_get_object(struct cat *c, uint64_t bucket, struct view key, struct cat_want want, struct arena *a,
                       struct cat_version *ret) HF_MUST_USE;

struct cat_list {
    struct view prefix, delimiter; /* delimiter may be empty, and longer than one byte */
    struct view after;             /* strictly after this key or common prefix; empty = from the start */
    bool after_is_prefix;          /* `after` was a common prefix: skip everything under it. Found out without it when
                                      prefix and delimiter are the same as then */
    uint64_t after_version; /* cat_list_versions: within key `after`, older than this sequence; cat_list_uploads: within
                               it, newer than this upload; 0 = the key is done */
    unsigned max;           /* entries and prefixes together, <= CAT_LIST_MAX */
};
struct cat_listed {
    struct cat_version *versions;
    size_t n_versions;
    struct view *prefixes; /* in byte order, as are the versions */
    size_t n_prefixes;
    bool truncated;
    struct view next; /* feeds `after` of the next page */
    bool next_is_prefix;
    uint64_t next_version;
};
enum rc cat_list_objects(struct cat *c, uint64_t bucket, const struct cat_list *l, struct arena *a,
                         struct cat_listed *ret) HF_MUST_USE;
enum rc cat_list_versions(struct cat *c, uint64_t bucket, const struct cat_list *l, struct arena *a,
                          struct cat_listed *ret) HF_MUST_USE;

struct cat_upload {
    uint64_t seq;
    struct view key;
    int64_t created_ns;
    enum storage_class class;
    struct view meta, tags;
    enum checksum_kind checksum_kind;
    bool checksum_composite;
};
enum rc cat_get_upload(struct cat *c, uint64_t bucket, struct view key, uint64_t upload, struct arena *a,
                       struct cat_upload *ret) HF_MUST_USE;
struct cat_uploads_listed {
    struct cat_upload *uploads;
    size_t n_uploads;
    struct view *prefixes;
    size_t n_prefixes;
    bool truncated;
    struct view next_key;
    uint64_t next_upload;
};
enum rc cat_list_uploads(struct cat *c, uint64_t bucket, const struct cat_list *l, struct arena *a,
                         struct cat_uploads_listed *ret) HF_MUST_USE;
enum rc cat_list_parts(struct cat *c, uint64_t upload, uint32_t after, unsigned max, struct arena *a,
                       struct cat_part_info **ret, size_t *ret_n, bool *ret_truncated) HF_MUST_USE;

/* ---- deciding and applying ---- */
enum cat_op_kind {
    CAT_BUCKET_CREATE,
    CAT_BUCKET_DELETE,
    CAT_BUCKET_VERSIONING,
    CAT_BUCKET_TAGS,
    CAT_PUT,
    CAT_DELETE,
    CAT_TAGS,
    CAT_UPLOAD,
    CAT_PART,
    CAT_COMPLETE,
    CAT_ABORT,
    CAT_RECLAIM
};
struct cat_part_ref { /* what CompleteMultipartUpload names */
    uint32_t number;
    uint8_t md5[16];
    struct checksum checksum; /* kind NONE when the client gave none */
};
struct cat_op { /* all views live until the operation is done */
    enum cat_op_kind kind;
    uint64_t account; /* who asks; the bucket must be its own (RC_DENIED) */
    struct view bucket, key, actor;
    /* conditions; empty = none. "*" or an entity tag without quotes */
    struct view if_match, if_none_match;
    /* CAT_PUT, CAT_PART */
    uint64_t size;
    uint8_t md5[16];
    uint64_t crc64ecma;
    struct checksum checksum;
    struct view body; /* inline body: handed on as the record's attachment, n <= INLINE_SIZE_MAX */
    const struct extent *extents;
    size_t n_extents;
    enum storage_class class;
    struct view meta, tags;
    enum versioning versioning; /* CAT_BUCKET_VERSIONING */
    struct cat_want version;    /* CAT_DELETE, CAT_TAGS */
    uint64_t upload;
    uint32_t part;
    const struct cat_part_ref *parts; /* CAT_COMPLETE, ascending; `checksum` is then that of the whole, or NONE */
    size_t n_parts;
    uint64_t requests;                  /* as in cat_rec; gateways give 1 */
    const uint64_t *volumes, *segments; /* CAT_RECLAIM */
    size_t n_volumes, n_segments;
};
/* Why an operation was refused, closer than rc; the gateway turns it into S3's code. */
enum cat_why {
    CAT_WHY_NONE,
    CAT_NO_SUCH_BUCKET,
    CAT_NOT_OWNER,
    CAT_BUCKET_EXISTS,
    CAT_BUCKET_OWNED_BY_YOU,
    CAT_BUCKET_NOT_EMPTY,
    CAT_NO_SUCH_KEY,
    CAT_NO_SUCH_VERSION,
    CAT_NO_SUCH_UPLOAD,
    CAT_PRECONDITION_FAILED,
    CAT_INVALID_PART,
    CAT_INVALID_PART_ORDER,
    CAT_PART_TOO_SMALL,
    CAT_BAD_CHECKSUM,
    CAT_METHOD_NOT_ALLOWED,
    CAT_QUOTA
};
struct cat_done { /* outcome for the client */
    enum cat_why why;
    bool nothing_to_do; /* success without a record (deleting what is not there): answer after all before it is durable
                         */
    uint64_t seq;       /* set by the sequencer from the record */
    int64_t time_ns;
    bool versioned; /* show x-amz-version-id */
    bool null_version, marker;
    uint64_t version; /* of a delete: the version or marker acted on; 0 = the null version, or a new marker, whose
                         version is the record's sequence */
    uint8_t etag_md5[16];
    uint32_t etag_parts;
    uint64_t size;
    struct checksum checksum;
    uint32_t bad_part;
    uint64_t account, bucket; /* whose stored bytes and objects the record changes, */
    int64_t bytes, objects;   /* and by how much in all */
};
struct cat_txn;
enum rc cat_txn_new(struct cat *c, struct cat_txn **ret) HF_MUST_USE;
/* Asked by cat_decide, with the record it would make (its delta filled), before anything is touched: RC_DENIED makes
 * the decision fail with CAT_QUOTA. Records that only free space are not asked about. */
typedef enum rc cat_quota_fn(void *ctx, const struct cat_rec *r);
void cat_txn_on_quota(struct cat_txn *t, cat_quota_fn *fn, void *ctx);
/* RC_OK: *ret_type and payload (appended) are the record to stage, unless done->nothing_to_do. Otherwise done->why says
 * why; with CAT_WHY_NONE the operation itself is malformed (RC_INVALID, RC_LIMIT) or the database failed. rc of a why:
 * RC_NOT_FOUND no such …, RC_DENIED not owner, RC_EXISTS bucket exists, RC_CONFLICT not empty and method not allowed,
 * RC_PRECONDITION, RC_INVALID parts and checksum.
 * A repeated Complete with the same parts, after its success, succeeds again with the same ETag (nothing_to_do). */
enum rc cat_decide(struct cat_txn *t, const struct cat_op *op, enum rec_type *ret_type, struct buf *payload,
                   struct cat_done *done) HF_MUST_USE;
/* Moves the cursor too. Records of other types only move the cursor; one at or before the cursor changes nothing.
 * RC_CORRUPT: the payload does not parse, or the record does not fit this database: reset, then rebuild. After any
 * failure the txn must be reset. */
enum rc cat_apply(struct cat_txn *t, const struct journal_rec *rec, struct err *e) HF_MUST_USE;
enum rc cat_txn_write(struct cat_txn *t, struct err *e) HF_MUST_USE;
size_t cat_txn_bytes(const struct cat_txn *t); /* that the overlay holds */
void cat_txn_reset(struct cat_txn *t);
void cat_txn_free(struct cat_txn *t);

/* Deleting a bucket takes its unfinished uploads along. */

/* ---- for store: live extents in order of (volume, offset) ---- */
struct cat_extents;
/* volume 0 = of all volumes. */
enum rc cat_extents_open(struct cat *c, uint64_t volume, struct cat_extents **ret) HF_MUST_USE;
enum rc cat_extents_next(void *extents, struct extent *ret) HF_MUST_USE; /* fits extent_source.next */
void cat_extents_close(struct cat_extents *x);
/* Is this volume (or segment) wholly dead, and since when (business time of the last death; 0 = nothing in it ever
 * lived)? */
bool cat_volume_dead(struct cat *c, uint64_t volume, int64_t *ret_since_ns);
bool cat_segment_dead(struct cat *c, uint64_t segment, int64_t *ret_since_ns);
/* Segments that hold attachments, none of them alive, last death before `before_ns`; at most max. */
enum rc cat_dead_segments(struct cat *c, int64_t before_ns, uint64_t *ret, size_t max, size_t *ret_n) HF_MUST_USE;

#endif
