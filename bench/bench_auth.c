/* Holdfast: how long it takes to check the signature of a typical PUT, beside one SHA-256 block chain of the same size
 * (OpenSSL's own speed). Prints microseconds and the ratio. */
#include <stdio.h>
#include <time.h>

#include "catalog/catalog.h"
#include "gateway/auth.h"

#define ROUNDS 200000
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* Bytes that a check must hash: canonical request and its digest's five HMACs of two passes each. */
#define HASHED_BYTES (700 + 10 * 128)

static enum rc lookup(void *ctx, struct view access_key, struct caller *ret)
{
    (void)ctx;
    *ret = (struct caller){.account = 1};
    if (!view_copy(access_key, ret->access_key, sizeof ret->access_key) ||
        !view_copy(VIEW(SECRET), ret->secret, sizeof ret->secret))
        return RC_LIMIT;
    return RC_OK;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double digest_us(void)
{
    static const char data[HASHED_BYTES];
    uint8_t out[32];
    double start = now_us();
    for (int i = 0; i < ROUNDS; i++)
        digest_once(DIGEST_SHA256, data, sizeof data, out);
    return (now_us() - start) / ROUNDS;
}

static bool check_once(const struct auth_request *q)
{
    struct arena scratch = ARENA(1 << 20);
    struct auth_result r;
    const char *code = NULL;
    bool ok = auth_check(q, lookup, NULL, &scratch, &r, &code, NULL) == RC_OK;
    arena_free(&scratch);
    return ok;
}

int main(void)
{
    struct cat_header h[9] = {
        {VIEW("Host"), VIEW("127.0.0.1:9000")},
        {VIEW("User-Agent"), VIEW("Boto3/1.26.27 Python/3.11.2 Linux/6.1.0 Botocore/1.29.27")},
        {VIEW("Content-MD5"), VIEW("jXd/OF09/siBXSD3SWAm3A==")},
        {VIEW("Content-Type"), VIEW("application/octet-stream")},
        {VIEW("X-Amz-Date"), VIEW("20130524T000000Z")},
        {VIEW("X-Amz-Content-SHA256"), VIEW(EMPTY)},
        {VIEW("x-amz-meta-colour"), VIEW("blue")},
        {VIEW("Content-Length"), VIEW("4096")},
    };
    struct auth_request q = {.method = VIEW("PUT"),
                             .path = VIEW("/some-bucket/a/folder/with%20blanks/and-a-name-0123456789"),
                             .query = VIEW("x-id=PutObject"),
                             .headers = h,
                             .n_headers = 8,
                             .now_ns = 1369353600 * NS_PER_S};
    struct buf authorization = BUF(4096);
    if (auth_sign(&q, VIEW("AKIAIOSFODNN7EXAMPLE"), VIEW(SECRET), VIEW("us-east-1"), VIEW(EMPTY), &authorization))
        return 1;
    h[8] = (struct cat_header){VIEW("Authorization"), buf_view(&authorization)};
    q.n_headers = 9;
    double start = now_us();
    for (int i = 0; i < ROUNDS; i++)
        if (!check_once(&q))
            return 1;
    double each_us = (now_us() - start) / ROUNDS, floor_us = digest_us();
    printf("signature check %.2f us, SHA-256 of as many bytes %.2f us, ratio %.2f\n", each_us, floor_us,
           each_us / floor_us);
    buf_free(&authorization);
    return 0;
}
