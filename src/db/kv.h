/* Holdfast: ordered keys. A small interface over RocksDB (its C API), with its own WAL off: the journal is the WAL, and
 * the cursor sits in the same write, so after any crash the database is a consistent prefix to replay from (DESIGN §3).
 * Keys are ordered by unsigned bytes. Families keep their ranges apart; inside, a family is one byte in front of the
 * key of one column family, not a column family of its own: RocksDB 7.8's C API cannot flush several together, and a
 * flush of one alone would break the prefix.
 *
 * Damage. kv_open answers RC_CORRUPT for files that do not check out (a small database, up to 64 MiB of files, is read
 * whole for that); a damage met later comes back as RC_CORRUPT from
 * the call that met it, and kv_close then removes the database, so that the next open starts empty and is replayed.
 *
 * kv_txn is an overlay: reads see its own writes over the database; nothing is visible to others until kv_txn_write.
 * One thread per txn; kv_get, snapshots and iterators from any thread. The rooms above never see a RocksDB type. */
#ifndef HF_DB_KV_H
#define HF_DB_KV_H

#include "base/view.h"

#define KV_FAMILIES_MAX 16
#define KV_KEY_MAX 4096
#define KV_VALUE_MAX (16u << 20)
#define KV_TXN_BYTES_MAX (256u << 20) /* keys and values of one overlay; RC_LIMIT past it */

struct kv;
struct kv_cfg {
    const char *const *families; /* names; index = family number */
    unsigned n_families;
    bool in_memory;          /* tests */
    uint64_t cache_bytes;    /* block cache; 0 = 64 MiB */
    uint64_t memtable_bytes; /* 0 = 32 MiB: bounds memory and what a restart replays */
};
/* RC_CORRUPT: damaged, or made with other families: kv_destroy, then replay. RC_UNAVAILABLE: in use by another process.
 */
enum rc kv_open(const char *dir, const struct kv_cfg *cfg, struct kv **ret, struct err *e) HF_MUST_USE;
void kv_close(struct kv *kv); /* flushes, so that a clean start replays nothing. NULL is allowed */
/* Writes what is in memory to disk, durably. */
enum rc kv_flush(struct kv *kv, struct err *e) HF_MUST_USE;
/* A database that is new and that one txn fills (rebuild): large overlays become sorted files at once, and 32 MiB of
 * memory answer for keys that were never put. What kv_txn_write promises stays. In memory: nothing changes. */
enum rc kv_bulk_begin(struct kv *kv) HF_MUST_USE;
void kv_bulk_end(struct kv *kv);
/* Deletes a database's files; absent is RC_OK. */
enum rc kv_destroy(const char *dir, struct err *e) HF_MUST_USE;
uint64_t kv_memory_bytes(struct kv *kv);

struct kv_snap; /* a moment; NULL stands for now */
enum rc kv_snap_new(struct kv *kv, struct kv_snap **ret) HF_MUST_USE;
void kv_snap_free(struct kv *kv, struct kv_snap *s);
/* RC_NOT_FOUND, or the value appended to out. */
enum rc kv_get(struct kv *kv, struct kv_snap *s, unsigned family, struct view key, struct buf *out) HF_MUST_USE;

struct kv_iter;
/* Over keys with this prefix ("" = all). Positioned before the first; key and value are borrowed until the next move.
 */
enum rc kv_iter_new(struct kv *kv, struct kv_snap *s, unsigned family, struct view prefix,
                    struct kv_iter **ret) HF_MUST_USE;
enum rc kv_iter_seek(struct kv_iter *it, struct view key, struct view *ret_key,
                     struct view *ret_value) HF_MUST_USE; /* first >= key; RC_END */
enum rc kv_iter_next(struct kv_iter *it, struct view *ret_key, struct view *ret_value) HF_MUST_USE;
void kv_iter_free(struct kv_iter *it);

struct kv_txn;
enum rc kv_txn_new(struct kv *kv, struct kv_txn **ret) HF_MUST_USE;
enum rc kv_txn_get(struct kv_txn *t, unsigned family, struct view key, struct buf *out) HF_MUST_USE;
enum rc kv_txn_put(struct kv_txn *t, unsigned family, struct view key, struct view value) HF_MUST_USE;
enum rc kv_txn_delete(struct kv_txn *t, unsigned family, struct view key) HF_MUST_USE;
/* Sees the overlay as it is now; later puts of the txn are not seen. Invalid after the txn is written, reset or freed.
 */
enum rc kv_txn_iter(struct kv_txn *t, unsigned family, struct view prefix, struct kv_iter **ret) HF_MUST_USE;
size_t kv_txn_count(const struct kv_txn *t);
size_t kv_txn_bytes(const struct kv_txn *t); /* of keys and values in the overlay */
/* Applies all at once (not durable by itself) and empties the overlay. */
enum rc kv_txn_write(struct kv_txn *t, struct err *e) HF_MUST_USE;
void kv_txn_reset(struct kv_txn *t);
void kv_txn_free(struct kv_txn *t);

#endif
