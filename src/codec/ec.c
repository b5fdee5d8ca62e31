/* Holdfast: Reed–Solomon on ISA-L, which picks the widest instructions at run time.
 *
 * The matrix has k rows of the identity, which leave the data as it is, and m rows with 1 / (row ^ column) in row and
 * column: parity that is on a disk was made with it, so it never changes. What a shard is can be said by its row: any k
 * rows can be inverted (Cauchy), and a row times the inverse says how to make its shard from those k. */
#include "codec/ec.h"

#include <isa-l/erasure_code.h>

/* ISA-L's length is an int. */
#define STEP_MAX ((size_t)1 << 30)
/* ISA-L expands each coefficient to this many bytes. */
#define TABLE_BYTES 32
#define MATRIX_MAX ((size_t)EC_SHARDS_MAX * EC_SHARDS_MAX)
/* Coefficients of k sources for m shards at most, k + m <= EC_SHARDS_MAX. */
#define COEFFICIENTS_MAX ((size_t)(EC_SHARDS_MAX / 2) * (EC_SHARDS_MAX / 2))

struct ec {
    unsigned k, m;
    uint8_t matrix[MATRIX_MAX];                    /* row by row, k columns */
    uint8_t table[COEFFICIENTS_MAX * TABLE_BYTES]; /* of the m rows of parity */
};

/* Shards to make, each from the same k sources. */
struct making {
    unsigned k, n;
    const uint8_t *table;
    uint8_t *source[EC_SHARDS_MAX];
    uint8_t *made[EC_SHARDS_MAX];
};

enum rc ec_new(unsigned k, unsigned m, struct ec **ret)
{
    if (k < 1 || m < 1 || k > EC_SHARDS_MAX || m > EC_SHARDS_MAX - k)
        return RC_INVALID;
    struct ec *e = calloc(1, sizeof(*e));
    if (!e)
        return RC_NOMEM;
    e->k = k;
    e->m = m;
    gf_gen_cauchy1_matrix(e->matrix, (int)(k + m), (int)k);
    ec_init_tables((int)k, (int)m, e->matrix + (size_t)k * k, e->table);
    *ret = e;
    return RC_OK;
}

void ec_free(struct ec *e)
{
    free(e);
}

unsigned ec_data(const struct ec *e)
{
    return e->k;
}

unsigned ec_parity(const struct ec *e)
{
    return e->m;
}

static void make(struct making *w, size_t size)
{
    uint8_t *table = (uint8_t *)(uintptr_t)w->table; /* ISA-L only lacks the const */

    while (size > 0) {
        size_t step = size < STEP_MAX ? size : STEP_MAX;

        ec_encode_data((int)step, (int)w->k, (int)w->n, table, w->source, w->made);
        for (unsigned i = 0; i < w->k; i++)
            w->source[i] += step;
        for (unsigned i = 0; i < w->n; i++)
            w->made[i] += step;
        size -= step;
    }
}

/* The parity of shard[0..k), the first of which goes to parity[0]. */
static void make_parity(const struct ec *e, size_t size, uint8_t *const shard[], uint8_t *const parity[])
{
    struct making w = {.k = e->k, .n = e->m, .table = e->table};

    memcpy(w.source, shard, e->k * sizeof(w.source[0]));
    memcpy(w.made, parity, e->m * sizeof(w.made[0]));
    make(&w, size);
}

void ec_encode(const struct ec *e, size_t size, uint8_t *const shard[])
{
    make_parity(e, size, shard, shard + e->k);
}

/* ---- making what is missing ---- */

/* The first k that are there are the sources; data comes first, its rows are the simplest. Their rows go into rows. */
static void choose_sources(const struct ec *e, uint8_t *const shard[], uint32_t missing, struct making *w,
                           uint8_t rows[MATRIX_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; n < e->k; i++) {
        if (missing >> i & 1)
            continue;
        w->source[n] = shard[i];
        memcpy(rows + (size_t)n * e->k, e->matrix + (size_t)i * e->k, e->k);
        n++;
    }
}

/* What each source is multiplied by to get the shard of this row: row x inverse. */
static void coefficients_of(const struct ec *e, const uint8_t *row, const uint8_t *inverse, uint8_t *out)
{
    for (unsigned i = 0; i < e->k; i++) {
        out[i] = 0;
        for (unsigned j = 0; j < e->k; j++)
            out[i] ^= gf_mul(row[j], inverse[(size_t)j * e->k + i]);
    }
}

enum rc ec_rebuild(const struct ec *e, size_t size, uint8_t *const shard[], uint32_t missing, uint32_t want)
{
    uint8_t rows[MATRIX_MAX], inverse[MATRIX_MAX], coefficient[COEFFICIENTS_MAX], table[sizeof(e->table)];
    struct making w = {.k = e->k, .table = table};

    HF_ASSERT(missing >> (e->k + e->m) == 0 && (want & ~missing) == 0);
    if ((unsigned)__builtin_popcount(missing) > e->m)
        return RC_CORRUPT;
    if (want == 0)
        return RC_OK;
    choose_sources(e, shard, missing, &w, rows);
    int singular = gf_invert_matrix(rows, inverse, (int)e->k);
    HF_ASSERT(singular == 0);
    for (unsigned i = 0; i < e->k + e->m; i++) {
        if (!(want >> i & 1))
            continue;
        coefficients_of(e, e->matrix + (size_t)i * e->k, inverse, coefficient + (size_t)w.n * e->k);
        w.made[w.n++] = shard[i];
    }
    ec_init_tables((int)e->k, (int)w.n, coefficient, table);
    make(&w, size);
    return RC_OK;
}

bool ec_verify(const struct ec *e, size_t size, uint8_t *const shard[], uint8_t *scratch)
{
    uint8_t *parity[EC_SHARDS_MAX] = {NULL};
    bool fits = true;

    for (unsigned i = 0; i < e->m; i++)
        parity[i] = scratch + i * size;
    make_parity(e, size, shard, parity);
    for (unsigned i = 0; i < e->m && fits; i++)
        fits = memcmp(parity[i], shard[e->k + i], size) == 0;
    return fits;
}
