/* Holdfast: the Authorization header and the presigned query, taken apart. */
#include "gateway/auth_parse.h"

#include <stdarg.h>
#include <stdio.h>

#define PRESIGNED_MAX_S 604800 /* seven days, S3's limit */
#define REGION_MAX 63
#define AMZ_DATE_N 16 /* yyyymmddThhmmssZ */

#define MALFORMED "AuthorizationHeaderMalformed"
#define QUERY_ERROR "AuthorizationQueryParametersError"
#define NO_VERSION_2 "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."

/* Called with literal text most of the time; the numbers and names in it come from the request. */
enum rc auth_denied(const char *code, const char **ret_code, struct err *e, const char *fmt, ...)
{
    *ret_code = code;
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return RC_DENIED;
}

struct view auth_header(const struct auth_request *q, const char *name)
{
    for (size_t i = 0; i < q->n_headers; i++)
        if (view_ieqs(q->headers[i].name, name))
            return q->headers[i].value;
    return (struct view){NULL, 0};
}

/* What goes wrong is reported in the words of the header or of the query. */
struct parse {
    const struct auth_request *q;
    struct arena *scratch;
    struct auth_claim *c;
    const char *code;
    const char **ret_code;
    struct err *e;
};

/* Cuts what follows the last slash off *v; false when there is none. */
static bool cut_last(struct view *v, struct view *ret_last)
{
    for (size_t i = v->n; i-- > 0;) {
        if (v->p[i] == '/') {
            *ret_last = view_sub(*v, i + 1, v->n);
            *v = view_sub(*v, 0, i);
            return true;
        }
    }
    return false;
}

/* "KEY/yyyymmdd/region/s3/aws4_request" */
static enum rc parse_credential(const struct parse *p, struct view v)
{
    struct view end, service;
    struct auth_claim *c = p->c;
    if (!cut_last(&v, &end) || !cut_last(&v, &service) || !cut_last(&v, &c->region) || !cut_last(&v, &c->date) ||
        v.n == 0)
        return auth_denied(
            p->code, p->ret_code, p->e,
            "The Credential is malformed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
    if (!view_eqs(end, "aws4_request"))
        return auth_denied(p->code, p->ret_code, p->e, "The Credential must end with \"aws4_request\".");
    if (!view_eqs(service, "s3"))
        return auth_denied(p->code, p->ret_code, p->e, "Incorrect service in the Credential. This endpoint is \"s3\".");
    if (c->region.n == 0 || c->region.n > REGION_MAX || c->date.n != 8)
        return auth_denied(p->code, p->ret_code, p->e, "The region or the date in the Credential is not valid.");
    c->access_key = v;
    return RC_OK;
}

static enum rc parse_amz_date(const struct parse *p, struct view v)
{
    if (v.n != AMZ_DATE_N || time_parse_basic(v, &p->c->signed_ns) != RC_OK)
        return auth_denied(p->c->presigned ? QUERY_ERROR : "AccessDenied", p->ret_code, p->e,
                           "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    p->c->amz_date = v;
    return RC_OK;
}

/* A request without x-amz-date is signed for its Date. */
static enum rc parse_date_header(const struct parse *p)
{
    struct view v = auth_header(p->q, "date");
    char text[TIME_TEXT_MAX];
    if (!v.p || (time_parse_http(v, &p->c->signed_ns) != RC_OK && time_parse_basic(v, &p->c->signed_ns) != RC_OK))
        return auth_denied("AccessDenied", p->ret_code, p->e,
                           "AWS authentication requires a valid Date or x-amz-date header");
    p->c->amz_date = arena_dup(p->scratch, view_cstr(time_basic(p->c->signed_ns, text)));
    return p->c->amz_date.p ? RC_OK : RC_NOMEM;
}

static enum rc check_date(const struct parse *p)
{
    if (view_eq(p->c->date, view_sub(p->c->amz_date, 0, 8)))
        return RC_OK;
    return auth_denied(p->code, p->ret_code, p->e, "Invalid credential date. This date is not the same as X-Amz-Date.");
}

static enum rc check_signed_headers(const struct parse *p)
{
    struct view name;
    size_t names = 0;
    for (size_t at = 0; sigv4_next_name(p->c->signed_headers, &at, &name); names++)
        if (name.n == 0 || names == SIGV4_SIGNED_MAX)
            return auth_denied(p->code, p->ret_code, p->e, "The list of signed headers is not valid.");
    if (names == 0 || p->c->signature.n == 0)
        return auth_denied(p->code, p->ret_code, p->e, "SignedHeaders or Signature is empty.");
    return RC_OK;
}

/* ---- Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=… ---- */

static enum rc parse_pair(const struct parse *p, struct view one, struct view *ret_credential)
{
    size_t eq = view_find(one, '=', 0);
    struct view name = view_sub(one, 0, eq),
                value = eq == SIZE_MAX ? (struct view){NULL, 0} : view_sub(one, eq + 1, one.n);
    struct view *to = view_eqs(name, "Credential")      ? ret_credential
                      : view_eqs(name, "SignedHeaders") ? &p->c->signed_headers
                      : view_eqs(name, "Signature")     ? &p->c->signature
                                                        : NULL;
    if (!to || to->p || eq == SIZE_MAX)
        return auth_denied(MALFORMED, p->ret_code, p->e,
                           "The authorization header is malformed; it needs Credential, SignedHeaders and Signature, "
                           "each once, separated by commas.");
    *to = value;
    return RC_OK;
}

static enum rc parse_authorization(const struct parse *p, struct view v)
{
    struct view credential = {NULL, 0};
    for (size_t at = 0; at < v.n;) {
        size_t end = view_find(v, ',', at);
        struct view one = view_sub(v, at, end == SIZE_MAX ? v.n : end - at);
        at += one.n + 1;
        HF_TRY(parse_pair(p, view_trim(one), &credential));
    }
    if (!credential.p || !p->c->signed_headers.p || !p->c->signature.p)
        return auth_denied(MALFORMED, p->ret_code, p->e,
                           "The authorization header is malformed; Credential, SignedHeaders or Signature is missing.");
    HF_TRY(parse_credential(p, credential));
    struct view amz_date = auth_header(p->q, "x-amz-date");
    HF_TRY(amz_date.p ? parse_amz_date(p, amz_date) : parse_date_header(p));
    HF_TRY(check_date(p));
    p->c->payload = auth_header(p->q, "x-amz-content-sha256");
    if (!p->c->payload.p)
        return auth_denied("InvalidRequest", p->ret_code, p->e,
                           "Missing required header for this request: x-amz-content-sha256");
    return check_signed_headers(p);
}

/* ---- ?X-Amz-Algorithm=…&X-Amz-Credential=…&… ---- */

/* Value of a query argument, decoded into scratch, with plus also '+' to space; p NULL when absent. A repeated one is
 * RC_INVALID. */
static enum rc query_value(const struct parse *p, const char *name, bool plus, struct view *ret)
{
    struct view query = p->q->query, found = {NULL, 0};
    for (size_t at = 0; at < query.n;) {
        size_t end = view_find(query, '&', at);
        struct view one = view_sub(query, at, end == SIZE_MAX ? query.n : end - at);
        at += one.n + 1;
        size_t eq = view_find(one, '=', 0);
        if (!view_eqs(view_sub(one, 0, eq), name))
            continue;
        if (found.p)
            return RC_INVALID;
        found = eq == SIZE_MAX ? VIEW("") : view_sub(one, eq + 1, one.n);
    }
    if (found.p) {
        char *text = arena_alloc(p->scratch, found.n + 1);
        if (!text)
            return RC_NOMEM;
        struct buf b = {.p = text, .cap = found.n + 1, .max = found.n + 1};
        HF_TRY(uri_decode(found, plus, &b));
        found = buf_view(&b);
    }
    *ret = found;
    return RC_OK;
}

static enum rc parse_expires(const struct parse *p, struct view v)
{
    uint64_t seconds;
    if (!view_u64(v, &seconds))
        return auth_denied(QUERY_ERROR, p->ret_code, p->e, "X-Amz-Expires should be a number");
    if (seconds > PRESIGNED_MAX_S)
        return auth_denied(QUERY_ERROR, p->ret_code, p->e,
                           "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must "
                           "be less than %d seconds",
                           PRESIGNED_MAX_S);
    p->c->expires_s = (int64_t)seconds;
    return RC_OK;
}

static enum rc parse_presigned(const struct parse *p)
{
    static const char *const names[] = {"X-Amz-Algorithm", "X-Amz-Credential",    "X-Amz-Date",
                                        "X-Amz-Expires",   "X-Amz-SignedHeaders", "X-Amz-Signature"};
    struct view v[6];
    for (size_t i = 0; i < 6; i++) {
        enum rc rc = query_value(p, names[i], true, &v[i]);
        if (rc == RC_NOMEM)
            return rc;
        if (rc != RC_OK || !v[i].p)
            return auth_denied(QUERY_ERROR, p->ret_code, p->e,
                               "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
                               "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each "
                               "once.");
    }
    if (!view_eqs(v[0], SIGV4_ALGORITHM))
        return auth_denied(QUERY_ERROR, p->ret_code, p->e, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
    HF_TRY(parse_credential(p, v[1]));
    HF_TRY(parse_amz_date(p, v[2]));
    HF_TRY(check_date(p));
    HF_TRY(parse_expires(p, v[3]));
    p->c->signed_headers = v[4];
    p->c->signature = v[5];
    return check_signed_headers(p);
}

static enum rc presigned_payload(const struct parse *p)
{
    struct view v = auth_header(p->q, "x-amz-content-sha256");
    if (!v.p && query_value(p, "X-Amz-Content-Sha256", true, &v) != RC_OK)
        return auth_denied(QUERY_ERROR, p->ret_code, p->e, "X-Amz-Content-Sha256 is not valid.");
    p->c->payload = v.p ? v : VIEW("UNSIGNED-PAYLOAD");
    return RC_OK;
}

/* ---- ?AWSAccessKeyId=…&Expires=…&Signature=…, version 2 ---- */

static enum rc parse_version_2(const struct parse *p)
{
    static const char *const names[] = {"AWSAccessKeyId", "Expires", "Signature"};
    struct view v[3];
    for (size_t i = 0; i < 3; i++) {
        /* A '+' that was not escaped is one: base64 has no spaces. */
        enum rc rc = query_value(p, names[i], false, &v[i]);
        if (rc == RC_NOMEM)
            return rc;
        if (rc != RC_OK || v[i].n == 0)
            return auth_denied("AccessDenied", p->ret_code, p->e,
                               "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
                               "parameters, each once.");
    }
    uint64_t seconds;
    if (!view_u64(v[1], &seconds) || seconds > INT64_MAX)
        return auth_denied("AccessDenied", p->ret_code, p->e, "Invalid date (should be seconds since epoch): %.*s",
                           (int)v[1].n, v[1].p);
    p->c->version_2 = true;
    p->c->access_key = v[0];
    p->c->expires = v[1];
    p->c->expires_s = (int64_t)seconds;
    p->c->signature = v[2];
    return RC_OK;
}

static enum rc parse_scheme(struct parse *p, struct view authorization)
{
    struct view scheme = VIEW(SIGV4_ALGORITHM);
    if (view_starts(authorization, VIEW("AWS ")) || view_starts(authorization, VIEW("AWS4-ECDSA")))
        return auth_denied("InvalidRequest", p->ret_code, p->e, NO_VERSION_2);
    if (!view_starts(authorization, scheme) || authorization.n <= scheme.n ||
        (authorization.p[scheme.n] != ' ' && authorization.p[scheme.n] != '\t'))
        return auth_denied("InvalidArgument", p->ret_code, p->e, "Unsupported Authorization Type");
    return parse_authorization(p, view_sub(authorization, scheme.n, authorization.n));
}

/* Any argument of that name. */
static bool has_arg(const struct auth_request *q, const char *name)
{
    for (size_t at = 0; at < q->query.n;) {
        size_t end = view_find(q->query, '&', at);
        struct view one = view_sub(q->query, at, end == SIZE_MAX ? q->query.n : end - at);
        at += one.n + 1;
        if (view_eqs(view_sub(one, 0, view_find(one, '=', 0)), name))
            return true;
    }
    return false;
}

static size_t count_headers(const struct auth_request *q, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_headers; i++)
        n += view_ieqs(q->headers[i].name, name);
    return n;
}

enum rc auth_parse(const struct auth_request *q, struct arena *scratch, struct auth_claim *ret, const char **ret_code,
                   struct err *e)
{
    *ret = (struct auth_claim){0};
    struct parse p = {q, scratch, ret, MALFORMED, ret_code, e};
    size_t headers = count_headers(q, "authorization");
    bool in_query = has_arg(q, "X-Amz-Algorithm") || has_arg(q, "X-Amz-Signature") || has_arg(q, "X-Amz-Credential");
    bool version_2 = has_arg(q, "AWSAccessKeyId") || has_arg(q, "Signature");
    if (headers > 1 || (headers == 1) + in_query + version_2 > 1)
        return auth_denied("InvalidArgument", ret_code, e,
                           "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
                           "string parameter or the Authorization header should be specified");
    if (headers == 1)
        return parse_scheme(&p, view_trim(auth_header(q, "authorization")));
    if (!in_query && !version_2)
        return auth_denied("AccessDenied", ret_code, e, "Access Denied. The request is not signed.");
    ret->presigned = true;
    p.code = QUERY_ERROR;
    HF_TRY(version_2 ? parse_version_2(&p) : parse_presigned(&p));
    return presigned_payload(&p);
}
