/* ListObjects (1 and 2), ListObjectVersions. */
#include "gateway/gateway_priv.h"

#define LIST_MAX 1000u /* S3 */

struct listing {
    struct view prefix, delimiter;
    unsigned max;
    bool url;
};

static bool bad_argument(struct gw_req *g, const char *message)
{
    gw_fail_with(g, "InvalidArgument", message);
    return false;
}

static bool read_listing(struct gw_req *g, const char *max_name, struct listing *ret)
{
    uint64_t max = LIST_MAX;
    if (gw_param_u64(&g->params, max_name, 0, INT32_MAX, &max) != RC_OK)
        return bad_argument(g, "The maximum must be an integer between 0 and 2147483647");
    struct view type = gw_arg(g, "encoding-type");
    if (type.n > 0 && !view_ieqs(type, "url"))
        return bad_argument(g, "Invalid Encoding Method specified in Request");
    *ret = (struct listing){gw_arg(g, "prefix"), gw_arg(g, "delimiter"), max > LIST_MAX ? LIST_MAX : (unsigned)max,
                            type.n > 0};
    if (ret->prefix.p == NULL)
        ret->prefix = VIEW("");
    if (ret->delimiter.p == NULL)
        ret->delimiter = VIEW("");
    return true;
}

static size_t find_delimiter(struct view key, struct view delimiter, size_t from)
{
    for (size_t i = from; i + delimiter.n <= key.n; i++)
        if (memcmp(key.p + i, delimiter.p, delimiter.n) == 0)
            return i;
    return SIZE_MAX;
}

/* A marker that is itself a common prefix of this listing stands for everything under it. */
static bool marker_is_prefix(const struct listing *l, struct view marker)
{
    if (l->delimiter.n == 0 || !view_starts(marker, l->prefix))
        return false;
    size_t at = find_delimiter(marker, l->delimiter, l->prefix.n);
    return at != SIZE_MAX && at + l->delimiter.n == marker.n;
}

static struct cat_list catalog_list(const struct listing *l, struct view after, bool after_is_prefix)
{
    return (struct cat_list){.prefix = l->prefix,
                             .delimiter = l->delimiter,
                             .after = after.p != NULL ? after : VIEW(""),
                             .after_is_prefix = after_is_prefix,
                             .max = l->max};
}

static bool run_objects(struct gw_req *g, const struct cat_list *l, struct cat_listed *ret)
{
    memset(ret, 0, sizeof *ret);
    if (l->max == 0)
        return true;
    enum rc rc = cat_list_objects(g->gw->engine->cat, g->bucket.id, l, &g->arena, ret);
    if (rc != RC_OK)
        gw_fail_rc(g, rc, NULL, "the bucket cannot be listed");
    return rc == RC_OK;
}

static void write_listing(struct xml_out *x, const struct gw_req *g, const struct listing *l, bool plain_prefix)
{
    xo_text(x, "Name", g->route.bucket);
    x->url_keys = l->url && !plain_prefix;
    xo_key(x, "Prefix", l->prefix);
    x->url_keys = l->url;
    xo_u64(x, "MaxKeys", l->max);
    if (l->delimiter.n > 0)
        xo_key(x, "Delimiter", l->delimiter);
    if (l->url)
        xo_str(x, "EncodingType", "url");
}

static void write_contents(struct xml_out *x, const struct gw_req *g, const struct cat_listed *d, bool owner)
{
    for (size_t i = 0; i < d->n_versions; i++) {
        const struct cat_version *v = &d->versions[i];
        xo_open(x, "Contents");
        xo_key(x, "Key", v->key);
        xo_time(x, "LastModified", v->modified_ns);
        xo_etag(x, "ETag", v->etag_md5, v->etag_parts);
        if (v->checksum.kind != CHECKSUM_NONE) {
            xo_str(x, "ChecksumAlgorithm", gw_checksum_name(v->checksum.kind));
            xo_str(x, "ChecksumType", v->checksum.composite ? "COMPOSITE" : "FULL_OBJECT");
        }
        xo_u64(x, "Size", v->size);
        if (owner)
            xo_owner(x, "Owner", g);
        xo_str(x, "StorageClass", gw_class_name(v->class));
        xo_close(x, "Contents");
    }
}

static void write_prefixes(struct xml_out *x, const struct view *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        xo_open(x, "CommonPrefixes");
        xo_key(x, "Prefix", prefixes[i]);
        xo_close(x, "CommonPrefixes");
    }
}

void op_list_v1(struct gw_req *g)
{
    struct listing l;
    struct cat_listed d;
    if (!read_listing(g, "max-keys", &l))
        return;
    struct view marker = gw_arg(g, "marker");
    struct cat_list c = catalog_list(&l, marker, marker_is_prefix(&l, marker));
    if (!run_objects(g, &c, &d))
        return;
    struct xml_out x;
    xo_begin(&x, "ListBucketResult");
    write_listing(&x, g, &l, true); /* as Ceph has it: boto3 decodes all but this one */
    xo_key(&x, "Marker", c.after);
    xo_bool(&x, "IsTruncated", d.truncated);
    if (d.truncated && l.delimiter.n > 0)
        xo_key(&x, "NextMarker", d.next);
    write_contents(&x, g, &d, true);
    write_prefixes(&x, d.prefixes, d.n_prefixes);
    xo_reply(&x, g, 200, "ListBucketResult");
}

/* Where the page begins: the token wins over start-after, as in S3. */
static bool read_start(struct gw_req *g, const struct listing *l, struct cat_list *ret)
{
    struct view token = gw_arg(g, "continuation-token"), start = gw_arg(g, "start-after");
    if (token.n == 0) {
        *ret = catalog_list(l, start, marker_is_prefix(l, start));
        return true;
    }
    struct view next;
    bool is_prefix;
    enum rc rc = gw_token_decode(token, &g->arena, &next, &is_prefix);
    if (rc == RC_INVALID)
        return bad_argument(g, "The continuation token provided is incorrect");
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "continuation token");
        return false;
    }
    *ret = catalog_list(l, next, is_prefix);
    return true;
}

void op_list_v2(struct gw_req *g)
{
    struct listing l;
    struct cat_list c;
    struct cat_listed d;
    struct view token = VIEW("");
    if (!read_listing(g, "max-keys", &l) || !read_start(g, &l, &c) || !run_objects(g, &c, &d))
        return;
    if (d.truncated && gw_token_encode(d.next, d.next_is_prefix, &g->arena, &token) != RC_OK) {
        gw_fail_rc(g, RC_NOMEM, NULL, "continuation token");
        return;
    }
    struct xml_out x;
    xo_begin(&x, "ListBucketResult");
    write_listing(&x, g, &l, false);
    xo_u64(&x, "KeyCount", d.n_versions + d.n_prefixes);
    xo_bool(&x, "IsTruncated", d.truncated);
    if (gw_arg(g, "continuation-token").p != NULL)
        xo_text(&x, "ContinuationToken", gw_arg(g, "continuation-token"));
    if (d.truncated)
        xo_text(&x, "NextContinuationToken", token);
    if (gw_arg(g, "start-after").p != NULL)
        xo_key(&x, "StartAfter", gw_arg(g, "start-after"));
    write_contents(&x, g, &d, view_ieqs(gw_arg(g, "fetch-owner"), "true"));
    write_prefixes(&x, d.prefixes, d.n_prefixes);
    xo_reply(&x, g, 200, "ListBucketResult");
}

/* ---- ListObjectVersions ---- */
/* version-id-marker: of the null version its place among the others has to be looked up. */
static bool read_version_marker(struct gw_req *g, struct cat_list *l)
{
    struct view id = gw_arg(g, "version-id-marker");
    bool null_version;
    if (id.p == NULL || id.n == 0)
        return true;
    if (l->after.n == 0)
        return bad_argument(g, "A version-id marker cannot be specified without a key marker.");
    if (!cat_version_parse(id, &l->after_version, &null_version))
        return bad_argument(g, "Invalid version id specified");
    if (!null_version)
        return true;
    struct cat_version v;
    struct cat_want want = {.null_version = true};
    enum rc rc = cat_get_object(g->gw->engine->cat, g->bucket.id, l->after, want, &g->arena, &v);
    if (rc == RC_OK)
        l->after_version = v.seq;
    else if (rc != RC_NOT_FOUND)
        gw_fail_rc(g, rc, NULL, "the version marker cannot be looked up");
    return rc == RC_OK || rc == RC_NOT_FOUND;
}

static void write_version(struct xml_out *x, const struct gw_req *g, const struct cat_version *v)
{
    char id[VERSION_TEXT_MAX];
    const char *element = v->marker ? "DeleteMarker" : "Version";
    xo_open(x, element);
    xo_key(x, "Key", v->key);
    xo_str(x, "VersionId", cat_version_text(v->seq, v->null_version, id));
    xo_bool(x, "IsLatest", v->latest);
    xo_time(x, "LastModified", v->modified_ns);
    if (!v->marker) {
        xo_etag(x, "ETag", v->etag_md5, v->etag_parts);
        xo_u64(x, "Size", v->size);
        xo_str(x, "StorageClass", gw_class_name(v->class));
    }
    xo_owner(x, "Owner", g);
    xo_close(x, element);
}

void op_list_versions(struct gw_req *g)
{
    struct listing l;
    struct cat_listed d = {0};
    if (!read_listing(g, "max-keys", &l))
        return;
    struct view marker = gw_arg(g, "key-marker"), id_marker = gw_arg(g, "version-id-marker");
    struct cat_list c = catalog_list(&l, marker, marker_is_prefix(&l, marker));
    if (!read_version_marker(g, &c))
        return;
    enum rc rc = l.max > 0 ? cat_list_versions(g->gw->engine->cat, g->bucket.id, &c, &g->arena, &d) : RC_OK;
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "the versions cannot be listed");
        return;
    }
    struct xml_out x;
    char id[VERSION_TEXT_MAX];
    xo_begin(&x, "ListVersionsResult");
    write_listing(&x, g, &l, false);
    xo_key(&x, "KeyMarker", c.after);
    xo_text(&x, "VersionIdMarker", id_marker.p != NULL ? id_marker : VIEW(""));
    xo_bool(&x, "IsTruncated", d.truncated);
    if (d.truncated) {
        xo_key(&x, "NextKeyMarker", d.next);
        if (!d.next_is_prefix && d.next_version != 0)
            xo_str(&x, "NextVersionIdMarker", cat_version_text(d.next_version, false, id));
    }
    for (size_t i = 0; i < d.n_versions; i++)
        write_version(&x, g, &d.versions[i]);
    write_prefixes(&x, d.prefixes, d.n_prefixes);
    xo_reply(&x, g, 200, "ListVersionsResult");
}
