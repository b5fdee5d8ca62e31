/* Opening everything below the network in the right order, and closing it in the other. */
#include "sequence/engine_priv.h"

#include "base/log.h"

#include <stdlib.h>

#define REPLAY_BATCH 4096u
#define REPLAY_BULK 65536u       /* of a rebuild: one sorted file each */
#define REPLAY_BYTES (48u << 20) /* written earlier when the overlay is as large */
#define DIR_CATALOG "catalog"

static bool data_path(char *dst, const struct engine_cfg *cfg, const char *name)
{
    return os_path(dst, cfg->disks.data_dir, name);
}

/* Derived state (invariant 3): damaged, or ahead of the journal it came from, it is made anew. */
static enum rc catalog_anew(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    char dir[OS_PATH_MAX];

    if (!data_path(dir, cfg, DIR_CATALOG))
        return err_set(e, RC_LIMIT, "%s: the path is too long", cfg->disks.data_dir);
    cat_close(g->cat);
    g->cat = NULL;
    HF_TRY(cat_destroy(dir, e));
    return cat_open(dir, cfg->memory_databases, &g->cat, e);
}

static enum rc open_catalog(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    char dir[OS_PATH_MAX];

    if (!data_path(dir, cfg, DIR_CATALOG))
        return err_set(e, RC_LIMIT, "%s: the path is too long", cfg->disks.data_dir);
    enum rc rc = cat_open(dir, cfg->memory_databases, &g->cat, e);
    if (rc == RC_OK && cat_cursor(g->cat) <= journal_durable(g->journal))
        return RC_OK;
    if (rc != RC_OK && rc != RC_CORRUPT && rc != RC_UNSUPPORTED)
        return rc;
    log_warn("engine", "the catalog is %s: making it anew from the journal",
             rc == RC_OK ? "ahead of the journal" : e->text);
    return catalog_anew(g, cfg, e);
}

typedef void progress_fn(void *ctx, uint64_t done, uint64_t total);

/* The journal is the catalog's WAL: applies everything past its cursor, so many records at a time. */
static enum rc replay(struct engine *g, unsigned batch, progress_fn *progress, void *ctx, struct err *e)
{
    struct journal_reader *reader = NULL;
    struct cat_txn *txn = NULL;
    struct journal_rec rec;
    uint64_t from = cat_cursor(g->cat), total = journal_durable(g->journal) - from;
    unsigned pending = 0;

    enum rc rc = cat_txn_new(g->cat, &txn);
    if (rc != RC_OK)
        return err_set(e, rc, "replay: out of memory");
    rc = journal_reader_open(g->journal, from + 1, &reader, e);
    if (rc != RC_OK)
        goto out;
    while ((rc = journal_read(reader, &rec, e)) == RC_OK) {
        rc = cat_apply(txn, &rec, e);
        if (rc != RC_OK)
            break;
        g->replayed++;
        if (++pending < batch && cat_txn_bytes(txn) < REPLAY_BYTES)
            continue;
        pending = 0;
        rc = cat_txn_write(txn, e);
        if (rc != RC_OK)
            break;
        if (progress)
            progress(ctx, g->replayed, total);
    }
    if (rc == RC_END)
        rc = cat_txn_write(txn, e);
    journal_reader_close(reader);
out:
    cat_txn_free(txn);
    return rc;
}

/* Damage that only the replay met: once more, from nothing. */
static enum rc replay_surely(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    bool from_nothing = cat_cursor(g->cat) == 0;
    enum rc rc = replay(g, REPLAY_BATCH, NULL, NULL, e);

    if (rc != RC_CORRUPT || from_nothing)
        return rc;
    log_warn("engine", "the catalog cannot take the journal's next records (%s): making it anew", e->text);
    HF_TRY(catalog_anew(g, cfg, e));
    g->replayed = 0;
    return replay(g, REPLAY_BATCH, NULL, NULL, e);
}

static void on_disk_failed(void *ctx, unsigned slot)
{
    struct engine *g = ctx;

    if (g->seq)
        seq_disk_failed(g->seq, slot);
}

struct expel {
    struct engine *g;
    unsigned slot;
};

static enum rc expel(void *ctx, struct err *e)
{
    struct expel *x = ctx;

    return journal_expel(x->g->journal, x->slot, e);
}

static enum rc on_keystore_failed(void *ctx, unsigned slot)
{
    struct expel x = {ctx, slot};
    struct err e;

    return seq_run(x.g->seq, expel, &x, &e);
}

static enum rc open_meter(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    struct meter_cfg mc = {.data_dir = cfg->memory_databases ? NULL : cfg->disks.data_dir};

    enum rc rc = meter_open(g->os, g->journal, g->keys, &mc, &g->meter, e);
    if (rc == RC_CORRUPT && mc.data_dir) {
        log_warn("engine", "the control database is damaged (%s): making it anew from the journal", e->text);
        HF_TRY(meter_destroy(g->os, mc.data_dir, e));
        rc = meter_open(g->os, g->journal, g->keys, &mc, &g->meter, e);
    }
    return rc;
}

static void free_engine(struct engine *g)
{
    seq_close(g->seq);
    if (g->meter)
        meter_close(g->meter);
    if (g->keys)
        keystore_close(g->keys);
    if (g->cat)
        cat_close(g->cat);
    if (g->store)
        store_close(g->store);
    if (g->journal)
        journal_close(g->journal);
    if (g->disks)
        diskset_free(g->disks);
    free(g);
}

static enum rc open_lower(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    struct store_cfg sc = {.disk_failed = on_disk_failed, .ctx = g};

    HF_TRY(diskset_open(g->os, &cfg->disks, &g->disks, e));
    HF_TRY(journal_open(g->os, g->disks, &cfg->journal, &g->journal, &g->report, e));
    HF_TRY(store_open(g->os, g->disks, g->journal, &sc, &g->store, e));
    return keystore_open(g->os, g->disks, &g->keys, e);
}

static enum rc open_all(struct engine *g, const struct engine_cfg *cfg, struct err *e)
{
    HF_TRY(open_lower(g, cfg, e));
    HF_TRY(open_catalog(g, cfg, e));
    HF_TRY(replay_surely(g, cfg, e));
    HF_TRY(open_meter(g, cfg, e));
    HF_TRY(meter_wait(g->meter, journal_durable(g->journal), e));
    HF_TRY(seq_open(g->os, g->disks, g->journal, g->store, g->cat, g->meter, &cfg->seq, &g->seq, e));
    keystore_on_disk_failed(g->keys, on_keystore_failed, g);
    /* Disks that failed before there was anybody to tell. */
    for (unsigned i = 0; i < g->disks->n; i++)
        if (store_slot_failed(g->store, i))
            seq_disk_failed(g->seq, i);
    return engine_bg_start(g, cfg, e);
}

enum rc engine_open(struct os *os, const struct engine_cfg *cfg, struct engine **ret, struct err *e)
{
    struct engine *g = calloc(1, sizeof *g);

    if (!g)
        return err_set(e, RC_NOMEM, "out of memory");
    g->os = os;
    enum rc rc = open_all(g, cfg, e);
    if (rc != RC_OK) {
        engine_bg_stop(g);
        free_engine(g);
        return rc;
    }
    *ret = g;
    return RC_OK;
}

void engine_close(struct engine *g)
{
    if (!g)
        return;
    engine_bg_stop(g);
    free_engine(g);
}

enum rc engine_rebuild(struct os *os, const struct engine_cfg *cfg,
                       void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx, uint64_t *ret_records,
                       struct err *e)
{
    char dir[OS_PATH_MAX];
    struct engine *g = calloc(1, sizeof *g);

    if (!g)
        return err_set(e, RC_NOMEM, "out of memory");
    struct engine_cfg offline = *cfg;
    offline.disks.offline = true;
    cfg = &offline;
    g->os = os;
    enum rc rc = data_path(dir, cfg, DIR_CATALOG)
                     ? RC_OK
                     : err_set(e, RC_LIMIT, "%s: the path is too long", cfg->disks.data_dir);
    if (rc == RC_OK)
        rc = open_lower(g, cfg, e);
    if (rc == RC_OK)
        rc = cat_destroy(dir, e);
    if (rc == RC_OK)
        rc = meter_destroy(os, cfg->disks.data_dir, e);
    if (rc == RC_OK)
        rc = cat_open(dir, cfg->memory_databases, &g->cat, e);
    /* The meter reads beside the catalog, in its own thread. */
    if (rc == RC_OK)
        rc = open_meter(g, cfg, e);
    if (rc == RC_OK)
        rc = cat_bulk_begin(g->cat);
    if (rc == RC_OK)
        rc = replay(g, REPLAY_BULK, progress, ctx, e);
    if (g->cat)
        cat_bulk_end(g->cat);
    if (rc == RC_OK)
        rc = meter_wait(g->meter, journal_durable(g->journal), e);
    if (rc == RC_OK)
        rc = cat_flush(g->cat, e);
    if (rc == RC_OK)
        *ret_records = g->replayed;
    free_engine(g);
    return rc;
}
