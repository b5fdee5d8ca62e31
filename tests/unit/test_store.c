/* Holdfast tests: the store keeps what it acknowledged and gives nothing else. */
#include "store_rig.h"

#include <unistd.h>

/* ---- reading and writing ---- */

static void bodies_of_odd_sizes_come_back_in_any_range(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 100, 131071, 131072, 131073, 262144, 1 * MIB + 5, 2621440, 3 * MIB - 1};
    struct rig *g = rig_started(2, 2);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        rig_put_ok(g, sizes[i]);
    rig_read_all(g);
    uint64_t seed = 1;
    for (unsigned i = 0; i < 300; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        const struct body *b = &g->body[(seed >> 33) % g->n_bodies];
        uint64_t from = b->size ? (seed >> 20) % b->size : 0;
        size_t n = (size_t)((seed >> 7) % (b->size - from + 1));
        assert_int_equal(body_read(g->s, b, from, n), RC_OK);
    }
    rig_scrub_clean(g);
    rig_reopen(g);
    rig_read_all(g);
    rig_scrub_clean(g);
    rig_end(g);
}

static void a_range_outside_of_the_extent_is_refused(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    uint8_t byte;
    struct err e;
    rig_put_ok(g, 1000);
    const struct extent *x = &g->body[0].x[0];
    assert_int_equal(store_read(g->s, x, 1000, &byte, 1, &e), RC_INVALID);
    assert_int_equal(store_read(g->s, x, UINT64_MAX, &byte, 1, &e), RC_INVALID);
    assert_int_equal(store_read(g->s, x, 1000, &byte, 0, &e), RC_OK);
    rig_end(g);
}

static void a_put_takes_exactly_the_size_that_was_said(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    uint8_t *data = calloc(1, 2 * BLOCK_DATA_MAX);
    struct store_put *p = NULL;
    const struct extent *x;
    size_t n;
    struct err e;
    assert_int_equal(store_put_begin(g->s, BLOCK_DATA_MAX + 10, &p, &e), RC_OK);
    assert_int_equal(store_put_write(p, data, 10, &e), RC_INVALID);
    assert_int_equal(store_put_write(p, data, 2 * BLOCK_DATA_MAX, &e), RC_INVALID);
    assert_int_equal(store_put_write(p, data, BLOCK_DATA_MAX, &e), RC_OK);
    assert_int_equal(store_put_finish(p, &x, &n, &e), RC_INVALID);
    assert_int_equal(store_put_write(p, data, 10, &e), RC_OK);
    assert_int_equal(store_put_finish(p, &x, &n, &e), RC_OK);
    assert_int_equal(n, 1);
    store_put_free(p);
    assert_int_equal(store_put_begin(g->s, STORE_PUT_SIZE_MAX + 1, &p, &e), RC_LIMIT);
    free(data);
    rig_end(g);
}

struct sealed_list {
    uint64_t id[64];
    size_t n;
};

static enum rc on_sealed(void *ctx, uint64_t volume, uint64_t size_bytes)
{
    struct sealed_list *l = ctx;
    assert_true(size_bytes > 4096 && l->n < 64);
    l->id[l->n++] = volume;
    return RC_OK;
}

static void volumes_are_sealed_at_their_target_and_listed(void **state)
{
    (void)state;
    struct rig *g = rig_new(2, 2);
    struct sealed_list l = {.n = 0};
    g->cfg.volume_size_target = 1 * MIB;
    assert_int_equal(rig_open(g), RC_OK);
    for (unsigned i = 0; i < 10; i++)
        rig_put_ok(g, 300 * KIB);
    assert_int_equal(store_each_sealed(g->s, on_sealed, &l), RC_OK);
    assert_int_equal(l.n, 2); /* four bodies each; the third is open */
    rig_reopen(g);
    l.n = 0;
    assert_int_equal(store_each_sealed(g->s, on_sealed, &l), RC_OK);
    assert_int_equal(l.n, 3);
    rig_read_all(g);
    rig_put_ok(g, 1);
    assert_int_not_equal(g->body[10].x[0].container, g->body[9].x[0].container);
    rig_end(g);
}

static void a_volume_is_not_dropped_before_its_puts_are_freed(void **state)
{
    (void)state;
    struct rig *g = rig_new(2, 2);
    struct sealed_list l = {.n = 0};
    struct store_put *p = NULL;
    struct err e;
    char path[OS_PATH_MAX];
    struct os_stat st;
    g->cfg.volume_size_target = 1;
    assert_int_equal(rig_open(g), RC_OK);
    assert_int_equal(rig_put(g, 100, &p), RC_OK);
    rig_put_ok(g, 200); /* seals the first */
    uint64_t id = g->body[0].x[0].container;
    assert_int_equal(store_each_sealed(g->s, on_sealed, &l), RC_OK);
    assert_int_equal(l.n, 0);
    assert_int_equal(store_drop(g->s, id, &e), RC_CONFLICT);
    store_put_free(p);
    assert_int_equal(store_each_sealed(g->s, on_sealed, &l), RC_OK);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.id[0], id);
    assert_int_equal(body_read(g->s, &g->body[0], 0, 100), RC_OK);
    assert_int_equal(store_drop(g->s, id, &e), RC_OK);
    assert_int_equal(store_drop(g->s, id, &e), RC_OK);
    assert_int_equal(os_stat(g->os, copy_path("/disk1", id, path), &st, &e), RC_NOT_FOUND);
    assert_int_equal(os_stat(g->os, copy_path("/disk2", id, path), &st, &e), RC_NOT_FOUND);
    assert_int_equal(body_read(g->s, &g->body[0], 0, 100), RC_CORRUPT);
    os_sim_power_cut(g->sim, OS_SIM_LOSE_ALL);
    rig_reopen(g);
    assert_int_equal(os_stat(g->os, copy_path("/disk1", id, path), &st, &e), RC_NOT_FOUND);
    assert_int_equal(body_read(g->s, &g->body[1], 0, 200), RC_OK);
    rig_end(g);
}

struct putter {
    struct rig *g;
    pthread_t thread;
    unsigned number;
    struct body body[10];
};

static void *put_many(void *ctx)
{
    struct putter *u = ctx;
    struct err e;
    uint8_t *data = malloc(4 * BLOCK_DATA_MAX);
    for (unsigned i = 0; i < 10; i++) {
        struct store_put *p = NULL;
        const struct extent *x;
        size_t n;
        struct body *b = &u->body[i];
        b->size = 1 + (u->number * 7919 + i * 104729) % (4 * BLOCK_DATA_MAX);
        b->seed = u->number * 1000 + i;
        fill_pattern(data, (size_t)b->size, b->seed, 0);
        if (store_put_begin(u->g->s, b->size, &p, &e) != RC_OK)
            break;
        if (store_put_write(p, data, (size_t)b->size, &e) == RC_OK && store_put_finish(p, &x, &n, &e) == RC_OK) {
            b->n = n;
            b->x[0] = x[0];
        }
        store_put_free(p);
    }
    free(data);
    return NULL;
}

static void puts_at_once_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct rig *g = rig_new(2, 2);
    struct putter *u = calloc(8, sizeof *u);
    g->cfg.volume_size_target = 4 * MIB;
    g->cfg.workers = 4;
    assert_int_equal(rig_open(g), RC_OK);
    for (unsigned i = 0; i < 8; i++) {
        u[i].g = g;
        u[i].number = i;
        assert_int_equal(os_thread(&u[i].thread, "putter", put_many, &u[i]), RC_OK);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(u[i].thread, NULL), 0);
        for (unsigned k = 0; k < 10; k++) {
            assert_int_equal(u[i].body[k].n, 1);
            g->body[g->n_bodies++] = u[i].body[k];
        }
    }
    os_sim_power_cut(g->sim, OS_SIM_LOSE_ALL);
    rig_reopen(g);
    rig_read_all(g);
    rig_scrub_clean(g);
    free(u);
    rig_end(g);
}

struct visitor {
    struct rig *g;
    pthread_t thread;
    const struct extent_source *live;
    unsigned wrong;
    struct scrub_count count;
};

static void *read_many(void *ctx)
{
    struct visitor *u = ctx;
    uint8_t *got = malloc(4 * BLOCK_DATA_MAX), *want = malloc(4 * BLOCK_DATA_MAX);
    for (unsigned i = 0; i < 40; i++) {
        const struct body *b = &u->g->body[i % 8];
        struct err e;
        fill_pattern(want, (size_t)b->size, b->seed, 0);
        if (store_read(u->g->s, &b->x[0], 0, got, (size_t)b->size, &e) != RC_OK ||
            memcmp(got, want, (size_t)b->size) != 0)
            u->wrong++;
    }
    free(got);
    free(want);
    return NULL;
}

static void *scrub_once(void *ctx)
{
    struct visitor *u = ctx;
    struct err e;
    if (store_scrub(u->g->s, u->live, NULL, &u->count, &e) != RC_OK)
        u->wrong++;
    return NULL;
}

static void reads_puts_drops_and_a_scrub_at_once_agree(void **state)
{
    (void)state;
    struct rig *g = rig_new(2, 2);
    struct visitor u[4] = {{.g = g}, {.g = g}, {.g = g}, {.g = g}};
    struct putter *w = calloc(1, sizeof *w);
    struct live *l = malloc(sizeof *l);
    struct err e;
    char path[OS_PATH_MAX];
    g->cfg.volume_size_target = 1 * MIB;
    assert_int_equal(rig_open(g), RC_OK);
    for (unsigned i = 0; i < 12; i++)
        rig_put_ok(g, 300 * KIB);
    for (unsigned i = 0; i < 8; i++) {
        const struct extent *x = &g->body[i].x[0];
        copy_path(i % 2 ? "/disk1" : "/disk2", x->container, path);
        assert_int_equal(os_sim_flip(g->sim, path, x->offset + 1000, 2), RC_OK);
    }
    struct extent_source live = live_open(g, l, 0);
    u[0].live = &live;
    w->g = g;
    assert_int_equal(os_thread(&u[0].thread, "scrub", scrub_once, &u[0]), RC_OK);
    assert_int_equal(os_thread(&w->thread, "putter", put_many, w), RC_OK);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(os_thread(&u[i].thread, "reader", read_many, &u[i]), RC_OK);
    uint64_t dead = g->body[8].x[0].container; /* its bodies are read by nobody */
    g->n_bodies = 8;
    enum rc dropped = store_drop(g->s, dead, &e);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(u[i].thread, NULL), 0);
        assert_int_equal(u[i].wrong, 0);
    }
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    assert_true(dropped == RC_OK || dropped == RC_CONFLICT);
    rig_read_all(g);
    rig_scrub_clean(g);
    free(l);
    free(w);
    rig_end(g);
}

/* ---- flipped bits ---- */

static void a_flip_of_any_byte_is_never_served_and_scrub_heals_it(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    char one[OS_PATH_MAX], two[OS_PATH_MAX];
    struct os_stat st;
    struct err e;
    rig_put_ok(g, 300);
    rig_put_ok(g, 2 * BLOCK_DATA_MAX + 77);
    rig_put_ok(g, 5000);
    rig_reopen(g);
    uint64_t id = g->body[0].x[0].container;
    copy_path("/disk1", id, one);
    copy_path("/disk2", id, two);
    assert_int_equal(os_stat(g->os, one, &st, &e), RC_OK);
    unsigned healed = 0;
    for (uint64_t at = 0, i = 0; at < st.size_bytes; at += at < 4700 ? 97 : 7919, i++) {
        struct scrub_count c;
        assert_int_equal(os_sim_flip(g->sim, i % 2 ? one : two, at, (unsigned)i % 8), RC_OK);
        if (i % 3 == 0)
            rig_read_all(g);
        assert_int_equal(rig_scrub(g, &c), RC_OK);
        assert_int_equal(c.unrepairable, 0);
        assert_int_equal(c.corrupt, c.repaired);
        healed += c.corrupt > 0;
        assert_same_file(g->os, one, two);
        rig_scrub_clean(g);
    }
    assert_true(healed > 50);
    assert_int_equal(g->disks->disk[0].state, DISK_OK);
    assert_int_equal(g->disks->disk[1].state, DISK_OK);
    assert_int_equal(g->failed, 0);
    rig_read_all(g);
    rig_end(g);
}

static void a_read_heals_what_it_finds(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    char path[OS_PATH_MAX];
    struct store_stats st;
    rig_put_ok(g, 10 * BLOCK_DATA_MAX);
    const struct extent *x = &g->body[0].x[0];
    for (unsigned i = 0; i < 10; i++) /* every block on one disk or the other */
        assert_int_equal(os_sim_flip(g->sim, copy_path(i % 2 ? "/disk1" : "/disk2", x->container, path),
                                     x->offset + i * (BLOCK_DATA_MAX + 64) + 5000, 3),
                         RC_OK);
    rig_read_all(g);
    store_stats(g->s, &st);
    assert_int_equal(st.corrupt_found, 5); /* those on the disk it reads from */
    assert_int_equal(st.corrupt_repaired, 5);
    struct scrub_count c;
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(c.corrupt, 5);
    assert_int_equal(c.repaired, 5);
    rig_scrub_clean(g);
    os_sim_power_cut(g->sim, OS_SIM_LOSE_ALL); /* the repairs are durable */
    rig_reopen(g);
    rig_scrub_clean(g);
    rig_end(g);
}

static void a_flip_on_both_disks_is_an_honest_error(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    char path[OS_PATH_MAX];
    struct scrub_count c;
    rig_put_ok(g, 5 * BLOCK_DATA_MAX);
    rig_put_ok(g, 100);
    const struct extent *x = &g->body[0].x[0];
    uint64_t third = x->offset + 2 * (BLOCK_DATA_MAX + 64);
    assert_int_equal(os_sim_flip(g->sim, copy_path("/disk1", x->container, path), third + 64, 0), RC_OK);
    assert_int_equal(os_sim_flip(g->sim, copy_path("/disk2", x->container, path), third + 9000, 1), RC_OK);
    assert_int_equal(body_read(g->s, &g->body[0], 0, 5 * BLOCK_DATA_MAX), RC_CORRUPT);
    assert_int_equal(body_read(g->s, &g->body[0], 2 * BLOCK_DATA_MAX + 70000, 1), RC_CORRUPT);
    assert_int_equal(body_read(g->s, &g->body[0], 0, 2 * BLOCK_DATA_MAX), RC_OK);
    assert_int_equal(body_read(g->s, &g->body[0], 3 * BLOCK_DATA_MAX, 2 * BLOCK_DATA_MAX), RC_OK);
    assert_int_equal(body_read(g->s, &g->body[1], 0, 100), RC_OK);
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(c.corrupt, 2);
    assert_int_equal(c.unrepairable, 2);
    assert_int_equal(c.repaired, 0);
    assert_int_equal(g->failed, 0); /* checksum errors alone never quarantine */
    rig_end(g);
}

/* A block of another extent, whole in itself, in the place of the right one (fault 11). */
static void a_block_written_to_the_wrong_place_is_not_believed(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    char path[OS_PATH_MAX];
    uint8_t *block = malloc(BLOCK_DATA_MAX + 64);
    struct os_file *f;
    struct err e;
    rig_put_ok(g, 2 * BLOCK_DATA_MAX);
    rig_put_ok(g, 2 * BLOCK_DATA_MAX);
    const struct extent *x = &g->body[0].x[0], *y = &g->body[1].x[0];
    for (unsigned i = 0; i < 2; i++) {
        copy_path(i ? "/disk1" : "/disk2", x->container, path);
        assert_int_equal(os_open(g->os, path, OS_READ | OS_WRITE, &f, &e), RC_OK);
        assert_int_equal(os_pread(g->os, f, block, BLOCK_DATA_MAX + 64, y->offset, &e), RC_OK);
        assert_int_equal(os_pwrite(g->os, f, block, BLOCK_DATA_MAX + 64, x->offset, &e), RC_OK);
        os_close(g->os, f);
    }
    assert_int_equal(body_read(g->s, &g->body[0], 0, 10), RC_CORRUPT);
    assert_int_equal(body_read(g->s, &g->body[1], 0, 10), RC_OK);
    free(block);
    rig_end(g);
}

/* An os whose reads flip a bit in memory once. */
struct flipper {
    struct os os;
    struct os_ops ops;
    struct os *below;
    _Atomic unsigned skip; /* so many reads before */
};

static enum rc flip_preadv(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                           size_t *ret_n, struct err *e)
{
    struct flipper *me = (struct flipper *)(void *)os;
    enum rc rc = me->below->ops->preadv(me->below, f, iov, n, off, ret_n, e);
    if (rc == RC_OK && me->skip-- == 0)
        ((uint8_t *)iov[n - 1].iov_base)[iov[n - 1].iov_len / 2] ^= 4;
    return rc;
}

static void a_bit_that_flips_in_memory_condemns_no_disk(void **state)
{
    (void)state;
    struct rig *g = rig_new(2, 2);
    struct flipper m = {.below = g->os, .ops = *g->os->ops};
    struct store_stats st;
    struct scrub_count c;
    m.os = *g->os;
    m.os.ops = &m.ops;
    m.ops.preadv = flip_preadv;
    m.skip = UINT32_MAX;
    g->os = &m.os;
    assert_int_equal(rig_open(g), RC_OK);
    rig_put_ok(g, 3 * BLOCK_DATA_MAX);
    m.skip = 0;
    rig_read_all(g);
    for (unsigned i = 0; i < 4; i++) {
        m.skip = i;
        assert_int_equal(rig_scrub(g, &c), RC_OK);
        assert_int_equal(c.corrupt, 0);
    }
    store_stats(g->s, &st);
    assert_int_equal(st.corrupt_found, 0);
    assert_int_equal(st.corrupt_repaired, 0);
    rig_end(g);
}

/* ---- bodies beside their record ---- */

static void a_small_body_is_read_from_the_journal_in_any_range(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    struct journal_cfg jc = {0};
    struct journal_report report;
    struct journal_rec rec;
    struct journal *j;
    struct err e = {""};
    uint8_t data[5000], got[5000];
    fill_pattern(data, sizeof data, 3, 0);
    store_close(g->s);
    assert_int_equal(journal_open(g->os, g->disks, &jc, &j, &report, &e), RC_OK);
    assert_int_equal(store_open(g->os, g->disks, j, &g->cfg, &g->s, &e), RC_OK);
    assert_int_equal(journal_begin(j, false, &e), RC_OK);
    assert_int_equal(journal_stage(j, REC_OBJECT, 0, VIEW("record"), view_of(data, sizeof data), &rec, &e), RC_OK);
    assert_int_equal(journal_commit(j, &e), RC_OK);
    struct extent x = {EXTENT_INLINE, rec.attach.segment, rec.attach.offset, rec.attach.size, rec.seq};
    assert_int_equal(store_read(g->s, &x, 0, got, sizeof got, &e), RC_OK);
    assert_memory_equal(got, data, sizeof data);
    assert_int_equal(store_read(g->s, &x, 4999, got, 1, &e), RC_OK);
    assert_int_equal(got[0], data[4999]);
    assert_int_equal(store_read(g->s, &x, 7, got, 3000, &e), RC_OK);
    assert_memory_equal(got, data + 7, 3000);
    assert_int_equal(store_read(g->s, &x, 4999, got, 2, &e), RC_INVALID);
    store_close(g->s);
    g->s = NULL;
    journal_close(j);
    rig_end(g);
}

/* ---- scrub's manners ---- */

struct pacing {
    unsigned asked, stop_after;
    uint64_t last_done, last_total;
};

static bool pace_stop(void *ctx)
{
    struct pacing *p = ctx;
    return ++p->asked > p->stop_after;
}

static void pace_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct pacing *p = ctx;
    assert_true(done >= p->last_done && done <= total);
    p->last_done = done;
    p->last_total = total;
}

static void a_scrub_counts_says_how_far_it_is_and_stops_when_told(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    struct live *l = malloc(sizeof *l);
    struct pacing p = {.stop_after = UINT32_MAX};
    struct scrub_pace pace = {.stop = pace_stop, .progress = pace_progress, .ctx = &p};
    struct scrub_count c = {0};
    struct err e;
    rig_put_ok(g, 20 * BLOCK_DATA_MAX);
    rig_put_ok(g, 10);
    struct extent_source source = live_open(g, l, 0);
    assert_int_equal(store_scrub(g->s, &source, &pace, &c, &e), RC_OK);
    assert_int_equal(c.blocks, 2 * (21 + 1)); /* and a header */
    assert_int_equal(c.bytes, 2 * (20 * BLOCK_DATA_MAX + 10 + 4096));
    assert_int_equal(p.last_done, p.last_total);
    assert_true(store_bytes(g->s) >= 2 * 20 * BLOCK_DATA_MAX);
    p = (struct pacing){.stop_after = 2};
    source = live_open(g, l, 0);
    assert_int_equal(store_scrub(g->s, &source, &pace, &c, &e), RC_CANCELLED);
    free(l);
    rig_end(g);
}

static void a_list_of_extents_out_of_order_is_refused(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    struct live *l = malloc(sizeof *l);
    struct scrub_count c = {0};
    struct err e;
    rig_put_ok(g, 10);
    rig_put_ok(g, 10);
    struct extent_source source = live_open(g, l, 0);
    struct extent first = l->x[0];
    l->x[0] = l->x[1];
    l->x[1] = first;
    assert_int_equal(store_scrub(g->s, &source, NULL, &c, &e), RC_INVALID);
    free(l);
    rig_end(g);
}

/* ---- on real files ---- */

static void a_body_of_several_extents_rests_on_real_disks(void **state)
{
    (void)state;
    char root[] = "/tmp/hf-store-XXXXXX", paths[3][64];
    assert_non_null(mkdtemp(root));
    for (unsigned i = 0; i < 3; i++)
        assert_true(snprintf(paths[i], sizeof paths[i], "%s/%u", root, i) > 0);
    const char *const disks[] = {paths[1], paths[2]};
    struct diskset_cfg dc = {.data_dir = paths[0], .paths = disks, .n_paths = 2, .copies = 2};
    struct rig *g = rig_new(2, 2);
    struct err e = {""};
    uint64_t size = 2ull * EXTENT_SIZE_MAX + 3 * BLOCK_DATA_MAX + 17;
    g->cfg.disk_failed = NULL;
    g->cfg.volume_size_target = 100 * MIB;
    assert_int_equal(diskset_open(os_real(), &dc, &g->disks, &e), RC_OK);
    assert_int_equal(store_open(os_real(), g->disks, NULL, &g->cfg, &g->s, &e), RC_OK);
    rig_put_ok(g, size);
    assert_int_equal(g->body[0].n, 3);
    rig_read_all(g);
    assert_int_equal(body_read(g->s, &g->body[0], EXTENT_SIZE_MAX - 1000, 2000), RC_OK);
    assert_int_equal(body_read(g->s, &g->body[0], size - 1, 1), RC_OK);
    rig_scrub_clean(g);
    rig_close(g); /* gives back what was allocated ahead */
    char path[OS_PATH_MAX];
    struct os_stat st;
    assert_int_equal(os_stat(os_real(), copy_path(paths[1], g->body[0].x[2].container, path), &st, &e), RC_OK);
    assert_true(st.allocated_bytes < st.size_bytes + 1 * MIB);
    rig_end(g);
    assert_int_equal(os_remove_tree(os_real(), root, &e), RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_odd_sizes_come_back_in_any_range),
        cmocka_unit_test(a_range_outside_of_the_extent_is_refused),
        cmocka_unit_test(a_put_takes_exactly_the_size_that_was_said),
        cmocka_unit_test(volumes_are_sealed_at_their_target_and_listed),
        cmocka_unit_test(a_volume_is_not_dropped_before_its_puts_are_freed),
        cmocka_unit_test(puts_at_once_do_not_disturb_each_other),
        cmocka_unit_test(reads_puts_drops_and_a_scrub_at_once_agree),
        cmocka_unit_test(a_flip_of_any_byte_is_never_served_and_scrub_heals_it),
        cmocka_unit_test(a_read_heals_what_it_finds),
        cmocka_unit_test(a_flip_on_both_disks_is_an_honest_error),
        cmocka_unit_test(a_block_written_to_the_wrong_place_is_not_believed),
        cmocka_unit_test(a_bit_that_flips_in_memory_condemns_no_disk),
        cmocka_unit_test(a_small_body_is_read_from_the_journal_in_any_range),
        cmocka_unit_test(a_scrub_counts_says_how_far_it_is_and_stops_when_told),
        cmocka_unit_test(a_list_of_extents_out_of_order_is_refused),
        cmocka_unit_test(a_body_of_several_extents_rests_on_real_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
