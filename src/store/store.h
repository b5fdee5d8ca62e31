/* Holdfast: bodies larger than a journal attachment, in append-only volumes; and the reading of both kinds.
 *
 * A volume is P/volumes/vol-%016x on `copies` slots, the same bytes on each: a 4096-byte header (magic "HFV1", format,
 * store uuid, volume id, slots, XXH3-128), then blocks (journal/block.h) one behind another. Extents are contiguous:
 * extent of `length` data bytes at `offset` is ceil(length / BLOCK_DATA_MAX) blocks, all but the last full. Volumes
 * take extents until VOLUME_SIZE_TARGET, then are sealed. After a restart a volume that was open is sealed where it
 * ends: bytes without a record are dead (never acknowledged). The journal's record is what makes an extent live; the
 * catalog lists live extents by volume (cat_extents) for scrub, rebuild and dropping.
 *
 * Extents begin at multiples of 4096, so that no sector of an acknowledged one is written again by its neighbour;
 * between them are zeros. A volume file gets its name when it is whole (temporary name, sync, rename, sync of the
 * folder).
 *
 * Invariants (tests/unit/test_store.c, tests/unit/test_store_faults.c):
 *
 * S1 store_put_finish returns RC_OK only after the bytes are synced on every usable disk of the placement, at least one
 *
 * S2 store_read gives only bytes whose block checksum, identity and offset were verified in the very buffer that is
 *    returned
 *
 * S3 after a failed sync or write on a disk the volume copy there is abandoned, the disk quarantined, its volumes are
 *    degraded; writers go on with the others, and the next put takes a new volume. A full disk is not quarantined: what
 *    was not acknowledged is refused
 *
 * S4 a corrupt copy is never the source of a repair; a repaired block is read back and verified
 *
 * Threads: all functions from any thread; one store_put is one thread's at a time. Memory: a put holds no buffer of its
 * own; a scrub holds one run of blocks for each disk and the extents of one volume. */
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
/* Called once (from any thread) when a disk had to be quarantined, so that the sequencer can expel it from the journal:
 * before anything that was stored without it is acknowledged. The disk's state is then the sequencer's to set; without
 * a function the store sets it. The function may not call the store. */
typedef void store_disk_failed_fn(void *ctx, unsigned slot);
struct store_cfg {
    store_disk_failed_fn *disk_failed;
    void *ctx;
    uint64_t volume_size_target; /* 0 = VOLUME_SIZE_TARGET */
    unsigned workers;            /* threads that write and sync the other copies of puts; 0 = 8 */
};
enum rc store_open(struct os *os, struct diskset *disks, struct journal *j, const struct store_cfg *cfg,
                   struct store **ret, struct err *e) HF_MUST_USE;
/* All puts are freed, nobody reads. */
void store_close(struct store *s);
/* Was this disk quarantined here, and not replaced since? For those that failed before store_open had returned. */
bool store_slot_failed(const struct store *s, unsigned slot);

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
/* Verifies every live block, the volumes' headers and the zeros between extents on every disk that should hold them;
 * heals; reads back. Makes whole copies that a disk lacks. The list of live extents is to be asked for right before the
 * call. Of the counters, blocks, corrupt and repaired count each copy's block and header; a copy that is missing has
 * all its blocks corrupt; unrepairable are those of which no copy is good. One failing disk does not end a scrub: it is
 * quarantined as by any read or write, and what was not repaired is corrupt but not repaired. All disks are read at
 * once; the functions of the pace are called by one thread at a time. RC_CANCELLED when told to stop. */
enum rc store_scrub(struct store *s, const struct extent_source *live, const struct scrub_pace *pace,
                    struct scrub_count *add, struct err *e) HF_MUST_USE;
/* After diskset_replace or a stale return, until RC_END (the slot lacks nothing): makes the copy of one volume that the
 * slot lacks from its live extents (verified at the source, read back at the target), or verifies and heals one that
 * was there before the disk was away. Open volumes are sealed first; one with puts in flight is waited for a little,
 * and then the result is RC_OK with 0 bytes. A source that cannot be read now is an error, and leaves nothing behind; a
 * block of which no copy is whole is left out. */
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
