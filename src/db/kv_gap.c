/* Gaps: where many neighbouring keys were deleted, an iterator would step over every tombstone. One thread, begun when
 * first needed, compacts the range of what was deleted since the last time. How many deletions call for it grows with
 * the number of keys, so that a key is rewritten a bounded number of times. */
#include <stdlib.h>

#include "db/kv_priv.h"
#include "os/os.h"

#define GAP_DELETES_MIN 16384u
#define GAP_KEYS_SHARE 20u /* and a twentieth of all keys */

struct kv_gap {
    struct kv *kv;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stop;
    uint64_t deletes;
    struct buf low, high; /* of the keys deleted, family byte included */
};

struct kv_gap *kv_gap_new(struct kv *kv)
{
    struct kv_gap *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->kv = kv;
    g->low = g->high = BUF(1 + KV_KEY_MAX);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->wake, NULL);
    return g;
}

static uint64_t enough(struct kv *kv)
{
    uint64_t keys = 0;
    char *text = rocksdb_property_value(kv->db, "rocksdb.estimate-num-keys");
    if (text && !view_u64(view_cstr(text), &keys))
        keys = 0;
    rocksdb_free(text);
    return keys / GAP_KEYS_SHARE > GAP_DELETES_MIN ? keys / GAP_KEYS_SHARE : GAP_DELETES_MIN;
}

/* Under the lock, which is let go while the range is compacted. */
static void compact(struct kv_gap *g)
{
    struct buf low = g->low, high = g->high;
    g->low = g->high = BUF(1 + KV_KEY_MAX);
    g->deletes = 0;
    pthread_mutex_unlock(&g->lock);
    /* What is not flushed cannot be compacted. A flush or compaction that fails changes no answer, only its speed. */
    if (kv_flush(g->kv, NULL) == RC_OK)
        rocksdb_compact_range(g->kv->db, low.p, low.n, high.p, high.n);
    buf_free(&low);
    buf_free(&high);
    pthread_mutex_lock(&g->lock);
}

static void *gap_main(void *ctx)
{
    struct kv_gap *g = ctx;
    pthread_mutex_lock(&g->lock);
    while (!g->stop) {
        if (g->deletes >= GAP_DELETES_MIN && g->deletes >= enough(g->kv))
            compact(g);
        else
            pthread_cond_wait(&g->wake, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* Out of memory here: the range stays as it was, which costs speed alone. */
static void widen(struct kv_gap *g, struct view key)
{
    bool first = g->low.n == 0;
    if (first || view_cmp(key, buf_view(&g->low)) < 0) {
        buf_clear(&g->low);
        (void)!buf_putv(&g->low, key);
    }
    if (first || view_cmp(key, buf_view(&g->high)) > 0) {
        buf_clear(&g->high);
        (void)!buf_putv(&g->high, key);
    }
}

void kv_gap_note(struct kv_gap *g, struct view low, struct view high, uint64_t deletes)
{
    pthread_mutex_lock(&g->lock);
    widen(g, low);
    widen(g, high);
    g->deletes += deletes;
    if (g->deletes >= GAP_DELETES_MIN && !g->stop) {
        if (!g->started)
            g->started = os_thread(&g->thread, "hf-gaps", gap_main, g) == RC_OK;
        pthread_cond_signal(&g->wake);
    }
    pthread_mutex_unlock(&g->lock);
}

void kv_gap_stop(struct kv_gap *g)
{
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

void kv_gap_free(struct kv_gap *g)
{
    if (!g)
        return;
    if (g->started)
        pthread_join(g->thread, NULL);
    buf_free(&g->low);
    buf_free(&g->high);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
