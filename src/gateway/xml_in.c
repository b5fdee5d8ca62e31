/* The XML bodies that S3 clients send, each into its struct. */
#include "gateway/parse_priv.h"

/* Reads by depth: 1 is the document's element. Elements that S3 does not know are ignored, as S3 ignores them. */

static bool named(const char *name, const char *want)
{
    return strcmp(name, want) == 0;
}

/* ---- DeleteObjects ---- */
struct delete_walk {
    struct arena *a;
    struct delete_list *list;
    struct delete_item item;
    bool root, in_object, has_key;
};

static enum rc delete_open(void *ctx, const char *name, int depth)
{
    struct delete_walk *w = ctx;
    if (depth == 1) {
        w->root = named(name, "Delete");
        return w->root ? RC_OK : RC_INVALID;
    }
    if (depth == 2) {
        w->in_object = named(name, "Object");
        w->has_key = false;
        w->item = (struct delete_item){{NULL, 0}, {NULL, 0}, {NULL, 0}, false};
    }
    return RC_OK;
}

static enum rc keep(struct arena *a, struct view text, struct view *ret)
{
    *ret = arena_dup(a, text.n > 0 ? text : VIEW(""));
    return ret->p != NULL ? RC_OK : RC_NOMEM;
}

static enum rc delete_close(void *ctx, const char *name, int depth, struct view text)
{
    struct delete_walk *w = ctx;
    if (depth == 2 && named(name, "Quiet")) {
        struct view v = view_trim(text);
        w->list->quiet = view_ieqs(v, "true");
        return w->list->quiet || view_ieqs(v, "false") ? RC_OK : RC_INVALID;
    }
    if (depth == 2 && w->in_object) {
        w->in_object = false;
        if (!w->has_key || w->item.key.n == 0 || w->list->n >= DELETE_MANY_MAX)
            return RC_INVALID;
        w->list->items[w->list->n++] = w->item;
        return RC_OK;
    }
    if (depth != 3 || !w->in_object)
        return RC_OK;
    if (named(name, "Key")) {
        w->has_key = true;
        return keep(w->a, text, &w->item.key);
    }
    if (named(name, "VersionId"))
        return keep(w->a, view_trim(text), &w->item.version);
    if (named(name, "ETag"))
        return keep(w->a, gw_unquote(text), &w->item.etag);
    if (named(name, "LastModifiedTime") || named(name, "Size"))
        w->item.unbuilt = true;
    return RC_OK;
}

enum rc gw_xml_delete(struct view doc, struct arena *a, struct delete_list *ret)
{
    struct delete_list list = {arena_alloc(a, DELETE_MANY_MAX * sizeof *list.items), 0, false};
    if (list.items == NULL)
        return RC_NOMEM;
    struct delete_walk w = {.a = a, .list = &list};
    HF_TRY(xml_read(doc, &(struct xml_reader){delete_open, delete_close, &w}, NULL));
    if (!w.root || list.n == 0)
        return RC_INVALID;
    *ret = list;
    return RC_OK;
}

/* ---- CompleteMultipartUpload ---- */
struct complete_walk {
    struct part_list *list;
    struct cat_part_ref part;
    bool root, in_part, has_number, has_etag, bad_etag;
};

static enum rc complete_open(void *ctx, const char *name, int depth)
{
    struct complete_walk *w = ctx;
    if (depth == 1) {
        w->root = named(name, "CompleteMultipartUpload");
        return w->root ? RC_OK : RC_INVALID;
    }
    if (depth == 2) {
        w->in_part = named(name, "Part");
        w->has_number = w->has_etag = false;
        memset(&w->part, 0, sizeof w->part);
    }
    return RC_OK;
}

static enum rc complete_field(struct complete_walk *w, const char *name, struct view text)
{
    uint64_t n = 0;
    if (named(name, "PartNumber")) {
        if (!view_u64(view_trim(text), &n) || n < 1 || n > PARTS_MAX)
            return RC_INVALID;
        w->part.number = (uint32_t)n;
        w->has_number = true;
        return RC_OK;
    }
    if (named(name, "ETag")) {
        w->has_etag = true;
        if (hex_decode(gw_unquote(text), w->part.md5, sizeof w->part.md5) != RC_OK)
            w->bad_etag = true;
        return RC_OK;
    }
    static const char prefix[] = "Checksum";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
        enum checksum_kind k = gw_checksum_kind(view_cstr(name + sizeof prefix - 1));
        if (k != CHECKSUM_NONE && view_trim(text).n > 0)
            return gw_checksum_parse(k, text, &w->part.checksum);
    }
    return RC_OK;
}

static enum rc complete_close(void *ctx, const char *name, int depth, struct view text)
{
    struct complete_walk *w = ctx;
    if (depth == 3 && w->in_part)
        return complete_field(w, name, text);
    if (depth == 2 && w->in_part) {
        w->in_part = false;
        if (!w->has_number || !w->has_etag || w->list->n >= PARTS_MAX)
            return RC_INVALID;
        w->list->parts[w->list->n++] = w->part;
    }
    return RC_OK;
}

/* "<Part>" can begin no more often than '<' is there: bounds the array by the document. */
static size_t count_elements(struct view doc)
{
    size_t n = 0;
    for (size_t i = 0; i < doc.n; i++)
        n += doc.p[i] == '<';
    return n < PARTS_MAX ? n : PARTS_MAX;
}

enum rc gw_xml_complete(struct view doc, struct arena *a, struct part_list *ret)
{
    struct part_list list = {arena_alloc(a, (count_elements(doc) + 1) * sizeof *list.parts), 0};
    if (list.parts == NULL)
        return RC_NOMEM;
    struct complete_walk w = {.list = &list};
    HF_TRY(xml_read(doc, &(struct xml_reader){complete_open, complete_close, &w}, NULL));
    if (!w.root || list.n == 0)
        return RC_INVALID;
    if (w.bad_etag)
        return RC_NOT_FOUND;
    *ret = list;
    return RC_OK;
}

/* ---- Tagging ---- */
struct tagging_walk {
    struct arena *a;
    struct tag_list *list;
    size_t limit;
    struct view key, value;
    bool root, has_set, in_set, in_tag;
    const char **code, **message;
};

static enum rc tagging_open(void *ctx, const char *name, int depth)
{
    struct tagging_walk *w = ctx;
    if (depth == 1) {
        w->root = named(name, "Tagging");
        return w->root ? RC_OK : RC_INVALID;
    }
    if (depth == 2)
        w->has_set |= w->in_set = named(name, "TagSet");
    if (depth == 3) {
        w->in_tag = w->in_set && named(name, "Tag");
        w->key = w->value = (struct view){NULL, 0};
    }
    return RC_OK;
}

static enum rc tagging_close(void *ctx, const char *name, int depth, struct view text)
{
    struct tagging_walk *w = ctx;
    if (depth == 4 && w->in_tag && named(name, "Key"))
        return keep(w->a, text, &w->key);
    if (depth == 4 && w->in_tag && named(name, "Value"))
        return keep(w->a, text, &w->value);
    if (depth == 3 && w->in_tag) {
        w->in_tag = false;
        if (w->key.p == NULL || w->value.p == NULL)
            return RC_INVALID;
        return gw_tags_add(w->list, w->limit, w->key, w->value, w->code, w->message);
    }
    return RC_OK;
}

enum rc gw_xml_tagging(struct view doc, size_t limit, struct arena *a, struct tag_list *ret, const char **ret_code,
                       const char **ret_message)
{
    *ret_code = "MalformedXML";
    *ret_message = NULL;
    ret->n = 0;
    struct tagging_walk w = {.a = a, .list = ret, .limit = limit, .code = ret_code, .message = ret_message};
    HF_TRY(xml_read(doc, &(struct xml_reader){tagging_open, tagging_close, &w}, NULL));
    return w.root && w.has_set ? RC_OK : RC_INVALID;
}

/* ---- VersioningConfiguration ---- */
struct versioning_walk {
    bool root, has_status, mfa;
    enum versioning value;
};

static enum rc versioning_open(void *ctx, const char *name, int depth)
{
    struct versioning_walk *w = ctx;
    if (depth == 1)
        w->root = named(name, "VersioningConfiguration");
    return w->root ? RC_OK : RC_INVALID;
}

static enum rc versioning_close(void *ctx, const char *name, int depth, struct view text)
{
    struct versioning_walk *w = ctx;
    struct view v = view_trim(text);
    if (depth == 2 && named(name, "Status")) {
        w->has_status = true;
        w->value = view_eqs(v, "Enabled") ? VERSIONING_ON : VERSIONING_SUSPENDED;
        return w->value == VERSIONING_ON || view_eqs(v, "Suspended") ? RC_OK : RC_INVALID;
    }
    if (depth == 2 && (named(name, "MfaDelete") || named(name, "MFADelete")))
        w->mfa = !view_eqs(v, "Disabled");
    return RC_OK;
}

enum rc gw_xml_versioning(struct view doc, enum versioning *ret)
{
    struct versioning_walk w = {0};
    HF_TRY(xml_read(doc, &(struct xml_reader){versioning_open, versioning_close, &w}, NULL));
    if (!w.root || !w.has_status)
        return RC_INVALID;
    if (w.mfa)
        return RC_UNSUPPORTED;
    *ret = w.value;
    return RC_OK;
}

/* ---- CreateBucketConfiguration ---- */
struct location_walk {
    struct arena *a;
    bool root;
    struct view location;
};

static enum rc location_open(void *ctx, const char *name, int depth)
{
    struct location_walk *w = ctx;
    if (depth == 1)
        w->root = named(name, "CreateBucketConfiguration") || named(name, "CreateBucketRequest");
    return w->root ? RC_OK : RC_INVALID;
}

static enum rc location_close(void *ctx, const char *name, int depth, struct view text)
{
    struct location_walk *w = ctx;
    if (depth == 2 && named(name, "LocationConstraint"))
        return keep(w->a, view_trim(text), &w->location);
    return RC_OK;
}

enum rc gw_xml_location(struct view doc, struct arena *a, struct view *ret)
{
    struct location_walk w = {.a = a, .location = VIEW("")};
    HF_TRY(xml_read(doc, &(struct xml_reader){location_open, location_close, &w}, NULL));
    if (!w.root)
        return RC_INVALID;
    *ret = w.location;
    return RC_OK;
}
