/* Holdfast: the journal's bytes on disk (journal.h describes them) and the Merkle tree over its records. Pure
 * functions: no I/O, no state. Everything read from a disk goes through a decode that checks it. */
#ifndef HF_JOURNAL_FORMAT_PRIV_H
#define HF_JOURNAL_FORMAT_PRIV_H

#include "codec/codec.h"
#include "journal/journal.h"

#define SEG_HEADER_SIZE 4096u
#define BATCH_ALIGN 4096u
#define BATCH_HEADER_SIZE 128u
#define RECORD_HEADER_SIZE 96u
#define ATTACH_ALIGN 64u
#define RECORD_ALIGN 8u
#define SALT_SIZE 16u
#define TREE_PEAKS_MAX 64

static inline uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) / align * align;
}

/* ---- the tree: RFC 6962 over all records, kept as its frontier ----
 * peak[k] is the root of a perfect subtree of 2^k leaves, and means something only when bit k of n is set. */
struct tree {
    uint64_t n;
    uint8_t peak[TREE_PEAKS_MAX][HASH_SIZE];
};
void tree_leaf(const uint8_t *record_header, uint8_t leaf[HASH_SIZE]);
void tree_add(struct tree *t, const uint8_t leaf[HASH_SIZE]);
void tree_root(const struct tree *t, uint8_t root[HASH_SIZE]);
/* Copies what is in use: most of the 64 peaks are not. */
void tree_copy(struct tree *dst, const struct tree *src);

/* ---- who is in the set, as an epoch knows it: in segment headers and in REC_EPOCH ---- */
struct disk_entry {
    uint8_t uuid[16];
    enum disk_state state;
    bool whole; /* holds the whole journal: may be believed alone */
};
struct disk_table {
    uint64_t epoch;
    unsigned n;
    struct disk_entry disk[DISKS_MAX];
};
/* The payload of REC_EPOCH. */
enum rc table_encode(const struct disk_table *t, struct buf *out) HF_MUST_USE;
enum rc table_decode(struct view payload, struct disk_table *ret) HF_MUST_USE;

/* ---- a segment's header ---- */
struct seg_head {
    uint64_t first, size;
    uint64_t prev_first, prev_end; /* 0 for the first segment */
    int64_t last_time;             /* of the record before the first */
    struct tree tree;              /* before the first record: tree.n == first - 1 */
    struct disk_table table;       /* table.epoch is the segment's epoch */
};
void seg_head_encode(uint8_t dst[SEG_HEADER_SIZE], const struct seg_head *h, const uint8_t store[16]);
/* RC_CORRUPT unless it is whole, of this store, and of the segment named by first. */
enum rc seg_head_decode(const uint8_t *src, const uint8_t store[16], uint64_t first, struct seg_head *ret) HF_MUST_USE;

/* ---- a batch ---- */
#define BATCH_SEAL 1u
struct batch_head {
    uint16_t flags;
    uint64_t epoch, segment, offset, first_seq;
    uint32_t count, total, attach_size, records_size;
    uint8_t head[HASH_SIZE];
};
/* records is what stands at BATCH_HEADER_SIZE + attach_size. */
void batch_head_encode(uint8_t dst[BATCH_HEADER_SIZE], const struct batch_head *h, const void *records,
                       const uint8_t store[16]);
/* Only what the header says, plausible for this place and not past limit; its checksum is batch_verify's. */
enum rc batch_head_decode(const uint8_t *src, uint64_t segment, uint64_t offset, uint64_t limit,
                          struct batch_head *ret) HF_MUST_USE;
/* Header and records belong together, and every record is where and what the header says. */
enum rc batch_verify(const uint8_t *src, const struct batch_head *h, const uint8_t *records,
                     const uint8_t store[16]) HF_MUST_USE;

/* ---- a record ---- */
struct rec_head {
    uint64_t seq;
    int64_t time_ns;
    uint16_t type;
    uint32_t payload_size, attach_size, attach_offset;
    uint8_t salt[SALT_SIZE];
    uint8_t hash[HASH_SIZE]; /* SHA-256(salt || payload) */
};
void rec_head_encode(uint8_t dst[RECORD_HEADER_SIZE], const struct rec_head *h);
enum rc rec_head_decode(const uint8_t *src, struct rec_head *ret) HF_MUST_USE;
void rec_hash(const uint8_t salt[SALT_SIZE], struct view payload, uint8_t hash[HASH_SIZE]);
/* Walks the records of a verified batch: *pos starts at 0. RC_END after the last. */
enum rc rec_next(const uint8_t *records, uint32_t size, uint32_t *pos, struct rec_head *ret, const uint8_t **ret_header,
                 struct view *ret_payload) HF_MUST_USE;

#endif
