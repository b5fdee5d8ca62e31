/* Holdfast: what a target's URL says. */
#include "cloud/cloud_priv.h"

#define PORT_HTTP 80
#define PORT_HTTPS 443
#define PORT_MAX 65535

struct parts {
    struct view scheme, host, bucket, text;
    unsigned port; /* 0 = none said */
};

static enum rc bad(const struct parts *p, struct err *e, const char *why)
{
    return err_set(e, RC_INVALID, "target \"%.*s\": %s", (int)(p->text.n > 200 ? 200 : p->text.n), p->text.p, why);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(struct view v, const char *also)
{
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        bool plain = (c >= 'a' && c <= 'z') || is_digit(c);
        if (!plain && (c == 0 || !strchr(also, c)))
            return false;
    }
    return v.n > 0;
}

static bool is_address(struct view host)
{
    if (host.n > 0 && host.p[0] == '[')
        return true;
    for (size_t i = 0; i < host.n; i++)
        if (!is_digit(host.p[i]) && host.p[i] != '.')
            return false;
    return host.n > 0;
}

/* host or host:port or [v6]:port; the port is taken off. */
static enum rc take_port(struct parts *p, struct err *e)
{
    size_t from = 0;

    if (p->host.n > 0 && p->host.p[0] == '[') {
        from = view_find(p->host, ']', 0);
        if (from == SIZE_MAX)
            return bad(p, e, "the address has no closing \"]\"");
    }
    size_t colon = view_find(p->host, ':', from);
    if (colon == SIZE_MAX)
        return RC_OK;
    uint64_t port = 0;
    if (!view_u64(view_sub(p->host, colon + 1, p->host.n), &port) || port == 0 || port > PORT_MAX)
        return bad(p, e, "the port must be a number from 1 to 65535");
    p->port = (unsigned)port;
    p->host = view_sub(p->host, 0, colon);
    return RC_OK;
}

static enum rc check_host(const struct parts *p, struct err *e)
{
    struct view h = p->host;

    if (h.n == 0 || h.n > CLOUD_HOST_MAX)
        return bad(p, e, "the host is empty or longer than 255 bytes");
    bool v6 = h.p[0] == '[' && h.n > 2 && h.p[h.n - 1] == ']';
    if (v6 ? !is_word(view_sub(h, 1, h.n - 2), ":ABCDEF.") : !is_word(h, "-._ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        return bad(p, e, "the host may have letters, digits, \"-\" and \".\"");
    return RC_OK;
}

static enum rc check_bucket(const struct parts *p, struct view bucket, struct err *e)
{
    if (bucket.n == 0)
        return bad(p, e, "the bucket is missing: write SCHEME://HOST:PORT/BUCKET");
    if (bucket.n < 3 || bucket.n > CLOUD_BUCKET_MAX)
        return bad(p, e, "a bucket's name has 3 to 222 characters");
    if (!is_word(bucket, "-._"))
        return bad(p, e, "a bucket's name has lower-case letters, digits, \"-\", \".\" and \"_\"");
    return RC_OK;
}

static enum rc set_region(const struct parts *p, struct cloud_target *t, struct view region, struct err *e)
{
    if (!is_word(region, "-") || !view_copy(region, t->region, sizeof(t->region)))
        return bad(p, e, "the region has lower-case letters, digits and \"-\", at most 63");
    return RC_OK;
}

static enum rc set_bucket(const struct parts *p, struct cloud_target *t, struct view bucket, struct err *e)
{
    HF_TRY(check_bucket(p, bucket, e));
    HF_ASSERT(view_copy(bucket, t->bucket, sizeof(t->bucket)));
    return RC_OK;
}

/* The vendors' public names. A bucket with dots in it does not fit their certificates, so it goes into the path. */
static enum rc public_host(const struct parts *p, struct cloud_target *t, struct err *e)
{
    static const struct {
        const char *before, *after;
    } names[] = {
        [CLOUD_S3] = {"s3.", ".amazonaws.com"},
        [CLOUD_COS] = {"cos.", ".myqcloud.com"},
        [CLOUD_OSS] = {"oss-", ".aliyuncs.com"},
        [CLOUD_OBS] = {"obs.", ".myhuaweicloud.com"},
    };
    const char *china = t->dialect == CLOUD_S3 && view_starts(view_cstr(t->region), VIEW("cn-")) ? ".cn" : "";
    bool dots = view_find(view_cstr(t->bucket), '.', 0) != SIZE_MAX;
    int n = snprintf(t->host, sizeof(t->host), "%s%s%s%s%s%s", dots ? "" : t->bucket, dots ? "" : ".",
                     names[t->dialect].before, t->region, names[t->dialect].after, china);

    if (n < 0 || (size_t)n >= sizeof(t->host))
        return bad(p, e, "bucket and region are too long for a host name");
    t->tls = true;
    t->path_style = dots;
    t->port = PORT_HTTPS;
    return RC_OK;
}

static enum rc endpoint(const struct parts *p, struct cloud_target *t, bool tls, const char *region, struct err *e)
{
    HF_TRY(check_host(p, e));
    HF_TRY(set_bucket(p, t, p->bucket, e));
    HF_TRY(set_region(p, t, region ? view_cstr(region) : VIEW("us-east-1"), e));
    HF_ASSERT(view_copy(p->host, t->host, sizeof(t->host)));
    t->tls = tls;
    t->path_style = true;
    t->port = p->port ? p->port : tls ? PORT_HTTPS : PORT_HTTP;
    return RC_OK;
}

/* cos://BUCKET.REGION: the region is what follows the last dot. A region that is given by hand must agree. */
static enum rc vendor(const struct parts *p, struct cloud_target *t, const char *region, struct err *e)
{
    size_t dot = SIZE_MAX;

    for (size_t i = 0; i < p->host.n; i++)
        if (p->host.p[i] == '.')
            dot = i;
    if (dot == SIZE_MAX && !region)
        return bad(p, e, "the region is missing: write SCHEME://BUCKET.REGION");
    struct view in_url = dot == SIZE_MAX ? view_cstr(region) : view_sub(p->host, dot + 1, p->host.n);
    if (region && !view_eqs(in_url, region))
        return bad(p, e, "the URL's region and the one given beside it are not the same");
    HF_TRY(set_bucket(p, t, view_sub(p->host, 0, dot == SIZE_MAX ? p->host.n : dot), e));
    HF_TRY(set_region(p, t, in_url, e));
    return public_host(p, t, e);
}

static enum rc aws(const struct parts *p, struct cloud_target *t, const char *region, struct err *e)
{
    HF_TRY(set_bucket(p, t, p->host, e));
    HF_TRY(set_region(p, t, region ? view_cstr(region) : VIEW("us-east-1"), e));
    return public_host(p, t, e);
}

static enum rc split(struct view url, struct parts *p, bool *ret_slash, struct err *e)
{
    size_t at = view_find(url, ':', 0);

    p->text = url;
    if (at == SIZE_MAX || !view_starts(view_sub(url, at, url.n), VIEW("://")))
        return bad(p, e, "a target begins with s3://, s3s://, cos://, oss:// or obs://");
    p->scheme = view_sub(url, 0, at);
    struct view rest = view_sub(url, at + 3, url.n);
    if (view_find(rest, '@', 0) != SIZE_MAX)
        return err_set(e, RC_INVALID, "a target's URL holds no keys: put them into a file for --key-file");
    if (view_find(rest, '?', 0) != SIZE_MAX || view_find(rest, '#', 0) != SIZE_MAX)
        return bad(p, e, "\"?\" and \"#\" have no meaning here");
    size_t slash = view_find(rest, '/', 0);
    *ret_slash = slash != SIZE_MAX;
    p->host = view_sub(rest, 0, slash);
    p->bucket = *ret_slash ? view_sub(rest, slash + 1, rest.n) : VIEW("");
    if (p->bucket.n > 0 && p->bucket.p[p->bucket.n - 1] == '/')
        p->bucket.n--;
    if (view_find(p->bucket, '/', 0) != SIZE_MAX)
        return bad(p, e, "a target is a whole bucket, without a prefix");
    return take_port(p, e);
}

enum rc cloud_target_parse(struct view url, const char *region, struct cloud_target *ret, struct err *e)
{
    struct cloud_target t = {.dialect = CLOUD_S3};
    struct parts p = {0};
    bool slash = false;

    if (region && !*region)
        region = NULL;
    HF_TRY(split(url, &p, &slash, e));
    bool secure = view_eqs(p.scheme, "s3s");
    bool is_endpoint = p.bucket.n > 0 || p.port > 0 || is_address(p.host);
    bool plain = p.port > 0 || is_address(p.host);
    for (int d = CLOUD_S3; !secure; d++) {
        if (d > CLOUD_OBS)
            return bad(&p, e, "a target begins with s3://, s3s://, cos://, oss:// or obs://");
        t.dialect = (enum cloud_dialect)d;
        if (view_eqs(p.scheme, cloud_names(t.dialect)->scheme))
            break;
    }
    enum rc rc;
    if (is_endpoint || (secure && slash))
        rc = endpoint(&p, &t, secure || !plain, region, e);
    else
        rc = t.dialect == CLOUD_S3 ? aws(&p, &t, region, e) : vendor(&p, &t, region, e);
    if (rc == RC_OK)
        *ret = t;
    return rc;
}
