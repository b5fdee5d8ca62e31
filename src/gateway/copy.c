/* CopyObject and UploadPartCopy: the source's bytes are read verified and written anew, window by window in a worker,
 * so a copy costs bounded memory and never shares bytes with its source. */
#include <stdlib.h>

#include "gateway/gateway_priv.h"

#define COPY_PIECE (1u << 20)
_Static_assert(COPY_PIECE % BLOCK_DATA_MAX == 0, "the store takes whole blocks");

struct copying {
    struct gw_req *g;
    struct copy_source source;
    struct cat_bucket bucket; /* of the source */
    struct cat_version version;
    uint64_t from, size;
    bool whole; /* not a range of it */
    struct object_meta meta;
    struct cat_op conditions;
    enum checksum_kind kind;
    struct os_job job;
    struct reading reading;
    char *buffer;
    struct digest *md5;
    struct gw_sums sums;
    struct store_put *put;
    enum rc rc;
    struct err err;
    struct gw_digests digests;
    const struct extent *extents;
    size_t n_extents;
};

static void copying_free(void *work)
{
    struct copying *t = work;
    store_put_free(t->put);
    free(t->buffer);
    digest_free(t->md5);
    gw_sums_free(&t->sums);
}

/* ---- the source ---- */
static bool find_source(struct gw_req *g, struct copying *t)
{
    struct view h = gw_header(g, "x-amz-copy-source");
    if (h.p == NULL || gw_copy_source(h, &g->arena, &t->source) != RC_OK) {
        gw_fail_with(g, "InvalidArgument",
                     "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
        return false;
    }
    if (!gw_bucket_find(g, t->source.bucket, "x-amz-source-expected-bucket-owner", &t->bucket))
        return false;
    struct cat_want want = t->source.version;
    want.layout = true;
    struct cat *cat = g->gw->engine->cat;
    enum rc rc = cat_get_object(cat, t->bucket.id, t->source.key, want, &g->arena, &t->version);
    if (rc == RC_OK && t->version.marker && t->source.has_version) {
        gw_fail_with(g, "InvalidRequest",
                     "The source of a copy request may not specifically refer to a delete marker by version id.");
        return false;
    }
    if (rc == RC_NOT_FOUND || (rc == RC_OK && t->version.marker)) {
        gw_fail(g, t->source.has_version ? "NoSuchVersion" : "NoSuchKey");
        return false;
    }
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "the source cannot be looked up");
        return false;
    }
    t->size = t->version.size;
    t->whole = true;
    return gw_copy_conditions(g, &t->version);
}

static bool size_ok(struct gw_req *g, const struct copying *t)
{
    if (t->size <= OBJECT_PUT_MAX)
        return true;
    gw_fail_with(g, "InvalidRequest",
                 "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
    return false;
}

/* COPY (the default) or REPLACE; *ret_replace. false: answered. */
static bool directive(struct gw_req *g, const char *header, const char *message, bool *ret_replace)
{
    struct view v = gw_header(g, header);
    *ret_replace = view_eqs(v, "REPLACE");
    if (v.p == NULL || *ret_replace || view_eqs(v, "COPY"))
        return true;
    gw_fail_with(g, "InvalidArgument", message);
    return false;
}

/* Metadata, tags and class of the copy; a copy onto itself has to change something. */
static bool choose_meta(struct gw_req *g, struct copying *t)
{
    bool replace, replace_tags;
    if (!directive(g, "x-amz-metadata-directive", "Unknown metadata directive.", &replace) ||
        !directive(g, "x-amz-tagging-directive", "Unknown tagging directive.", &replace_tags) ||
        !gw_meta_read(g, &t->meta))
        return false;
    if (!replace && !gw_meta_copied(g, t->version.meta, &t->meta.meta))
        return false;
    if (!replace_tags)
        t->meta.tags = t->version.tags;
    bool self = view_eq(t->source.bucket, g->route.bucket) && view_eq(t->source.key, g->route.key);
    bool given =
        gw_header(g, "x-amz-storage-class").p != NULL || gw_header(g, "x-amz-website-redirect-location").p != NULL;
    if (!self || replace || given || t->source.has_version)
        return true;
    gw_fail_with(g, "InvalidRequest",
                 "This copy request is illegal because it is trying to copy an object to itself without changing the "
                 "object's metadata, storage class, website redirect location or encryption attributes.");
    return false;
}

static bool choose_kind(struct gw_req *g, struct copying *t)
{
    struct view v = gw_header(g, "x-amz-checksum-algorithm");
    t->kind = v.p != NULL ? gw_checksum_kind(view_trim(v)) : t->version.checksum.kind;
    if (v.p != NULL && t->kind == CHECKSUM_NONE) {
        gw_fail_with(g, "InvalidRequest", "Checksum algorithm provided is unsupported.");
        return false;
    }
    if (t->kind == CHECKSUM_NONE)
        t->kind = CHECKSUM_CRC64NVME;
    return true;
}

/* ---- moving the bytes, in a worker ---- */
/* What the catalog knows of the source must be what was read. */
static enum rc compare(struct copying *t)
{
    if (!t->whole || t->version.etag_parts != 0 || memcmp(t->digests.md5, t->version.etag_md5, 16) == 0)
        return RC_OK;
    return err_set(&t->err, RC_CORRUPT, "the source's bytes do not have the source's MD5; nothing was copied");
}

static enum rc copy_finish(struct copying *t)
{
    digest_final(t->md5, t->digests.md5);
    gw_sums_final(&t->sums, &t->digests);
    HF_TRY(compare(t));
    if (t->put != NULL)
        return store_put_finish(t->put, &t->extents, &t->n_extents, &t->err);
    return RC_OK;
}

static enum rc copy_piece(struct copying *t)
{
    uint64_t left = t->reading.end - t->reading.position;
    size_t n = left < COPY_PIECE ? (size_t)left : COPY_PIECE;
    if (n == 0)
        return RC_OK;
    HF_TRY(reading_all(&t->reading, t->buffer, n, &t->err));
    digest_update(t->md5, t->buffer, n);
    gw_sums_update(&t->sums, t->buffer, n);
    if (t->put != NULL)
        return store_put_write(t->put, t->buffer, n, &t->err);
    return RC_OK;
}

static enum rc copy_begin(struct copying *t)
{
    uint64_t cap = t->size < COPY_PIECE ? t->size : COPY_PIECE;
    t->buffer = malloc(cap > 0 ? (size_t)cap : 1);
    t->md5 = digest_new(DIGEST_MD5);
    if (t->buffer == NULL || t->md5 == NULL)
        return RC_NOMEM;
    HF_TRY(gw_sums_init(&t->sums, t->kind, false));
    if (t->size > INLINE_SIZE_MAX)
        return store_put_begin(t->g->gw->engine->store, t->size, &t->put, &t->err);
    return RC_OK;
}

/* One piece a turn, so that long copies share the workers with everyone. */
static void copy_turn(struct os_job *job)
{
    struct copying *t = (struct copying *)(void *)((char *)job - offsetof(struct copying, job));
    struct gw_req *g = t->g;
    pthread_mutex_lock(&g->lock);
    bool gone = g->closed;
    pthread_mutex_unlock(&g->lock);
    t->rc = gone ? RC_CANCELLED : t->md5 == NULL ? copy_begin(t) : RC_OK;
    if (t->rc == RC_OK)
        t->rc = copy_piece(t);
    bool more = t->rc == RC_OK && t->reading.position < t->reading.end;
    if (more) {
        os_pool_submit(g->gw->pool, job);
        return;
    }
    if (t->rc == RC_OK)
        t->rc = copy_finish(t);
    gw_wake(g);
    gw_unref(g);
}

static void copy_start(struct gw_req *g, struct copying *t, void (*then)(struct gw_req *))
{
    t->g = g;
    t->job.run = copy_turn;
    reading_init(&t->reading, g->gw->engine->store, &t->version, t->from, t->size);
    g->work = t;
    g->work_free = copying_free;
    gw_wait(g, then);
    gw_ref(g);
    os_pool_submit(g->gw->pool, &t->job);
}

static struct copying *copying_new(struct gw_req *g)
{
    struct copying *t = arena_zalloc(&g->arena, sizeof *t);
    if (t == NULL)
        gw_fail_rc(g, RC_NOMEM, NULL, "copy");
    return t;
}

/* ---- the record and the answer ---- */
/* Damage is the source's: the answer must not name the object that was to be made. */
static void fail_copy(struct gw_req *g, const struct copying *t)
{
    if (t->rc == RC_CORRUPT) {
        g->route.bucket = t->source.bucket;
        g->route.key = t->source.key;
    }
    gw_fail_rc(g, t->rc, &t->err, "the source could not be copied");
}

static void commit(struct gw_req *g, enum cat_op_kind kind, void (*then)(struct gw_req *))
{
    struct copying *t = g->work;
    if (t->rc != RC_OK) {
        fail_copy(g, t);
        return;
    }
    gw_meter_copied(g, &t->bucket, t->version.class, t->size);
    struct gw_call *c = &g->call;
    gw_call_init(g, c, kind);
    c->op.size = t->size;
    memcpy(c->op.md5, t->digests.md5, sizeof c->op.md5);
    c->op.crc64ecma = t->digests.crc64ecma;
    c->op.checksum = t->digests.checksum;
    c->op.extents = t->extents;
    c->op.n_extents = t->n_extents;
    if (t->put == NULL)
        c->op.body = view_of(t->buffer, (size_t)t->size);
    c->op.if_match = t->conditions.if_match;
    c->op.if_none_match = t->conditions.if_none_match;
    c->op.meta = t->meta.meta;
    c->op.tags = t->meta.tags;
    c->op.class = g->class = t->meta.class;
    if (kind == CAT_PART) {
        uint64_t part = 0;
        if (gw_param_u64(&g->params, "partNumber", 1, PARTS_MAX, &part) != RC_OK || !gw_upload_id(g, &c->op.upload))
            return;
        c->op.part = (uint32_t)part;
    }
    gw_commit(g, c, 1, then);
}

static void answer(struct gw_req *g, const char *root)
{
    const struct copying *t = g->work;
    struct gw_call *c = &g->call;
    if (!gw_call_ok(g, c))
        return;
    const struct cat_done *d = &c->req.cat;
    if (t->bucket.versioning != VERSIONING_OFF)
        gw_add_version(g, "x-amz-copy-source-version-id", t->version.seq, t->version.null_version);
    if (d->versioned && !d->null_version && c->op.kind == CAT_PUT)
        gw_add_version(g, "x-amz-version-id", d->seq, d->null_version);
    struct xml_out x;
    xo_begin(&x, root);
    xo_time(&x, "LastModified", d->time_ns);
    xo_etag(&x, "ETag", c->op.md5, 0);
    if (t->version.checksum.kind != CHECKSUM_NONE)
        xo_checksum(&x, &c->op.checksum, 0);
    xo_reply(&x, g, 200, root);
}

static void object_answer(struct gw_req *g)
{
    answer(g, "CopyObjectResult");
}

static void object_copied(struct gw_req *g)
{
    commit(g, CAT_PUT, object_answer);
}

void op_object_copy(struct gw_req *g)
{
    struct copying *t = copying_new(g);
    if (t == NULL || !gw_makes_object(g) || !gw_unbuilt_headers_ok(g) || !gw_write_conditions(g, &t->conditions) ||
        !find_source(g, t) || !size_ok(g, t) || !gw_room(g, t->size) || !choose_meta(g, t) || !choose_kind(g, t))
        return;
    copy_start(g, t, object_copied);
}

/* ---- UploadPartCopy ---- */
static bool choose_range(struct gw_req *g, struct copying *t)
{
    struct view h = gw_header(g, "x-amz-copy-source-range");
    if (h.p == NULL)
        return true;
    uint64_t last;
    if (gw_copy_range(h, t->version.size, &t->from, &last) != RC_OK) {
        gw_fail_with(g, "InvalidArgument",
                     "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
                     "the zero-based offsets of the first and last bytes to copy, inside the source");
        return false;
    }
    t->size = last - t->from + 1;
    t->whole = t->size == t->version.size;
    return true;
}

/* A part has the checksum kind that its upload was begun with. */
static bool upload_kind(struct gw_req *g, struct copying *t)
{
    uint64_t upload;
    struct cat_upload u;
    if (!gw_upload_id(g, &upload))
        return false;
    enum rc rc = cat_get_upload(g->gw->engine->cat, g->bucket.id, g->route.key, upload, &g->arena, &u);
    if (rc != RC_OK) {
        if (rc == RC_NOT_FOUND)
            gw_fail(g, "NoSuchUpload");
        else
            gw_fail_rc(g, rc, NULL, "the upload cannot be looked up");
        return false;
    }
    t->kind = u.checksum_kind != CHECKSUM_NONE ? u.checksum_kind : CHECKSUM_CRC64NVME;
    t->meta.class = u.class;
    return true;
}

static void part_answer(struct gw_req *g)
{
    answer(g, "CopyPartResult");
}

static void part_copied(struct gw_req *g)
{
    commit(g, CAT_PART, part_answer);
}

void op_upload_part_copy(struct gw_req *g)
{
    struct copying *t = copying_new(g);
    if (t == NULL || !find_source(g, t) || !choose_range(g, t) || !size_ok(g, t) || !gw_room(g, t->size) ||
        !upload_kind(g, t))
        return;
    copy_start(g, t, part_copied);
}
