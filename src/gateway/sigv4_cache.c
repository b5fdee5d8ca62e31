/* Holdfast: signing keys that were derived before. A derivation is four HMACs, half of what a signature costs, and
 * gives the same key all day long. Each thread keeps the last few, so there is no lock; they are wiped when the thread
 * ends. An entry is found by the secret itself: a key that was revoked or changed finds nothing. */
#include "gateway/sigv4.h"

#include <pthread.h>
#include <stdlib.h>

#define ENTRIES 8

struct entry {
    char secret[SECRET_KEY_MAX];
    size_t secret_n;
    char date[8];
    char region[64];
    size_t region_n; /* 0 = an empty entry: no region is empty */
    uint8_t key[32];
};

struct cache {
    struct entry entries[ENTRIES];
    unsigned next; /* to be replaced */
};

/* Written once by make_slot, constant afterwards. */
static struct {
    pthread_once_t once;
    pthread_key_t key;
} slot = {.once = PTHREAD_ONCE_INIT};

static void cache_free(void *p)
{
    explicit_bzero(p, sizeof(struct cache));
    free(p);
}

static void make_slot(void)
{
    HF_ASSERT(pthread_key_create(&slot.key, cache_free) == 0);
}

/* This thread's; NULL when there is no memory for it. */
static struct cache *cache_of_thread(void)
{
    HF_ASSERT(pthread_once(&slot.once, make_slot) == 0);
    struct cache *c = pthread_getspecific(slot.key);
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (c && pthread_setspecific(slot.key, c) != 0) {
        free(c);
        return NULL;
    }
    return c;
}

static bool entry_is(const struct entry *n, struct view secret, const struct sigv4_scope *s)
{
    return n->region_n == s->region.n && n->secret_n == secret.n && memcmp(n->date, s->date.p, sizeof n->date) == 0 &&
           memcmp(n->region, s->region.p, s->region.n) == 0 && bytes_equal_ct(n->secret, secret.p, secret.n);
}

static void entry_fill(struct entry *n, struct view secret, const struct sigv4_scope *s, const uint8_t key[32])
{
    memcpy(n->secret, secret.p, secret.n);
    n->secret_n = secret.n;
    memcpy(n->date, s->date.p, sizeof n->date);
    memcpy(n->region, s->region.p, s->region.n);
    n->region_n = s->region.n;
    memcpy(n->key, key, sizeof n->key);
}

enum rc sigv4_key_cached(struct view secret, const struct sigv4_scope *s, uint8_t ret_key[32])
{
    struct cache *c = cache_of_thread();
    bool fits = secret.n > 0 && secret.n <= SECRET_KEY_MAX && s->date.n == 8 && s->region.n > 0 &&
                s->region.n <= sizeof c->entries[0].region;
    if (!c || !fits)
        return sigv4_key(secret, s, ret_key);
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entry_is(&c->entries[i], secret, s)) {
            memcpy(ret_key, c->entries[i].key, 32);
            return RC_OK;
        }
    }
    HF_TRY(sigv4_key(secret, s, ret_key));
    entry_fill(&c->entries[c->next], secret, s, ret_key);
    c->next = (c->next + 1) % ENTRIES;
    return RC_OK;
}
