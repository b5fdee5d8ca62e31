/* Holdfast: bodies larger than a journal attachment, in append-only volumes; and the reading of both kinds.
 *
 * A volume is P/volumes/vol-%016x on `copies` slots, the same bytes on each: a 4096-byte header (magic "HFV1", format,
 * store uuid, volume id, slots, XXH3-128), then blocks (journal/block.h) one behind another. Extents are contiguous:
 * extent of `length` data bytes at `offset` is ceil(length / BLOCK_DATA_MAX) blocks, all but the last full. Volumes
 * take extents until VOLUME_SIZE_TARGET, then are sealed. After a restart a volume that was open is sealed where it
 * ends: bytes without a record are dead (never acknowledged). The journal's record is what makes an extent live; the
 * catalog lists live extents by volume (cat_extents) for scrub, rebuild and dropping.
 *
 * Invariants (tests/unit/test_store.c, tests/fault):
 *  S1 store_put_finish returns RC_OK only after the bytes are synced on every usable disk of the placement, and at
 * least one S2 store_read gives only bytes whose block checksum, identity and offset were verified in the very buffer
 * that is returned S3 a failed sync or write on a disk: the volume copy there is abandoned, the disk quarantined, its
 * volumes are degraded; writers go on with the others, or start over on another volume when fewer than one copy is left
 *  S4 a corrupt copy is never the source of a repair; a repaired block is read back and verified
 * Threads: all functions from any thread; one store_put is one thread's at a time. Memory: a put holds no buffer of its
 * own. */
#ifndef HF_STORE_STORE_H
#define HF_STORE_STORE_H

#include "journal/journal.h"

#define VOLUME_SIZE_TARGET (1ull << 30)
#define EXTENT_SIZE_MAX (64u << 20)        /* data bytes of one extent; a longer body has several */
#define STORE_PUT_SIZE_MAX (64ull << 30)   /* of one put; larger bodies come in parts */
#define INLINE_SIZE_MAX JOURNAL_ATTACH_MAX /* bodies up to this ride beside their record */

enum extent_kind { EXTENT_VOLUME = 0, EXTENT_INLINE = 1 };
struct extent {
    enum extent_kind kind;
    uint64_t container; /* volume id, or segment */
    uint64_t offset;    /* of the first block's header */
    uint64_t length;    /* data bytes */
    uint64_t owner;     /* as in block_id */
};

struct store;
/* Called (from any thread) when a disk had to be quarantined, so that the sequencer can expel it from the journal. */
typedef void store_disk_failed_fn(void *ctx, unsigned slot);
struct store_cfg {
    store_disk_failed_fn *disk_failed;
    void *ctx;
    uint64_t volume_size_target; /* 0 = VOLUME_SIZE_TARGET */
    unsigned workers;            /* threads that write and sync the other copies of puts; 0 = 8 */
};
enum rc store_open(struct os *os, struct diskset *disks, struct journal *j, const struct store_cfg *cfg,
                   struct store **ret, struct err *e) HF_MUST_USE;
void store_close(struct store *s);

/* Writing one body of known size. begin reserves extents; write takes the data in order, in pieces that are multiples
 * of BLOCK_DATA_MAX but for the last; finish syncs and gives the extents (array owned by the put, valid until
 * store_put_free). RC_FULL before anything is acknowledged when no placement has room. Freeing without finish gives the
 * bytes up. */
struct store_put;
enum rc store_put_begin(struct store *s, uint64_t size, struct store_put **ret, struct err *e) HF_MUST_USE;
enum rc store_put_write(struct store_put *p, const void *data, size_t n, struct err *e) HF_MUST_USE;
enum rc store_put_finish(struct store_put *p, const struct extent **ret, size_t *ret_n, struct err *e) HF_MUST_USE;
/* The volume is not dropped or sealed as dead while a put that wrote to it is not freed: free it after its record is
 * durable, or when giving up. */
void store_put_free(struct store_put *p);

/* Reads data bytes [from, from+n) of one extent into dst, verified. Reads whole blocks; blocks that dst covers whole
 * are read straight into dst. A bad or unreadable copy is served from the other one and healed; RC_CORRUPT when none is
 * whole. */
enum rc store_read(struct store *s, const struct extent *x, uint64_t from, void *dst, size_t n,
                   struct err *e) HF_MUST_USE;

/* The live extents of volumes come from the caller (the catalog), in order of (volume, offset). RC_END after the last.
 */
struct extent_source {
    enum rc (*next)(void *ctx, struct extent *ret);
    void *ctx;
};
/* Verifies every live block on every disk that should hold it; heals; reads back. Copies whole volumes that a disk
 * lacks. */
enum rc store_scrub(struct store *s, const struct extent_source *live, const struct scrub_pace *pace,
                    struct scrub_count *add, struct err *e) HF_MUST_USE;
/* After diskset_replace or a stale return: copies the live extents of one volume that the slot lacks (verified at the
 * source, read back at the target). RC_END when the slot lacks nothing. next_live gives that volume's live extents. */
enum rc store_heal_step(struct store *s, unsigned slot,
                        enum rc (*open_live)(void *ctx, uint64_t volume, struct extent_source *ret), void *ctx,
                        uint64_t *ret_bytes, struct err *e) HF_MUST_USE;
/* Sealed volumes without a put in flight, for dropping: calls fn for each. */
enum rc store_each_sealed(struct store *s, enum rc (*fn)(void *ctx, uint64_t volume, uint64_t size_bytes),
                          void *ctx) HF_MUST_USE;
/* Removes a volume that is wholly dead past the hold (REC_RECLAIM is durable). Open readers keep their files. Absent is
 * RC_OK. */
enum rc store_drop(struct store *s, uint64_t volume, struct err *e) HF_MUST_USE;
/* bytes_used of each disk (journal, volumes, keystore), refreshed into the diskset. */
void store_account_space(struct store *s);
/* Bytes of all copies of all volumes, for progress. */
uint64_t store_bytes(struct store *s);
struct store_stats {
    uint64_t reads, read_bytes, corrupt_found, corrupt_repaired, read_errors, volumes;
};
void store_stats(struct store *s, struct store_stats *ret);

#endif
