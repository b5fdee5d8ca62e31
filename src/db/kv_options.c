/* How RocksDB is set up: bounded memory, few threads, every check on, flat listing after mass deletes. */
#include "db/kv_priv.h"

#define KV_CACHE_DEFAULT (64ull << 20)
#define KV_MEMTABLE_DEFAULT (32ull << 20)
#define KV_CACHE_SHARD_BITS 2 /* few, so that a file's filter is small against one shard */
#define KV_BLOOM_BITS 10.0    /* per key: 1 % false positives */
#define KV_BLOCK_BYTES 4096u
#define KV_OPEN_FILES_MAX 512
#define KV_BACKGROUND_JOBS 2 /* one flush, one compaction */
#define KV_MEMTABLES_MAX 3   /* one filling, one flushing, one waiting */
#define KV_FILE_BYTES (32ull << 20)
#define KV_LEVEL_BASE_BYTES (512ull << 20) /* few levels: a seek looks into each */
#define KV_SYNC_BYTES (1ull << 20)         /* write back as it goes, so that a flush's fsync does not stall the disk */
/* A file in which so many of so many neighbouring keys are deletions is compacted away soon. */
#define KV_DELETES_WINDOW 2048
#define KV_DELETES_TRIGGER 512
#define KV_LOG_LEVEL_FATAL 4
#define KV_LOG_BYTES (1u << 20)

static bool table_make(struct kv *kv, const struct kv_cfg *cfg)
{
    rocksdb_lru_cache_options_t *lru = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(lru, cfg->cache_bytes ? cfg->cache_bytes : KV_CACHE_DEFAULT);
    rocksdb_lru_cache_options_set_num_shard_bits(lru, KV_CACHE_SHARD_BITS);
    kv->cache = rocksdb_cache_create_lru_opts(lru);
    rocksdb_lru_cache_options_destroy(lru);
    kv->table = rocksdb_block_based_options_create();
    if (!kv->cache || !kv->table)
        return false;
    rocksdb_block_based_options_set_block_cache(kv->table, kv->cache);
    rocksdb_block_based_options_set_block_size(kv->table, KV_BLOCK_BYTES);
    rocksdb_block_based_options_set_format_version(kv->table, 5);
    rocksdb_block_based_options_set_filter_policy(kv->table, rocksdb_filterpolicy_create_bloom_full(KV_BLOOM_BITS));
    /* Indexes and filters count against the cache, so memory stays bounded however many objects there are. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(kv->table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(kv->table, 1);
    return true;
}

static void memory_set(rocksdb_options_t *o, uint64_t memtable_bytes)
{
    rocksdb_options_set_write_buffer_size(o, memtable_bytes);
    rocksdb_options_set_max_write_buffer_number(o, KV_MEMTABLES_MAX);
    rocksdb_options_set_arena_block_size(o, 256u << 10);
    /* A put of a new key asks for a key that is nowhere: the filter answers for the memtable too. */
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.02);
    rocksdb_options_set_memtable_whole_key_filtering(o, 1);
    rocksdb_options_set_max_open_files(o, KV_OPEN_FILES_MAX);
    rocksdb_options_set_max_file_opening_threads(o, 1);
}

static void compaction_set(rocksdb_options_t *o)
{
    rocksdb_options_set_max_background_jobs(o, KV_BACKGROUND_JOBS);
    rocksdb_options_set_target_file_size_base(o, KV_FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(o, KV_LEVEL_BASE_BYTES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_add_compact_on_deletion_collector_factory(o, KV_DELETES_WINDOW, KV_DELETES_TRIGGER);
    rocksdb_options_set_bytes_per_sync(o, KV_SYNC_BYTES);
    rocksdb_options_set_avoid_unnecessary_blocking_io(o, 1);
}

static void quiet_set(rocksdb_options_t *o)
{
    rocksdb_options_set_info_log_level(o, KV_LOG_LEVEL_FATAL);
    rocksdb_options_set_keep_log_file_num(o, 1);
    rocksdb_options_set_max_log_file_size(o, KV_LOG_BYTES);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
}

bool kv_options_make(struct kv *kv, const struct kv_cfg *cfg)
{
    kv->options = rocksdb_options_create();
    kv->read = rocksdb_readoptions_create();
    kv->write = rocksdb_writeoptions_create();
    if (cfg->in_memory)
        kv->env = rocksdb_create_mem_env();
    if (!kv->options || !kv->read || !kv->write || (cfg->in_memory && !kv->env) || !table_make(kv, cfg))
        return false;
    rocksdb_options_t *o = kv->options;
    if (kv->env)
        rocksdb_options_set_env(o, kv->env);
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_block_based_table_factory(o, kv->table);
    memory_set(o, cfg->memtable_bytes ? cfg->memtable_bytes : KV_MEMTABLE_DEFAULT);
    compaction_set(o);
    quiet_set(o);
    rocksdb_readoptions_set_verify_checksums(kv->read, 1);
    rocksdb_writeoptions_disable_WAL(kv->write, 1); /* the journal is the WAL */
    return true;
}
