/* Holdfast: the aws-chunked decoder
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html).
 *
 *      STEP_SIZE ──size > 0──▶ STEP_DATA ──▶ STEP_DATA_END ──▶ STEP_SIZE
 *          └──size 0──▶ STEP_TRAILER (lines, until an empty one) ──▶ STEP_DONE
 *
 * Without trailer the lines after the last chunk are only the empty one. Any error is final: STEP_FAILED. A signature
 * covers the chunk it stands before and the signature before it, so it is checked when the chunk's bytes are all there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/sigv4.h"

#define SIZE_DIGITS_MAX 16
#define SIGNATURE_MARK "chunk-signature="
#define TRAILER_SIGNATURE "x-amz-trailer-signature"
/* Canonical trailers: their lines, which the arena limits. */
#define TRAILERS_BYTES_MAX (2u * CHUNKED_LINE_MAX)

enum step { STEP_SIZE, STEP_DATA, STEP_DATA_END, STEP_TRAILER, STEP_DONE, STEP_FAILED };

struct trailer {
    struct view name, value; /* name in lower case */
};

struct chunked {
    enum step step;
    bool is_signed, has_trailer;
    uint64_t decoded_size, got;
    uint64_t left; /* of the chunk */
    char line[CHUNKED_LINE_MAX];
    size_t line_n;
    /* signatures */
    uint8_t key[32];
    char scope_date[9], scope_region[64], amz_date[17];
    char previous[SIGV4_HEX + 1];
    char given[SIGV4_HEX + 1]; /* of the chunk, to be checked at its end */
    struct digest *sha;        /* of the chunk's bytes; NULL when unsigned */
    /* trailers */
    struct arena arena;
    struct buf canonical; /* "name:value\n" of each */
    struct trailer trailers[CHUNKED_TRAILERS_MAX];
    size_t n_trailers;
    bool trailer_verified;
    /* what went wrong, for those who ask again */
    enum rc failed;
    const char *failed_code;
};

enum rc chunked_new(const struct auth_result *auth, uint64_t decoded_size, struct chunked **ret)
{
    struct chunked *c = calloc(1, sizeof *c);
    if (!c)
        return RC_NOMEM;
    c->decoded_size = decoded_size;
    c->is_signed = auth->payload == AUTH_PAYLOAD_CHUNKS || auth->payload == AUTH_PAYLOAD_CHUNKS_TRAILER;
    c->has_trailer = auth->payload != AUTH_PAYLOAD_CHUNKS;
    c->arena = ARENA(TRAILERS_BYTES_MAX);
    c->canonical = BUF(TRAILERS_BYTES_MAX);
    if (c->is_signed) {
        c->sha = digest_new(DIGEST_SHA256);
        if (!c->sha) {
            free(c);
            return RC_NOMEM;
        }
        memcpy(c->key, auth->signing_key, sizeof c->key);
        memcpy(c->scope_date, auth->scope_date, sizeof c->scope_date);
        memcpy(c->scope_region, auth->scope_region, sizeof c->scope_region);
        memcpy(c->amz_date, auth->amz_date, sizeof c->amz_date);
        memcpy(c->previous, auth->seed_signature, sizeof c->previous);
    }
    *ret = c;
    return RC_OK;
}

void chunked_free(struct chunked *c)
{
    if (!c)
        return;
    digest_free(c->sha);
    buf_free(&c->canonical);
    arena_free(&c->arena);
    explicit_bzero(c->key, sizeof c->key);
    free(c);
}

/* ---- errors ---- */

static enum rc fail(struct chunked *c, enum rc rc, const char *code, struct err *e, const char *what)
{
    c->step = STEP_FAILED;
    c->failed = rc;
    c->failed_code = code;
    return err_set(e, rc, "%s", what);
}

static enum rc malformed(struct chunked *c, struct err *e, const char *what)
{
    return fail(c, RC_INVALID, "InvalidRequest", e, what);
}

static enum rc bad_signature(struct chunked *c, struct err *e)
{
    return fail(c, RC_DENIED, "SignatureDoesNotMatch", e,
                "The signature of a chunk that we calculated does not match the signature you provided.");
}

/* ---- signatures ---- */

/* Signs with the previous signature in the middle and makes the result the previous one. True when it is as given. */
static bool chain(struct chunked *c, const char *algorithm, const char *middle_end, const uint8_t digest[32],
                  struct view given)
{
    char middle[2 * (SIGV4_HEX + 1) + 1];
    int n = snprintf(middle, sizeof middle, "%s\n%s", c->previous, middle_end);
    HF_ASSERT(n > 0 && (size_t)n < sizeof middle);
    const struct sigv4_scope scope = {view_cstr(c->scope_date), view_cstr(c->scope_region), view_cstr(c->amz_date)};
    sigv4_sign(c->key, algorithm, &scope, view_of(middle, (size_t)n), digest, c->previous);
    return sigv4_same(c->previous, given);
}

static enum rc chunk_verify(struct chunked *c, struct err *e)
{
    if (!c->is_signed)
        return RC_OK;
    uint8_t digest[32];
    digest_final(c->sha, digest);
    bool same = chain(c, SIGV4_CHUNK_ALGORITHM, SIGV4_EMPTY_SHA256 "\n", digest, view_cstr(c->given));
    return same ? RC_OK : bad_signature(c, e);
}

static enum rc trailer_verify(struct chunked *c, struct view given, struct err *e)
{
    uint8_t digest[32];
    if (c->trailer_verified)
        return malformed(c, e, "The trailer is signed twice.");
    digest_once(DIGEST_SHA256, c->canonical.p, c->canonical.n, digest);
    if (!chain(c, SIGV4_TRAILER_ALGORITHM, "", digest, given))
        return bad_signature(c, e);
    c->trailer_verified = true;
    return RC_OK;
}

/* ---- lines ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_size(struct view v, uint64_t *ret)
{
    uint64_t n = 0;
    if (v.n == 0 || v.n > SIZE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        int d = hex_value(v.p[i]);
        if (d < 0)
            return false;
        n = n << 4 | (uint64_t)d;
    }
    *ret = n;
    return true;
}

/* "size;chunk-signature=HEX", or "size" and anything behind a ";" when it is not signed. */
static enum rc size_line(struct chunked *c, struct view line, struct err *e)
{
    size_t semicolon = view_find(line, ';', 0);
    if (!read_size(view_sub(line, 0, semicolon), &c->left))
        return malformed(c, e, "The size of a chunk is not a hexadecimal number.");
    if (c->is_signed) {
        struct view rest = semicolon == SIZE_MAX ? VIEW("") : view_sub(line, semicolon + 1, line.n);
        struct view mark = VIEW(SIGNATURE_MARK);
        if (!view_starts(rest, mark) || !view_copy(view_sub(rest, mark.n, rest.n), c->given, sizeof c->given))
            return malformed(c, e, "A chunk does not have its chunk-signature.");
    }
    if (c->left > c->decoded_size - c->got)
        return fail(c, RC_INVALID, "IncompleteBody", e, "The chunks hold more than x-amz-decoded-content-length says.");
    if (c->left > 0) {
        c->step = STEP_DATA;
        return RC_OK;
    }
    c->step = STEP_TRAILER;
    return chunk_verify(c, e);
}

/* After the last chunk. One client (minio-go) puts an empty line between the trailers and their signature. */
static enum rc empty_line(struct chunked *c, struct err *e)
{
    if (c->has_trailer && c->is_signed && !c->trailer_verified) {
        if (c->n_trailers > 0)
            return RC_OK;
        return fail(c, RC_DENIED, "SignatureDoesNotMatch", e, "The trailer is not signed.");
    }
    c->step = STEP_DONE;
    return RC_OK;
}

static char *lower_dup(struct arena *a, struct view v)
{
    char *p = arena_cstr(a, v);
    for (char *at = p; at && *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return p;
}

static bool is_trailer_name(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] <= ' ' || (unsigned char)v.p[i] >= 0x7f)
            return false;
    return v.n > 0;
}

static enum rc trailer_keep(struct chunked *c, struct view name, struct view value, struct err *e)
{
    if (c->n_trailers == CHUNKED_TRAILERS_MAX || c->trailer_verified || chunked_trailer(c, name.p).p)
        return fail(c, RC_INVALID, "MalformedTrailerError", e, "Too many trailers, or one of them twice.");
    struct trailer *t = &c->trailers[c->n_trailers];
    t->name = name;
    t->value = arena_dup(&c->arena, value);
    if (!t->value.p || buf_printf(&c->canonical, "%s:%.*s\n", name.p, (int)value.n, value.p) != RC_OK)
        return fail(c, RC_INVALID, "MalformedTrailerError", e, "The trailers are too long.");
    c->n_trailers++;
    return RC_OK;
}

static enum rc trailer_line(struct chunked *c, struct view line, struct err *e)
{
    if (line.n == 0)
        return empty_line(c, e);
    size_t colon = view_find(line, ':', 0);
    struct view name = view_sub(line, 0, colon);
    if (!c->has_trailer || colon == SIZE_MAX || !is_trailer_name(name))
        return fail(c, RC_INVALID, "MalformedTrailerError", e,
                    c->has_trailer ? "A trailer line is malformed." : "Bytes follow the last chunk.");
    struct view value = view_trim(view_sub(line, colon + 1, line.n));
    char *lower = lower_dup(&c->arena, name);
    if (!lower)
        return fail(c, RC_INVALID, "MalformedTrailerError", e, "The trailers are too long.");
    if (strcmp(lower, TRAILER_SIGNATURE) == 0)
        return c->is_signed ? trailer_verify(c, value, e) : RC_OK;
    return trailer_keep(c, view_cstr(lower), value, e);
}

/* The line is complete. A line end is CR LF; the same client ends a trailer with LF alone. */
static enum rc line_end(struct chunked *c, struct err *e)
{
    struct view line = view_of(c->line, c->line_n);
    bool has_cr = line.n > 0 && line.p[line.n - 1] == '\r';
    c->line_n = 0;
    if (has_cr)
        line.n--;
    else if (c->step != STEP_TRAILER || !c->is_signed)
        return malformed(c, e, "A line of the chunked body does not end with CR LF.");
    if (memchr(line.p, '\r', line.n) || memchr(line.p, 0, line.n))
        return malformed(c, e, "A line of the chunked body holds a control character.");
    if (c->step == STEP_SIZE)
        return size_line(c, line, e);
    if (c->step == STEP_TRAILER)
        return trailer_line(c, line, e);
    if (line.n > 0)
        return malformed(c, e, "A chunk is longer than its size says.");
    c->step = STEP_SIZE;
    return RC_OK;
}

/* Takes what belongs to the current line, which ends when its LF is there. */
static enum rc feed_line(struct chunked *c, struct view *in, struct err *e)
{
    const char *lf = memchr(in->p, '\n', in->n);
    size_t n = lf ? (size_t)(lf - in->p) : in->n;
    size_t max = c->step == STEP_DATA_END ? 1 : sizeof c->line;
    if (n > max - c->line_n)
        return malformed(c, e, "A line of the chunked body is too long.");
    if (n > 0)
        memcpy(c->line + c->line_n, in->p, n);
    c->line_n += n;
    *in = view_sub(*in, n + (lf != NULL), in->n);
    return lf ? line_end(c, e) : RC_OK;
}

/* ---- data ---- */

static enum rc feed_data(struct chunked *c, struct view *in, enum rc (*sink)(void *ctx, struct view data), void *ctx,
                         struct err *e)
{
    struct view piece = view_sub(*in, 0, c->left < in->n ? (size_t)c->left : in->n);
    *in = view_sub(*in, piece.n, in->n);
    c->left -= piece.n;
    c->got += piece.n;
    if (c->is_signed)
        digest_update(c->sha, piece.p, piece.n);
    enum rc rc = sink(ctx, piece);
    if (rc != RC_OK)
        return fail(c, rc, NULL, NULL, ""); /* the sink's own trouble, and its own words */
    if (c->left > 0)
        return RC_OK;
    c->step = STEP_DATA_END;
    return chunk_verify(c, e);
}

static enum rc failed_before(const struct chunked *c, const char **ret_code, struct err *e)
{
    if (c->failed_code)
        *ret_code = c->failed_code;
    return err_set(e, c->failed, "The chunked body was refused before.");
}

enum rc chunked_feed(struct chunked *c, struct view in, enum rc (*sink)(void *ctx, struct view data), void *ctx,
                     const char **ret_code, struct err *e)
{
    if (c->step == STEP_FAILED)
        return failed_before(c, ret_code, e);
    while (in.n > 0) {
        enum rc rc = c->step == STEP_DONE   ? malformed(c, e, "Bytes follow the end of the chunked body.")
                     : c->step == STEP_DATA ? feed_data(c, &in, sink, ctx, e)
                                            : feed_line(c, &in, e);
        if (rc != RC_OK) {
            if (c->failed_code)
                *ret_code = c->failed_code;
            return rc;
        }
    }
    return RC_OK;
}

enum rc chunked_end(struct chunked *c, const char **ret_code, struct err *e)
{
    if (c->step == STEP_FAILED)
        return failed_before(c, ret_code, e);
    if (c->step == STEP_DONE && c->got == c->decoded_size)
        return RC_OK;
    *ret_code = "IncompleteBody";
    return fail(c, RC_INVALID, "IncompleteBody", e,
                "The chunked body ended early, or holds less than x-amz-decoded-content-length says.");
}

struct view chunked_trailer(const struct chunked *c, const char *name)
{
    for (size_t i = 0; i < c->n_trailers; i++)
        if (view_eqs(c->trailers[i].name, name))
            return c->trailers[i].value;
    return (struct view){NULL, 0};
}
