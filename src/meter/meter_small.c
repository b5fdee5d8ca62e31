/* Holdfast: objects below the minimum size: how many there are of each size, and what the book's minimum adds. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#include "codec/codec.h"

#define PLACES 4096             /* a power of two */
#define SMALL_WAITING_MAX 65536 /* different sizes that wait in memory */
#define HASH_SEED 0x736d616cu

struct small {
    uint64_t account, bucket, size;
    uint64_t class;
    int64_t by;
    uint32_t next; /* index + 1 in its place's chain; 0 ends it */
};
#define SMALL_KEY_BYTES (4 * sizeof(uint64_t)) /* account, bucket, size, class: no holes between them */
/* Changes since the last flush. head[h] begins the chain of those whose hash falls there. */
struct small_objects {
    struct small *entry;
    uint32_t n, room;
    uint32_t head[PLACES];
};

enum rc small_objects_new(struct small_objects **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? RC_OK : RC_NOMEM;
}

void small_objects_free(struct small_objects *s)
{
    if (s)
        free(s->entry);
    free(s);
}

void small_objects_clear(struct small_objects *s)
{
    s->n = 0;
    memset(s->head, 0, sizeof(s->head));
}

static bool grow(struct small_objects *s)
{
    uint32_t room = s->room > 0 ? 2 * s->room : 64;
    struct small *entry = realloc(s->entry, room * sizeof(*entry));
    if (!entry)
        return false;
    s->entry = entry;
    s->room = room;
    return true;
}

static enum rc count(struct small_objects *s, const struct small *key, int64_t by)
{
    uint32_t *head = &s->head[xxh64(key, SMALL_KEY_BYTES, HASH_SEED) & (PLACES - 1)];

    for (uint32_t at = *head; at > 0; at = s->entry[at - 1].next) {
        if (memcmp(&s->entry[at - 1], key, SMALL_KEY_BYTES) == 0) {
            s->entry[at - 1].by += by;
            return RC_OK;
        }
    }
    if (s->n == s->room && !grow(s))
        return RC_NOMEM;
    s->entry[s->n] = *key;
    s->entry[s->n].by = by;
    s->entry[s->n].next = *head;
    *head = ++s->n;
    return RC_OK;
}

enum rc meter_small_add(struct meter *m, struct meter_row *r, enum storage_class class, uint64_t size, int64_t by,
                        struct err *e)
{
    const struct small key = {.account = r->account->id, .bucket = r->bucket, .size = size, .class = class};
    uint64_t min = r->account->prices->min_size[class];

    if (class == CLASS_STANDARD || size >= BOOK_MIN_SIZE_MAX)
        return RC_OK;
    if (count(m->small, &key, by) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    if (size < min && meter_row_add(r, class, 0, 0, by * (int64_t)(min - size)) != RC_OK)
        return err_set(e, RC_LIMIT, "bucket %s: its small objects cannot be counted", r->name);
    return m->small->n < SMALL_WAITING_MAX ? RC_OK : meter_small_write(m, e);
}

static enum rc write_one(struct meter *m, const struct small *s, struct err *e)
{
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT INTO small_object (account, bucket, class, size, n) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (account, bucket, class, size) DO UPDATE SET n = n + excluded.n",
                    "iiiii", (int64_t)s->account, (int64_t)s->bucket, (int64_t)s->class, (int64_t)s->size, s->by));
    return sql_exec(m->sql, e,
                    "DELETE FROM small_object WHERE account = ? AND bucket = ? AND class = ? AND size = ? AND n = 0",
                    "iiii", (int64_t)s->account, (int64_t)s->bucket, (int64_t)s->class, (int64_t)s->size);
}

enum rc meter_small_write(struct meter *m, struct err *e)
{
    if (m->small->n == 0)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    for (uint32_t i = 0; i < m->small->n; i++) {
        if (m->small->entry[i].by != 0)
            HF_TRY(write_one(m, &m->small->entry[i], e));
    }
    small_objects_clear(m->small);
    return RC_OK;
}

/* ---- from the table ---- */

static enum rc pad(struct meter *m, struct meter_account *a, struct sql_stmt *q)
{
    struct meter_row *r;
    int64_t class = sql_i64(q, 1), size = sql_i64(q, 2), n = sql_i64(q, 3);

    if (class <= CLASS_STANDARD || class >= CLASS_COUNT || size < 0)
        return RC_CORRUPT;
    int64_t min = (int64_t)a->prices->min_size[class];
    if (size >= min)
        return RC_OK;
    HF_TRY(meter_row_get(m, a, (uint64_t)sql_i64(q, 0), &r));
    int64_t added;
    if (__builtin_mul_overflow(n, min - size, &added) ||
        __builtin_add_overflow(r->padding[class], added, &r->padding[class]))
        return RC_CORRUPT;
    return RC_OK;
}

enum rc meter_small_load(struct meter *m, struct meter_account *a, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    for (size_t i = 0; i < a->n_rows; i++)
        memset(a->row[i]->padding, 0, sizeof(a->row[i]->padding));
    HF_TRY(sql_query(m->sql, e, &q, "SELECT bucket, class, size, n FROM small_object WHERE account = ?", "i",
                     (int64_t)a->id));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = pad(m, a, q);
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "control database: small objects could not be loaded (%s); run `holdfast rebuild`",
                           rc_name(rc));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc meter_small_padding(struct meter *m, const struct meter_account *a, enum storage_class class, uint64_t min,
                            unsigned __int128 *ret_bytes, struct err *e)
{
    unsigned __int128 bytes = 0;
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT size, n FROM small_object WHERE account = ? AND class = ? AND size < ?",
                     "iii", (int64_t)a->id, (int64_t) class,
                     (int64_t)(min < BOOK_MIN_SIZE_MAX ? min : BOOK_MIN_SIZE_MAX)));
    while ((rc = sql_next(q, e)) == RC_OK) {
        int64_t n = sql_i64(q, 1);
        if (n > 0)
            bytes += (unsigned __int128)n * (min - (uint64_t)sql_i64(q, 0));
    }
    if (rc != RC_END)
        return rc;
    *ret_bytes = bytes;
    return RC_OK;
}
