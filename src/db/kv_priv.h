/* What the files of src/db's kv share. Nothing above includes this. */
#ifndef HF_DB_KV_PRIV_H
#define HF_DB_KV_PRIV_H

#include <rocksdb/c.h>
#include <stdatomic.h>

#include "db/kv.h"

/* Behind every family (0..15): what the database knows of itself. */
#define KV_FAMILY_SELF 0xfeu

struct kv_gap;
struct kv_bulk;
struct kv {
    rocksdb_t *db;
    rocksdb_env_t *env; /* in memory only */
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    char *dir;
    struct kv_gap *gap;
    struct kv_bulk *bulk; /* while a new database is filled; else NULL */
    unsigned n_families;
    atomic_bool damaged;                /* a checksum failed since the open: removed at close */
    _Atomic uint64_t writes_unflushed;  /* in the memtable, about: see kv_writes_check */
    _Atomic uint64_t deletes_unflushed; /* in the memtable, about: see kv_deletes_check */
};

/* A key as RocksDB has it: the family's byte, then the key. */
struct kv_key {
    size_t n;
    char p[1 + KV_KEY_MAX];
};
/* RC_LIMIT when it is too long. */
enum rc kv_key_make(struct kv_key *k, unsigned family, struct view key) HF_MUST_USE;

/* Turns RocksDB's message into rc and sentence, and frees it. */
enum rc kv_fail(struct kv *kv, char *message, struct err *e);

/* Options for a configuration; false when out of memory. They are freed with the struct kv. */
bool kv_options_make(struct kv *kv, const struct kv_cfg *cfg);

const rocksdb_snapshot_t *kv_snap_at(const struct kv_snap *s); /* NULL for now */
/* Deletions slow iterators down until they are compacted away, which needs them flushed. Flushes when there are many,
 * or some and somebody is about to iterate. */
void kv_deletes_check(struct kv *kv, bool iterating);
/* A restart replays what the memtable lost: it is flushed after so many writes, whatever its size. */
void kv_writes_check(struct kv *kv, uint64_t writes);

/* kv_gap.c: compaction of ranges in which much was deleted. note from any thread; stop ends the thread's next wait,
 * free joins it (a compaction under way has to be cancelled first). */
struct kv_gap *kv_gap_new(struct kv *kv); /* NULL: out of memory */
void kv_gap_note(struct kv_gap *g, struct view low, struct view high, uint64_t deletes);
void kv_gap_stop(struct kv_gap *g);
void kv_gap_free(struct kv_gap *g);

/* ---- the overlay of a transaction ---- */
struct kv_entry {
    struct view key, value; /* key with its family byte */
    uint64_t hash;
    bool deleted;
};
/* kv_bulk.c. n entries, sorted by key. */
bool kv_bulk_may_have(const struct kv_bulk *b, uint64_t hash);
bool kv_bulk_wants(const struct kv *kv, size_t n); /* so many entries are better written as a file */
enum rc kv_bulk_write(struct kv *kv, const struct kv_entry *entry, size_t n, struct err *e) HF_MUST_USE;
void kv_bulk_note(struct kv *kv, const struct kv_entry *entry, size_t n); /* in any order; before they are written */
void kv_bulk_free(struct kv_bulk *b);

/* An iterator that merges n sorted entries (owned by it from now on, also on failure) over the database. */
enum rc kv_iter_over(struct kv *kv, struct kv_snap *s, unsigned family, struct view prefix, struct kv_entry *over,
                     size_t n, struct kv_iter **ret) HF_MUST_USE;

#endif
