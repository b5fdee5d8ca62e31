/* Filling a new database: overlays become sorted files, and a filter in memory knows which keys were never put. */
#include <stdlib.h>

#include "codec/codec.h"
#include "db/kv_priv.h"

#define BULK_BITS (1u << 28) /* 32 MiB: at 40 million keys four looks let 2 % pass that were never put */
#define BULK_LOOKS 4u
#define BULK_FILE "/bulk.sst" /* behind the folder; RocksDB takes it over under a name of its own */
#define BULK_FEW 4096u        /* entries that are not worth a file */

/* Invariant: a key that was put since kv_bulk_begin has all its bits set, so a bit that is not says: never put. */
struct kv_bulk {
    uint64_t *bits;
    char *path;
};

enum rc kv_bulk_begin(struct kv *kv)
{
    if (kv->env || kv->bulk)
        return RC_OK;
    struct kv_bulk *b = calloc(1, sizeof(*b));
    size_t n = strlen(kv->dir);
    if (!b)
        return RC_NOMEM;
    b->bits = calloc(BULK_BITS / 64, sizeof(*b->bits));
    b->path = malloc(n + sizeof(BULK_FILE));
    if (!b->bits || !b->path) {
        kv_bulk_free(b);
        return RC_NOMEM;
    }
    memcpy(b->path, kv->dir, n);
    memcpy(b->path + n, BULK_FILE, sizeof(BULK_FILE));
    kv->bulk = b;
    return RC_OK;
}

void kv_bulk_free(struct kv_bulk *b)
{
    if (!b)
        return;
    free(b->bits);
    free(b->path);
    free(b);
}

void kv_bulk_end(struct kv *kv)
{
    kv_bulk_free(kv->bulk);
    kv->bulk = NULL;
}

static uint32_t bit_at(uint64_t hash, unsigned look)
{
    return ((uint32_t)hash + look * ((uint32_t)(hash >> 32) | 1u)) & (BULK_BITS - 1);
}

bool kv_bulk_may_have(const struct kv_bulk *b, uint64_t hash)
{
    for (unsigned i = 0; i < BULK_LOOKS; i++) {
        uint32_t at = bit_at(hash, i);
        if (!(b->bits[at / 64] & 1ull << at % 64))
            return false;
    }
    return true;
}

static void remember(struct kv_bulk *b, const struct kv_entry *entry, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (unsigned look = 0; look < BULK_LOOKS; look++) {
            uint32_t at = bit_at(entry[i].hash, look);
            b->bits[at / 64] |= 1ull << at % 64;
        }
    }
}

static char *write_file(struct kv *kv, const struct kv_entry *entry, size_t n)
{
    rocksdb_envoptions_t *how = rocksdb_envoptions_create();
    rocksdb_sstfilewriter_t *w = rocksdb_sstfilewriter_create(how, kv->options);
    char *message = NULL;

    rocksdb_sstfilewriter_open(w, kv->bulk->path, &message);
    for (size_t i = 0; !message && i < n; i++) {
        const struct kv_entry *x = &entry[i];
        if (x->deleted)
            rocksdb_sstfilewriter_delete(w, x->key.p, x->key.n, &message);
        else
            rocksdb_sstfilewriter_put(w, x->key.p, x->key.n, x->value.p, x->value.n, &message);
    }
    if (!message)
        rocksdb_sstfilewriter_finish(w, &message);
    rocksdb_sstfilewriter_destroy(w);
    rocksdb_envoptions_destroy(how);
    return message;
}

static char *take_file(struct kv *kv)
{
    rocksdb_ingestexternalfileoptions_t *how = rocksdb_ingestexternalfileoptions_create();
    const char *const files[] = {kv->bulk->path};
    char *message = NULL;

    rocksdb_ingestexternalfileoptions_set_move_files(how, 1);
    rocksdb_ingest_external_file(kv->db, files, 1, how, &message);
    rocksdb_ingestexternalfileoptions_destroy(how);
    return message;
}

bool kv_bulk_wants(const struct kv *kv, size_t n)
{
    return kv->bulk && n >= BULK_FEW;
}

enum rc kv_bulk_write(struct kv *kv, const struct kv_entry *entry, size_t n, struct err *e)
{
    char *message = write_file(kv, entry, n);

    if (!message)
        message = take_file(kv);
    return message ? kv_fail(kv, message, e) : RC_OK;
}

void kv_bulk_note(struct kv *kv, const struct kv_entry *entry, size_t n)
{
    if (kv->bulk)
        remember(kv->bulk, entry, n);
}
