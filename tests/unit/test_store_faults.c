/* Holdfast tests: disks that fail, fill up, go away, come back or are replaced, and power that goes. */
#include "store_rig.h"

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
            enum rc got = body_read(g->s, &g->body[k], 120 * KIB, 20 * KIB);
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
                if (k < 2 || (p == 0 && (nth + k) % 4 == 0)) /* an I/O error everywhere, the others here and there */
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
    struct store_put *in_flight = NULL;
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
    struct store_put *p = NULL;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
