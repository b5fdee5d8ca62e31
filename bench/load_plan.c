/* What to ask: a head with holes for the key and the signature, and all signatures made ahead. */
#include "load.h"

#include "base/clock.h"
#include "codec/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REGION "us-east-1"
#define KEY_TEXT_MAX 32u
#define HEX_SHA256 64u
#define SIGNED_HEADERS "host;x-amz-content-sha256;x-amz-date"

struct hole {
    size_t at, n;
};

struct load_plan {
    struct load_cfg cfg;
    char head[LOAD_HEAD_MAX];
    size_t head_n;
    struct hole key, signature; /* in head; signature.n = 0 when unsigned */
    char *body;
    uint8_t *signatures;
    uint64_t *numbers; /* key of each request */
    uint64_t n, made;
    bool round_and_round; /* GET and LIST may ask the same again */
    uint64_t random;
};

/* Both parts have a fixed width, so that one template fits every key. */
static size_t key_text(const struct load_plan *p, uint64_t number, char dst[KEY_TEXT_MAX])
{
    const char *slash = p->cfg.op == LOAD_LIST ? "%2F" : "/";

    return (size_t)snprintf(dst, KEY_TEXT_MAX, "%07" PRIu64 "%s%07" PRIu64, number / p->cfg.group, slash,
                            number % p->cfg.group);
}

static const char *method_of(enum load_op op)
{
    return op == LOAD_PUT ? "PUT" : op == LOAD_DELETE ? "DELETE" : "GET";
}

static uint64_t next_random(struct load_plan *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random;
}

/* ---- signing (Signature Version 4), with everything that does not change computed once ---- */
struct signer {
    struct buf canonical, to_sign;
    struct hole key, digest; /* in canonical; in to_sign */
    uint8_t signing_key[32];
};

static void derive_key(const struct load_cfg *cfg, const char *date, uint8_t key[32])
{
    char secret[256];
    int n = snprintf(secret, sizeof secret, "AWS4%s", cfg->secret_key);

    hmac_sha256(secret, (size_t)n, date, strlen(date), key);
    hmac_sha256(key, 32, REGION, strlen(REGION), key);
    hmac_sha256(key, 32, "s3", 2, key);
    hmac_sha256(key, 32, "aws4_request", 12, key);
}

/* Path and query around the key, as sent and (these need no other encoding) as signed. */
struct target {
    char before[256], query_before[256];
};

static void target_of(const struct load_cfg *cfg, struct target *t)
{
    bool list = cfg->op == LOAD_LIST;

    snprintf(t->before, sizeof t->before, "/%s%s", cfg->bucket, list ? "" : "/");
    snprintf(t->query_before, sizeof t->query_before,
             "%slist-type=2&max-keys=1000&start-after=", cfg->delimiter ? "delimiter=%2F&" : "");
}

static enum rc signer_init(struct signer *s, const struct load_plan *p, const char *amz_date, const char *payload)
{
    const struct load_cfg *cfg = &p->cfg;
    bool list = cfg->op == LOAD_LIST;
    char key[KEY_TEXT_MAX], date[9];
    struct target t;

    target_of(cfg, &t);
    s->canonical = BUF(LOAD_HEAD_MAX);
    s->to_sign = BUF(LOAD_HEAD_MAX);
    s->key.n = key_text(p, 0, key);
    HF_TRY(buf_printf(&s->canonical, "%s\n%s%s", method_of(cfg->op), t.before, list ? "\n" : ""));
    if (list)
        HF_TRY(buf_puts(&s->canonical, t.query_before));
    s->key.at = s->canonical.n;
    HF_TRY(buf_printf(&s->canonical, "%s\n%shost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n" SIGNED_HEADERS "\n%s",
                      key, list ? "" : "\n", cfg->server, payload, amz_date, payload));
    snprintf(date, sizeof date, "%.8s", amz_date);
    HF_TRY(buf_printf(&s->to_sign, "AWS4-HMAC-SHA256\n%s\n%s/" REGION "/s3/aws4_request\n", amz_date, date));
    s->digest = (struct hole){s->to_sign.n, HEX_SHA256};
    HF_TRY(buf_printf(&s->to_sign, "%064d", 0));
    derive_key(cfg, date, s->signing_key);
    return RC_OK;
}

static void signer_free(struct signer *s)
{
    buf_free(&s->canonical);
    buf_free(&s->to_sign);
}

static void sign_one(struct signer *s, const struct load_plan *p, uint64_t number, uint8_t signature[32])
{
    char key[KEY_TEXT_MAX], hex[HEX_SHA256 + 1];
    uint8_t digest[32];

    key_text(p, number, key);
    memcpy(s->canonical.p + s->key.at, key, s->key.n);
    digest_once(DIGEST_SHA256, s->canonical.p, s->canonical.n, digest);
    hex_encode(digest, sizeof digest, hex);
    memcpy(s->to_sign.p + s->digest.at, hex, HEX_SHA256);
    hmac_sha256(s->signing_key, 32, s->to_sign.p, s->to_sign.n, signature);
}

/* ---- the plan ---- */
static enum rc head_put(struct load_plan *p, struct buf *b, const char *amz_date, const char *payload)
{
    const struct load_cfg *cfg = &p->cfg;
    char key[KEY_TEXT_MAX];
    struct target t;

    target_of(cfg, &t);
    p->key.n = key_text(p, 0, key);
    HF_TRY(buf_printf(b, "%s %s%s%s", method_of(cfg->op), t.before, cfg->op == LOAD_LIST ? "?" : "",
                      cfg->op == LOAD_LIST ? t.query_before : ""));
    p->key.at = b->n;
    HF_TRY(buf_printf(b, "%s HTTP/1.1\r\nHost: %s\r\n", key, cfg->server));
    if (cfg->op == LOAD_PUT)
        HF_TRY(buf_printf(b, "Content-Length: %" PRIu64 "\r\n", cfg->size));
    if (!cfg->unsigned_head) {
        HF_TRY(buf_printf(b,
                          "x-amz-date: %s\r\nx-amz-content-sha256: %s\r\nAuthorization: AWS4-HMAC-SHA256 "
                          "Credential=%s/%.8s/" REGION "/s3/aws4_request, SignedHeaders=" SIGNED_HEADERS ", Signature=",
                          amz_date, payload, cfg->access_key, amz_date));
        p->signature = (struct hole){b->n, HEX_SHA256};
        HF_TRY(buf_printf(b, "%064d\r\n", 0));
    }
    return buf_puts(b, "\r\n");
}

static enum rc body_new(struct load_plan *p)
{
    if (p->cfg.op != LOAD_PUT || p->cfg.size == 0)
        return RC_OK;
    p->body = malloc(p->cfg.size);
    if (!p->body)
        return RC_NOMEM;
    for (uint64_t i = 0; i < p->cfg.size; i++)
        p->body[i] = (char)(i % 8 == 0 ? next_random(p) : p->random >> (8 * (i % 8)));
    return RC_OK;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A step without a common divisor with n visits every number once; near the golden section, far from the one before. */
static uint64_t scatter_step(uint64_t n)
{
    uint64_t step = (uint64_t)((double)n * 0.6180339887) + 1;

    while (common_divisor(n, step) != 1)
        step++;
    return step;
}

static enum rc numbers_new(struct load_plan *p)
{
    const struct load_cfg *cfg = &p->cfg;
    uint64_t step = scatter_step(cfg->keys);

    p->numbers = malloc(p->n * sizeof *p->numbers);
    if (!p->numbers)
        return RC_NOMEM;
    for (uint64_t i = 0; i < p->n; i++)
        p->numbers[i] = cfg->first + (uint64_t)((unsigned __int128)i * step % cfg->keys);
    return RC_OK;
}

static enum rc sign_all(struct load_plan *p, const char *amz_date, const char *payload)
{
    struct signer s = {0};
    enum rc rc = signer_init(&s, p, amz_date, payload);

    p->signatures = malloc(p->n * LOAD_SIGNATURE_SIZE);
    if (rc == RC_OK && !p->signatures)
        rc = RC_NOMEM;
    for (uint64_t i = 0; rc == RC_OK && i < p->n; i++)
        sign_one(&s, p, p->numbers[i], p->signatures + i * LOAD_SIGNATURE_SIZE);
    signer_free(&s);
    return rc;
}

static void payload_hash(const struct load_plan *p, char text[HEX_SHA256 + 1])
{
    uint8_t digest[32];

    if (p->cfg.unsigned_payload) {
        snprintf(text, HEX_SHA256 + 1, "UNSIGNED-PAYLOAD");
        return;
    }
    digest_once(DIGEST_SHA256, p->body ? p->body : "", p->body ? p->cfg.size : 0, digest);
    hex_encode(digest, sizeof digest, text);
}

static enum rc plan_fill(struct load_plan *p)
{
    char amz_date[TIME_TEXT_MAX], payload[HEX_SHA256 + 1];
    struct buf b = BUF(LOAD_HEAD_MAX);

    HF_TRY(body_new(p));
    HF_TRY(numbers_new(p));
    time_basic((int64_t)time(NULL) * NS_PER_S, amz_date);
    payload_hash(p, payload);
    enum rc rc = head_put(p, &b, amz_date, payload);
    if (rc == RC_OK) {
        memcpy(p->head, b.p, b.n);
        p->head_n = b.n;
    }
    buf_free(&b);
    if (rc == RC_OK && !p->cfg.unsigned_head)
        rc = sign_all(p, amz_date, payload);
    return rc;
}

enum rc load_plan_new(const struct load_cfg *cfg, struct load_plan **ret, struct err *e)
{
    struct load_plan *p = calloc(1, sizeof *p);

    if (!p)
        return err_set(e, RC_NOMEM, "out of memory");
    p->cfg = *cfg;
    p->random = 0x9e3779b97f4a7c15u;
    p->round_and_round = cfg->op == LOAD_GET || cfg->op == LOAD_LIST;
    p->n = cfg->keys < cfg->requests ? cfg->keys : cfg->requests;
    enum rc rc = plan_fill(p);
    if (rc != RC_OK) {
        load_plan_free(p);
        return err_set(e, rc, "the requests could not be prepared: %s", rc_name(rc));
    }
    *ret = p;
    return RC_OK;
}

void load_plan_free(struct load_plan *p)
{
    if (!p)
        return;
    free(p->body);
    free(p->signatures);
    free(p->numbers);
    free(p);
}

struct view load_plan_body(const struct load_plan *p)
{
    return view_of(p->body, p->body ? p->cfg.size : 0);
}

size_t load_plan_next(struct load_plan *p, char *dst)
{
    uint64_t i = p->made;
    char key[KEY_TEXT_MAX], hex[HEX_SHA256 + 1];

    if (i == (p->round_and_round ? p->cfg.requests : p->n))
        return 0;
    p->made++;
    if (p->round_and_round)
        i = next_random(p) % p->n;
    memcpy(dst, p->head, p->head_n);
    key_text(p, p->numbers[i], key);
    memcpy(dst + p->key.at, key, p->key.n);
    if (p->signature.n) {
        hex_encode(p->signatures + i * LOAD_SIGNATURE_SIZE, LOAD_SIGNATURE_SIZE, hex);
        memcpy(dst + p->signature.at, hex, HEX_SHA256);
    }
    return p->head_n;
}
