/* Holdfast: who used it: sums by bucket, access key, cell and result, in memory until the next commit. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#include "codec/codec.h"

#define PLACES 8192             /* a power of two */
#define KEYS_WAITING_MAX 65536u /* different sums that wait in memory */
#define HASH_SEED 0x6b657973u

/* Zeroed before it is filled: compared and hashed as bytes. */
struct key_name {
    uint64_t account, bucket;
    int64_t month;
    uint32_t class, kind, status, egress;
    char access_key[ACCESS_KEY_MAX];
};
struct key_sum {
    struct key_name name;
    unsigned __int128 requests, egress_bytes, retrieved_bytes;
    uint32_t next; /* index + 1 in its place's chain; 0 ends it */
};
struct key_sums {
    struct key_sum *entry;
    uint32_t n, room;
    uint32_t head[PLACES];
};

enum rc key_sums_new(struct key_sums **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? RC_OK : RC_NOMEM;
}

void key_sums_free(struct key_sums *k)
{
    if (k)
        free(k->entry);
    free(k);
}

void key_sums_clear(struct key_sums *k)
{
    k->n = 0;
    memset(k->head, 0, sizeof(k->head));
}

static bool grow(struct key_sums *k)
{
    uint32_t room = k->room > 0 ? 2 * k->room : 64;
    struct key_sum *entry = realloc(k->entry, room * sizeof(*entry));
    if (!entry)
        return false;
    k->entry = entry;
    k->room = room;
    return true;
}

static struct key_sum *sum_of(struct key_sums *k, const struct key_name *name)
{
    uint32_t *head = &k->head[xxh64(name, sizeof(*name), HASH_SEED) & (PLACES - 1)];

    for (uint32_t at = *head; at > 0; at = k->entry[at - 1].next) {
        if (memcmp(&k->entry[at - 1].name, name, sizeof(*name)) == 0)
            return &k->entry[at - 1];
    }
    if (k->n == k->room && !grow(k))
        return NULL;
    struct key_sum *s = &k->entry[k->n];
    *s = (struct key_sum){.name = *name, .next = *head};
    *head = ++k->n;
    return s;
}

enum rc meter_key_add(struct meter *m, const struct meter_account *a, const struct usage_line *u, struct err *e)
{
    struct key_name name;

    if (u->requests == 0 && u->egress_bytes == 0 && u->retrieved_bytes == 0)
        return RC_OK;
    memset(&name, 0, sizeof(name));
    name.account = a->id;
    name.bucket = u->bucket;
    name.month = a->month;
    name.class = u->class;
    name.kind = u->kind;
    name.status = u->status;
    name.egress = u->egress;
    if (u->access_key.n > 0 && u->access_key.n <= sizeof(name.access_key))
        memcpy(name.access_key, u->access_key.p, u->access_key.n);
    struct key_sum *s = sum_of(m->keys, &name);
    if (!s)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    s->requests += u->requests;
    s->egress_bytes += u->egress_bytes;
    s->retrieved_bytes += u->retrieved_bytes;
    return m->keys->n < KEYS_WAITING_MAX ? RC_OK : meter_keys_write(m, e);
}

static enum rc write_cell(struct meter *m, const struct key_name *k, unsigned cell, unsigned __int128 quantity,
                          struct err *e)
{
    int64_t hi, lo;

    if (quantity == 0)
        return RC_OK;
    ledger_split(quantity, &hi, &lo);
    return sql_exec(m->sql, e,
                    "INSERT INTO month_key_usage (account, month, bucket, access_key, cell, status, quantity_hi, "
                    "quantity_lo) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (account, month, bucket, access_key, cell, status) DO UPDATE SET "
                    "quantity_hi = quantity_hi + excluded.quantity_hi + "
                    "(quantity_lo + excluded.quantity_lo) / 1000000000000000000, "
                    "quantity_lo = (quantity_lo + excluded.quantity_lo) % 1000000000000000000",
                    "iiiviiii", (int64_t)k->account, k->month, (int64_t)k->bucket,
                    view_of(k->access_key, strnlen(k->access_key, sizeof(k->access_key))), (int64_t)cell,
                    (int64_t)k->status, hi, lo);
}

static enum rc write_sum(struct meter *m, const struct key_sum *s, struct err *e)
{
    const struct key_name *k = &s->name;

    HF_TRY(
        write_cell(m, k, price_request_cell((enum storage_class)k->class, (enum request_kind)k->kind), s->requests, e));
    HF_TRY(write_cell(m, k, price_cell(ITEM_RETRIEVAL, (enum storage_class)k->class), s->retrieved_bytes, e));
    return write_cell(m, k, price_cell((enum price_item)k->egress, CLASS_STANDARD), s->egress_bytes, e);
}

enum rc meter_keys_write(struct meter *m, struct err *e)
{
    if (m->keys->n == 0)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    for (uint32_t i = 0; i < m->keys->n; i++)
        HF_TRY(write_sum(m, &m->keys->entry[i], e));
    key_sums_clear(m->keys);
    return RC_OK;
}
