/* Holdfast: the index of segments in memory. */
#include <stdlib.h>

#include "journal/journal_priv.h"

enum { INDEX_FIRST = 64 };

/* A segment that is there already (an empty one, made anew) is replaced. */
enum rc index_add(struct journal *j, const struct seg *s, struct err *e)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&j->lock);
    if (j->n_segs > 0 && j->segs[j->n_segs - 1].first == s->first)
        j->n_segs--;
    HF_ASSERT(j->n_segs == 0 || j->segs[j->n_segs - 1].first < s->first);
    if (j->n_segs == j->cap_segs) {
        size_t cap = j->cap_segs ? j->cap_segs * 2 : INDEX_FIRST;
        struct seg *v = realloc(j->segs, cap * sizeof(*v));

        if (v) {
            j->segs = v;
            j->cap_segs = cap;
        } else {
            rc = err_set(e, RC_NOMEM, "no memory for the index of segments");
        }
    }
    if (rc == RC_OK)
        j->segs[j->n_segs++] = *s;
    pthread_mutex_unlock(&j->lock);
    return rc;
}

/* Position of the last segment with first <= seq; n_segs when there is none. Under the lock. */
static size_t index_pos(const struct journal *j, uint64_t seq)
{
    size_t lo = 0, hi = j->n_segs;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (j->segs[mid].first <= seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == 0 ? j->n_segs : lo - 1;
}

bool index_find(struct journal *j, uint64_t seq, struct seg *ret)
{
    size_t i;
    bool found;

    pthread_mutex_lock(&j->lock);
    i = index_pos(j, seq);
    found = i < j->n_segs;
    if (found)
        *ret = j->segs[i];
    pthread_mutex_unlock(&j->lock);
    return found;
}

bool index_get(struct journal *j, uint64_t first, struct seg *ret)
{
    struct seg s;

    if (!index_find(j, first, &s) || s.first != first)
        return false;
    *ret = s;
    return true;
}

bool index_at(struct journal *j, size_t i, struct seg *ret)
{
    bool found;

    pthread_mutex_lock(&j->lock);
    found = i < j->n_segs;
    if (found)
        *ret = j->segs[i];
    pthread_mutex_unlock(&j->lock);
    return found;
}

void index_have(struct journal *j, uint64_t first, unsigned slot, bool have)
{
    size_t i;

    pthread_mutex_lock(&j->lock);
    i = index_pos(j, first);
    if (i < j->n_segs && j->segs[i].first == first) {
        if (have)
            j->segs[i].have |= (uint8_t)(1u << slot);
        else
            j->segs[i].have &= (uint8_t) ~(1u << slot);
    }
    pthread_mutex_unlock(&j->lock);
}

void index_punched(struct journal *j, uint64_t first)
{
    size_t i;

    pthread_mutex_lock(&j->lock);
    i = index_pos(j, first);
    if (i < j->n_segs && j->segs[i].first == first)
        j->segs[i].punched = true;
    pthread_mutex_unlock(&j->lock);
}
