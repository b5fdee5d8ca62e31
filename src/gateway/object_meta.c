/* Headers that are kept with an object, and headers that ask for what is not built. */
#include <stdio.h>

#include "gateway/gateway_priv.h"

#define META_HEADERS_MAX 128u
#define SYSTEM_META_MAX 16384u /* content-type and the like, together */
#define META_PREFIX "x-amz-meta-"
#define REDIRECT_HEADER "x-amz-website-redirect-location"

static const char *const system_headers[] = {
    "content-type",     "cache-control", "content-disposition", "content-encoding",
    "content-language", "expires",       REDIRECT_HEADER,
};
#define SYSTEM_HEADERS (sizeof system_headers / sizeof *system_headers)

struct gather {
    struct gw_req *g;
    struct cat_header list[META_HEADERS_MAX];
    size_t n, user_bytes, system_bytes;
    bool failed; /* answered */
};

/* What came in a query may hold what no header can. */
static bool header_safe(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
            return false;
    return true;
}

static bool name_safe(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= ' ' || v.p[i] > '~' || v.p[i] == ':')
            return false;
    return true;
}

static void fail(struct gather *t, const char *code)
{
    if (!t->failed)
        gw_fail(t->g, code);
    t->failed = true;
}

/* "aws-chunked" is how the body travelled, not what it is. */
static struct view without_chunked(struct arena *a, struct view v)
{
    struct view out = VIEW("");
    size_t from = 0;
    while (from <= v.n) {
        size_t comma = view_find(v, ',', from);
        size_t end = comma == SIZE_MAX ? v.n : comma;
        struct view one = view_trim(view_sub(v, from, end - from));
        if (one.n > 0 && !view_ieqs(one, "aws-chunked")) {
            char *joined = arena_printf(a, "%.*s%s%.*s", (int)out.n, out.p, out.n > 0 ? "," : "", (int)one.n, one.p);
            if (joined == NULL)
                return (struct view){NULL, 0};
            out = view_cstr(joined);
        }
        from = end + 1;
    }
    return out;
}

static void gather_system(struct gather *t)
{
    for (size_t i = 0; i < SYSTEM_HEADERS && !t->failed; i++) {
        struct view v = gw_header(t->g, system_headers[i]);
        if (v.p == NULL)
            continue;
        if (strcmp(system_headers[i], "content-encoding") == 0)
            v = without_chunked(&t->g->arena, v);
        if (v.p == NULL)
            fail(t, "SlowDown");
        if (v.n == 0)
            continue;
        if (!header_safe(v))
            fail(t, "InvalidArgument");
        t->system_bytes += v.n;
        if (t->system_bytes > SYSTEM_META_MAX) {
            fail(t, "MetadataTooLarge");
            return;
        }
        t->list[t->n++] = (struct cat_header){view_cstr(system_headers[i]), v};
    }
}

static struct view lower(struct arena *a, struct view name)
{
    char *s = arena_cstr(a, name);
    if (s == NULL)
        return (struct view){NULL, 0};
    for (size_t i = 0; i < name.n; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            s[i] = (char)(s[i] - 'A' + 'a');
    return view_of(s, name.n);
}

static void join(struct gather *t, struct view *old, struct view value)
{
    char *joined = arena_printf(&t->g->arena, "%.*s,%.*s", (int)old->n, old->p, (int)value.n, value.p);
    if (joined == NULL)
        fail(t, "SlowDown");
    else
        *old = view_cstr(joined);
}

/* A name that comes twice is one entry, its values joined by commas. */
static void gather_user(struct gather *t, struct view raw_name, struct view value)
{
    static const size_t prefix_n = sizeof META_PREFIX - 1;
    if (t->failed || raw_name.n < prefix_n || !view_ieqs(view_sub(raw_name, 0, prefix_n), META_PREFIX))
        return;
    struct view name = lower(&t->g->arena, raw_name);
    if (name.p == NULL || !name_safe(name) || !header_safe(value)) {
        fail(t, name.p == NULL ? "SlowDown" : "InvalidArgument");
        return;
    }
    t->user_bytes += name.n - prefix_n + value.n;
    if (t->user_bytes > META_MAX || t->n == META_HEADERS_MAX || name.n == prefix_n) {
        fail(t, "MetadataTooLarge");
        return;
    }
    for (size_t i = 0; i < t->n; i++)
        if (view_eq(t->list[i].name, name)) {
            join(t, &t->list[i].value, value);
            return;
        }
    t->list[t->n++] = (struct cat_header){name, value};
}

static bool gather_all(struct gather *t)
{
    gather_system(t);
    for (size_t i = 0; i < http_header_count(t->g->http); i++) {
        struct view name, value;
        http_header_at(t->g->http, i, &name, &value);
        gather_user(t, name, value);
    }
    for (size_t i = 0; t->g->auth.presigned && i < t->g->params.n; i++)
        gather_user(t, t->g->params.list[i].name, t->g->params.list[i].value);
    return !t->failed;
}

/* Encoded into the arena: the record is made after the connection's memory may be gone. */
static bool encode(struct gather *t, struct view *ret)
{
    struct buf out = BUF(META_MAX + SYSTEM_META_MAX + META_HEADERS_MAX * 64u);
    enum rc rc = cat_headers_encode(t->list, t->n, &out);
    if (rc == RC_OK) {
        *ret = arena_dup(&t->g->arena, out.n > 0 ? buf_view(&out) : VIEW(""));
        rc = ret->p != NULL ? RC_OK : RC_NOMEM;
    }
    buf_free(&out);
    if (rc == RC_LIMIT)
        gw_fail(t->g, "MetadataTooLarge");
    else if (rc != RC_OK)
        gw_fail_rc(t->g, rc, NULL, "metadata");
    return rc == RC_OK;
}

/* The redirect belongs to the one object: a copy has it only when the request says so. */
bool gw_meta_copied(struct gw_req *g, struct view meta, struct view *ret)
{
    struct cat_header *list = NULL;
    size_t n = 0;
    struct gather *t = arena_zalloc(&g->arena, sizeof *t);
    enum rc rc = t != NULL ? cat_headers_decode(meta, &g->arena, &list, &n) : RC_NOMEM;
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "metadata");
        return false;
    }
    t->g = g;
    for (size_t i = 0; i < n && t->n < META_HEADERS_MAX; i++)
        if (!view_eqs(list[i].name, REDIRECT_HEADER))
            t->list[t->n++] = list[i];
    struct view redirect = gw_header(g, REDIRECT_HEADER);
    if (redirect.n > SYSTEM_META_MAX || t->n == META_HEADERS_MAX)
        fail(t, "MetadataTooLarge");
    else if (!header_safe(redirect))
        fail(t, "InvalidArgument");
    else if (redirect.n > 0)
        t->list[t->n++] = (struct cat_header){VIEW(REDIRECT_HEADER), redirect};
    return !t->failed && encode(t, ret);
}

bool gw_tags_read(struct gw_req *g, struct view *ret)
{
    struct view v = gw_header(g, "x-amz-tagging");
    *ret = VIEW("");
    if (v.p == NULL || v.n == 0)
        return true;
    struct tag_list tags;
    const char *code = "InvalidArgument", *message = NULL;
    enum rc rc = gw_tags_parse(v, TAGS_MAX, &g->arena, &tags, &code, &message);
    if (rc == RC_OK)
        rc = gw_tags_text(&tags, &g->arena, ret);
    if (rc == RC_INVALID)
        gw_fail_with(g, code, message);
    else if (rc != RC_OK)
        gw_fail_rc(g, rc, NULL, "tags");
    return rc == RC_OK;
}

static bool read_class(struct gw_req *g, enum storage_class *ret)
{
    struct view v = gw_header(g, "x-amz-storage-class");
    *ret = CLASS_STANDARD;
    if (v.p == NULL || v.n == 0 || class_parse(v, ret))
        return true;
    gw_fail(g, "InvalidStorageClass");
    return false;
}

bool gw_meta_read(struct gw_req *g, struct object_meta *ret)
{
    struct gather *t = arena_zalloc(&g->arena, sizeof *t);
    if (t == NULL) {
        gw_fail_rc(g, RC_NOMEM, NULL, "metadata");
        return false;
    }
    t->g = g;
    return gather_all(t) && encode(t, &ret->meta) && gw_tags_read(g, &ret->tags) && read_class(g, &ret->class);
}

static bool canned_acl_ok(struct gw_req *g)
{
    static const char *const not_made[] = {"public-read",   "public-read-write", "authenticated-read",
                                           "aws-exec-read", "bucket-owner-read", "log-delivery-write"};
    struct view acl = gw_header(g, "x-amz-acl");
    if (acl.p == NULL || view_eqs(acl, "private") || view_eqs(acl, "bucket-owner-full-control"))
        return true;
    const char *code = "InvalidArgument", *message = NULL;
    for (size_t i = 0; i < sizeof not_made / sizeof *not_made; i++)
        if (view_eqs(acl, not_made[i])) {
            code = "NotImplemented";
            message = "Of the canned ACLs only private and bucket-owner-full-control are implemented.";
        }
    gw_fail_with(g, code, message);
    return false;
}

bool gw_unbuilt_headers_ok(struct gw_req *g)
{
    static const char *const refused[] = {
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-object-lock-legal-hold",
        "x-amz-grant-read",
        "x-amz-grant-write",
        "x-amz-grant-read-acp",
        "x-amz-grant-write-acp",
        "x-amz-grant-full-control",
        "x-amz-write-offset-bytes",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (gw_header(g, refused[i]).p != NULL) {
            gw_fail_with(g, "NotImplemented",
                         arena_printf(&g->arena,
                                      "A header you provided implies functionality that is not implemented: "
                                      "%s",
                                      refused[i]));
            return false;
        }
    return canned_acl_ok(g);
}

/* ---- on the way out ---- */
static bool overridden(const struct gw_req *g, struct view name, struct view *ret)
{
    char param[64];
    (void)snprintf(param, sizeof param, "response-%.*s", (int)name.n, name.p);
    *ret = gw_arg(g, param);
    return ret->p != NULL;
}

static void add_overrides(struct gw_req *g)
{
    for (size_t i = 0; i < SYSTEM_HEADERS - 1; i++) {
        struct view v;
        if (overridden(g, view_cstr(system_headers[i]), &v) && header_safe(v))
            gw_add(g, system_headers[i], v);
    }
}

void gw_meta_add(struct gw_req *g, const struct cat_version *v)
{
    struct cat_header *list = NULL;
    size_t n = 0;
    bool has_type = false;
    if (cat_headers_decode(v->meta, &g->arena, &list, &n) != RC_OK)
        g->header_failed = true;
    add_overrides(g);
    for (size_t i = 0; i < n; i++) {
        struct view param;
        has_type |= view_eqs(list[i].name, "content-type");
        if (overridden(g, list[i].name, &param) && header_safe(param))
            continue;
        char name[256];
        if (view_copy(list[i].name, name, sizeof name))
            gw_add(g, name, list[i].value);
    }
    struct view param;
    if (!has_type && !(overridden(g, VIEW("content-type"), &param) && header_safe(param)))
        gw_adds(g, "content-type", "binary/octet-stream");
}
