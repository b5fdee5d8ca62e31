/* Holdfast tests: a store on simulated disks, the bodies put into it, and the checks that go with them. */
#ifndef HF_TESTS_STORE_RIG_H
#define HF_TESTS_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "os/fault.h"
#include "os/sim.h"
#include "store/store.h"

#define BODIES_MAX 256
#define BODY_EXTENTS_MAX 8

struct body {
    uint64_t size, seed;
    struct extent x[BODY_EXTENTS_MAX];
    size_t n;
};

struct rig {
    struct os_sim *sim;
    struct os_fault *fault;
    struct os *os; /* what the store runs on */
    unsigned n_disks, copies;
    struct diskset *disks;
    struct store *s;
    struct store_cfg cfg;
    _Atomic unsigned failed; /* slots that disk_failed was called for */
    struct body body[BODIES_MAX];
    size_t n_bodies;
};

/* All bodies' extents in order, as the catalog would. */
struct live {
    struct extent x[BODIES_MAX * BODY_EXTENTS_MAX];
    size_t n, at;
};

static const char *const disk_paths[] = {"/disk1", "/disk2", "/disk3", "/disk4"};

static inline void on_failed(void *ctx, unsigned slot)
{
    struct rig *g = ctx;
    g->failed |= 1u << slot;
    g->disks->disk[slot].state = DISK_QUARANTINED; /* as the sequencer does, with an epoch */
}

/* n disks /disk1 …; nothing is open yet. */
static inline void rig_init(struct rig *g, unsigned n_disks, unsigned copies)
{
    memset(g, 0, sizeof *g);
    g->n_disks = n_disks;
    g->copies = copies;
    assert_int_equal(os_sim_new(7, &g->sim), RC_OK);
    assert_int_equal(os_fault_new(os_sim_os(g->sim), &g->fault), RC_OK);
    g->os = os_fault_os(g->fault);
    g->cfg = (struct store_cfg){.disk_failed = on_failed, .ctx = g, .workers = 1};
}

/* disk set and store */
static inline enum rc rig_open(struct rig *g)
{
    struct err e = {""};
    struct diskset_cfg dc = {.data_dir = "/data", .paths = disk_paths, .n_paths = g->n_disks, .copies = g->copies};
    enum rc rc = diskset_open(g->os, &dc, &g->disks, &e);
    if (rc == RC_OK)
        rc = store_open(g->os, g->disks, NULL, &g->cfg, &g->s, &e);
    if (rc != RC_OK)
        print_message("open: %s\n", e.text);
    return rc;
}

static inline void rig_close(struct rig *g)
{
    store_close(g->s);
    diskset_free(g->disks);
    g->s = NULL;
    g->disks = NULL;
}

static inline void rig_done(struct rig *g)
{
    rig_close(g);
    assert_int_equal(os_sim_open_files(g->sim), 0);
    os_fault_free(g->fault);
    os_sim_free(g->sim);
}

static inline void rig_reopen(struct rig *g)
{
    rig_close(g);
    g->failed = 0;
    assert_int_equal(rig_open(g), RC_OK);
}

static inline uint64_t pattern_word(uint64_t seed, uint64_t index)
{
    uint64_t word = (index + 1) * 0x9e3779b97f4a7c15ull ^ seed * 0xbf58476d1ce4e5b9ull;
    return word ^ word >> 29;
}

static inline void fill_pattern(uint8_t *p, size_t n, uint64_t seed, uint64_t from)
{
    for (size_t i = 0; i < n;) {
        uint64_t at = from + i, word = pattern_word(seed, at / 8);
        size_t skip = at % 8, step = 8 - skip < n - i ? 8 - skip : n - i;
        memcpy(p + i, (uint8_t *)&word + skip, step);
        i += step;
    }
}

static inline enum rc write_body(struct store_put *p, uint64_t size, uint64_t seed, struct err *e)
{
    static const size_t pieces[] = {BLOCK_DATA_MAX, 3 * BLOCK_DATA_MAX, 20 * BLOCK_DATA_MAX};
    size_t most = 20 * BLOCK_DATA_MAX < size ? 20 * BLOCK_DATA_MAX : (size_t)size;
    uint8_t *data = malloc(most + 1);
    assert_non_null(data);
    enum rc rc = RC_OK;
    unsigned i = 0;
    for (uint64_t at = 0; at < size && rc == RC_OK;) {
        size_t n = pieces[i++ % 3];
        if (n > size - at)
            n = (size_t)(size - at);
        fill_pattern(data, n, seed, at);
        rc = store_put_write(p, data, n, e);
        at += n;
    }
    free(data);
    return rc;
}

/* Puts without freeing; p may be NULL to free it as well. On RC_OK the body is remembered. */
static inline enum rc rig_put(struct rig *g, uint64_t size, struct store_put **ret_put)
{
    struct err e = {""};
    struct store_put *p;
    const struct extent *x;
    size_t n;
    uint64_t seed = g->n_bodies + 1;
    enum rc rc = store_put_begin(g->s, size, &p, &e);
    if (rc != RC_OK)
        return rc;
    rc = write_body(p, size, seed, &e);
    if (rc == RC_OK)
        rc = store_put_finish(p, &x, &n, &e);
    if (rc == RC_OK) {
        assert_true(n <= BODY_EXTENTS_MAX && g->n_bodies < BODIES_MAX);
        struct body *b = &g->body[g->n_bodies++];
        *b = (struct body){.size = size, .seed = seed, .n = n};
        memcpy(b->x, x, n * sizeof *x);
    }
    if (rc == RC_OK && ret_put)
        *ret_put = p;
    else
        store_put_free(p);
    return rc;
}

static inline void rig_put_ok(struct rig *g, uint64_t size)
{
    assert_int_equal(rig_put(g, size, NULL), RC_OK);
}

/* Reads [from, from + n) across extents; RC_OK only, and the right bytes: wrong bytes fail the test. */
static inline enum rc body_read(struct store *s, const struct body *b, uint64_t from, size_t n)
{
    uint8_t *got = malloc(n + 1), *want = malloc(n + 1);
    assert_true(got && want);
    enum rc rc = RC_OK;
    uint64_t begin = 0; /* of the extent, in the body */
    size_t done = 0;
    memset(got, 0xa5, n + 1);
    for (size_t i = 0; i < b->n && done < n && rc == RC_OK; i++) {
        const struct extent *x = &b->x[i];
        uint64_t at = from + done;
        if (at < begin + x->length) {
            size_t step = (size_t)(begin + x->length - at) < n - done ? (size_t)(begin + x->length - at) : n - done;
            struct err e = {""};
            rc = store_read(s, x, at - begin, got + done, step, &e);
            assert_true(rc == RC_OK || e.text[0] != '\0');
            done += step;
        }
        begin += x->length;
    }
    if (rc == RC_OK) {
        assert_int_equal(done, n);
        fill_pattern(want, n, b->seed, from);
        assert_true(memcmp(got, want, n) == 0);
        assert_int_equal(got[n], 0xa5);
    }
    free(got);
    free(want);
    return rc;
}

static inline void rig_read_all(struct rig *g)
{
    for (size_t i = 0; i < g->n_bodies; i++)
        assert_int_equal(body_read(g->s, &g->body[i], 0, (size_t)g->body[i].size), RC_OK);
}

static inline int by_place(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->container != y->container)
        return x->container < y->container ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static inline enum rc live_next_extent(void *ctx, struct extent *ret)
{
    struct live *l = ctx;
    if (l->at == l->n)
        return RC_END;
    *ret = l->x[l->at++];
    return RC_OK;
}

static inline struct extent_source live_open(struct rig *g, struct live *l, uint64_t volume)
{
    l->n = l->at = 0;
    for (size_t i = 0; i < g->n_bodies; i++)
        for (size_t k = 0; k < g->body[i].n; k++)
            if (volume == 0 || g->body[i].x[k].container == volume)
                l->x[l->n++] = g->body[i].x[k];
    qsort(l->x, l->n, sizeof l->x[0], by_place);
    return (struct extent_source){live_next_extent, l};
}

static inline enum rc rig_scrub(struct rig *g, struct scrub_count *ret)
{
    struct live *l = malloc(sizeof *l);
    assert_non_null(l);
    struct extent_source source = live_open(g, l, 0);
    struct err e = {""};
    *ret = (struct scrub_count){0};
    enum rc rc = store_scrub(g->s, &source, NULL, ret, &e);
    free(l);
    return rc;
}

/* Scrubs and expects nothing damaged. */
static inline void rig_scrub_clean(struct rig *g)
{
    struct scrub_count c;
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(c.corrupt, 0);
    assert_int_equal(c.unrepairable, 0);
}

struct opener {
    struct rig *g;
    struct live live;
};

static inline enum rc open_live(void *ctx, uint64_t volume, struct extent_source *ret)
{
    struct opener *o = ctx;
    *ret = live_open(o->g, &o->live, volume);
    return RC_OK;
}

/* Runs store_heal_step to its end. */
static inline enum rc rig_heal(struct rig *g, unsigned slot, uint64_t *ret_bytes)
{
    struct opener *o = malloc(sizeof *o);
    assert_non_null(o);
    o->g = g;
    enum rc rc;
    uint64_t bytes;
    struct err e = {""};
    *ret_bytes = 0;
    while ((rc = store_heal_step(g->s, slot, open_live, o, &bytes, &e)) == RC_OK)
        *ret_bytes += bytes;
    free(o);
    return rc;
}

/* Path of volume's copy in buf. */
static inline char *copy_path(const char *disk, uint64_t volume, char *buf)
{
    assert_true(snprintf(buf, OS_PATH_MAX, "%s/volumes/vol-%016llx", disk, (unsigned long long)volume) > 0);
    return buf;
}

/* Are the copies on both disks the same bytes? */
static inline void assert_same_file(struct os *os, const char *a, const char *b)
{
    struct buf x = BUF(1u << 30), y = BUF(1u << 30);
    struct err e = {""};
    assert_int_equal(os_read_file(os, a, &x, &e), RC_OK);
    assert_int_equal(os_read_file(os, b, &y, &e), RC_OK);
    assert_int_equal(x.n, y.n);
    assert_true(memcmp(x.p, y.p, x.n) == 0);
    buf_free(&x);
    buf_free(&y);
}

#define KIB 1024u
#define MIB (1024u * KIB)

static inline struct rig *rig_new(unsigned n_disks, unsigned copies)
{
    struct rig *g = malloc(sizeof *g);
    assert_non_null(g);
    rig_init(g, n_disks, copies);
    return g;
}

static inline struct rig *rig_started(unsigned n_disks, unsigned copies)
{
    struct rig *g = rig_new(n_disks, copies);
    assert_int_equal(rig_open(g), RC_OK);
    return g;
}

static inline void rig_end(struct rig *g)
{
    rig_done(g);
    free(g);
}

#endif
