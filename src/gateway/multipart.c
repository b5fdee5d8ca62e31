/* Multipart uploads: begun, filled, put together or given up. Listing them is in list_uploads.c. */
#include "gateway/gateway_priv.h"

/* ---- CreateMultipartUpload ---- */
struct creating {
    enum checksum_kind kind;
    bool composite;
};

/* x-amz-checksum-algorithm and -type. CRC64NVME is always of the full object, SHAs are always composite. */
static bool read_checksum(struct gw_req *g, struct creating *ret)
{
    struct view algorithm = gw_header(g, "x-amz-checksum-algorithm"), type = gw_header(g, "x-amz-checksum-type");
    struct creating c = {CHECKSUM_NONE, false};
    if (algorithm.p != NULL) {
        c.kind = gw_checksum_kind(view_trim(algorithm));
        if (c.kind == CHECKSUM_NONE) {
            gw_fail_with(g, "InvalidRequest", "Checksum algorithm provided is unsupported.");
            return false;
        }
        c.composite = c.kind != CHECKSUM_CRC64NVME;
    }
    if (type.p != NULL) {
        bool full = view_ieqs(type, "FULL_OBJECT");
        bool sha = c.kind == CHECKSUM_SHA1 || c.kind == CHECKSUM_SHA256;
        if ((!full && !view_ieqs(type, "COMPOSITE")) || c.kind == CHECKSUM_NONE || (full && sha) ||
            (!full && c.kind == CHECKSUM_CRC64NVME)) {
            gw_fail_with(g, "InvalidRequest",
                         "The x-amz-checksum-type is not possible with the checksum algorithm of this upload.");
            return false;
        }
        c.composite = !full;
    }
    *ret = c;
    return true;
}

static void created(struct gw_req *g)
{
    const struct creating *t = g->work;
    struct gw_call *c = &g->call;
    if (!gw_call_ok(g, c))
        return;
    if (t->kind != CHECKSUM_NONE) {
        gw_adds(g, "x-amz-checksum-algorithm", gw_checksum_name(t->kind));
        gw_adds(g, "x-amz-checksum-type", t->composite ? "COMPOSITE" : "FULL_OBJECT");
    }
    char id[UPLOAD_TEXT_MAX];
    struct xml_out x;
    xo_begin(&x, "InitiateMultipartUploadResult");
    xo_text(&x, "Bucket", g->route.bucket);
    xo_text(&x, "Key", g->route.key);
    xo_str(&x, "UploadId", cat_upload_text(c->req.cat.seq, id));
    xo_reply(&x, g, 200, "InitiateMultipartUploadResult");
}

void op_upload_create(struct gw_req *g)
{
    struct object_meta meta;
    struct creating *t = arena_zalloc(&g->arena, sizeof *t);
    if (t == NULL) {
        gw_fail_rc(g, RC_NOMEM, NULL, "CreateMultipartUpload");
        return;
    }
    if (!gw_makes_object(g) || !gw_unbuilt_headers_ok(g) || !read_checksum(g, t) || !gw_meta_read(g, &meta))
        return;
    g->work = t;
    struct gw_call *c = &g->call;
    gw_call_init(g, c, CAT_UPLOAD);
    c->op.meta = meta.meta;
    c->op.tags = meta.tags;
    c->op.class = g->class = meta.class;
    /* As S3: of an upload that asks for none the whole object's CRC64NVME is kept. */
    c->op.checksum =
        (struct checksum){.kind = t->kind != CHECKSUM_NONE ? t->kind : CHECKSUM_CRC64NVME, .composite = t->composite};
    gw_commit(g, c, 1, created);
}

/* ---- UploadPart ---- */
static bool part_number(struct gw_req *g, uint64_t *ret)
{
    *ret = 0;
    if (gw_param_u64(&g->params, "partNumber", 1, PARTS_MAX, ret) == RC_OK && *ret != 0)
        return true;
    gw_fail_with(g, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
    return false;
}

/* The upload is looked up before the body is asked for: 5 GiB for nothing helps nobody. */
static bool find_upload(struct gw_req *g, struct cat_upload *ret)
{
    uint64_t id;
    if (!gw_upload_id(g, &id))
        return false;
    enum rc rc = cat_get_upload(g->gw->engine->cat, g->bucket.id, g->route.key, id, &g->arena, ret);
    if (rc == RC_NOT_FOUND)
        gw_fail(g, "NoSuchUpload");
    else if (rc != RC_OK)
        gw_fail_rc(g, rc, NULL, "the upload cannot be looked up");
    return rc == RC_OK;
}

void op_upload_part_check(struct gw_req *g)
{
    uint64_t number;
    struct cat_upload *u = arena_zalloc(&g->arena, sizeof *u);
    if (u == NULL)
        gw_fail_rc(g, RC_NOMEM, NULL, "UploadPart");
    else if (part_number(g, &number) && gw_unbuilt_headers_ok(g) && find_upload(g, u)) {
        g->class = u->class;
        g->work = u;
    }
}

static void part_done(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    if (!gw_call_ok(g, c))
        return;
    gw_add_etag(g, c->op.md5, 0);
    if (g->body.checks.given.kind != CHECKSUM_NONE) {
        char s[CHECKSUM_TEXT_MAX];
        gw_adds(g, gw_checksum_header(c->op.checksum.kind), gw_checksum_text(&c->op.checksum, 0, s));
    }
    gw_reply_empty(g, 200);
}

void op_upload_part(struct gw_req *g)
{
    uint64_t number;
    const struct cat_upload *u = g->work;
    struct gw_call *c = &g->call;
    gw_call_init(g, c, CAT_PART);
    if (!part_number(g, &number) || !gw_upload_id(g, &c->op.upload))
        return;
    c->op.part = (uint32_t)number;
    c->op.class = u->class;
    gw_body_into_op(g, &c->op);
    gw_commit(g, c, 1, part_done);
}

/* ---- CompleteMultipartUpload ---- */
static const char *object_url(struct gw_req *g)
{
    struct buf out = BUF(4 * KEY_MAX + HTTP_HEAD_MAX);
    struct view host = http_header(g->http, "host");
    const char *url = "";
    if (buf_puts(&out, "http://") == RC_OK && buf_putv(&out, host) == RC_OK && buf_puts(&out, "/") == RC_OK &&
        buf_putv(&out, g->route.bucket) == RC_OK && buf_puts(&out, "/") == RC_OK &&
        uri_encode(g->route.key, true, &out) == RC_OK)
        url = arena_cstr(&g->arena, buf_view(&out));
    buf_free(&out);
    return url != NULL ? url : "";
}

static void completed(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    if (!gw_call_ok(g, c))
        return;
    const struct cat_done *d = &c->req.cat;
    if (d->versioned && !d->null_version)
        gw_add_version(g, "x-amz-version-id", d->version != 0 ? d->version : d->seq, d->null_version);
    struct xml_out x;
    xo_begin(&x, "CompleteMultipartUploadResult");
    xo_str(&x, "Location", object_url(g));
    xo_text(&x, "Bucket", g->route.bucket);
    xo_text(&x, "Key", g->route.key);
    xo_etag(&x, "ETag", d->etag_md5, d->etag_parts);
    xo_checksum(&x, &d->checksum, d->etag_parts);
    xo_reply(&x, g, 200, "CompleteMultipartUploadResult");
}

/* The client's word for the checksum of the whole; the catalog compares it. */
static bool expected_checksum(struct gw_req *g, struct checksum *ret)
{
    for (enum checksum_kind k = CHECKSUM_CRC32; k <= CHECKSUM_SHA256; k++) {
        const char *header = gw_checksum_header(k);
        struct view v = http_header(g->http, header);
        if (v.p == NULL)
            continue;
        if (gw_checksum_parse(k, v, ret) == RC_OK)
            return true;
        gw_fail_with(g, "InvalidRequest", arena_printf(&g->arena, "Value for %s header is invalid.", header));
        return false;
    }
    return true;
}

/* Bytes of the parts that are named. *ret_all is false when one of them is not there. */
static enum rc size_of_parts(struct gw_req *g, uint64_t upload, const struct part_list *parts, uint64_t *ret,
                             bool *ret_all)
{
    uint32_t after = 0;
    size_t i = 0;
    bool more = true, all = true;
    *ret = 0;
    while (more && all && i < parts->n) {
        struct cat_part_info *have;
        size_t n = 0;
        HF_TRY(cat_list_parts(g->gw->engine->cat, upload, after, CAT_LIST_MAX, &g->arena, &have, &n, &more));
        for (size_t j = 0; j < n && i < parts->n; j++) {
            after = have[j].number;
            all &= after <= parts->parts[i].number;
            if (after == parts->parts[i].number) {
                *ret += have[j].size;
                i++;
            }
        }
    }
    *ret_all = all && i == parts->n;
    return RC_OK;
}

/* x-amz-mp-object-size: what the client thinks that it sent. About parts that are missing the catalog has the word, and
 * about an upload that was completed before. */
static bool size_agrees(struct gw_req *g, uint64_t upload, const struct part_list *parts)
{
    struct view v = gw_header(g, "x-amz-mp-object-size");
    uint64_t want, sum;
    bool all;
    if (v.p == NULL)
        return true;
    enum rc rc = size_of_parts(g, upload, parts, &sum, &all);
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "the parts cannot be listed");
        return false;
    }
    if (!all || (view_u64(view_trim(v), &want) && want == sum))
        return true;
    gw_fail_with(g, "InvalidRequest",
                 "The provided 'x-amz-mp-object-size' header does not match what was computed from the parts.");
    return false;
}

void op_upload_complete(struct gw_req *g)
{
    struct part_list parts;
    struct gw_call *c = &g->call;
    enum rc rc = gw_xml_complete(gw_body_view(g), &g->arena, &parts);
    if (rc == RC_INVALID || rc == RC_LIMIT)
        gw_fail(g, "MalformedXML");
    else if (rc == RC_NOT_FOUND)
        gw_fail(g, "InvalidPart");
    else if (rc != RC_OK)
        gw_fail_rc(g, rc, NULL, "CompleteMultipartUpload");
    if (rc != RC_OK)
        return;
    gw_call_init(g, c, CAT_COMPLETE);
    c->op.parts = parts.parts;
    c->op.n_parts = parts.n;
    if (!gw_upload_id(g, &c->op.upload) || !gw_write_conditions(g, &c->op) || !expected_checksum(g, &c->op.checksum) ||
        !size_agrees(g, c->op.upload, &parts))
        return;
    gw_commit(g, c, 1, completed);
}

/* ---- AbortMultipartUpload ---- */
static void aborted(struct gw_req *g)
{
    if (gw_call_ok(g, &g->call))
        gw_reply_empty(g, 204);
}

void op_upload_abort(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    gw_call_init(g, c, CAT_ABORT);
    if (gw_upload_id(g, &c->op.upload))
        gw_commit(g, c, 1, aborted);
}
