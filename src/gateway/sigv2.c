/* Holdfast: the arithmetic of AWS Signature Version 2
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html).
 *
 * Version 2 does not sign the whole query, only the arguments that it knows. Whatever makes an argument mean something
 * to this server must therefore be signed here: those that choose an operation or a version, those that change the
 * answer's headers, and those that stand for an x-amz-* header. What only turns the pages of a list is left out, as at
 * AWS. Names are compared as the gateway does, decoded. */
#include "gateway/sigv2.h"

#include <stdlib.h>

#include "gateway/auth_parse.h"
#include "gateway/parse_priv.h"

#define SHA1_SIZE 20
/* Line ends, slashes and question mark. */
#define TO_SIGN_EXTRA 64

/* What route.c has built, and what clients sign besides; gw_not_made knows the rest. */
static const char *const signed_args[] = {
    "attributes", "delete",   "defaultObjectAcl", "location",  "partNumber", "select-type", "storageClass",
    "tagging",    "uploadId", "uploads",          "versionId", "versioning", "versions",
};

struct field {
    struct view name, value; /* decoded; x-amz-* names in lower case */
    bool bare;               /* an argument without '=' */
    size_t order;            /* as sent */
};

struct fields {
    struct field *list;
    size_t n;
};

static int compare_fields(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    int c = view_cmp(x->name, y->name);
    return c ? c : (x->order > y->order) - (x->order < y->order);
}

static void sort(struct fields *f)
{
    if (f->n > 1)
        qsort(f->list, f->n, sizeof *f->list, compare_fields);
}

static void add(struct fields *f, struct view name, struct view value, bool bare)
{
    f->list[f->n] = (struct field){name, value, bare, f->n};
    f->n++;
}

static bool is_signed_arg(struct view name)
{
    if (view_starts(name, VIEW("response-")))
        return true;
    for (size_t i = 0; i < sizeof signed_args / sizeof *signed_args; i++)
        if (view_eqs(name, signed_args[i]))
            return true;
    return gw_not_made(name, false) || gw_not_made(name, true);
}

static bool is_amz(struct view name)
{
    return view_ieqs(view_sub(name, 0, 6), "x-amz-");
}

static size_t count_args(struct view query)
{
    size_t n = 1;
    for (size_t i = 0; i < query.n; i++)
        n += query.p[i] == '&';
    return n;
}

/* Appends to text, which has room. */
static enum rc decode(struct view raw, struct buf *text, struct view *ret)
{
    size_t from = text->n;
    HF_TRY(uri_decode(raw, true, text));
    *ret = view_sub(buf_view(text), from, text->n);
    return RC_OK;
}

/* A buffer of fixed size in scratch memory: it never grows, so it is never freed. */
static enum rc fixed_buf(struct arena *scratch, size_t size, struct buf *ret)
{
    char *p = arena_alloc(scratch, size);
    *ret = (struct buf){.p = p, .n = 0, .cap = size, .max = size};
    return p ? RC_OK : RC_NOMEM;
}

static enum rc fields_new(struct arena *scratch, size_t max, struct fields *ret)
{
    *ret = (struct fields){arena_alloc(scratch, (max + 1) * sizeof *ret->list), 0};
    return ret->list ? RC_OK : RC_NOMEM;
}

static enum rc read_args(struct view query, struct arena *scratch, struct fields *ret)
{
    struct buf text;
    HF_TRY(fields_new(scratch, count_args(query), ret));
    HF_TRY(fixed_buf(scratch, query.n + 1, &text));
    for (size_t at = 0; at < query.n;) {
        size_t end = view_find(query, '&', at);
        struct view one = view_sub(query, at, end == SIZE_MAX ? query.n : end - at);
        at += one.n + 1;
        size_t eq = view_find(one, '=', 0);
        struct view name, value;
        HF_TRY(decode(view_sub(one, 0, eq), &text, &name));
        HF_TRY(decode(eq == SIZE_MAX ? VIEW("") : view_sub(one, eq + 1, one.n), &text, &value));
        add(ret, name, value, eq == SIZE_MAX);
    }
    return RC_OK;
}

static enum rc lower(struct view v, struct arena *scratch, struct view *ret)
{
    char *text = arena_cstr(scratch, v);
    if (!text)
        return RC_NOMEM;
    *ret = view_of(text, v.n);
    for (size_t i = 0; i < v.n; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
    return RC_OK;
}

static bool has_name(const struct fields *f, size_t n, struct view name)
{
    for (size_t i = 0; i < n; i++)
        if (view_eq(f->list[i].name, name))
            return true;
    return false;
}

/* The x-amz-* headers; an argument counts when there is no header of that name, as it does for the gateway. */
static enum rc read_amz(const struct auth_request *q, const struct fields *args, struct arena *scratch,
                        struct fields *ret)
{
    struct view name;
    HF_TRY(fields_new(scratch, q->n_headers + args->n, ret));
    for (size_t i = 0; i < q->n_headers; i++) {
        if (!is_amz(q->headers[i].name))
            continue;
        HF_TRY(lower(q->headers[i].name, scratch, &name));
        add(ret, name, view_trim(q->headers[i].value), false);
    }
    size_t headers = ret->n;
    for (size_t i = 0; i < args->n; i++) {
        if (!is_amz(args->list[i].name))
            continue;
        HF_TRY(lower(args->list[i].name, scratch, &name));
        if (!has_name(ret, headers, name))
            add(ret, name, view_trim(args->list[i].value), false);
    }
    sort(ret);
    return RC_OK;
}

/* What was decoded must not look like more lines of the string than it is. */
static enum rc put_text(struct view v, struct buf *out)
{
    return view_find(v, '\n', 0) == SIZE_MAX ? buf_putv(out, v) : RC_INVALID;
}

/* "name:value,value\n" for each name. */
static enum rc put_amz(const struct fields *amz, struct buf *out)
{
    for (size_t i = 0; i < amz->n; i++) {
        if (i > 0 && view_eq(amz->list[i].name, amz->list[i - 1].name)) {
            out->n--; /* the line goes on */
            HF_TRY(buf_put(out, ",", 1));
        } else {
            HF_TRY(put_text(amz->list[i].name, out));
            HF_TRY(buf_put(out, ":", 1));
        }
        HF_TRY(put_text(amz->list[i].value, out));
        HF_TRY(buf_put(out, "\n", 1));
    }
    return RC_OK;
}

/* "/bucket/key?subresource&…"; the path as sent. Sorts args. */
static enum rc put_resource(const struct auth_request *q, struct fields *args, struct buf *out)
{
    if (q->host_bucket.n > 0) {
        HF_TRY(buf_put(out, "/", 1));
        HF_TRY(buf_putv(out, q->host_bucket));
    }
    HF_TRY(buf_putv(out, q->path));
    sort(args);
    const char *mark = "?";
    for (size_t i = 0; i < args->n; i++) {
        const struct field *f = &args->list[i];
        if (!is_signed_arg(f->name))
            continue;
        HF_TRY(buf_put(out, mark, 1));
        HF_TRY(put_text(f->name, out));
        if (!f->bare)
            HF_TRY(buf_put(out, "=", 1));
        HF_TRY(put_text(f->value, out));
        mark = "&";
    }
    return RC_OK;
}

/* A header's line, or that of the argument that stands for it. */
static enum rc put_line(const struct auth_request *q, const struct fields *args, const char *name, struct buf *out)
{
    struct view v = auth_header(q, name);
    for (size_t i = 0; i < args->n && !v.p; i++)
        if (view_ieqs(args->list[i].name, name))
            v = args->list[i].value;
    HF_TRY(put_text(view_trim(v), out));
    return buf_put(out, "\n", 1);
}

/* An argument is put at most once into each of: lines, x-amz-* headers, resource. */
static size_t to_sign_max(const struct auth_request *q, struct view expires)
{
    size_t n = q->method.n + expires.n + q->host_bucket.n + q->path.n + 3 * q->query.n + TO_SIGN_EXTRA;
    for (size_t i = 0; i < q->n_headers; i++)
        n += q->headers[i].name.n + q->headers[i].value.n + 2;
    return n;
}

enum rc sigv2_to_sign(const struct auth_request *q, struct view expires, struct arena *scratch, struct view *ret)
{
    struct fields args, amz;
    struct buf out;
    HF_TRY(read_args(q->query, scratch, &args));
    HF_TRY(read_amz(q, &args, scratch, &amz));
    HF_TRY(fixed_buf(scratch, to_sign_max(q, expires), &out));
    HF_TRY(buf_putv(&out, q->method));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(put_line(q, &args, "content-md5", &out));
    HF_TRY(put_line(q, &args, "content-type", &out));
    HF_TRY(buf_putv(&out, expires));
    HF_TRY(buf_put(&out, "\n", 1));
    HF_TRY(put_amz(&amz, &out));
    HF_TRY(put_resource(q, &args, &out));
    *ret = buf_view(&out);
    return RC_OK;
}

void sigv2_sign(struct view secret, struct view to_sign, char ret_base64[SIGV2_SIGNATURE_N + 1])
{
    uint8_t mac[SHA1_SIZE];
    hmac_sha1(secret.p, secret.n, to_sign.p, to_sign.n, mac);
    base64_encode(mac, sizeof mac, ret_base64);
}

bool sigv2_same(const char base64[SIGV2_SIGNATURE_N + 1], struct view given)
{
    return given.n == SIGV2_SIGNATURE_N && bytes_equal_ct(base64, given.p, SIGV2_SIGNATURE_N);
}
