/* ListMultipartUploads and ListParts. */
#include "gateway/gateway_priv.h"

#define LIST_MAX 1000u /* S3 */

static void write_checksum_kind(struct xml_out *x, enum checksum_kind kind, bool composite)
{
    if (kind == CHECKSUM_NONE)
        return;
    xo_str(x, "ChecksumAlgorithm", gw_checksum_name(kind));
    xo_str(x, "ChecksumType", composite ? "COMPOSITE" : "FULL_OBJECT");
}

static void write_upload(struct xml_out *x, const struct gw_req *g, const struct cat_upload *u)
{
    char id[UPLOAD_TEXT_MAX];
    xo_open(x, "Upload");
    xo_key(x, "Key", u->key);
    xo_str(x, "UploadId", cat_upload_text(u->seq, id));
    xo_owner(x, "Initiator", g);
    xo_owner(x, "Owner", g);
    xo_str(x, "StorageClass", gw_class_name(u->class));
    xo_time(x, "Initiated", u->created_ns);
    write_checksum_kind(x, u->checksum_kind, u->checksum_composite);
    xo_close(x, "Upload");
}

static struct view or_empty(struct view v)
{
    return v.p != NULL ? v : VIEW("");
}

static void write_uploads(struct gw_req *g, const struct cat_list *l, const struct cat_uploads_listed *d)
{
    struct xml_out x;
    char id[UPLOAD_TEXT_MAX];
    xo_begin(&x, "ListMultipartUploadsResult");
    x.url_keys = gw_arg(g, "encoding-type").n > 0;
    xo_text(&x, "Bucket", g->route.bucket);
    xo_key(&x, "KeyMarker", l->after);
    xo_text(&x, "UploadIdMarker", or_empty(gw_arg(g, "upload-id-marker")));
    if (d->truncated) {
        xo_key(&x, "NextKeyMarker", d->next_key);
        xo_str(&x, "NextUploadIdMarker", d->next_upload != 0 ? cat_upload_text(d->next_upload, id) : "");
    }
    xo_key(&x, "Prefix", l->prefix);
    if (l->delimiter.n > 0)
        xo_key(&x, "Delimiter", l->delimiter);
    if (x.url_keys)
        xo_str(&x, "EncodingType", "url");
    xo_u64(&x, "MaxUploads", l->max);
    xo_bool(&x, "IsTruncated", d->truncated);
    for (size_t i = 0; i < d->n_uploads; i++)
        write_upload(&x, g, &d->uploads[i]);
    for (size_t i = 0; i < d->n_prefixes; i++) {
        xo_open(&x, "CommonPrefixes");
        xo_key(&x, "Prefix", d->prefixes[i]);
        xo_close(&x, "CommonPrefixes");
    }
    xo_reply(&x, g, 200, "ListMultipartUploadsResult");
}

void op_list_uploads(struct gw_req *g)
{
    uint64_t max = LIST_MAX, after = 0;
    struct view id = gw_arg(g, "upload-id-marker"), marker = or_empty(gw_arg(g, "key-marker"));
    if (gw_param_u64(&g->params, "max-uploads", 0, INT32_MAX, &max) != RC_OK) {
        gw_fail_with(g, "InvalidArgument", "max-uploads must be an integer between 0 and 2147483647");
        return;
    }
    struct view encoding = gw_arg(g, "encoding-type");
    if (encoding.n > 0 && !view_ieqs(encoding, "url")) {
        gw_fail_with(g, "InvalidArgument", "Invalid Encoding Method specified in Request");
        return;
    }
    /* Without a key marker S3 ignores the other one. */
    if (id.n > 0 && marker.n > 0 && !cat_upload_parse(id, &after)) {
        gw_fail_with(g, "InvalidArgument", "Invalid uploadId marker");
        return;
    }
    struct cat_list l = {.prefix = or_empty(gw_arg(g, "prefix")),
                         .delimiter = or_empty(gw_arg(g, "delimiter")),
                         .after = marker,
                         .after_version = after,
                         .max = max > LIST_MAX ? LIST_MAX : (unsigned)max};
    struct cat_uploads_listed d = {0};
    enum rc rc = l.max > 0 ? cat_list_uploads(g->gw->engine->cat, g->bucket.id, &l, &g->arena, &d) : RC_OK;
    if (rc == RC_OK)
        write_uploads(g, &l, &d);
    else
        gw_fail_rc(g, rc, NULL, "the uploads cannot be listed");
}

/* ---- ListParts ---- */
struct parts_page {
    uint64_t upload, after, max;
    struct cat_upload info;
    struct cat_part_info *parts;
    size_t n;
    bool truncated;
};

static void write_parts(struct gw_req *g, const struct parts_page *p)
{
    struct xml_out x;
    xo_begin(&x, "ListPartsResult");
    xo_text(&x, "Bucket", g->route.bucket);
    x.url_keys = gw_arg(g, "encoding-type").n > 0;
    xo_key(&x, "Key", g->route.key);
    xo_text(&x, "UploadId", gw_arg(g, "uploadId"));
    xo_owner(&x, "Initiator", g);
    xo_owner(&x, "Owner", g);
    xo_str(&x, "StorageClass", gw_class_name(p->info.class));
    xo_u64(&x, "PartNumberMarker", p->after);
    if (p->n > 0)
        xo_u64(&x, "NextPartNumberMarker", p->parts[p->n - 1].number);
    xo_u64(&x, "MaxParts", p->max);
    xo_bool(&x, "IsTruncated", p->truncated);
    write_checksum_kind(&x, p->info.checksum_kind, p->info.checksum_composite);
    for (size_t i = 0; i < p->n; i++) {
        const struct cat_part_info *part = &p->parts[i];
        char s[CHECKSUM_TEXT_MAX];
        xo_open(&x, "Part");
        xo_u64(&x, "PartNumber", part->number);
        xo_time(&x, "LastModified", part->modified_ns);
        xo_etag(&x, "ETag", part->md5, 0);
        xo_u64(&x, "Size", part->size);
        if (part->checksum.kind != CHECKSUM_NONE)
            xo_str(&x, gw_checksum_element(part->checksum.kind), gw_checksum_text(&part->checksum, 0, s));
        xo_close(&x, "Part");
    }
    xo_reply(&x, g, 200, "ListPartsResult");
}

void op_upload_parts(struct gw_req *g)
{
    struct parts_page p = {.max = LIST_MAX};
    if (!gw_upload_id(g, &p.upload))
        return;
    if (gw_param_u64(&g->params, "max-parts", 0, INT32_MAX, &p.max) != RC_OK ||
        gw_param_u64(&g->params, "part-number-marker", 0, INT32_MAX, &p.after) != RC_OK) {
        gw_fail_with(g, "InvalidArgument", "max-parts and part-number-marker must be integers from 0 on");
        return;
    }
    if (p.max > LIST_MAX)
        p.max = LIST_MAX;
    struct cat *cat = g->gw->engine->cat;
    enum rc rc = cat_get_upload(cat, g->bucket.id, g->route.key, p.upload, &g->arena, &p.info);
    if (rc == RC_NOT_FOUND) {
        gw_fail(g, "NoSuchUpload");
        return;
    }
    if (rc == RC_OK && p.max > 0 && p.after < PARTS_MAX)
        rc = cat_list_parts(cat, p.upload, (uint32_t)p.after, (unsigned)p.max, &g->arena, &p.parts, &p.n, &p.truncated);
    if (rc == RC_OK)
        write_parts(g, &p);
    else
        gw_fail_rc(g, rc, NULL, "the parts cannot be listed");
}
