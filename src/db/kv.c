/* Ordered keys on RocksDB: opening and closing, flushing, point reads, and what damage leads to. */
#include "db/kv_priv.h"

#include <stdlib.h>

#define KV_SELF_MAX 1024u
/* A database with no more than this in its files is read whole at the open, at a cost of some tenths of a second: what
 * is damaged is known before anybody asks for it. */
#define KV_CHECK_MAX (64u << 20)

enum rc kv_key_make(struct kv_key *k, unsigned family, struct view key)
{
    if (key.n > KV_KEY_MAX)
        return RC_LIMIT;
    k->p[0] = (char)family;
    if (key.n)
        memcpy(k->p + 1, key.p, key.n);
    k->n = key.n + 1;
    return RC_OK;
}

/* RocksDB's C API has no codes, only messages that begin with the code's name. */
static enum rc rc_of_message(const char *m)
{
    struct view v = view_cstr(m);
    if (strstr(m, "No space left") || strstr(m, "NoSpace"))
        return RC_FULL;
    if (strstr(m, "lock"))
        return view_starts(v, VIEW("IO error")) ? RC_UNAVAILABLE : RC_CORRUPT;
    /* A file that the manifest names and that is gone is damage, not a fault of the disk. */
    if (view_starts(v, VIEW("IO error")))
        return strstr(m, "No such file") ? RC_CORRUPT : RC_IO;
    if (view_starts(v, VIEW("Corruption")) || view_starts(v, VIEW("Invalid argument")) ||
        view_starts(v, VIEW("Not implemented")) || view_starts(v, VIEW("NotFound")))
        return RC_CORRUPT;
    if (view_starts(v, VIEW("Shutdown")))
        return RC_CANCELLED;
    return RC_IO;
}

enum rc kv_fail(struct kv *kv, char *message, struct err *e)
{
    enum rc rc = rc_of_message(message);
    if (rc == RC_CORRUPT)
        atomic_store(&kv->damaged, true);
    rc = err_set(e, rc, "catalog database %s: %s", kv->dir, message);
    rocksdb_free(message);
    return rc;
}

static void kv_release(struct kv *kv)
{
    kv_gap_free(kv->gap);
    if (kv->db)
        rocksdb_close(kv->db);
    if (kv->write)
        rocksdb_writeoptions_destroy(kv->write);
    if (kv->read)
        rocksdb_readoptions_destroy(kv->read);
    if (kv->options)
        rocksdb_options_destroy(kv->options);
    if (kv->table)
        rocksdb_block_based_options_destroy(kv->table);
    if (kv->cache)
        rocksdb_cache_destroy(kv->cache);
    if (kv->env)
        rocksdb_env_destroy(kv->env);
    free(kv->dir);
    free(kv);
}

/* The families' names in order, each ended by a 0: a database with others cannot be read as this one. */
static enum rc self_text(const struct kv_cfg *cfg, struct buf *out)
{
    for (unsigned i = 0; i < cfg->n_families; i++)
        HF_TRY(buf_put(out, cfg->families[i], strlen(cfg->families[i]) + 1));
    return RC_OK;
}

static enum rc self_write(struct kv *kv, struct view text, struct err *e)
{
    const char key = (char)KV_FAMILY_SELF;
    char *message = NULL;
    rocksdb_put(kv->db, kv->write, &key, 1, text.p, text.n, &message);
    if (message)
        return kv_fail(kv, message, e);
    return kv_flush(kv, e);
}

/* Without the row nothing else can be there either: what reached the disk is a prefix, and the row came first. */
static enum rc self_check(struct kv *kv, const struct kv_cfg *cfg, struct err *e)
{
    struct buf want = BUF(KV_SELF_MAX), have = BUF(KV_SELF_MAX);
    enum rc rc = self_text(cfg, &want);
    if (rc == RC_OK) {
        rc = kv_get(kv, NULL, KV_FAMILY_SELF, VIEW(""), &have);
        if (rc == RC_NOT_FOUND)
            rc = self_write(kv, buf_view(&want), e);
        else if (rc == RC_OK && !view_eq(buf_view(&want), buf_view(&have)))
            rc = err_set(e, RC_CORRUPT, "catalog database %s: made by another version; it has to be rebuilt", kv->dir);
        else if (rc != RC_OK)
            rc = err_set(e, rc, "catalog database %s: cannot be read", kv->dir);
    }
    buf_free(&want);
    buf_free(&have);
    return rc;
}

static enum rc read_whole(struct kv *kv, struct err *e)
{
    rocksdb_readoptions_t *o = rocksdb_readoptions_create();
    rocksdb_iterator_t *it = NULL;
    char *message = NULL;

    if (o) {
        rocksdb_readoptions_set_verify_checksums(o, 1);
        rocksdb_readoptions_set_fill_cache(o, 0);
        it = rocksdb_create_iterator(kv->db, o);
    }
    if (!it) {
        rocksdb_readoptions_destroy(o);
        return err_set(e, RC_NOMEM, "catalog database: out of memory");
    }
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
        continue;
    rocksdb_iter_get_error(it, &message);
    rocksdb_iter_destroy(it);
    rocksdb_readoptions_destroy(o);
    return message ? kv_fail(kv, message, e) : RC_OK;
}

static enum rc check_small(struct kv *kv, struct err *e)
{
    uint64_t size = 0;

    if (rocksdb_property_int(kv->db, "rocksdb.total-sst-files-size", &size) != 0 || size > KV_CHECK_MAX)
        return RC_OK;
    return read_whole(kv, e);
}

enum rc kv_open(const char *dir, const struct kv_cfg *cfg, struct kv **ret, struct err *e)
{
    HF_ASSERT(cfg->n_families > 0 && cfg->n_families <= KV_FAMILIES_MAX);
    struct kv *kv = calloc(1, sizeof(*kv));
    if (!kv)
        return err_set(e, RC_NOMEM, "catalog database: out of memory");
    kv->n_families = cfg->n_families;
    kv->dir = strdup(cfg->in_memory ? "/memory" : dir);
    kv->gap = kv_gap_new(kv);
    if (!kv->dir || !kv->gap || !kv_options_make(kv, cfg)) {
        kv_release(kv);
        return err_set(e, RC_NOMEM, "catalog database: out of memory");
    }
    char *message = NULL;
    kv->db = rocksdb_open(kv->options, kv->dir, &message);
    enum rc rc = message ? kv_fail(kv, message, e) : self_check(kv, cfg, e);
    if (rc == RC_OK)
        rc = check_small(kv, e);
    if (rc != RC_OK) {
        kv_release(kv);
        return rc;
    }
    *ret = kv;
    return RC_OK;
}

static enum rc flush_do(struct kv *kv, bool wait, struct err *e)
{
    rocksdb_flushoptions_t *f = rocksdb_flushoptions_create();
    if (!f)
        return err_set(e, RC_NOMEM, "catalog database: out of memory");
    rocksdb_flushoptions_set_wait(f, wait);
    char *message = NULL;
    rocksdb_flush(kv->db, f, &message);
    rocksdb_flushoptions_destroy(f);
    return message ? kv_fail(kv, message, e) : RC_OK;
}

enum rc kv_flush(struct kv *kv, struct err *e)
{
    return flush_do(kv, true, e);
}

/* About 10 us are spent on each by a replay: a second and a bit at the most. */
#define KV_WRITES_MANY 120000u

void kv_writes_check(struct kv *kv, uint64_t writes)
{
    uint64_t n = atomic_fetch_add_explicit(&kv->writes_unflushed, writes, memory_order_relaxed) + writes;
    if (n < KV_WRITES_MANY || kv->env)
        return;
    if (atomic_exchange(&kv->writes_unflushed, 0) >= KV_WRITES_MANY && flush_do(kv, false, NULL) != RC_OK)
        atomic_store(&kv->writes_unflushed, n);
}

/* 0.6 us are spent on each that an iterator meets in the memtable. */
#define KV_DELETES_MANY 50000u
#define KV_DELETES_SOME 8192u
/* Not while earlier flushes wait for their compaction: more files would slow reads and, in the end, writes. */
#define KV_FILES_WAITING_MAX 3u

static bool files_wait(struct kv *kv)
{
    uint64_t n = 0;
    char *text = rocksdb_property_value(kv->db, "rocksdb.num-files-at-level0");
    bool known = text && view_u64(view_cstr(text), &n);
    rocksdb_free(text);
    return !known || n > KV_FILES_WAITING_MAX;
}

void kv_deletes_check(struct kv *kv, bool iterating)
{
    uint64_t n = atomic_load_explicit(&kv->deletes_unflushed, memory_order_relaxed);
    if (n < KV_DELETES_SOME || (!iterating && n < KV_DELETES_MANY) || (iterating && files_wait(kv)))
        return;
    /* One of those who see the number begins the flush. If it fails nothing is lost: the memtable stays, and the next
     * write meets what is wrong. */
    if (atomic_exchange(&kv->deletes_unflushed, 0) >= KV_DELETES_SOME && flush_do(kv, false, NULL) != RC_OK)
        atomic_store(&kv->deletes_unflushed, n);
}

void kv_close(struct kv *kv)
{
    if (!kv)
        return;
    /* A flush that fails costs only a longer replay: what is on disk stays a prefix. */
    enum rc rc = kv->env ? RC_OK : kv_flush(kv, NULL);
    bool remove = rc == RC_CORRUPT || atomic_load(&kv->damaged);
    kv_bulk_end(kv);
    kv_gap_stop(kv->gap);
    rocksdb_cancel_all_background_work(kv->db, 1);
    kv_gap_free(kv->gap);
    kv->gap = NULL;
    rocksdb_close(kv->db);
    kv->db = NULL;
    if (remove && !kv->env)
        rc = kv_destroy(kv->dir, NULL); /* if that fails, the next open meets the same damage */
    kv_release(kv);
}

enum rc kv_destroy(const char *dir, struct err *e)
{
    rocksdb_options_t *o = rocksdb_options_create();
    if (!o)
        return err_set(e, RC_NOMEM, "catalog database: out of memory");
    char *message = NULL;
    rocksdb_destroy_db(o, dir, &message);
    rocksdb_options_destroy(o);
    if (!message)
        return RC_OK;
    enum rc rc = strstr(message, "No such file") ? RC_OK : err_set(e, RC_IO, "catalog database %s: %s", dir, message);
    rocksdb_free(message);
    return rc;
}

uint64_t kv_memory_bytes(struct kv *kv)
{
    static const char *const properties[] = {"rocksdb.cur-size-all-mem-tables", "rocksdb.block-cache-usage",
                                             "rocksdb.estimate-table-readers-mem"};
    uint64_t sum = 0, v = 0;
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
        if (rocksdb_property_int(kv->db, properties[i], &v) == 0)
            sum += v;
    return sum;
}

struct kv_snap {
    const rocksdb_snapshot_t *at;
    rocksdb_readoptions_t *read;
};

enum rc kv_snap_new(struct kv *kv, struct kv_snap **ret)
{
    struct kv_snap *s = calloc(1, sizeof(*s));
    if (!s)
        return RC_NOMEM;
    s->read = rocksdb_readoptions_create();
    s->at = rocksdb_create_snapshot(kv->db);
    if (!s->read || !s->at) {
        kv_snap_free(kv, s);
        return RC_NOMEM;
    }
    rocksdb_readoptions_set_verify_checksums(s->read, 1);
    rocksdb_readoptions_set_snapshot(s->read, s->at);
    *ret = s;
    return RC_OK;
}

void kv_snap_free(struct kv *kv, struct kv_snap *s)
{
    if (!s)
        return;
    if (s->read)
        rocksdb_readoptions_destroy(s->read);
    if (s->at)
        rocksdb_release_snapshot(kv->db, s->at);
    free(s);
}

const rocksdb_snapshot_t *kv_snap_at(const struct kv_snap *s)
{
    return s ? s->at : NULL;
}

enum rc kv_get(struct kv *kv, struct kv_snap *s, unsigned family, struct view key, struct buf *out)
{
    struct kv_key k;
    HF_TRY(kv_key_make(&k, family, key));
    char *message = NULL;
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(kv->db, s ? s->read : kv->read, k.p, k.n, &message);
    if (message)
        return kv_fail(kv, message, NULL);
    if (!slice)
        return RC_NOT_FOUND;
    struct view v;
    v.p = rocksdb_pinnableslice_value(slice, &v.n);
    enum rc rc = buf_putv(out, v);
    rocksdb_pinnableslice_destroy(slice);
    return rc;
}
