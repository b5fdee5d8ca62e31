/* Holdfast: what clouds answer in XML: lists, upload ids, tags, versioning, errors. Strict where a wrong reading would
 * lose data: a list without its end mark, an entry without a key or a size, an unknown document are RC_CORRUPT. */
#include "cloud/cloud_priv.h"

#include "codec/codec.h"

#define ENTRIES_MAX 10000 /* of a page; clouds give 1000 */
#define FIRST_ENTRIES 64
#define NAME_MAX_BYTES (64u << 10) /* of one decoded key or marker; S3's limit is 1024 */

/* A walk fails with this reason, which explain() puts into the message. */
struct list_walk {
    bool versions;
    struct arena *arena;
    struct cloud_listed out;
    size_t cap;
    struct cloud_entry now;
    bool in_entry, has_key, has_size, has_truncated, url_encoded, has_marker;
    struct view marker, token; /* NextMarker or NextKeyMarker; NextContinuationToken */
    const char *why;
};

static enum rc refuse(struct list_walk *w, const char *why)
{
    w->why = why;
    return RC_CORRUPT;
}

static bool is_entry(const struct list_walk *w, const char *name, int depth)
{
    if (depth != 2)
        return false;
    return w->versions ? !strcmp(name, "Version") || !strcmp(name, "DeleteMarker") : !strcmp(name, "Contents");
}

static enum rc on_open(void *ctx, const char *name, int depth)
{
    struct list_walk *w = ctx;

    if (depth == 1 && strcmp(name, w->versions ? "ListVersionsResult" : "ListBucketResult") != 0)
        return refuse(w, "it is another document");
    if (!is_entry(w, name, depth))
        return RC_OK;
    w->now = (struct cloud_entry){.marker = !strcmp(name, "DeleteMarker"), .latest = !w->versions};
    w->in_entry = true;
    w->has_key = w->has_size = false;
    return RC_OK;
}

static enum rc keep(struct list_walk *w, struct view v, struct view *ret)
{
    *ret = arena_dup(w->arena, v);
    return ret->p ? RC_OK : RC_NOMEM;
}

static struct view unquoted(struct view v)
{
    v = view_trim(v);
    return v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"' ? view_sub(v, 1, v.n - 2) : v;
}

static enum rc read_bool(struct list_walk *w, struct view v, bool *ret)
{
    if (!view_eqs(v, "true") && !view_eqs(v, "false"))
        return refuse(w, "a truth value is neither true nor false");
    *ret = v.n == 4;
    return RC_OK;
}

static enum rc entry_field(struct list_walk *w, const char *name, struct view v)
{
    struct cloud_entry *now = &w->now;

    if (!strcmp(name, "Key")) {
        w->has_key = v.n > 0;
        return keep(w, v, &now->key);
    }
    if (!strcmp(name, "VersionId"))
        return keep(w, v, &now->version);
    if (!strcmp(name, "ETag"))
        return keep(w, unquoted(v), &now->etag);
    if (!strcmp(name, "StorageClass"))
        return keep(w, v, &now->storage_class);
    if (!strcmp(name, "Size")) {
        w->has_size = view_u64(v, &now->size);
        return w->has_size ? RC_OK : refuse(w, "a size is no number");
    }
    if (!strcmp(name, "IsLatest"))
        return read_bool(w, v, &now->latest);
    if (!strcmp(name, "LastModified") && time_parse_rfc3339(v, &now->modified_ns) != RC_OK)
        return refuse(w, "a LastModified is no time");
    return RC_OK;
}

static enum rc add_entry(struct list_walk *w)
{
    if (!w->has_key)
        return refuse(w, "an entry has no key");
    if (!w->has_size && !w->now.marker)
        return refuse(w, "an entry has no size");
    if (w->out.n == ENTRIES_MAX)
        return refuse(w, "it has more than 10000 entries");
    if (w->out.n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : FIRST_ENTRIES;
        struct cloud_entry *more = arena_alloc(w->arena, cap * sizeof(*more));
        if (!more)
            return RC_NOMEM;
        if (w->out.n > 0)
            memcpy(more, w->out.entry, w->out.n * sizeof(*more));
        w->out.entry = more;
        w->cap = cap;
    }
    w->out.entry[w->out.n++] = w->now;
    w->in_entry = false;
    return RC_OK;
}

static enum rc page_field(struct list_walk *w, const char *name, struct view v)
{
    if (!strcmp(name, "IsTruncated")) {
        w->has_truncated = true;
        return read_bool(w, v, &w->out.truncated);
    }
    if (!strcmp(name, "EncodingType"))
        w->url_encoded = view_ieqs(v, "url");
    if (!strcmp(name, "NextContinuationToken"))
        return keep(w, v, &w->token);
    if (!strcmp(name, "NextVersionIdMarker"))
        return keep(w, v, &w->out.next_version);
    if (!strcmp(name, "NextMarker") || !strcmp(name, "NextKeyMarker")) {
        w->has_marker = v.n > 0;
        return keep(w, v, &w->marker);
    }
    return RC_OK;
}

static enum rc on_close(void *ctx, const char *name, int depth, struct view text)
{
    struct list_walk *w = ctx;

    if (w->in_entry && depth == 3)
        return entry_field(w, name, text);
    if (w->in_entry && depth == 2)
        return add_entry(w);
    return depth == 2 ? page_field(w, name, text) : RC_OK;
}

/* In place: what is decoded is never longer. Some clouds write a space as "+", and "+" itself always as %2B. */
static enum rc decode(struct list_walk *w, struct view *v)
{
    struct buf b = BUF(NAME_MAX_BYTES);
    enum rc rc = v->n > 0 ? uri_decode(*v, true, &b) : RC_OK;

    if (rc == RC_INVALID)
        rc = refuse(w, "a key's percent-encoding is broken");
    if (rc == RC_LIMIT)
        rc = refuse(w, "a key has more than 64 KiB");
    if (rc == RC_OK && b.n > 0)
        rc = keep(w, buf_view(&b), v);
    buf_free(&b);
    return rc;
}

static enum rc finish(struct list_walk *w)
{
    if (!w->has_truncated)
        return refuse(w, "IsTruncated is missing");
    if (w->url_encoded) {
        for (size_t i = 0; i < w->out.n; i++)
            HF_TRY(decode(w, &w->out.entry[i].key));
        HF_TRY(decode(w, &w->marker));
    }
    if (!w->out.truncated)
        return RC_OK;
    if (!w->versions && w->token.n > 0)
        w->out.next = w->token;
    else if (w->has_marker)
        w->out.next = w->marker;
    else if (!w->versions && w->out.n > 0)
        w->out.next = w->out.entry[w->out.n - 1].key; /* without a delimiter, NextMarker may be left out */
    else
        return refuse(w, "there is more, and not where it goes on");
    return RC_OK;
}

enum rc cloud_list_read(struct view xml, bool versions, struct arena *a, struct cloud_listed *ret, struct err *e)
{
    struct list_walk w = {.versions = versions, .arena = a};
    struct xml_reader reader = {on_open, on_close, &w};
    struct err why = {{0}};
    enum rc rc = xml_read(xml, &reader, &why);

    if (rc == RC_OK)
        rc = finish(&w);
    if (rc == RC_NOMEM)
        return err_set(e, rc, "the target's list: out of memory");
    if (rc != RC_OK)
        return err_set(e, RC_CORRUPT, "the target's list cannot be trusted: %s", w.why ? w.why : why.text);
    *ret = w.out;
    return RC_OK;
}

/* ---- small answers: one text at a path of the form root/name ---- */
struct one_walk {
    const char *root, *name;
    bool right_root, found;
    struct buf text;
};

static enum rc one_open(void *ctx, const char *name, int depth)
{
    struct one_walk *w = ctx;

    if (depth == 1)
        w->right_root = !strcmp(name, w->root);
    return RC_OK;
}

static enum rc one_close(void *ctx, const char *name, int depth, struct view text)
{
    struct one_walk *w = ctx;

    if (depth != 2 || w->found || strcmp(name, w->name) != 0)
        return RC_OK;
    w->found = true;
    return buf_putv(&w->text, text);
}

static enum rc read_one(struct view xml, const char *root, const char *name, struct one_walk *w, struct err *e)
{
    struct xml_reader reader = {one_open, one_close, w};
    struct err why = {{0}};

    w->root = root;
    w->name = name;
    w->text = BUF(CLOUD_VERSION_MAX);
    enum rc rc = xml_read(xml, &reader, &why);
    if (rc == RC_NOMEM)
        return err_set(e, rc, "%s: out of memory", root);
    if (rc != RC_OK || !w->right_root)
        return err_set(e, RC_CORRUPT, "the target's answer is no %s: %s", root,
                       why.text[0] ? why.text : "another document");
    return RC_OK;
}

enum rc cloud_upload_read(struct view xml, char *ret_id, size_t size, struct err *e)
{
    struct one_walk w = {0};
    enum rc rc = read_one(xml, "InitiateMultipartUploadResult", "UploadId", &w, e);

    if (rc == RC_OK && w.text.n == 0)
        rc = err_set(e, RC_CORRUPT, "the target's answer has no UploadId");
    if (rc == RC_OK && w.text.n >= size)
        rc = err_set(e, RC_LIMIT, "the target's UploadId has more than %zu bytes", size - 1);
    if (rc == RC_OK)
        HF_ASSERT(view_copy(buf_view(&w.text), ret_id, size));
    buf_free(&w.text);
    return rc;
}

enum rc cloud_complete_read(struct view xml, char *ret_etag, size_t size, struct err *e)
{
    struct one_walk w = {0};
    enum rc rc = read_one(xml, "CompleteMultipartUploadResult", "ETag", &w, e);

    if (rc == RC_OK && (w.text.n == 0 || !view_copy(unquoted(buf_view(&w.text)), ret_etag, size)))
        rc = err_set(e, RC_CORRUPT, "the target's answer has no usable ETag");
    buf_free(&w.text);
    return rc;
}

enum rc cloud_versioning_read(struct view xml, bool *ret_enabled, struct err *e)
{
    struct one_walk w = {0};
    enum rc rc = read_one(xml, "VersioningConfiguration", "Status", &w, e);

    if (rc == RC_OK)
        *ret_enabled = view_eqs(buf_view(&w.text), "Enabled");
    buf_free(&w.text);
    return rc;
}

/* ---- tags ---- */
struct tag_walk {
    struct buf *out;
    size_t from; /* where this answer begins in out */
    bool right_root, has_key;
};

static enum rc tag_open(void *ctx, const char *name, int depth)
{
    struct tag_walk *w = ctx;

    if (depth == 1)
        w->right_root = !strcmp(name, "Tagging");
    if (depth == 3 && !strcmp(name, "Tag")) {
        w->has_key = false;
        if (w->out->n > w->from)
            return buf_put(w->out, "&", 1);
    }
    return RC_OK;
}

static enum rc tag_close(void *ctx, const char *name, int depth, struct view text)
{
    struct tag_walk *w = ctx;

    if (depth == 4 && !strcmp(name, "Key") && !w->has_key) {
        w->has_key = true;
        HF_TRY(uri_encode(text, false, w->out));
        return buf_put(w->out, "=", 1);
    }
    if (depth == 4 && !strcmp(name, "Value"))
        return w->has_key ? uri_encode(text, false, w->out) : RC_CORRUPT;
    return depth == 3 && !strcmp(name, "Tag") && !w->has_key ? RC_CORRUPT : RC_OK;
}

enum rc cloud_tags_read(struct view xml, struct buf *ret, struct err *e)
{
    struct tag_walk w = {.out = ret, .from = ret->n};
    struct xml_reader reader = {tag_open, tag_close, &w};
    enum rc rc = xml_read(xml, &reader, NULL);

    if (rc == RC_OK && w.right_root)
        return RC_OK;
    ret->n = w.from;
    if (rc == RC_NOMEM)
        return err_set(e, rc, "the target's tags: out of memory");
    return err_set(e, RC_CORRUPT, "the target's answer is no list of tags");
}

/* ---- errors ---- */
struct fault_walk {
    struct cloud_fault *out;
    bool is_error;
};

static enum rc fault_open(void *ctx, const char *name, int depth)
{
    struct fault_walk *w = ctx;

    if (depth == 1)
        w->is_error = !strcmp(name, "Error");
    return RC_OK;
}

/* As much as fits, without bytes that would disturb a line of a log. */
static void take(struct view v, char *dst, size_t size)
{
    v = view_sub(view_trim(v), 0, size - 1);
    for (size_t i = 0; i < v.n; i++)
        dst[i] = (uint8_t)v.p[i] < ' ' || v.p[i] == 0x7f ? ' ' : v.p[i];
    dst[v.n] = 0;
}

static enum rc fault_close(void *ctx, const char *name, int depth, struct view text)
{
    struct fault_walk *w = ctx;

    if (depth != 2 || !w->is_error)
        return RC_OK;
    if (!strcmp(name, "Code"))
        take(text, w->out->code, sizeof(w->out->code));
    else if (!strcmp(name, "Message"))
        take(text, w->out->message, sizeof(w->out->message));
    else if (!strcmp(name, "RequestId"))
        take(text, w->out->request_id, sizeof(w->out->request_id));
    return RC_OK;
}

bool cloud_fault_read(struct view xml, struct cloud_fault *ret)
{
    struct cloud_fault f = {{0}, {0}, {0}};
    struct fault_walk w = {&f, false};
    struct xml_reader reader = {fault_open, fault_close, &w};

    if (xml.n == 0 || xml_read(xml, &reader, NULL) != RC_OK || !w.is_error || !f.code[0])
        return false;
    *ret = f;
    return true;
}
