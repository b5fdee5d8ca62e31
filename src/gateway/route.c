/* Which operation a request asks for: bucket and key from path or virtual host, subresource from the query. */
#include "gateway/parse_priv.h"

#define HOST_MAX 255u /* RFC 1035 */

enum verb { VERB_GET, VERB_HEAD, VERB_PUT, VERB_POST, VERB_DELETE, VERB_OPTIONS, VERB_OTHER };

/* What each verb does to a subresource that is built; OP_NONE = MethodNotAllowed. */
struct subresource {
    const char *name;
    enum gw_op get, put, post, del;
};
static const struct subresource bucket_subresources[] = {
    {"location", OP_BUCKET_LOCATION, OP_NONE, OP_NONE, OP_NONE},
    {"versioning", OP_VERSIONING_GET, OP_VERSIONING_PUT, OP_NONE, OP_NONE},
    {"tagging", OP_BUCKET_TAGS_GET, OP_BUCKET_TAGS_PUT, OP_NONE, OP_BUCKET_TAGS_DELETE},
    {"versions", OP_LIST_VERSIONS, OP_NONE, OP_NONE, OP_NONE},
    {"uploads", OP_LIST_UPLOADS, OP_NONE, OP_NONE, OP_NONE},
    {"delete", OP_NONE, OP_NONE, OP_DELETE_MANY, OP_NONE},
    {NULL, OP_NONE, OP_NONE, OP_NONE, OP_NONE},
};
static const struct subresource object_subresources[] = {
    {"tagging", OP_OBJECT_TAGS_GET, OP_OBJECT_TAGS_PUT, OP_NONE, OP_OBJECT_TAGS_DELETE},
    {"attributes", OP_OBJECT_ATTRIBUTES, OP_NONE, OP_NONE, OP_NONE},
    {"uploads", OP_NONE, OP_NONE, OP_UPLOAD_CREATE, OP_NONE},
    {"uploadId", OP_UPLOAD_PARTS, OP_UPLOAD_PART, OP_UPLOAD_COMPLETE, OP_UPLOAD_ABORT},
    {NULL, OP_NONE, OP_NONE, OP_NONE, OP_NONE},
};

/* Known names that choose no operation and may come without a value. */
static const char *const plain_params[] = {
    "prefix",           "delimiter",          "marker",
    "max-keys",         "encoding-type",      "start-after",
    "list-type",        "continuation-token", "fetch-owner",
    "versionId",        "partNumber",         "key-marker",
    "max-parts",        "part-number-marker", "version-id-marker",
    "upload-id-marker", "max-uploads",        "x-id",
    "max-buckets",      "allow-unordered",    "bucket-region",
};

static enum verb verb_of(struct view method)
{
    static const struct {
        const char *name;
        enum verb verb;
    } verbs[] = {{"GET", VERB_GET},   {"HEAD", VERB_HEAD},     {"PUT", VERB_PUT},
                 {"POST", VERB_POST}, {"DELETE", VERB_DELETE}, {"OPTIONS", VERB_OPTIONS}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (view_eqs(method, verbs[i].name))
            return verbs[i].verb;
    return VERB_OTHER;
}

static bool is_alnum_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* "192.168.5.4" is no bucket name. */
static bool looks_like_ipv4(struct view v)
{
    size_t dots = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '.')
            dots++;
        else if (v.p[i] < '0' || v.p[i] > '9')
            return false;
    }
    return dots == 3;
}

bool gw_bucket_name_ok(struct view name)
{
    if (name.n < 3 || name.n > BUCKET_NAME_MAX || looks_like_ipv4(name))
        return false;
    if (!is_alnum_lower(name.p[0]) || !is_alnum_lower(name.p[name.n - 1]))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!is_alnum_lower(c) && c != '-' && c != '.')
            return false;
        if (c == '.' && (name.p[i - 1] == '.' || name.p[i - 1] == '-' || name.p[i + 1] == '-'))
            return false; /* each label of the host name begins and ends with a letter or digit */
    }
    return !view_starts(name, VIEW("xn--"));
}

/* Bucket of a virtual host, lower case, in the arena; empty when the host is not below the domain. */
static enum rc host_bucket(struct view host, const char *domain, struct arena *a, struct view *ret)
{
    *ret = VIEW("");
    if (host.n > 0 && host.p[0] == '[')
        return RC_OK;
    struct view name = view_sub(host, 0, view_find(host, ':', 0));
    size_t domain_n = strlen(domain);
    if (name.n > HOST_MAX || name.n <= domain_n + 1)
        return RC_OK;
    char *low = arena_cstr(a, name);
    if (low == NULL)
        return RC_NOMEM;
    for (size_t i = 0; i < name.n; i++)
        if (low[i] >= 'A' && low[i] <= 'Z')
            low[i] = (char)(low[i] - 'A' + 'a');
    size_t bucket_n = name.n - domain_n - 1;
    if (low[bucket_n] == '.' && view_ieqs(view_of(low + bucket_n + 1, domain_n), domain))
        *ret = view_of(low, bucket_n);
    return RC_OK;
}

/* '+' is itself in a path. */
static enum rc decode_path(struct view raw, struct arena *a, struct view *ret)
{
    struct buf out = BUF(raw.n + 1);
    enum rc rc = uri_decode(raw, false, &out);
    if (rc == RC_OK && (!utf8_valid(buf_view(&out)) || (out.n > 0 && memchr(out.p, 0, out.n) != NULL)))
        rc = RC_INVALID;
    if (rc == RC_OK) {
        *ret = arena_dup(a, out.n > 0 ? buf_view(&out) : VIEW(""));
        rc = ret->p != NULL ? RC_OK : RC_NOMEM;
    }
    buf_free(&out);
    return rc;
}

static enum rc locate(const struct route_request *q, struct arena *a, struct route *ret)
{
    if (q->path.n == 0 || q->path.p[0] != '/')
        return RC_INVALID;
    struct view rest = view_sub(q->path, 1, q->path.n);
    struct view bucket;
    HF_TRY(host_bucket(q->host, q->domain, a, &bucket));
    if (bucket.n > 0) {
        ret->bucket = bucket;
        ret->by_host = true;
        return decode_path(rest, a, &ret->key);
    }
    size_t slash = view_find(rest, '/', 0);
    HF_TRY(decode_path(view_sub(rest, 0, slash), a, &ret->bucket));
    if (slash != SIZE_MAX)
        HF_TRY(decode_path(view_sub(rest, slash + 1, rest.n), a, &ret->key));
    return RC_OK;
}

static enum gw_op op_of(const struct subresource *s, enum verb verb)
{
    switch (verb) {
    case VERB_GET:
    case VERB_HEAD:
        return s->get;
    case VERB_PUT:
        return s->put;
    case VERB_POST:
        return s->post;
    case VERB_DELETE:
        return s->del;
    default:
        return OP_NONE;
    }
}

static bool is_plain(struct view name)
{
    for (size_t i = 0; i < sizeof plain_params / sizeof *plain_params; i++)
        if (view_eqs(name, plain_params[i]))
            return true;
    static const char amz[] = "x-amz-";
    return (name.n >= sizeof amz - 1 && view_ieqs(view_sub(name, 0, sizeof amz - 1), amz)) ||
           view_starts(name, VIEW("response-"));
}

/* Finds the subresource; RC_NOT_FOUND when the request is for the bucket or object itself. A valueless name that
 * nobody knows is refused on writes: doing the plain operation instead could destroy something. */
static enum rc find_subresource(const struct params *p, const struct subresource *table, bool object, enum verb verb,
                                struct route *ret)
{
    for (size_t i = 0; i < p->n; i++)
        for (const struct subresource *s = table; s->name != NULL; s++)
            if (view_eqs(p->list[i].name, s->name)) {
                ret->op = op_of(s, verb);
                return RC_OK;
            }
    bool reads = verb == VERB_GET || verb == VERB_HEAD;
    for (size_t i = 0; i < p->n; i++) {
        const struct not_made *sub = gw_not_made(p->list[i].name, object);
        if (sub != NULL) {
            ret->subresource = sub;
            ret->op = reads ? OP_NOT_MADE_READ : OP_NOT_MADE;
            return RC_OK;
        }
        if (!reads && p->list[i].value.n == 0 && !is_plain(p->list[i].name)) {
            ret->op = OP_NOT_MADE;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

static enum rc route_bucket(const struct route_request *q, enum verb verb, struct route *ret, const char **ret_code)
{
    if (find_subresource(q->params, bucket_subresources, false, verb, ret) == RC_OK)
        return RC_OK;
    struct view type = gw_param(q->params, "list-type");
    if (verb == VERB_GET && type.p != NULL && !view_eqs(type, "2") && !view_eqs(type, "1")) {
        *ret_code = "InvalidArgument";
        return RC_INVALID;
    }
    static const enum gw_op plain[] = {
        [VERB_GET] = OP_LIST_V1,   [VERB_HEAD] = OP_BUCKET_HEAD,     [VERB_PUT] = OP_BUCKET_CREATE,
        [VERB_POST] = OP_NOT_MADE, [VERB_DELETE] = OP_BUCKET_DELETE, [VERB_OPTIONS] = OP_NONE,
        [VERB_OTHER] = OP_NONE};
    ret->op = verb == VERB_GET && view_eqs(type, "2") ? OP_LIST_V2 : plain[verb];
    return RC_OK;
}

static void route_object(const struct route_request *q, enum verb verb, struct route *ret)
{
    if (find_subresource(q->params, object_subresources, true, verb, ret) == RC_OK) {
        if (ret->op == OP_UPLOAD_PART && q->copies)
            ret->op = OP_UPLOAD_PART_COPY;
        return;
    }
    static const enum gw_op plain[] = {
        [VERB_GET] = OP_OBJECT_GET, [VERB_HEAD] = OP_OBJECT_HEAD,     [VERB_PUT] = OP_OBJECT_PUT,
        [VERB_POST] = OP_NONE,      [VERB_DELETE] = OP_OBJECT_DELETE, [VERB_OPTIONS] = OP_NONE,
        [VERB_OTHER] = OP_NONE};
    ret->op = verb == VERB_PUT && q->copies ? OP_OBJECT_COPY : plain[verb];
}

enum rc gw_route(const struct route_request *q, struct arena *a, struct route *ret, const char **ret_code)
{
    *ret = (struct route){OP_NONE, VIEW(""), VIEW(""), NULL, false};
    enum rc rc = locate(q, a, ret);
    if (rc != RC_OK) {
        *ret_code = "InvalidURI";
        return rc;
    }
    enum verb verb = verb_of(q->method);
    if (verb == VERB_OPTIONS) {
        ret->op = OP_PREFLIGHT;
        return RC_OK;
    }
    if (ret->bucket.n == 0 && ret->key.n > 0) {
        *ret_code = "InvalidBucketName";
        return RC_INVALID;
    }
    if (ret->bucket.n > 0 && !gw_bucket_name_ok(ret->bucket)) {
        *ret_code = "InvalidBucketName";
        return RC_INVALID;
    }
    if (ret->key.n > KEY_MAX) {
        *ret_code = "KeyTooLongError";
        return RC_INVALID;
    }
    if (ret->bucket.n == 0)
        ret->op = verb == VERB_GET ? OP_BUCKETS_LIST : OP_NONE;
    else if (ret->key.n == 0)
        HF_TRY(route_bucket(q, verb, ret, ret_code));
    else
        route_object(q, verb, ret);
    if (ret->op == OP_NONE) {
        *ret_code = "MethodNotAllowed";
        return RC_INVALID;
    }
    return RC_OK;
}
