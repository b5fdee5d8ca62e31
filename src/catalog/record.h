/* Holdfast: payloads of the catalog's records (journal types 10..39): what they mean, and their fields.
 *
 * Fields are codec TLV. Decoding gives a struct cat_rec whose views borrow from the payload. Fields that do not belong
 * to a type stay zero. The meter reads these too: `delta` says, for each class, what the record did to stored bytes and
 * objects, so no reader needs the state of another to price it. */
#ifndef HF_CATALOG_RECORD_H
#define HF_CATALOG_RECORD_H

#include "store/store.h"

#define BUCKET_NAME_MAX 63
#define KEY_MAX 1024  /* S3: bytes of UTF-8 */
#define META_MAX 2048 /* S3: user metadata, names and values */
#define TAGS_MAX 10   /* S3: per object */
#define BUCKET_TAGS_MAX 50
#define PARTS_MAX 10000
#define PART_SIZE_MIN (5u << 20) /* S3: of all parts but the last */
#define ACCOUNT_NAME_MAX 64
#define OBJECT_EXTENTS_MAX 400000u /* 25 TiB in whole extents; keeps a layout below KV_VALUE_MAX */
#define REC_META_MAX (64u << 10)   /* encoded headers of one object */
#define REC_TEXT_MAX (32u << 10)   /* tags, actor */

enum storage_class {
    CLASS_STANDARD = 0,
    CLASS_STANDARD_IA = 1,
    CLASS_ARCHIVE = 2,
    CLASS_DEEP_ARCHIVE = 3,
    CLASS_COUNT
};
const char *class_name(enum storage_class c); /* "STANDARD", "STANDARD_IA", "ARCHIVE", "DEEP_ARCHIVE" */
/* Also S3's own names: GLACIER is ARCHIVE, DEEP_ARCHIVE, REDUCED_REDUNDANCY and INTELLIGENT_TIERING are STANDARD,
 * ONEZONE_IA, GLACIER_IR are STANDARD_IA. */
bool class_parse(struct view v, enum storage_class *ret);

enum versioning { VERSIONING_OFF = 0, VERSIONING_ON = 1, VERSIONING_SUSPENDED = 2 };

enum checksum_kind {
    CHECKSUM_NONE = 0,
    CHECKSUM_CRC32,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC64NVME,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256
};
#define CHECKSUM_MAX 32
struct checksum {
    enum checksum_kind kind;
    bool composite; /* of the parts' checksums, shown with -N */
    uint8_t size;
    uint8_t value[CHECKSUM_MAX]; /* big-endian, as base64 shows it */
};

struct cat_delta {
    enum storage_class class;
    int64_t bytes, objects;
};

/* An object that went, of a class other than STANDARD: the meter charges what is left of its minimum days, and forgets
 * its minimum size. */
struct cat_gone {
    enum storage_class class;
    uint64_t size;
    int64_t created_ns; /* business time of its version */
};
#define GONE_MAX 2 /* of one record: the version removed, or the null version replaced */

struct cat_rec {
    enum rec_type type;
    uint64_t account; /* who pays: the bucket's account */
    uint64_t bucket;  /* id: the sequence of its REC_BUCKET */
    struct view bucket_name;
    struct view key;
    uint64_t version;  /* of a delete or set: the version acted on; 0 = the null version, or the record's own marker */
    bool null_version; /* the record makes or removes the null version */
    bool marker;       /* REC_DELETE makes a delete marker */
    uint64_t size;
    uint8_t etag_md5[16]; /* digest; of a multipart object the md5 of its parts' md5s */
    uint32_t etag_parts;  /* 0 = plain MD5, else shown as -N */
    uint64_t crc64ecma;
    struct checksum checksum;
    enum storage_class class;
    enum versioning versioning;   /* of the bucket: after REC_BUCKET_SET, at the time of all others */
    struct view meta;             /* encoded header list: catalog.h, struct cat_header */
    struct view tags;             /* url-encoded k=v&k=v, as x-amz-tagging has it */
    bool has_inline;              /* the body is the record's attachment */
    const struct extent *extents; /* REC_OBJECT, REC_PART: bodies in volumes */
    size_t n_extents;
    uint64_t upload; /* multipart: sequence of its REC_UPLOAD */
    uint32_t part;
    const uint32_t *part_list; /* REC_OBJECT of a Complete: numbers of its parts, ascending; their extents, sizes and
                                  checksums are in the catalog's rows of the upload's parts */
    size_t n_parts;
    uint64_t requests; /* requests this record counts as: 1, or 0 for all but the first of a bulk delete */
    uint64_t egress_bytes;
    struct view actor;                   /* access key id that asked */
    struct cat_delta delta[CLASS_COUNT]; /* stored bytes and versions of objects; parts of unfinished uploads are bytes
                                            without objects */
    unsigned n_delta;
    struct cat_gone gone[GONE_MAX];
    unsigned n_gone;
    unsigned egress;         /* direction of egress_bytes: enum price_item; 0 = internet */
    const uint64_t *volumes; /* REC_RECLAIM */
    size_t n_volumes;
    const uint64_t *segments;
    size_t n_segments;
};
/* REC_BUCKET_SET carries the bucket's whole state after it: versioning and tags. REC_UPLOAD's checksum has kind and
 * composite, and no value. */

/* The arena keeps extents and lists; the rest borrows from payload. RC_CORRUPT when it does not parse, or says what
 * cannot be: extents that do not add up to the size, a part number past PARTS_MAX, a key past KEY_MAX. */
enum rc cat_rec_decode(enum rec_type type, struct view payload, struct arena *a, struct cat_rec *ret) HF_MUST_USE;
enum rc cat_rec_encode(const struct cat_rec *r, struct buf *out) HF_MUST_USE;

#endif
