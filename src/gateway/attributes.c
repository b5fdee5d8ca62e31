/* GetObjectAttributes: what is known of an object, without its bytes. */
#include "gateway/gateway_priv.h"

#define PARTS_PAGE_MAX 1000u /* S3 */

enum attribute {
    ATTRIBUTE_ETAG = 1,
    ATTRIBUTE_CHECKSUM = 2,
    ATTRIBUTE_PARTS = 4,
    ATTRIBUTE_CLASS = 8,
    ATTRIBUTE_SIZE = 16,
};
struct wanted {
    unsigned attributes;
    uint64_t max_parts, after_part;
};

static unsigned attribute_of(struct view name)
{
    static const struct {
        const char *name;
        enum attribute attribute;
    } names[] = {{"ETag", ATTRIBUTE_ETAG},
                 {"Checksum", ATTRIBUTE_CHECKSUM},
                 {"ObjectParts", ATTRIBUTE_PARTS},
                 {"StorageClass", ATTRIBUTE_CLASS},
                 {"ObjectSize", ATTRIBUTE_SIZE}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (view_eqs(name, names[i].name))
            return names[i].attribute;
    return 0;
}

/* Headers of one name may come several times; each holds a list. */
static bool read_names(struct gw_req *g, struct wanted *w)
{
    for (size_t i = 0; i < http_header_count(g->http); i++) {
        struct view name, list;
        http_header_at(g->http, i, &name, &list);
        if (!view_ieqs(name, "x-amz-object-attributes"))
            continue;
        for (size_t from = 0; from < list.n;) {
            size_t comma = view_find(list, ',', from);
            size_t end = comma == SIZE_MAX ? list.n : comma;
            unsigned attribute = attribute_of(view_trim(view_sub(list, from, end - from)));
            if (attribute == 0) {
                gw_fail_with(g, "InvalidArgument", "Invalid attribute name specified.");
                return false;
            }
            w->attributes |= attribute;
            from = end + 1;
        }
    }
    if (w->attributes == 0)
        gw_fail_with(g, "InvalidRequest",
                     "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing "
                     "or empty");
    return w->attributes != 0;
}

static bool read_number(struct gw_req *g, const char *header, uint64_t *value)
{
    struct view v = gw_header(g, header);
    if (v.p == NULL || (view_u64(view_trim(v), value) && *value <= INT32_MAX))
        return true;
    gw_fail_with(g, "InvalidArgument", arena_printf(&g->arena, "%s must be an integer from 0 to 2147483647", header));
    return false;
}

static void write_parts(struct xml_out *x, const struct cat_version *v, const struct wanted *w)
{
    uint64_t max = w->max_parts < PARTS_PAGE_MAX ? w->max_parts : PARTS_PAGE_MAX;
    uint64_t first = w->after_part < v->n_parts ? w->after_part : v->n_parts;
    uint64_t end = v->n_parts - first < max ? v->n_parts : first + max;
    xo_open(x, "ObjectParts");
    xo_u64(x, "PartsCount", v->n_parts);
    xo_u64(x, "PartNumberMarker", w->after_part);
    xo_u64(x, "NextPartNumberMarker", end);
    xo_u64(x, "MaxParts", max);
    xo_bool(x, "IsTruncated", end < v->n_parts);
    for (uint64_t i = first; i < end; i++) {
        xo_open(x, "Part");
        xo_u64(x, "PartNumber", i + 1);
        xo_u64(x, "Size", v->part_sizes[i]);
        xo_close(x, "Part");
    }
    xo_close(x, "ObjectParts");
}

static void write_attributes(struct gw_req *g, const struct cat_version *v, const struct wanted *w)
{
    struct xml_out x;
    char etag[ETAG_TEXT_MAX];
    xo_begin(&x, "GetObjectAttributesResponse");
    if (w->attributes & ATTRIBUTE_ETAG)
        xo_str(&x, "ETag", cat_etag_text(v->etag_md5, v->etag_parts, etag));
    if (w->attributes & ATTRIBUTE_CHECKSUM && v->checksum.kind != CHECKSUM_NONE) {
        xo_open(&x, "Checksum");
        xo_checksum(&x, &v->checksum, v->etag_parts);
        xo_close(&x, "Checksum");
    }
    if (w->attributes & ATTRIBUTE_PARTS && v->n_parts > 0)
        write_parts(&x, v, w);
    if (w->attributes & ATTRIBUTE_CLASS)
        xo_str(&x, "StorageClass", gw_class_name(v->class));
    if (w->attributes & ATTRIBUTE_SIZE)
        xo_u64(&x, "ObjectSize", v->size);
    xo_reply(&x, g, 200, "GetObjectAttributesResponse");
}

void op_object_attributes(struct gw_req *g)
{
    struct cat_version v;
    struct wanted w = {.max_parts = PARTS_PAGE_MAX};
    if (!read_names(g, &w) || !read_number(g, "x-amz-max-parts", &w.max_parts) ||
        !read_number(g, "x-amz-part-number-marker", &w.after_part) || !gw_version_find(g, true, &v))
        return;
    gw_add_time(g, "Last-Modified", v.modified_ns);
    if (g->bucket.versioning != VERSIONING_OFF)
        gw_add_version(g, "x-amz-version-id", v.seq, v.null_version);
    write_attributes(g, &v, &w);
}
