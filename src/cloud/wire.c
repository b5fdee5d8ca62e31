/* Holdfast: an operation as a signed HTTP request of its dialect. A pure function: every try is made anew, because a
 * signature holds a time. */
#include "cloud/cloud_priv.h"

#include "codec/codec.h"

#define AUTHORIZATION_MAX (64u << 10)
#define URL_MAX (64u << 10)
#define BODY_MAX (4u << 20)
#define LIST_MAX 1000
#define UNSIGNED "UNSIGNED-PAYLOAD"
#define PORT_HTTP 80
#define PORT_HTTPS 443

struct maker {
    const struct cloud_target *t;
    const struct cloud_keys *k;
    const struct cloud_request *r;
    const struct cloud_names *names;
    struct cloud_wire *w;
    struct err *e;
};

/* ---- adding ---- */
static enum rc query(struct maker *m, const char *name, struct view value)
{
    HF_ASSERT(m->w->n_query < WIRE_QUERY_MAX);
    m->w->query[m->w->n_query++] = (struct cloud_header){view_cstr(name), value};
    return RC_OK;
}

/* A value that is empty is left out: clouds do not agree on how it is signed. */
static enum rc query_if(struct maker *m, const char *name, struct view value)
{
    return value.n > 0 ? query(m, name, value) : RC_OK;
}

static enum rc query_bare(struct maker *m, const char *name)
{
    return query(m, name, (struct view){NULL, 0});
}

static enum rc query_u64(struct maker *m, const char *name, uint64_t v)
{
    const char *text = arena_printf(&m->w->arena, "%llu", (unsigned long long)v);

    return text ? query(m, name, view_cstr(text)) : RC_NOMEM;
}

static bool is_safe(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == '\r' || v.p[i] == '\n' || v.p[i] == 0)
            return false;
    return true;
}

static enum rc header_view(struct maker *m, struct view name, struct view value)
{
    struct view lower = arena_dup(&m->w->arena, name);

    if (!lower.p)
        return RC_NOMEM;
    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
            ((char *)lower.p)[i] = (char)(lower.p[i] - 'A' + 'a');
    if (lower.n == 0 || !is_safe(lower) || view_find(lower, ':', 0) != SIZE_MAX || !is_safe(value))
        return err_set(m->e, RC_INVALID, "header \"%.*s\" has a name or value that HTTP cannot carry", (int)name.n,
                       name.p);
    if (m->w->n_headers == WIRE_HEADERS_MAX)
        return err_set(m->e, RC_LIMIT, "a request may have %d headers", WIRE_HEADERS_MAX);
    m->w->headers[m->w->n_headers++] = (struct cloud_header){lower, value};
    return RC_OK;
}

static enum rc header(struct maker *m, const char *name, struct view value)
{
    return header_view(m, view_cstr(name), value);
}

/* The vendor's own: "x-oss-" + name. */
static enum rc vendor(struct maker *m, const char *name, struct view value)
{
    const char *full = arena_printf(&m->w->arena, "%s%s", m->names->prefix, name);

    return full ? header(m, full, value) : RC_NOMEM;
}

static enum rc vendor_text(struct maker *m, const char *name, const char *value)
{
    struct view kept = arena_dup(&m->w->arena, view_cstr(value));

    return kept.p ? vendor(m, name, kept) : RC_NOMEM;
}

/* ---- what objects carry ---- */
static enum rc meta(struct maker *m)
{
    for (size_t i = 0; i < m->r->n_meta; i++) {
        const struct cloud_header *h = &m->r->meta[i];
        const char *name = arena_printf(&m->w->arena, "meta-%.*s", (int)h->name.n, h->name.p);
        if (!name)
            return RC_NOMEM;
        HF_TRY(vendor(m, name, h->value));
    }
    return RC_OK;
}

static enum rc describe(struct maker *m)
{
    for (size_t i = 0; i < m->r->n_headers; i++)
        HF_TRY(header_view(m, m->r->headers[i].name, m->r->headers[i].value));
    HF_TRY(meta(m));
    if (m->r->tags.n > 0)
        HF_TRY(vendor(m, "tagging", m->r->tags));
    if (m->r->storage_class.n == 0)
        return RC_OK;
    const char *class = cloud_storage_class(m->t->dialect, m->r->storage_class);
    if (!class)
        return err_set(m->e, RC_INVALID, "storage class \"%.*s\" is none that %s has", (int)m->r->storage_class.n,
                       m->r->storage_class.p, m->names->scheme);
    return vendor(m, "storage-class", view_cstr(class));
}

static enum rc tag(struct maker *m, const char *name, struct view etag)
{
    if (etag.n == 0)
        return RC_OK;
    if (view_eqs(etag, "*"))
        return header(m, name, etag);
    const char *quoted = arena_printf(&m->w->arena, "\"%.*s\"", (int)etag.n, etag.p);
    return quoted ? header(m, name, view_cstr(quoted)) : RC_NOMEM;
}

static enum rc read_conditions(struct maker *m)
{
    HF_TRY(tag(m, "if-match", m->r->if_match));
    return tag(m, "if-none-match", m->r->if_none_match);
}

/* A condition that a cloud would overlook is not sent: it would look as if it had held. */
static enum rc write_conditions(struct maker *m)
{
    if (m->names->conditions)
        return read_conditions(m);
    if (m->r->if_match.n > 0)
        return err_set(m->e, RC_UNSUPPORTED, "%s has no If-Match on writes", m->names->scheme);
    if (m->r->if_none_match.n == 0)
        return RC_OK;
    if (!m->names->no_replace || !view_eqs(m->r->if_none_match, "*"))
        return err_set(m->e, RC_UNSUPPORTED, "%s has no such condition on writes", m->names->scheme);
    return header(m, m->names->no_replace, VIEW("true"));
}

/* ---- bodies ---- */
static enum rc content_md5(struct maker *m, const uint8_t md5[16])
{
    char text[32];

    base64_encode(md5, 16, text);
    struct view kept = arena_dup(&m->w->arena, view_cstr(text));
    return kept.p ? header(m, "content-md5", kept) : RC_NOMEM;
}

static enum rc own_body(struct maker *m)
{
    uint8_t md5[16];

    m->w->body = BUF(BODY_MAX);
    HF_TRY(cloud_wire_body(m->r, &m->w->body, m->e));
    m->w->own_body = true;
    m->w->body_size = m->w->body.n;
    digest_once(DIGEST_MD5, m->w->body.p, m->w->body.n, md5);
    HF_TRY(header(m, "content-type", VIEW("application/xml")));
    return content_md5(m, md5);
}

static enum rc their_body(struct maker *m)
{
    m->w->body_size = m->r->size;
    return m->r->body_md5 ? content_md5(m, m->r->body_md5) : RC_OK;
}

/* ---- operations ---- */
static enum rc op_get(struct maker *m)
{
    const struct cloud_request *r = m->r;

    HF_TRY(query_if(m, "versionId", r->version));
    HF_TRY(read_conditions(m));
    if (m->t->dialect == CLOUD_S3)
        HF_TRY(header(m, "x-amz-checksum-mode", VIEW("ENABLED")));
    if (r->op == CLOUD_HEAD || (r->from == 0 && r->n == 0))
        return RC_OK;
    if (r->n > UINT64_MAX - r->from)
        return err_set(m->e, RC_INVALID, "the range ends past 2^64");
    const char *range = r->n == 0 ? arena_printf(&m->w->arena, "bytes=%llu-", (unsigned long long)r->from)
                                  : arena_printf(&m->w->arena, "bytes=%llu-%llu", (unsigned long long)r->from,
                                                 (unsigned long long)(r->from + r->n - 1));
    return range ? header(m, "range", view_cstr(range)) : RC_NOMEM;
}

static enum rc op_list(struct maker *m)
{
    const struct cloud_request *r = m->r;
    bool more = r->token.n > 0;

    if (m->names->list_v2) {
        HF_TRY(query(m, "list-type", VIEW("2")));
        HF_TRY(more ? query(m, "continuation-token", r->token) : query_if(m, "start-after", r->after));
    } else {
        HF_TRY(query_if(m, "marker", more ? r->token : r->after));
    }
    HF_TRY(query_if(m, "prefix", r->prefix));
    HF_TRY(query(m, "encoding-type", VIEW("url")));
    return query_u64(m, "max-keys", r->max && r->max < LIST_MAX ? r->max : LIST_MAX);
}

static enum rc op_list_versions(struct maker *m)
{
    const struct cloud_request *r = m->r;

    HF_TRY(query_bare(m, "versions"));
    HF_TRY(query_if(m, "key-marker", r->after));
    HF_TRY(query_if(m, "version-id-marker", r->version));
    HF_TRY(query_if(m, "prefix", r->prefix));
    HF_TRY(query(m, "encoding-type", VIEW("url")));
    return query_u64(m, "max-keys", r->max && r->max < LIST_MAX ? r->max : LIST_MAX);
}

static enum rc op_upload_id(struct maker *m)
{
    if (m->r->upload.n == 0)
        return err_set(m->e, RC_INVALID, "the upload's id is missing");
    return query(m, "uploadId", m->r->upload);
}

static enum rc op_part(struct maker *m)
{
    if (m->r->part == 0)
        return err_set(m->e, RC_INVALID, "parts are counted from 1");
    HF_TRY(query_u64(m, "partNumber", m->r->part));
    HF_TRY(op_upload_id(m));
    return their_body(m);
}

static enum rc operation(struct maker *m)
{
    struct cloud_wire *w = m->w;

    switch (m->r->op) {
    case CLOUD_PUT:
        w->method = "PUT";
        HF_TRY(describe(m));
        HF_TRY(write_conditions(m));
        return their_body(m);
    case CLOUD_GET:
    case CLOUD_HEAD:
        w->method = m->r->op == CLOUD_GET ? "GET" : "HEAD";
        return op_get(m);
    case CLOUD_DELETE:
        w->method = "DELETE";
        return query_if(m, "versionId", m->r->version);
    case CLOUD_LIST:
        w->method = "GET";
        return op_list(m);
    case CLOUD_LIST_VERSIONS:
        w->method = "GET";
        return op_list_versions(m);
    case CLOUD_UPLOAD:
        w->method = "POST";
        HF_TRY(query_bare(m, "uploads"));
        return describe(m);
    case CLOUD_PART:
        w->method = "PUT";
        return op_part(m);
    case CLOUD_COMPLETE:
        w->method = "POST";
        HF_TRY(op_upload_id(m));
        HF_TRY(write_conditions(m));
        return own_body(m);
    case CLOUD_ABORT:
        w->method = "DELETE";
        return op_upload_id(m);
    case CLOUD_TAGS_PUT:
        w->method = "PUT";
        HF_TRY(query_bare(m, "tagging"));
        HF_TRY(query_if(m, "versionId", m->r->version));
        return own_body(m);
    case CLOUD_TAGS_GET:
        w->method = "GET";
        HF_TRY(query_bare(m, "tagging"));
        return query_if(m, "versionId", m->r->version);
    case CLOUD_BUCKET_HEAD:
        /* A list of one key: the answer to a HEAD has no body that tells arrears from a wrong key. */
        w->method = "GET";
        return query_u64(m, "max-keys", 1);
    case CLOUD_BUCKET_VERSIONING:
        w->method = "GET";
        return query_bare(m, "versioning");
    }
    return err_set(m->e, RC_INVALID, "no such operation");
}

static bool wants_key(enum cloud_op op)
{
    return op != CLOUD_LIST && op != CLOUD_LIST_VERSIONS && op != CLOUD_BUCKET_HEAD && op != CLOUD_BUCKET_VERSIONING;
}

static enum rc path(struct maker *m)
{
    bool key = wants_key(m->r->op);

    if (key && m->r->key.n == 0)
        return err_set(m->e, RC_INVALID, "the key is missing");
    const char *p =
        arena_printf(&m->w->arena, "/%s%s", m->t->path_style ? m->t->bucket : "", m->t->path_style ? "/" : "");
    if (!p)
        return RC_NOMEM;
    size_t n = strlen(p), key_n = key ? m->r->key.n : 0;
    char *whole = arena_alloc(&m->w->arena, n + key_n);
    if (!whole)
        return RC_NOMEM;
    memcpy(whole, p, n);
    if (key_n > 0)
        memcpy(whole + n, m->r->key.p, key_n);
    m->w->path = view_of(whole, n + key_n);
    return RC_OK;
}

/* ---- time, token, payload, signature ---- */
static enum rc dates(struct maker *m, int64_t time_ns, struct view payload)
{
    char basic[TIME_TEXT_MAX], http[TIME_TEXT_MAX];

    time_basic(time_ns, basic);
    time_http(time_ns, http);
    switch (m->t->dialect) {
    case CLOUD_S3:
        HF_TRY(vendor_text(m, "date", basic));
        return vendor(m, "content-sha256", payload);
    case CLOUD_OSS:
        HF_TRY(vendor_text(m, "date", basic));
        return vendor(m, "content-sha256", payload);
    case CLOUD_OBS:
        return vendor_text(m, "date", http);
    case CLOUD_COS:
        return RC_OK; /* its time is in the key time */
    }
    return RC_OK;
}

static enum rc host(struct maker *m)
{
    bool usual = m->t->port == (m->t->tls ? PORT_HTTPS : PORT_HTTP);
    const char *text = usual ? arena_printf(&m->w->arena, "%s", m->t->host)
                             : arena_printf(&m->w->arena, "%s:%u", m->t->host, m->t->port);

    return text ? header(m, "host", view_cstr(text)) : RC_NOMEM;
}

static enum rc payload_hash(struct maker *m, struct view *ret)
{
    uint8_t sum[32];
    char hex[65];
    const uint8_t *known = m->r->body_sha256;

    if (m->t->dialect != CLOUD_S3) {
        *ret = VIEW(UNSIGNED);
        return RC_OK;
    }
    if (m->w->own_body || m->w->body_size == 0) {
        digest_once(DIGEST_SHA256, m->w->body.p, m->w->body.n, sum);
        known = sum;
    }
    if (!known) {
        *ret = VIEW(UNSIGNED);
        return RC_OK;
    }
    hex_encode(known, 32, hex);
    *ret = arena_dup(&m->w->arena, view_cstr(hex));
    return ret->p ? RC_OK : RC_NOMEM;
}

static enum rc sign(struct maker *m, int64_t time_ns, struct view payload)
{
    struct cloud_wire *w = m->w;
    struct buf value = BUF(AUTHORIZATION_MAX);
    struct cloud_sign s = {.dialect = m->t->dialect,
                           .method = w->method,
                           .path = w->path,
                           .query = w->query,
                           .n_query = w->n_query,
                           .headers = w->headers,
                           .n_headers = w->n_headers,
                           .bucket = m->t->path_style ? VIEW("") : view_cstr(m->t->bucket),
                           .region = view_cstr(m->t->region),
                           .payload_sha256 = payload,
                           .time_ns = time_ns};
    enum rc rc = cloud_sign_header(&s, m->k, &value);
    struct view kept = {NULL, 0};

    if (rc == RC_OK) {
        kept = arena_dup(&w->arena, buf_view(&value));
        rc = kept.p ? header(m, "authorization", kept) : RC_NOMEM;
    }
    buf_free(&value);
    HF_TRY(rc);
    w->url = BUF(URL_MAX);
    const char *scheme = m->t->tls ? "https" : "http";
    HF_TRY(buf_printf(&w->url, "%s://%s:%u", scheme, m->t->host, m->t->port));
    HF_TRY(cloud_sign_url(&s, &w->url));
    return buf_put(&w->url, "", 1);
}

static enum rc make(struct maker *m, int64_t time_ns)
{
    struct view payload = {NULL, 0};

    HF_TRY(path(m));
    HF_TRY(host(m));
    HF_TRY(operation(m));
    HF_TRY(payload_hash(m, &payload));
    HF_TRY(dates(m, time_ns, payload));
    if (m->k->token[0])
        HF_TRY(vendor(m, "security-token", view_cstr(m->k->token)));
    return sign(m, time_ns, payload);
}

enum rc cloud_wire_make(const struct cloud_target *t, const struct cloud_keys *k, const struct cloud_request *r,
                        int64_t time_ns, struct cloud_wire *ret, struct err *e)
{
    struct err why = {{0}};
    struct maker m = {t, k, r, cloud_names(t->dialect), ret, &why};

    *ret = (struct cloud_wire){.arena = ARENA(WIRE_MEMORY_MAX)};
    enum rc rc = make(&m, time_ns);
    if (rc == RC_OK)
        return RC_OK;
    cloud_wire_free(ret);
    return err_set(e, rc, "%s", why.text[0] ? why.text : rc_name(rc));
}

void cloud_wire_free(struct cloud_wire *w)
{
    buf_free(&w->url);
    buf_free(&w->body);
    arena_free(&w->arena);
    *w = (struct cloud_wire){0};
}
