/* Holdfast: the meter's accounts and rows in memory: finding, adding, sampling. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#define STORED_MAX ((int64_t)1 << 61) /* bytes of one class in a bucket, so that sums with padding stay in range */

/* ---- accounts ---- */

static size_t id_place(uint64_t id, size_t size)
{
    return (size_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (size - 1);
}

struct meter_account *meter_account_of(const struct meter *m, uint64_t id)
{
    struct meter_account *a = m->accounts_size > 0 ? m->by_id[id_place(id, m->accounts_size)] : NULL;
    while (a && a->id != id)
        a = a->next;
    return a;
}

struct meter_account *meter_account_named(const struct meter *m, struct view name)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        if (view_eqs(name, m->account[i]->name))
            return m->account[i];
    }
    return NULL;
}

static enum rc grow_accounts(struct meter *m)
{
    if (m->n_accounts < m->accounts_size)
        return RC_OK;
    size_t size = m->accounts_size > 0 ? 2 * m->accounts_size : TABLE_START;
    struct meter_account **list = realloc(m->account, size * sizeof(struct meter_account *));
    if (!list)
        return RC_NOMEM;
    m->account = list;
    struct meter_account **table = calloc(size, sizeof(struct meter_account *));
    if (!table)
        return RC_NOMEM;
    for (size_t i = 0; i < m->n_accounts; i++) {
        struct meter_account *a = m->account[i];
        a->next = table[id_place(a->id, size)];
        table[id_place(a->id, size)] = a;
    }
    free(m->by_id);
    m->by_id = table;
    m->accounts_size = size;
    return RC_OK;
}

static void account_free(struct meter_account *a)
{
    for (size_t i = 0; i < a->n_rows; i++)
        free(a->row[i]);
    free(a->row);
    free(a->recent);
    free(a->pack);
    free(a->voucher);
    free(a->due);
    free(a);
}

enum rc meter_account_insert(struct meter *m, struct meter_account *a)
{
    if (grow_accounts(m) != RC_OK) {
        account_free(a);
        return RC_NOMEM;
    }
    a->next = m->by_id[id_place(a->id, m->accounts_size)];
    m->by_id[id_place(a->id, m->accounts_size)] = a;
    size_t at = m->n_accounts++;
    for (; at > 0 && m->account[at - 1]->id > a->id; at--)
        m->account[at] = m->account[at - 1];
    m->account[at] = a;
    return RC_OK;
}

/* ---- rows ---- */

static size_t row_place(uint64_t account, uint64_t bucket, size_t size)
{
    return id_place(account * 31 + bucket, size);
}

struct meter_row *meter_row_find(const struct meter *m, uint64_t account, uint64_t bucket)
{
    struct meter_row *r = m->rows_size > 0 ? m->rows[row_place(account, bucket, m->rows_size)] : NULL;
    while (r && !(r->account->id == account && r->bucket == bucket))
        r = r->next;
    return r;
}

static enum rc grow_rows(struct meter *m)
{
    if (m->n_rows < m->rows_size)
        return RC_OK;
    size_t size = m->rows_size > 0 ? 2 * m->rows_size : TABLE_START;
    struct meter_row **table = calloc(size, sizeof(struct meter_row *));
    if (!table)
        return RC_NOMEM;
    for (size_t i = 0; i < m->rows_size; i++) {
        while (m->rows[i]) {
            struct meter_row *r = m->rows[i];
            size_t place = row_place(r->account->id, r->bucket, size);
            m->rows[i] = r->next;
            r->next = table[place];
            table[place] = r;
        }
    }
    free(m->rows);
    m->rows = table;
    m->rows_size = size;
    return RC_OK;
}

static enum rc grow_account_rows(struct meter_account *a)
{
    if (a->n_rows < a->rows_size)
        return RC_OK;
    size_t size = a->rows_size > 0 ? 2 * a->rows_size : 8;
    struct meter_row **list = realloc(a->row, size * sizeof(struct meter_row *));
    if (!list)
        return RC_NOMEM;
    a->row = list;
    a->rows_size = size;
    return RC_OK;
}

enum rc meter_row_get(struct meter *m, struct meter_account *a, uint64_t bucket, struct meter_row **ret)
{
    struct meter_row *r = meter_row_find(m, a->id, bucket);

    if (!r) {
        HF_TRY(grow_rows(m));
        HF_TRY(grow_account_rows(a));
        r = calloc(1, sizeof(*r));
        if (!r)
            return RC_NOMEM;
        r->account = a;
        r->bucket = bucket;
        r->sampled = a->samples;
        r->at = a->n_rows;
        a->row[a->n_rows++] = r;
        size_t place = row_place(a->id, bucket, m->rows_size);
        r->next = m->rows[place];
        m->rows[place] = r;
        m->n_rows++;
    }
    *ret = r;
    return RC_OK;
}

void meter_row_settle(struct meter_row *r)
{
    uint64_t n = r->account->samples - r->sampled;

    if (n == 0)
        return;
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        r->open[price_cell(ITEM_STORAGE, c)] += (unsigned __int128)row_billed(r, c) * n;
    r->sampled = r->account->samples;
}

void meter_row_touch(struct meter *m, struct meter_row *r)
{
    meter_row_settle(r);
    if (r->dirty)
        return;
    r->dirty = true;
    r->next_dirty = m->dirty_rows;
    m->dirty_rows = r;
}

enum rc meter_row_add(struct meter_row *r, enum storage_class class, int64_t bytes, int64_t objects, int64_t padding)
{
    struct meter_account *a = r->account;
    int64_t stored = stored_billed(r->stored[class]), billed = row_billed(r, class);

    if (__builtin_add_overflow(r->stored[class], bytes, &r->stored[class]) ||
        __builtin_add_overflow(r->objects[class], objects, &r->objects[class]) ||
        __builtin_add_overflow(r->padding[class], padding, &r->padding[class]) || r->stored[class] > STORED_MAX ||
        r->padding[class] > STORED_MAX)
        return RC_LIMIT;
    if (__builtin_add_overflow(a->stored[class], stored_billed(r->stored[class]) - stored, &a->stored[class]) ||
        __builtin_add_overflow(a->billed[class], row_billed(r, class) - billed, &a->billed[class]))
        return RC_LIMIT;
    return RC_OK;
}

void meter_row_remove(struct meter *m, struct meter_row *r)
{
    struct meter_account *a = r->account;
    struct meter_row **link = &m->rows[row_place(a->id, r->bucket, m->rows_size)];

    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    m->n_rows--;
    a->row[r->at] = a->row[--a->n_rows];
    a->row[r->at]->at = r->at;
    free(r);
}

static int by_bucket(const void *x, const void *y)
{
    const struct meter_row *a = *(struct meter_row *const *)x, *b = *(struct meter_row *const *)y;
    return a->bucket < b->bucket ? -1 : a->bucket > b->bucket;
}

static bool in_order(const struct meter_account *a)
{
    for (size_t i = 1; i < a->n_rows; i++) {
        if (a->row[i - 1]->bucket > a->row[i]->bucket)
            return false;
    }
    return true;
}

void meter_account_sort(struct meter_account *a)
{
    if (in_order(a))
        return;
    qsort(a->row, a->n_rows, sizeof(*a->row), by_bucket);
    for (size_t i = 0; i < a->n_rows; i++)
        a->row[i]->at = i;
}

void meter_account_sum(struct meter_account *a)
{
    memset(a->stored, 0, sizeof(a->stored));
    memset(a->billed, 0, sizeof(a->billed));
    memset(a->open, 0, sizeof(a->open));
    for (size_t i = 0; i < a->n_rows; i++) {
        struct meter_row *r = a->row[i];
        meter_row_settle(r);
        for (unsigned c = 0; c < CLASS_COUNT; c++) {
            a->stored[c] += stored_billed(r->stored[c]);
            a->billed[c] += row_billed(r, c);
        }
        for (unsigned cell = 0; cell < PRICE_CELLS; cell++)
            a->open[cell] += r->open[cell];
    }
}

enum rc meter_each_stored(struct meter *m, void (*fn)(void *ctx, const struct meter_stored *s), void *ctx)
{
    meter_lock(m);
    for (size_t i = 0; i < m->n_accounts; i++) {
        const struct meter_account *a = m->account[i];
        for (size_t j = 0; j < a->n_rows; j++) {
            struct meter_stored s = {.account = a->id, .bucket = a->row[j]->bucket};
            for (unsigned c = 0; c < CLASS_COUNT; c++) {
                s.bytes += a->row[j]->stored[c];
                s.objects += a->row[j]->objects[c];
            }
            if (s.bytes != 0 || s.objects != 0)
                fn(ctx, &s);
        }
    }
    meter_unlock(m);
    return RC_OK;
}

void meter_state_clear(struct meter *m)
{
    for (size_t i = 0; i < m->n_accounts; i++)
        account_free(m->account[i]);
    free(m->account);
    free(m->by_id);
    free(m->rows);
    m->account = NULL;
    m->by_id = NULL;
    m->rows = NULL;
    m->dirty_rows = NULL;
    m->n_accounts = m->accounts_size = m->n_rows = m->rows_size = 0;
    m->open_hour = NO_HOUR;
    m->last_slot = NO_HOUR;
    key_sums_clear(m->keys);
    small_objects_clear(m->small);
}
