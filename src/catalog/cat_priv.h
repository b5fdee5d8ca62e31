/* What the files of the catalog share. Nothing above includes this. */
#ifndef HF_CATALOG_CAT_PRIV_H
#define HF_CATALOG_CAT_PRIV_H

#include <stdatomic.h>

#include "catalog/catalog.h"
#include "codec/codec.h"

enum cat_family {
    FAM_META,     /* "state" -> cursor, objects */
    FAM_BUCKET,   /* name -> struct cat_bucket_row */
    FAM_BUCKETID, /* id -> name */
    FAM_CURRENT,  /* bucket, key -> struct cat_row: the newest version, when it is no delete marker */
    FAM_VERSION,  /* bucket, key, ~seq -> struct cat_row: all others */
    FAM_NULL,     /* bucket, key -> seq of the null version, when it is in FAM_VERSION */
    FAM_LAYOUT,   /* seq of the version -> struct cat_layout, when it is too long for the row */
    FAM_UPLOAD,   /* bucket, key, seq -> struct cat_upload_row */
    FAM_PART,     /* upload, number -> struct cat_part_row */
    FAM_EXTENT,   /* volume, offset -> length, owner */
    FAM_SPACE,    /* 'V' volume or 'S' segment -> live bytes, live extents, last death */
    FAM_COUNT
};

struct row_cache;
struct cat {
    struct kv *kv;
    struct row_cache *rows;
    _Atomic uint64_t cursor, objects;
};

/* ---- row_cache.c: hot rows of FAM_BUCKET and FAM_CURRENT ---- */
struct row_cache *row_cache_new(void); /* NULL: out of memory */
void row_cache_free(struct row_cache *c);
uint64_t row_cache_hash(enum cat_family f, struct view key);
/* RC_NOT_FOUND: ask the database; *ret_generation is for row_cache_put then. */
enum rc row_cache_get(struct row_cache *c, enum cat_family f, struct view key, struct buf *out,
                      uint64_t *ret_generation) HF_MUST_USE;
void row_cache_put(struct row_cache *c, enum cat_family f, struct view key, struct view value, uint64_t generation);
void row_cache_drop(struct row_cache *c, uint64_t hash);
/* The newest committed row, appended to out: from the cache, or from the database and then kept. */
enum rc cat_read_row(struct cat *c, enum cat_family f, struct view key, struct buf *out) HF_MUST_USE;

/* ---- keys.c ---- */
#define CAT_KEY_BYTES (8 + 2 * KEY_MAX + 2 + 8)
struct cat_key {
    size_t n;
    char p[CAT_KEY_BYTES];
};
static inline struct view cat_key_view(const struct cat_key *k)
{
    return view_of(k->p, k->n);
}
void cat_key_u64(struct cat_key *k, uint64_t v);
void cat_key_add_u64(struct cat_key *k, uint64_t v);
void cat_key_add_u32(struct cat_key *k, uint32_t v);
/* The row of an object key; key.n <= KEY_MAX. */
void cat_key_object(struct cat_key *k, uint64_t bucket, struct view key);
/* What all rows of keys with this prefix begin with. */
void cat_key_prefix(struct cat_key *k, uint64_t bucket, struct view prefix);
void cat_key_version(struct cat_key *k, uint64_t bucket, struct view key, uint64_t seq);
/* Raises k to the first key past all that begin with it. */
void cat_key_past(struct cat_key *k);
/* Object key of a row's key, unescaped into dst (KEY_MAX bytes), and what stands behind it. */
enum rc cat_key_decode(struct view row_key, char *dst, size_t *ret_n, struct view *ret_rest) HF_MUST_USE;

/* ---- rows.c: values ---- */
#define ROW_EXTENTS_MAX 2 /* more are kept apart, in FAM_LAYOUT */
#define EXTENT_PACKED 33u
struct cat_row {
    uint64_t seq;
    bool null_version, marker;
    bool layout_apart; /* FAM_LAYOUT has it */
    uint64_t size;
    int64_t modified_ns;
    uint8_t etag_md5[16];
    uint32_t etag_parts;
    uint64_t crc64ecma;
    struct checksum checksum;
    enum storage_class class;
    struct view meta, tags;
    struct view extents; /* packed */
    uint64_t upload;     /* of the Complete that made it; 0 = a plain put */
};
enum rc cat_row_encode(const struct cat_row *r, struct buf *out) HF_MUST_USE;
enum rc cat_row_decode(struct view v, struct cat_row *ret) HF_MUST_USE;

struct cat_layout {
    struct view extents;    /* packed */
    struct view part_sizes; /* packed, 8 bytes each */
};
enum rc cat_layout_encode(const struct cat_layout *l, struct buf *out) HF_MUST_USE;
enum rc cat_layout_decode(struct view v, struct cat_layout *ret) HF_MUST_USE;

struct cat_bucket_row {
    uint64_t id, account;
    int64_t created_ns;
    enum versioning versioning;
    struct view tags;
};
enum rc cat_bucket_encode(const struct cat_bucket_row *b, struct buf *out) HF_MUST_USE;
enum rc cat_bucket_decode(struct view v, struct cat_bucket_row *ret) HF_MUST_USE;

struct cat_upload_row {
    int64_t created_ns;
    enum storage_class class;
    struct view meta, tags;
    struct checksum checksum; /* kind and composite */
};
enum rc cat_upload_encode(const struct cat_upload_row *u, struct buf *out) HF_MUST_USE;
enum rc cat_upload_decode(struct view v, struct cat_upload_row *ret) HF_MUST_USE;

struct cat_part_row {
    uint64_t size;
    uint8_t md5[16];
    uint64_t crc64ecma;
    struct checksum checksum;
    int64_t modified_ns;
    struct view extents; /* packed */
};
enum rc cat_part_encode(const struct cat_part_row *p, struct buf *out) HF_MUST_USE;
enum rc cat_part_decode(struct view v, struct cat_part_row *ret) HF_MUST_USE;

/* ---- fields.c: pieces that records and rows share ---- */
enum rc cat_put_u64(struct buf *out, uint32_t tag, uint64_t v) HF_MUST_USE;     /* nothing when 0 */
enum rc cat_put_view(struct buf *out, uint32_t tag, struct view v) HF_MUST_USE; /* nothing when empty */
enum rc cat_put_md5(struct buf *out, uint32_t tag, const uint8_t md5[16]) HF_MUST_USE;
enum rc cat_get_md5(struct view v, uint8_t md5[16]) HF_MUST_USE;
enum rc cat_put_checksum(struct buf *out, uint32_t tag, const struct checksum *c) HF_MUST_USE;
enum rc cat_get_checksum(struct view v, struct checksum *ret) HF_MUST_USE;
enum rc cat_get_class(struct view v, enum storage_class *ret) HF_MUST_USE;
enum rc cat_get_bounded(struct view v, uint64_t max, uint64_t *ret) HF_MUST_USE;
uint8_t cat_checksum_size(enum checksum_kind k);
bool cat_checksum_eq(const struct checksum *a, const struct checksum *b);
enum rc cat_extent_pack(struct buf *out, const struct extent *x, size_t n) HF_MUST_USE;
/* i-th of packed extents. */
struct extent cat_extent_at(struct view packed, size_t i);
static inline size_t cat_extent_count(struct view packed)
{
    return packed.n / EXTENT_PACKED;
}
enum rc cat_extent_check(struct view packed) HF_MUST_USE; /* whole, of known kinds */

/* ---- space.c: live bytes per volume and segment, gathered in the txn, written once ---- */
struct cat_space_entry {
    uint64_t id;
    char kind; /* 'V' or 'S'; 0 = free slot */
    bool gone; /* reclaimed: the row is deleted */
    int64_t bytes, extents;
    int64_t death_ns;
};
struct cat_space {
    struct cat_space_entry *slot;
    size_t n, n_slots;
    struct buf row; /* its own: whoever kills extents may hold them in t->found */
};
enum rc cat_space_add(struct cat_txn *t, const struct extent *x) HF_MUST_USE;
enum rc cat_space_kill(struct cat_txn *t, const struct extent *x, int64_t now_ns) HF_MUST_USE;
enum rc cat_space_reclaim(struct cat_txn *t, char kind, uint64_t id) HF_MUST_USE;
/* As the txn sees it. */
enum rc cat_space_dead(struct cat_txn *t, char kind, uint64_t id, bool *ret) HF_MUST_USE;
enum rc cat_space_write(struct cat_txn *t) HF_MUST_USE;
void cat_space_reset(struct cat_space *s);

/* ---- txn.c ---- */
#define TXN_BUCKETS 8
struct cat_txn_bucket { /* a bucket looked up in this batch */
    char name[BUCKET_NAME_MAX + 1];
    uint64_t id, account; /* id 0 = free */
    enum versioning versioning;
};
/* The last row asked for in FAM_CURRENT: apply asks for what decide has just asked for. */
struct cat_memo {
    bool valid, found;
    struct cat_key key;
    struct buf value;
};
struct cat_txn {
    struct cat *c;
    struct kv_txn *kv;
    uint64_t cursor, objects; /* as they will be when written */
    struct cat_space space;
    struct cat_memo memo;
    struct cat_txn_bucket bucket[TXN_BUCKETS];
    unsigned next_bucket;
    struct buf row;     /* encoding of the row that is written next */
    struct buf found;   /* value that the last cat_txn_find or cat_txn_get gave */
    struct buf extents; /* packing */
    struct buf layout;
    struct buf touched;  /* hashes of the rows written that the row cache may hold */
    struct arena arena;  /* of one decide or apply */
    cat_quota_fn *quota; /* NULL = nobody asks */
    void *quota_ctx;
};
/* The value in t->found, valid until the next such call. */
enum rc cat_txn_get(struct cat_txn *t, enum cat_family f, const struct cat_key *k, struct view *ret) HF_MUST_USE;
enum rc cat_txn_put(struct cat_txn *t, enum cat_family f, const struct cat_key *k, struct view v) HF_MUST_USE;
enum rc cat_txn_delete(struct cat_txn *t, enum cat_family f, const struct cat_key *k) HF_MUST_USE;
/* Whoever writes a row of FAM_BUCKET by other means says so (row_cache.c, R1). */
enum rc cat_txn_touch(struct cat_txn *t, enum cat_family f, struct view key) HF_MUST_USE;
/* RC_NOT_FOUND when there is none. */
enum rc cat_txn_bucket(struct cat_txn *t, struct view name, const struct cat_txn_bucket **ret) HF_MUST_USE;
void cat_txn_forget_buckets(struct cat_txn *t);
/* The newest version when it is no marker. Its views live until FAM_CURRENT is asked for another key or written. */
enum rc cat_txn_current(struct cat_txn *t, uint64_t bucket, struct view key, struct cat_row *ret) HF_MUST_USE;
/* A version by sequence, or the null version. *ret_current says in which family it is. Views as cat_txn_current or
 * cat_txn_get. */
enum rc cat_txn_find(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t seq, bool null_version,
                     struct cat_row *ret, bool *ret_current) HF_MUST_USE;
enum rc cat_txn_upload(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t upload,
                       struct cat_upload_row *ret) HF_MUST_USE;

/* ---- decide_*.c ---- */
enum rc cat_refuse(struct cat_done *done, enum cat_why why) HF_MUST_USE;
/* The bucket of an operation, which must be the asker's own. */
enum rc cat_decide_bucket(struct cat_txn *t, const struct cat_op *op, const struct cat_txn_bucket **ret,
                          struct cat_done *done) HF_MUST_USE;
/* Fills what all records of a bucket carry. */
void cat_rec_start(struct cat_rec *r, enum rec_type type, const struct cat_op *op, const struct cat_txn_bucket *b);
void cat_rec_delta(struct cat_rec *r, enum storage_class class, int64_t bytes, int64_t objects);
/* A version that goes for good, no marker: what the record frees, and what the meter may charge for. */
void cat_rec_gone(struct cat_rec *r, const struct cat_row *row);
/* If-Match and If-None-Match against the current version. */
enum rc cat_decide_conditions(struct cat_txn *t, const struct cat_op *op, uint64_t bucket,
                              struct cat_done *done) HF_MUST_USE;
/* What a put into this bucket replaces: cat_rec_gone. */
enum rc cat_decide_replaced(struct cat_txn *t, struct cat_rec *r) HF_MUST_USE;
void cat_done_row(struct cat_done *done, const struct cat_row *row);
typedef enum rc cat_decide_fn(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done);
cat_decide_fn cat_decide_bucket_create, cat_decide_bucket_delete, cat_decide_bucket_versioning, cat_decide_bucket_tags;
cat_decide_fn cat_decide_put, cat_decide_delete, cat_decide_tags;
cat_decide_fn cat_decide_upload, cat_decide_part, cat_decide_abort, cat_decide_complete;
cat_decide_fn cat_decide_reclaim;

/* ---- parts.c: the parts of an upload as the txn sees them, in order ---- */
/* fn's part borrows until it returns. Anything but RC_OK ends the walk and is returned. */
typedef enum rc cat_part_fn(void *ctx, uint32_t number, const struct cat_part_row *p);
enum rc cat_each_part(struct cat_txn *t, uint64_t upload, cat_part_fn *fn, void *ctx) HF_MUST_USE;
/* Bytes of all parts. */
enum rc cat_parts_bytes(struct cat_txn *t, uint64_t upload, uint64_t *ret_bytes, uint64_t *ret_n) HF_MUST_USE;
/* Forgets an upload: its row and all parts whose extents are freed. */
enum rc cat_upload_drop(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t upload,
                        int64_t now_ns) HF_MUST_USE;
void cat_key_part(struct cat_key *k, uint64_t upload, uint32_t number);
void cat_key_upload(struct cat_key *k, uint64_t bucket, struct view key, uint64_t upload);

/* ---- layout.c: extents coming alive and dying ---- */
enum rc cat_extents_born(struct cat_txn *t, struct view packed) HF_MUST_USE;
enum rc cat_extents_die(struct cat_txn *t, struct view packed, int64_t now_ns) HF_MUST_USE;
/* The bodies of a version that goes away, and its layout. */
enum rc cat_row_die(struct cat_txn *t, const struct cat_row *row, int64_t now_ns) HF_MUST_USE;

/* ---- apply_*.c ---- */
typedef enum rc cat_apply_fn(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r);
cat_apply_fn cat_apply_bucket, cat_apply_bucket_delete, cat_apply_bucket_set;
cat_apply_fn cat_apply_object, cat_apply_delete, cat_apply_object_set;
cat_apply_fn cat_apply_upload, cat_apply_part, cat_apply_abort, cat_apply_reclaim;
/* The extents that a record brings (packed, appended): in volumes, or its attachment. */
enum rc cat_rec_extents(const struct journal_rec *rec, const struct cat_rec *r, struct buf *out) HF_MUST_USE;
/* Gathers listed parts' extents and sizes (packed), frees the others, forgets the upload. */
enum rc cat_apply_complete(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r,
                           struct buf *extents, struct buf *sizes) HF_MUST_USE;

/* ---- read.c, list*.c ---- */
/* Fills what lists and reads show of a row; meta and tags only with want_meta. */
enum rc cat_version_fill(const struct cat_row *row, bool want_meta, struct arena *a,
                         struct cat_version *ret) HF_MUST_USE;
/* One page that is being filled. */
struct cat_pager {
    const struct cat_list *l;
    struct arena *a;
    struct view prefix, after; /* after: cut to KEY_MAX */
    bool after_is_prefix;
    struct view *prefixes;
    size_t n_prefixes, n_items, max;
    bool truncated;
};
/* RC_END: nothing can match. */
enum rc cat_pager_start(struct cat_pager *p, const struct cat_list *l, struct arena *a) HF_MUST_USE;
/* Length of the common prefix that this key belongs to; 0 = it is listed itself. */
size_t cat_pager_group(const struct cat_pager *p, struct view key);
/* Room for one item more; otherwise marks the page truncated. */
bool cat_pager_room(struct cat_pager *p);
enum rc cat_pager_prefix(struct cat_pager *p, struct view prefix) HF_MUST_USE;
/* Where a scan of a family of object keys begins: after the whole of `after` (key or common prefix), or at it. */
void cat_pager_seek_key(const struct cat_pager *p, uint64_t bucket, bool within_after, struct cat_key *ret);

#endif
