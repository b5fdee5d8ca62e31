/* The open catalog: its database, its cursor, its count of objects. */
#include <stdlib.h>

#include "catalog/cat_priv.h"

static const char *const families[FAM_COUNT] = {
    [FAM_META] = "meta",       [FAM_BUCKET] = "bucket", [FAM_BUCKETID] = "bucketid", [FAM_CURRENT] = "current",
    [FAM_VERSION] = "version", [FAM_NULL] = "null",     [FAM_LAYOUT] = "layout",     [FAM_UPLOAD] = "upload",
    [FAM_PART] = "part",       [FAM_EXTENT] = "extent", [FAM_SPACE] = "space"};

#define STATE_BYTES 16u

static enum rc state_read(struct cat *c, struct err *e)
{
    struct buf b = BUF(STATE_BYTES);
    enum rc rc = kv_get(c->kv, NULL, FAM_META, VIEW("state"), &b);
    if (rc == RC_OK && b.n != STATE_BYTES)
        rc = RC_CORRUPT;
    if (rc == RC_OK) {
        atomic_store(&c->cursor, be64_get((const uint8_t *)b.p));
        atomic_store(&c->objects, be64_get((const uint8_t *)b.p + 8));
    }
    buf_free(&b);
    if (rc == RC_OK || rc == RC_NOT_FOUND) /* new: nothing applied yet */
        return RC_OK;
    return err_set(e, rc, "catalog: its cursor cannot be read");
}

enum rc cat_open(const char *dir, bool in_memory, struct cat **ret, struct err *e)
{
    struct cat *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(e, RC_NOMEM, "catalog: out of memory");
    c->rows = row_cache_new();
    if (!c->rows) {
        cat_close(c);
        return err_set(e, RC_NOMEM, "catalog: out of memory");
    }
    struct kv_cfg cfg = {.families = families, .n_families = FAM_COUNT, .in_memory = in_memory};
    enum rc rc = kv_open(dir, &cfg, &c->kv, e);
    if (rc == RC_OK)
        rc = state_read(c, e);
    if (rc != RC_OK) {
        cat_close(c);
        return rc;
    }
    *ret = c;
    return RC_OK;
}

void cat_close(struct cat *c)
{
    if (!c)
        return;
    if (c->kv)
        kv_close(c->kv);
    row_cache_free(c->rows);
    free(c);
}

enum rc cat_destroy(const char *dir, struct err *e)
{
    return kv_destroy(dir, e);
}

uint64_t cat_cursor(struct cat *c)
{
    return atomic_load(&c->cursor);
}

uint64_t cat_objects(struct cat *c)
{
    return atomic_load(&c->objects);
}

uint64_t cat_memory_bytes(struct cat *c)
{
    return kv_memory_bytes(c->kv);
}

enum rc cat_flush(struct cat *c, struct err *e)
{
    return kv_flush(c->kv, e);
}

enum rc cat_bulk_begin(struct cat *c)
{
    return kv_bulk_begin(c->kv);
}

void cat_bulk_end(struct cat *c)
{
    kv_bulk_end(c->kv);
}
