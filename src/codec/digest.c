/* Holdfast: message digests by OpenSSL 3. Algorithms are fetched once per process and short inputs use contexts that
 * each thread keeps, because looking up an algorithm costs more than hashing a hundred bytes. The only failures that
 * OpenSSL can have here are an installation without the algorithms and exhausted memory for a context of a few hundred
 * bytes; both stop the process. */
#include "codec/codec.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define KINDS 3
#define HMAC_BLOCK 64 /* of SHA-1 and SHA-256 */
#define SHA256_SIZE 32

static const struct {
    const char *name;
    size_t size;
} kinds[KINDS] = {
    [DIGEST_MD5] = {"MD5", 16},
    [DIGEST_SHA1] = {"SHA1", 20},
    [DIGEST_SHA256] = {"SHA256", SHA256_SIZE},
};

struct digest {
    EVP_MD_CTX *ctx;
    enum digest_kind kind;
};

/* What a thread keeps: one context per algorithm, each reused without allocating again. */
struct scratch {
    EVP_MD_CTX *ctx[KINDS];
};

/* Written once by fetch_all, constant afterwards. */
static struct {
    pthread_once_t once;
    EVP_MD *md[KINDS];
    pthread_key_t scratch;
} fetched = {.once = PTHREAD_ONCE_INIT};

static void scratch_free(void *p)
{
    struct scratch *s = p;

    for (int k = 0; k < KINDS; k++)
        EVP_MD_CTX_free(s->ctx[k]);
    free(s);
}

static void fetch_all(void)
{
    for (int k = 0; k < KINDS; k++) {
        fetched.md[k] = EVP_MD_fetch(NULL, kinds[k].name, NULL);
        if (!fetched.md[k])
            HF_BUG("this OpenSSL lacks MD5, SHA-1 or SHA-256");
    }
    HF_ASSERT(pthread_key_create(&fetched.scratch, scratch_free) == 0);
}

static EVP_MD *md_of(enum digest_kind k)
{
    HF_ASSERT(k < KINDS);
    HF_ASSERT(pthread_once(&fetched.once, fetch_all) == 0);
    return fetched.md[k];
}

static struct scratch *scratch_new(void)
{
    struct scratch *s = calloc(1, sizeof(*s));

    if (!s || pthread_setspecific(fetched.scratch, s) != 0)
        HF_BUG("out of memory for a digest context");
    for (int k = 0; k < KINDS; k++) {
        s->ctx[k] = EVP_MD_CTX_new();
        if (!s->ctx[k])
            HF_BUG("out of memory for a digest context");
    }
    return s;
}

static void start(EVP_MD_CTX *ctx, EVP_MD *md)
{
    HF_ASSERT(EVP_DigestInit_ex2(ctx, md, NULL) == 1);
}

static void add(EVP_MD_CTX *ctx, const void *p, size_t n)
{
    if (n > 0)
        HF_ASSERT(EVP_DigestUpdate(ctx, p, n) == 1);
}

static void finish(EVP_MD_CTX *ctx, uint8_t *out)
{
    HF_ASSERT(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

/* This thread's context for k, started. It is busy until finish(). */
static EVP_MD_CTX *scratch_start(enum digest_kind k)
{
    EVP_MD *md = md_of(k);
    struct scratch *s = pthread_getspecific(fetched.scratch);

    if (!s)
        s = scratch_new();
    start(s->ctx[k], md);
    return s->ctx[k];
}

size_t digest_size(enum digest_kind k)
{
    HF_ASSERT(k < KINDS);
    return kinds[k].size;
}

void digest_once(enum digest_kind k, const void *p, size_t n, uint8_t *out)
{
    digest_once2(k, p, n, NULL, 0, out);
}

void digest_once2(enum digest_kind k, const void *a, size_t an, const void *b, size_t bn, uint8_t *out)
{
    EVP_MD_CTX *ctx = scratch_start(k);

    add(ctx, a, an);
    add(ctx, b, bn);
    finish(ctx, out);
}

struct digest *digest_new(enum digest_kind k)
{
    EVP_MD *md = md_of(k);
    struct digest *d = malloc(sizeof(*d));

    if (!d)
        goto err0;
    d->kind = k;
    d->ctx = EVP_MD_CTX_new();
    if (!d->ctx)
        goto err1;
    if (EVP_DigestInit_ex2(d->ctx, md, NULL) != 1)
        goto err2;
    return d;

err2:
    EVP_MD_CTX_free(d->ctx);
err1:
    free(d);
err0:
    return NULL;
}

void digest_update(struct digest *d, const void *p, size_t n)
{
    add(d->ctx, p, n);
}

void digest_final(struct digest *d, uint8_t *out)
{
    finish(d->ctx, out);
    start(d->ctx, md_of(d->kind));
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

/* One pass of HMAC (RFC 2104): the hash of (key xor pad), then data. */
static void hmac_pass(enum digest_kind kind, const uint8_t key[HMAC_BLOCK], uint8_t pad, const void *p, size_t n,
                      uint8_t *out)
{
    uint8_t block[HMAC_BLOCK];

    for (int i = 0; i < HMAC_BLOCK; i++)
        block[i] = key[i] ^ pad;
    digest_once2(kind, block, sizeof(block), p, n, out);
    OPENSSL_cleanse(block, sizeof(block));
}

static void hmac(enum digest_kind kind, const void *key, size_t key_n, const void *p, size_t n, uint8_t *out)
{
    uint8_t k[HMAC_BLOCK] = {0}, inner[DIGEST_MAX];

    if (key_n > HMAC_BLOCK)
        digest_once(kind, key, key_n, k);
    else if (key_n > 0)
        memcpy(k, key, key_n);
    hmac_pass(kind, k, 0x36, p, n, inner);
    hmac_pass(kind, k, 0x5c, inner, digest_size(kind), out);
    OPENSSL_cleanse(k, sizeof(k));
    OPENSSL_cleanse(inner, sizeof(inner));
}

void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[32])
{
    hmac(DIGEST_SHA256, key, key_n, p, n, out);
}

void hmac_sha1(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[20])
{
    hmac(DIGEST_SHA1, key, key_n, p, n, out);
}

bool bytes_equal_ct(const void *a, const void *b, size_t n)
{
    return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}
