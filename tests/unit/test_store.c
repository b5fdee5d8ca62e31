/* Holdfast tests: the store keeps what it acknowledged and gives nothing else. */
#include "store_rig.h"

#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * KIB)

static struct rig *rig_new(unsigned n_disks, unsigned copies)
{
    struct rig *g = malloc(sizeof *g);
    assert_non_null(g);
    rig_init(g, n_disks, copies);
    return g;
}

static struct rig *rig_started(unsigned n_disks, unsigned copies)
{
    struct rig *g = rig_new(n_disks, copies);
    assert_int_equal(rig_open(g), RC_OK);
    return g;
}

static void rig_end(struct rig *g)
{
    rig_done(g);
    free(g);
}

/* ---- reading and writing ---- */

static void bodies_of_odd_sizes_come_back_in_any_range(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0,       1,       100,         131071,  131072,
                                     131073,  262144,  1 * MIB + 5, 2621440, 3 * MIB - 1};
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
    struct store_put *p;
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
    struct store_put *p;
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
        struct store_put *p;
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
    unsigned skip; /* so many reads before */
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

/* ---- failing disks ---- */

static void plan(struct rig *g, unsigned calls, const char *prefix, uint64_t nth, bool for_ever, enum rc rc)
{
    struct os_fault_plan p = {
        .calls = calls, .path_prefix = prefix, .nth = nth, .for_ever = for_ever, .rc = rc, .short_write = true};
    os_fault_set(g->fault, nth ? &p : NULL);
}

static void a_failed_sync_is_not_repeated_and_the_other_disk_keeps_the_body(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    rig_put_ok(g, 1000);
    plan(g, 1u << OS_CALL_SYNC, "/disk1", 1, true, RC_IO);
    rig_put_ok(g, 300 * KIB);
    assert_int_equal(os_fault_fired(g->fault), 1);
    assert_int_equal(g->failed, 1);
    rig_put_ok(g, 300 * KIB);
    assert_int_equal(os_fault_fired(g->fault), 1);
    assert_int_not_equal(g->body[2].x[0].container, g->body[1].x[0].container);
    plan(g, 0, NULL, 0, false, RC_OK);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_DEAD);
    rig_read_all(g);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_OK);
    rig_end(g);
}

static void when_every_disk_fails_nothing_is_acknowledged(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    rig_put_ok(g, 1000);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_SYNC_FAILS);
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_SYNC_FAILS);
    assert_int_equal(rig_put(g, 1000, NULL), RC_IO);
    assert_int_equal(rig_put(g, 1000, NULL), RC_UNAVAILABLE);
    assert_int_equal(g->failed, 3);
    rig_end(g);
}

/* A whole scenario under a fault: whatever was acknowledged is read back right, nothing wrong is ever read. */
static uint64_t faulted_run(unsigned calls, const char *prefix, uint64_t nth, bool for_ever, enum rc rc)
{
    struct rig *g = rig_new(2, 2);
    struct scrub_count c;
    uint64_t bytes;
    g->cfg.volume_size_target = 300 * KIB;
    assert_int_equal(rig_open(g), RC_OK);
    rig_put_ok(g, 200 * KIB);
    plan(g, calls, prefix, nth ? nth : UINT64_MAX, for_ever, rc);
    for (unsigned i = 0; i < 3; i++) {
        enum rc put = rig_put(g, 150 * KIB + i, NULL);
        assert_true(put == RC_OK || rc != RC_IO || !prefix); /* one disk failing stops nobody */
        for (size_t k = 0; k < g->n_bodies; k++) {
            enum rc got = body_read(g->s, &g->body[k], 1000, 140 * KIB);
            assert_true(got == RC_OK || !prefix);
        }
    }
    (void)(rig_scrub(g, &c) == RC_OK);
    assert_true(c.unrepairable == 0 || !prefix);
    store_account_space(g->s);
    (void)(rig_heal(g, 0, &bytes) == RC_END);
    if (g->n_bodies > 1)
        (void)(store_drop(g->s, 12345, NULL) == RC_OK);
    uint64_t seen = os_fault_seen(g->fault);
    plan(g, 0, NULL, 0, false, RC_OK);
    os_sim_power_cut(g->sim, OS_SIM_LOSE_ALL);
    rig_reopen(g);
    rig_read_all(g);
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(c.unrepairable, 0);
    assert_int_equal(c.corrupt, c.repaired);
    rig_scrub_clean(g);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_DEAD);
    rig_reopen(g);
    rig_read_all(g); /* disk2 has everything */
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_OK);
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_DEAD);
    rig_reopen(g);
    rig_read_all(g); /* and so has disk1 */
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_OK);
    rig_end(g);
    return seen;
}

static void the_nth_call_may_fail_once_or_for_ever(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"/disk1", "/disk2", NULL};
    static const enum rc rcs[] = {RC_IO, RC_FULL, RC_UNAVAILABLE};
    for (unsigned p = 0; p < 3; p++) {
        uint64_t n = faulted_run(0, prefixes[p], 0, false, RC_IO);
        assert_true(n > 20);
        for (uint64_t nth = 1; nth <= n + 2; nth++)
            for (unsigned k = 0; k < 6; k++)
                if (k < 2 || (nth + k) % 4 == 0) /* an I/O error everywhere, the others here and there */
                    (void)faulted_run(0, prefixes[p], nth, k % 2, rcs[k / 2]);
    }
}

static void read_errors_are_served_from_the_other_disk_and_many_quarantine(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    struct store_stats st;
    struct scrub_count c;
    for (unsigned i = 0; i < 20; i++)
        rig_put_ok(g, 140 * KIB);
    plan(g, 1u << OS_CALL_READ, "/disk1", 1, false, RC_IO);
    rig_read_all(g);
    store_stats(g->s, &st);
    assert_int_equal(st.read_errors, 1);
    assert_int_equal(g->disks->disk[0].state, DISK_DEGRADED);
    assert_int_equal(g->failed, 0);
    plan(g, 0, NULL, 0, false, RC_OK);
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(g->disks->disk[0].state, DISK_OK); /* a whole pass found it well */
    plan(g, 1u << OS_CALL_READ, "/disk1", 1, true, RC_IO);
    rig_read_all(g);
    rig_read_all(g);
    assert_int_equal(g->failed & 2, 0);
    assert_true(g->failed == 1 || g->disks->disk[0].state == DISK_DEGRADED);
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(g->failed, 1);
    assert_int_equal(c.unrepairable, 0);
    rig_read_all(g);
    rig_end(g);
}

static void a_sector_that_cannot_be_read_is_written_again(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    struct store_stats st;
    rig_put_ok(g, 1000);
    for (unsigned disk = 0; disk < 2; disk++) {
        plan(g, 1u << OS_CALL_READ, disk ? "/disk2" : "/disk1", 1, false, RC_IO);
        rig_read_all(g); /* the second look succeeds: nothing to repair */
        plan(g, 0, NULL, 0, false, RC_OK);
    }
    store_stats(g->s, &st);
    assert_int_equal(st.read_errors, 1); /* the other disk was not asked */
    assert_int_equal(st.corrupt_found, 0);
    rig_scrub_clean(g);
    rig_end(g);
}

/* ---- full disks ---- */

static void a_full_disk_refuses_the_put_and_is_not_condemned(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    rig_put_ok(g, 1 * MIB);
    os_sim_capacity(g->sim, "/disk2", 24 * MIB);
    assert_int_equal(rig_put(g, 30 * MIB, NULL), RC_FULL);
    rig_put_ok(g, 1 * MIB);
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_FULL);
    enum rc rc;
    unsigned puts = 0;
    while ((rc = rig_put(g, 1 * MIB, NULL)) == RC_OK) /* what was allocated ahead */
        assert_true(++puts < 40);
    assert_int_equal(rc, RC_FULL);
    assert_int_equal(g->failed, 0);
    rig_read_all(g);
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_OK);
    os_sim_capacity(g->sim, "/disk2", 400 * MIB);
    rig_put_ok(g, 1 * MIB);
    rig_read_all(g);
    rig_scrub_clean(g);
    rig_end(g);
}

static void a_full_disk_among_three_is_passed_over(void **state)
{
    (void)state;
    struct rig *g = rig_started(3, 2);
    os_sim_capacity(g->sim, "/disk1", 8 * MIB);
    for (unsigned i = 0; i < 10; i++)
        rig_put_ok(g, 3 * MIB);
    assert_int_equal(g->failed, 0);
    rig_scrub_clean(g);
    rig_reopen(g);
    rig_read_all(g);
    rig_end(g);
}

static void what_a_disk_holds_is_added_up(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    rig_put_ok(g, 5 * MIB);
    store_account_space(g->s);
    assert_true(g->disks->disk[0].bytes_used >= 5 * MIB && g->disks->disk[0].bytes_used < 30 * MIB);
    assert_int_equal(g->disks->disk[0].bytes_used, g->disks->disk[1].bytes_used);
    rig_end(g);
}

/* ---- missing, replaced and returning disks ---- */

static void a_missing_volume_file_is_made_again_by_scrub(void **state)
{
    (void)state;
    for (unsigned running = 0; running < 2; running++) {
        struct rig *g = rig_started(2, 2);
        char one[OS_PATH_MAX], two[OS_PATH_MAX];
        struct scrub_count c;
        struct err e;
        for (unsigned i = 0; i < 5; i++)
            rig_put_ok(g, 140 * KIB);
        uint64_t id = g->body[0].x[0].container;
        copy_path("/disk1", id, one);
        copy_path("/disk2", id, two);
        if (!running)
            rig_close(g);
        assert_int_equal(os_unlink(g->os, one, &e), RC_OK);
        if (!running)
            assert_int_equal(rig_open(g), RC_OK);
        os_sim_clock_add(g->sim, NS_PER_S);
        rig_read_all(g);
        assert_int_equal(rig_scrub(g, &c), RC_OK);
        assert_true(c.corrupt > 0);
        assert_int_equal(c.corrupt, c.repaired);
        assert_int_equal(c.unrepairable, 0);
        os_sim_power_cut(g->sim, OS_SIM_LOSE_ALL);
        rig_reopen(g);
        assert_same_file(g->os, one, two);
        rig_scrub_clean(g);
        rig_end(g);
    }
}

static void a_volume_that_is_nowhere_is_unrepairable(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    char path[OS_PATH_MAX];
    struct scrub_count c;
    struct err e;
    rig_put_ok(g, 3 * BLOCK_DATA_MAX);
    uint64_t id = g->body[0].x[0].container;
    rig_close(g);
    assert_int_equal(os_unlink(g->os, copy_path("/disk1", id, path), &e), RC_OK);
    assert_int_equal(os_unlink(g->os, copy_path("/disk2", id, path), &e), RC_OK);
    assert_int_equal(rig_open(g), RC_OK);
    assert_int_equal(body_read(g->s, &g->body[0], 0, 10), RC_CORRUPT);
    assert_int_equal(rig_scrub(g, &c), RC_OK);
    assert_int_equal(c.unrepairable, 3);
    rig_put_ok(g, 100);
    rig_end(g);
}

static void a_replaced_disk_gets_all_it_should_hold(void **state)
{
    (void)state;
    struct rig *g = rig_new(2, 2);
    struct store_put *in_flight;
    struct err e;
    unsigned slot;
    uint64_t bytes;
    g->cfg.volume_size_target = 600 * KIB;
    assert_int_equal(rig_open(g), RC_OK);
    for (unsigned i = 0; i < 9; i++)
        rig_put_ok(g, 150 * KIB);
    assert_int_equal(rig_put(g, 150 * KIB, &in_flight), RC_OK);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_ABSENT);
    g->disks->disk[1].journal_whole = true; /* the journal's part */
    assert_int_equal(diskset_replace(g->disks, "/disk1", "/disk9", &slot, &e), RC_OK);
    assert_int_equal(slot, 0);
    rig_put_ok(g, 200 * KIB); /* already to the new disk */
    store_put_free(in_flight);
    assert_int_equal(rig_heal(g, 0, &bytes), RC_END);
    assert_true(bytes >= 10 * 150 * KIB);
    assert_int_equal(rig_heal(g, 0, &bytes), RC_END);
    assert_int_equal(bytes, 0);
    assert_int_equal(g->failed, 0);
    rig_scrub_clean(g);
    g->disks->disk[0].state = DISK_OK; /* the journal's part */
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_DEAD);
    rig_read_all(g); /* all of it from the new disk */
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_OK);
    rig_end(g);
}

/* Only complete copies have their name, so after a cut in the middle filling goes on. */
static void filling_a_disk_survives_a_power_cut_at_every_step(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        struct rig *g = rig_new(2, 2);
        char path[OS_PATH_MAX];
        struct err e;
        uint64_t bytes;
        g->cfg.volume_size_target = 200 * KIB;
        assert_int_equal(rig_open(g), RC_OK);
        rig_put_ok(g, 210 * KIB);
        rig_put_ok(g, 140 * KIB);
        rig_close(g);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(os_unlink(g->os, copy_path("/disk2", g->body[i].x[0].container, path), &e), RC_OK);
        assert_int_equal(os_sync_dir(g->os, "/disk2/volumes", &e), RC_OK);
        assert_int_equal(rig_open(g), RC_OK);
        g->disks->disk[1].state = DISK_REBUILDING;
        os_sim_crash_at(g->sim, n);
        done = rig_heal(g, 1, &bytes) == RC_END;
        os_sim_power_cut(g->sim, n % 2 ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL);
        rig_reopen(g);
        g->disks->disk[1].state = DISK_REBUILDING;
        rig_read_all(g);
        assert_int_equal(rig_heal(g, 1, &bytes), RC_END);
        os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_DEAD);
        rig_read_all(g);
        os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_OK);
        rig_end(g);
    }
}

static void a_disk_that_comes_back_late_is_filled(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    uint64_t bytes;
    rig_put_ok(g, 500 * KIB);
    struct store_put *p;
    struct err e;
    assert_int_equal(store_put_begin(g->s, 8 * BLOCK_DATA_MAX, &p, &e), RC_OK); /* leaves a gap that is never live */
    store_put_free(p);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_DEAD);
    rig_put_ok(g, 500 * KIB); /* in the same volume, on disk2 alone */
    assert_int_equal(g->body[0].x[0].container, g->body[1].x[0].container);
    assert_int_equal(g->failed, 1);
    rig_put_ok(g, 500 * KIB); /* in a volume that disk1 never saw */
    rig_reopen(g);            /* without it */
    rig_put_ok(g, 500 * KIB);
    rig_read_all(g);
    os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_OK);
    rig_reopen(g);
    g->disks->disk[0].state = DISK_REBUILDING;
    rig_read_all(g);
    assert_int_equal(rig_heal(g, 0, &bytes), RC_END);
    assert_true(bytes >= 2000 * KIB);
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_DEAD);
    rig_read_all(g);
    os_sim_disk_set(g->sim, "/disk2", OS_SIM_DISK_OK);
    rig_end(g);
}

static void a_source_that_cannot_be_read_makes_no_copy(void **state)
{
    (void)state;
    struct rig *g = rig_started(2, 2);
    char path[OS_PATH_MAX];
    uint64_t bytes;
    struct os_stat st;
    struct err e;
    rig_put_ok(g, 300 * KIB);
    uint64_t id = g->body[0].x[0].container;
    rig_close(g);
    assert_int_equal(os_unlink(g->os, copy_path("/disk2", id, path), &e), RC_OK);
    assert_int_equal(rig_open(g), RC_OK);
    plan(g, 1u << OS_CALL_READ, "/disk1", 1, true, RC_IO);
    assert_int_not_equal(rig_heal(g, 1, &bytes), RC_END);
    plan(g, 0, NULL, 0, false, RC_OK);
    assert_int_equal(os_stat(g->os, path, &st, &e), RC_NOT_FOUND);
    rig_reopen(g);
    assert_int_equal(rig_heal(g, 1, &bytes), RC_END);
    rig_scrub_clean(g);
    rig_end(g);
}

/* ---- crashes ---- */

static void acknowledged_puts_survive_a_power_cut_at_every_step(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        struct rig *g = rig_new(2, 2);
        g->cfg.volume_size_target = 400 * KIB;
        assert_int_equal(rig_open(g), RC_OK);
        rig_put_ok(g, 150 * KIB);
        os_sim_crash_at(g->sim, n);
        done = true;
        for (unsigned i = 0; i < 4 && done; i++) {
            size_t acknowledged = g->n_bodies;
            done = rig_put(g, 150 * KIB + i, NULL) == RC_OK && os_sim_steps(g->sim) < n;
            if (!done)
                g->n_bodies = acknowledged; /* a dead process acknowledges nothing */
        }
        for (unsigned loss = 0; loss < 2; loss++) {
            os_sim_power_cut(g->sim, loss ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL);
            rig_reopen(g);
            rig_read_all(g);
            rig_scrub_clean(g);
            rig_put_ok(g, 1234);
        }
        os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_DEAD);
        rig_read_all(g);
        os_sim_disk_set(g->sim, "/disk1", OS_SIM_DISK_OK);
        rig_end(g);
    }
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
        cmocka_unit_test(a_flip_of_any_byte_is_never_served_and_scrub_heals_it),
        cmocka_unit_test(a_read_heals_what_it_finds),
        cmocka_unit_test(a_flip_on_both_disks_is_an_honest_error),
        cmocka_unit_test(a_block_written_to_the_wrong_place_is_not_believed),
        cmocka_unit_test(a_bit_that_flips_in_memory_condemns_no_disk),
        cmocka_unit_test(a_failed_sync_is_not_repeated_and_the_other_disk_keeps_the_body),
        cmocka_unit_test(when_every_disk_fails_nothing_is_acknowledged),
        cmocka_unit_test(the_nth_call_may_fail_once_or_for_ever),
        cmocka_unit_test(read_errors_are_served_from_the_other_disk_and_many_quarantine),
        cmocka_unit_test(a_sector_that_cannot_be_read_is_written_again),
        cmocka_unit_test(a_full_disk_refuses_the_put_and_is_not_condemned),
        cmocka_unit_test(a_full_disk_among_three_is_passed_over),
        cmocka_unit_test(what_a_disk_holds_is_added_up),
        cmocka_unit_test(a_missing_volume_file_is_made_again_by_scrub),
        cmocka_unit_test(a_volume_that_is_nowhere_is_unrepairable),
        cmocka_unit_test(a_replaced_disk_gets_all_it_should_hold),
        cmocka_unit_test(filling_a_disk_survives_a_power_cut_at_every_step),
        cmocka_unit_test(a_disk_that_comes_back_late_is_filled),
        cmocka_unit_test(a_source_that_cannot_be_read_makes_no_copy),
        cmocka_unit_test(acknowledged_puts_survive_a_power_cut_at_every_step),
        cmocka_unit_test(a_scrub_counts_says_how_far_it_is_and_stops_when_told),
        cmocka_unit_test(a_list_of_extents_out_of_order_is_refused),
        cmocka_unit_test(a_body_of_several_extents_rests_on_real_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
