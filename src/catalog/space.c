/* Live bytes and extents of each volume and segment, and when the last one died. The rows that a batch touches are
 * loaded once, changed in memory and written once. */
#include <stdlib.h>

#include "catalog/cat_priv.h"

#define SPACE_SLOTS_MIN 64u
#define SPACE_SLOTS_MAX (1u << 20)
#define SPACE_ROW 24u

static void space_key(struct cat_key *k, char kind, uint64_t id)
{
    k->n = 1;
    k->p[0] = kind;
    cat_key_add_u64(k, id);
}

static enum rc space_decode(struct view v, struct cat_space_entry *x)
{
    if (v.n != SPACE_ROW)
        return RC_CORRUPT;
    x->bytes = (int64_t)be64_get((const uint8_t *)v.p);
    x->extents = (int64_t)be64_get((const uint8_t *)v.p + 8);
    x->death_ns = (int64_t)be64_get((const uint8_t *)v.p + 16);
    return RC_OK;
}

static struct cat_space_entry *slot_of(struct cat_space *s, char kind, uint64_t id)
{
    size_t mask = s->n_slots - 1, i = (size_t)(id * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (s->slot[i].kind && (s->slot[i].id != id || s->slot[i].kind != kind))
        i = (i + 1) & mask;
    return &s->slot[i];
}

static enum rc grow(struct cat_space *s)
{
    if ((s->n + 1) * 2 <= s->n_slots)
        return RC_OK;
    struct cat_space bigger = {.row = s->row, .n = s->n, .n_slots = s->n_slots ? s->n_slots * 2 : SPACE_SLOTS_MIN};
    if (bigger.n_slots > SPACE_SLOTS_MAX)
        return RC_LIMIT;
    bigger.slot = calloc(bigger.n_slots, sizeof(*bigger.slot));
    if (!bigger.slot)
        return RC_NOMEM;
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slot[i].kind)
            *slot_of(&bigger, s->slot[i].kind, s->slot[i].id) = s->slot[i];
    free(s->slot);
    *s = bigger;
    return RC_OK;
}

void cat_space_reset(struct cat_space *s)
{
    if (s->n)
        memset(s->slot, 0, s->n_slots * sizeof(*s->slot));
    s->n = 0;
}

static enum rc entry_of(struct cat_txn *t, char kind, uint64_t id, struct cat_space_entry **ret)
{
    struct cat_space *s = &t->space;
    HF_TRY(grow(s));
    struct cat_space_entry *x = slot_of(s, kind, id);
    if (!x->kind) {
        struct cat_space_entry loaded = {.id = id, .kind = kind};
        struct cat_key k;
        space_key(&k, kind, id);
        buf_clear(&s->row);
        enum rc rc = kv_txn_get(t->kv, FAM_SPACE, cat_key_view(&k), &s->row);
        if (rc == RC_OK)
            rc = space_decode(buf_view(&s->row), &loaded);
        else if (rc == RC_NOT_FOUND)
            rc = RC_OK;
        if (rc != RC_OK)
            return rc;
        *x = loaded;
        s->n++;
    }
    *ret = x;
    return RC_OK;
}

static char kind_of(const struct extent *x)
{
    return x->kind == EXTENT_INLINE ? 'S' : 'V';
}

enum rc cat_space_add(struct cat_txn *t, const struct extent *x)
{
    struct cat_space_entry *s;
    HF_TRY(entry_of(t, kind_of(x), x->container, &s));
    s->gone = false;
    s->bytes += (int64_t)x->length;
    s->extents++;
    return RC_OK;
}

enum rc cat_space_kill(struct cat_txn *t, const struct extent *x, int64_t now_ns)
{
    struct cat_space_entry *s;
    HF_TRY(entry_of(t, kind_of(x), x->container, &s));
    if (s->extents <= 0 || s->bytes < (int64_t)x->length)
        return RC_CORRUPT; /* more died than lived */
    s->bytes -= (int64_t)x->length;
    s->extents--;
    if (now_ns > s->death_ns)
        s->death_ns = now_ns;
    return RC_OK;
}

enum rc cat_space_reclaim(struct cat_txn *t, char kind, uint64_t id)
{
    struct cat_space_entry *s;
    HF_TRY(entry_of(t, kind, id, &s));
    if (s->extents != 0)
        return RC_CORRUPT; /* decided as dead: see cat_decide_reclaim */
    s->gone = true;
    s->death_ns = 0; /* as if there had never been a row, whichever batch the next extent comes in */
    return RC_OK;
}

enum rc cat_space_dead(struct cat_txn *t, char kind, uint64_t id, bool *ret)
{
    struct cat_space_entry *s;
    HF_TRY(entry_of(t, kind, id, &s));
    *ret = s->extents == 0;
    return RC_OK;
}

enum rc cat_space_write(struct cat_txn *t)
{
    for (size_t i = 0; i < t->space.n_slots; i++) {
        const struct cat_space_entry *x = &t->space.slot[i];
        struct cat_key k;
        uint8_t row[SPACE_ROW];
        if (!x->kind)
            continue;
        space_key(&k, x->kind, x->id);
        be64_put(row, (uint64_t)x->bytes);
        be64_put(row + 8, (uint64_t)x->extents);
        be64_put(row + 16, (uint64_t)x->death_ns);
        if (x->gone)
            HF_TRY(cat_txn_delete(t, FAM_SPACE, &k));
        else if (x->extents || x->death_ns) /* else only looked at */
            HF_TRY(cat_txn_put(t, FAM_SPACE, &k, view_of(row, sizeof(row))));
    }
    return RC_OK;
}

/* ---- what store and sequencer ask ---- */

static bool dead(struct cat *c, char kind, uint64_t id, int64_t *ret_since_ns)
{
    struct buf b = BUF(SPACE_ROW);
    struct cat_key k;
    struct cat_space_entry x = {0};
    space_key(&k, kind, id);
    enum rc rc = kv_get(c->kv, NULL, FAM_SPACE, cat_key_view(&k), &b);
    if (rc == RC_OK)
        rc = space_decode(buf_view(&b), &x);
    buf_free(&b);
    /* What cannot be read is not called dead. */
    if ((rc != RC_OK && rc != RC_NOT_FOUND) || x.extents != 0)
        return false;
    *ret_since_ns = x.death_ns;
    return true;
}

bool cat_volume_dead(struct cat *c, uint64_t volume, int64_t *ret_since_ns)
{
    return dead(c, 'V', volume, ret_since_ns);
}

bool cat_segment_dead(struct cat *c, uint64_t segment, int64_t *ret_since_ns)
{
    return dead(c, 'S', segment, ret_since_ns);
}

enum rc cat_dead_segments(struct cat *c, int64_t before_ns, uint64_t *ret, size_t max, size_t *ret_n)
{
    struct kv_iter *it;
    struct view k, v;
    size_t n = 0;
    HF_TRY(kv_iter_new(c->kv, NULL, FAM_SPACE, VIEW("S"), &it));
    enum rc rc = RC_OK;
    while (n < max && (rc = kv_iter_next(it, &k, &v)) == RC_OK) {
        struct cat_space_entry x = {0};
        rc = k.n == 9 ? space_decode(v, &x) : RC_CORRUPT;
        if (rc != RC_OK)
            break;
        if (x.extents == 0 && x.death_ns < before_ns)
            ret[n++] = be64_get((const uint8_t *)k.p + 1);
    }
    kv_iter_free(it);
    if (rc != RC_OK && rc != RC_END)
        return rc;
    *ret_n = n;
    return RC_OK;
}
