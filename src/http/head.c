/* Holdfast: is this head one that everybody reads the same way? libmicrohttpd is lenient; here it is not (DESIGN §3).
 */
#include "http/http_priv.h"

#define HEAD_MALFORMED "The request is malformed: "

static bool is_token_byte(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_token_byte((unsigned char)v.p[i]))
            return false;
    return v.n > 0;
}

/* Visible, blank or not ASCII. */
static bool is_field_text(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* One field line may be followed only by blanks that were cut off and by its line end. Anything else was hidden from
 * us: a line that goes on in the next one (obs-fold), or bytes behind a NUL. Line ends are NUL bytes by now. */
static bool only_line_end(uintptr_t from, uintptr_t to)
{
    if (from == to || from > to || to - from > HTTP_HEAD_MAX)
        return false;
    for (const char *p = (const char *)from; p < (const char *)to; p++)
        if (*p != 0 && *p != ' ' && *p != '\t')
            return false;
    return true;
}

struct head_walk {
    struct http_header_line *lines;
    size_t n, max;
    uintptr_t end; /* of the line before */
    bool whole;    /* nothing was hidden between the lines */
};

static enum MHD_Result take_line(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
                                 size_t value_n)
{
    (void)kind;
    struct head_walk *w = cls;
    if (w->n == w->max)
        return MHD_NO;
    w->lines[w->n++] = (struct http_header_line){view_of(name, name_n), view_trim(view_of(value, value_n))};
    if (!only_line_end(w->end, (uintptr_t)name) || (uintptr_t)value < (uintptr_t)name)
        w->whole = false;
    w->end = (uintptr_t)value + value_n;
    return MHD_YES;
}

static const char *lines_read(struct http_req *r, const char *method, const char *version, unsigned *ret_status)
{
    int count = MHD_get_connection_values_n(r->conn, MHD_HEADER_KIND, NULL, NULL);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (count < 0 || count > (int)HTTP_HEADERS_MAX || !info || info->header_size > HTTP_HEAD_MAX) {
        *ret_status = MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
        return "The head of the request is too large.";
    }
    struct head_walk w = {.max = (size_t)count, .end = (uintptr_t)version + strlen(version), .whole = true};
    w.lines = arena_alloc(&r->arena, (w.max + 1) * sizeof *w.lines);
    if (!w.lines) {
        *ret_status = MHD_HTTP_SERVICE_UNAVAILABLE;
        return "Out of memory; please try again.";
    }
    MHD_get_connection_values_n(r->conn, MHD_HEADER_KIND, take_line, &w);
    bool line_whole = (uintptr_t)version == (uintptr_t)r->target_at + r->target_n + 1;
    if (!line_whole || !w.whole || !only_line_end(w.end, (uintptr_t)method + info->header_size))
        return HEAD_MALFORMED "a header line is continued on the next line, or holds a NUL byte.";
    r->headers = w.lines;
    r->n_headers = w.n;
    return NULL;
}

static const char *lines_check(const struct http_req *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (!is_token(r->headers[i].name))
            return HEAD_MALFORMED "a header name has a character that is not allowed there.";
        if (!is_field_text(r->headers[i].value))
            return HEAD_MALFORMED "a header value has a control character.";
    }
    return NULL;
}

/* Number of header lines of that name; the first one's value. */
static size_t lines_named(const struct http_req *r, const char *name, struct view *ret_value)
{
    size_t found = 0;
    for (size_t i = 0; i < r->n_headers; i++)
        if (view_ieqs(r->headers[i].name, name) && found++ == 0)
            *ret_value = r->headers[i].value;
    return found;
}

static const char *framing_check(struct http_req *r, bool http_1_1)
{
    struct view length = {NULL, 0}, coding = {NULL, 0}, host, expect = {NULL, 0};
    size_t lengths = lines_named(r, "content-length", &length);
    size_t codings = lines_named(r, "transfer-encoding", &coding);
    size_t hosts = lines_named(r, "host", &host);
    if (lengths && codings)
        return HEAD_MALFORMED "Content-Length and Transfer-Encoding together.";
    if (lengths > 1)
        return HEAD_MALFORMED "more than one Content-Length.";
    if (lengths && (!view_u64(length, &r->content_length) || r->content_length == UINT64_MAX))
        return HEAD_MALFORMED "Content-Length is no number.";
    if (codings && (codings > 1 || !http_1_1 || !view_ieqs(coding, "chunked")))
        return HEAD_MALFORMED "the only Transfer-Encoding is chunked, in HTTP/1.1.";
    if (hosts > 1 || (http_1_1 && hosts == 0))
        return HEAD_MALFORMED "exactly one Host is needed.";
    if (codings)
        r->content_length = UINT64_MAX;
    if (http_1_1 && lines_named(r, "expect", &expect))
        r->expects_continue = view_ieqs(expect, "100-continue");
    return NULL;
}

/* "/path?query", "*", or a whole URL, whose scheme and host are skipped. */
static const char *target_split(struct http_req *r)
{
    struct view t = r->target;
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] <= ' ' || t.p[i] == 0x7f)
            return HEAD_MALFORMED "the request target has a blank or a control character.";
    bool plain = view_starts(t, VIEW("http://"));
    if (plain || view_starts(t, VIEW("https://"))) {
        size_t slash = view_find(t, '/', plain ? 7 : 8);
        t = slash == SIZE_MAX ? VIEW("/") : view_sub(t, slash, t.n);
    }
    if (t.n == 0 || (t.p[0] != '/' && !view_eqs(t, "*")))
        return HEAD_MALFORMED "the request target must start with a slash.";
    size_t mark = view_find(t, '?', 0);
    r->path = view_sub(t, 0, mark);
    r->query = mark == SIZE_MAX ? (struct view){t.p + t.n, 0} : view_sub(t, mark + 1, t.n);
    return NULL;
}

const char *head_read(struct http_req *r, const char *method, const char *version, unsigned *ret_status)
{
    *ret_status = MHD_HTTP_BAD_REQUEST;
    const char *wrong = lines_read(r, method, version, ret_status);
    if (wrong)
        return wrong;
    r->method = view_cstr(method);
    if (r->method.n > HTTP_METHOD_MAX || !is_token(r->method))
        return HEAD_MALFORMED "the method is no word.";
    wrong = target_split(r);
    if (!wrong)
        wrong = lines_check(r);
    if (!wrong)
        wrong = framing_check(r, strcmp(version, MHD_HTTP_VERSION_1_0) != 0);
    return wrong;
}
