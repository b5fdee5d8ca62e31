/* The whole engine on a disk that forgets: power cuts at every write and sync, every call failing once and for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Every how many-th point is tried: 1 = all of them (HOLDFAST_CRASH_STRIDE). The start moves with the seed, so runs
 * differ. */
static unsigned from_environment(const char *name, unsigned fallback)
{
    const char *v = getenv(name);
    uint64_t n = 0;

    return v && view_u64(view_cstr(v), &n) && n > 0 ? (unsigned)n : fallback;
}

static uint64_t pick_seed(void)
{
    const char *v = getenv("HOLDFAST_SEED");
    uint64_t n = 0;

    if (!v || !view_u64(view_cstr(v), &n))
        n = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)n);
    return n;
}

static bool one_of_two(struct engine *g, size_t acknowledged, struct err *why)
{
    struct script_state now, next;
    struct err why_next;

    script_model(acknowledged, &now);
    if (script_matches(g, &now, why))
        return true;
    script_model(acknowledged < script_n ? acknowledged + 1 : acknowledged, &next);
    return script_matches(g, &next, &why_next);
}

/* One life until step n, the power cut, and the second life. False when n lay past the end. */
static bool crash_at(uint64_t seed, uint64_t n, enum os_sim_loss loss)
{
    struct os_sim *sim = NULL;
    struct engine *g = NULL;
    struct err e = {""};
    size_t acknowledged = 0;

    assert_int_equal(os_sim_new(seed + n, &sim), RC_OK);
    os_sim_crash_at(sim, n);
    if (script_open(os_sim_os(sim), &g, &e) == RC_OK) {
        acknowledged = script_run(g, 0);
        engine_close(g);
    }
    bool reached = os_sim_steps(sim) >= n;
    os_sim_crash_at(sim, 0);
    os_sim_power_cut(sim, loss);
    if (script_open(os_sim_os(sim), &g, &e) != RC_OK)
        fail_msg("seed %llu step %llu loss %d after %zu steps: the store does not open: %s", (unsigned long long)seed,
                 (unsigned long long)n, (int)loss, acknowledged, e.text);
    if (!one_of_two(g, acknowledged, &e))
        fail_msg("seed %llu step %llu loss %d after %zu steps: %s", (unsigned long long)seed, (unsigned long long)n,
                 (int)loss, acknowledged, e.text);
    engine_close(g);
    os_sim_free(sim);
    return reached;
}

static void acknowledged_changes_survive_a_power_cut_at_every_step(void **state)
{
    (void)state;
    unsigned stride = from_environment("HOLDFAST_CRASH_STRIDE", 1);
    uint64_t seed = pick_seed(), tried = 0;

    for (uint64_t n = 1 + seed % stride; crash_at(seed, n, (enum os_sim_loss)(tried % 3)); n += stride)
        tried++;
    assert_true(tried * stride > 100); /* the script is that long */
    print_message("%llu points\n", (unsigned long long)tried);
}

/* The n-th matching call on one disk fails: the other one carries on, everything is acknowledged, and is there after a
 * restart. */
static bool fail_nth(unsigned calls, uint64_t n, bool for_ever, enum rc rc, bool short_write)
{
    struct os_sim *sim = NULL;
    struct os_fault *fault = NULL;
    struct engine *g = NULL;
    struct script_state want;
    struct err e = {""};

    assert_int_equal(os_sim_new(n, &sim), RC_OK);
    assert_int_equal(os_fault_new(os_sim_os(sim), &fault), RC_OK);
    assert_int_equal(script_open(os_fault_os(fault), &g, &e), RC_OK);
    os_fault_set(fault, &(struct os_fault_plan){.calls = calls,
                                                .path_prefix = "/disk1",
                                                .nth = n,
                                                .for_ever = for_ever,
                                                .rc = rc,
                                                .short_write = short_write});
    size_t acknowledged = script_run(g, 0);
    bool fired = os_fault_fired(fault) > 0;
    if (acknowledged != script_n)
        fail_msg("calls %x, the %llu-th failing %s: step %zu was refused though a disk is left", calls,
                 (unsigned long long)n, for_ever ? "for ever" : "once", acknowledged);
    script_model(script_n, &want);
    if (!script_matches(g, &want, &e))
        fail_msg("calls %x, the %llu-th failing: %s", calls, (unsigned long long)n, e.text);
    engine_close(g);
    os_fault_set(fault, NULL);
    os_sim_power_cut(sim, OS_SIM_LOSE_ALL);
    if (script_open(os_fault_os(fault), &g, &e) != RC_OK)
        fail_msg("calls %x, the %llu-th failing: the store does not open again: %s", calls, (unsigned long long)n,
                 e.text);
    if (!script_matches(g, &want, &e))
        fail_msg("calls %x, the %llu-th failing, after the restart: %s", calls, (unsigned long long)n, e.text);
    engine_close(g);
    os_fault_free(fault);
    os_sim_free(sim);
    return fired;
}

static void fail_every(unsigned calls, enum rc rc, bool short_write)
{
    unsigned stride = from_environment("HOLDFAST_CRASH_STRIDE", 1);
    uint64_t tried = 0;

    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (uint64_t n = 1; fail_nth(calls, n, for_ever, rc, short_write); n += stride)
            tried++;
    assert_true(tried > 0);
}

static void a_write_that_fails_on_one_disk_loses_nothing(void **state)
{
    (void)state;
    fail_every(1u << OS_CALL_WRITE, RC_IO, true);
}

static void a_sync_that_fails_on_one_disk_loses_nothing(void **state)
{
    (void)state;
    fail_every(1u << OS_CALL_SYNC, RC_IO, false);
}

static void a_read_that_fails_on_one_disk_is_answered_from_the_other(void **state)
{
    (void)state;
    fail_every(1u << OS_CALL_READ, RC_IO, false);
}

static void a_disk_that_turns_read_only_is_left_out(void **state)
{
    (void)state;
    fail_every((1u << OS_CALL_WRITE) | (1u << OS_CALL_OPEN) | (1u << OS_CALL_RENAME) | (1u << OS_CALL_MKDIR),
               RC_UNAVAILABLE, false);
}

static void a_disk_whose_sync_lied_is_filled_from_the_other(void **state)
{
    (void)state;
    struct os_sim *sim = NULL;
    struct engine *g = NULL;
    struct err e = {""};
    struct script_state want;

    assert_int_equal(os_sim_new(5, &sim), RC_OK);
    assert_int_equal(script_open(os_sim_os(sim), &g, &e), RC_OK);
    os_sim_disk_set(sim, "/disk1", OS_SIM_DISK_SYNC_LIES);
    assert_int_equal(script_run(g, 0), script_n);
    os_sim_power_cut(sim, OS_SIM_LOSE_ALL);
    engine_close(g);
    os_sim_disk_set(sim, "/disk1", OS_SIM_DISK_OK);
    if (script_open(os_sim_os(sim), &g, &e) != RC_OK)
        fail_msg("the store does not open: %s", e.text);
    script_model(script_n, &want);
    if (!script_matches(g, &want, &e))
        fail_msg("%s", e.text);
    engine_close(g);
    os_sim_free(sim);
}

static void replaying_the_journal_gives_the_same_ledger_and_objects(void **state)
{
    (void)state;
    struct os_sim *sim = NULL;
    struct engine *g = NULL;
    struct err e = {""};
    struct script_state want;
    uint8_t before[32], after[32];

    assert_int_equal(os_sim_new(1, &sim), RC_OK);
    assert_int_equal(script_open(os_sim_os(sim), &g, &e), RC_OK);
    assert_int_equal(script_run(g, 0), script_n);
    assert_int_equal(seq_settle(g->seq, &e), RC_OK);
    assert_int_equal(meter_digest(g->meter, before, &e), RC_OK);
    engine_close(g);
    /* The databases were in memory: the second life replays all of it. */
    assert_int_equal(script_open(os_sim_os(sim), &g, &e), RC_OK);
    assert_int_equal(meter_digest(g->meter, after, &e), RC_OK);
    assert_memory_equal(before, after, sizeof before);
    script_model(script_n, &want);
    assert_true(script_matches(g, &want, &e));
    engine_close(g);
    os_sim_free(sim);
}

static void a_full_disk_refuses_writes_and_goes_on_reading_and_deleting(void **state)
{
    (void)state;
    struct os_sim *sim = NULL;
    struct engine *g = NULL;
    struct err e = {""};
    struct script_state want;

    assert_int_equal(os_sim_new(3, &sim), RC_OK);
    assert_int_equal(script_open(os_sim_os(sim), &g, &e), RC_OK);
    assert_int_equal(script_run(g, 0), script_n);
    os_sim_disk_set(sim, "/disk1", OS_SIM_DISK_FULL);
    os_sim_disk_set(sim, "/disk2", OS_SIM_DISK_FULL);
    struct store_put *p = NULL;
    enum rc rc = store_put_begin(g->store, 60u << 20, &p, &e);
    if (rc == RC_OK) {
        uint8_t *body = calloc(1, 60u << 20);
        assert_non_null(body);
        rc = store_put_write(p, body, 60u << 20, &e);
        free(body);
        store_put_free(p);
    }
    assert_int_equal(rc, RC_FULL);
    script_model(script_n, &want);
    assert_true(script_matches(g, &want, &e));
    struct cat_op op = {.kind = CAT_DELETE,
                        .account = ACCOUNT_DEFAULT,
                        .bucket = VIEW("bucket"),
                        .key = VIEW("last"),
                        .requests = 1,
                        .version = {.any_latest = true}};
    struct seq_req r = {.op = &op};
    assert_int_equal(seq_call(g->seq, &r), RC_OK);
    for (unsigned i = 0; i < g->disks->n; i++)
        assert_int_equal(g->disks->disk[i].state, DISK_OK);
    engine_close(g);
    os_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_changes_survive_a_power_cut_at_every_step),
        cmocka_unit_test(a_write_that_fails_on_one_disk_loses_nothing),
        cmocka_unit_test(a_sync_that_fails_on_one_disk_loses_nothing),
        cmocka_unit_test(a_read_that_fails_on_one_disk_is_answered_from_the_other),
        cmocka_unit_test(a_disk_that_turns_read_only_is_left_out),
        cmocka_unit_test(a_disk_whose_sync_lied_is_filled_from_the_other),
        cmocka_unit_test(replaying_the_journal_gives_the_same_ledger_and_objects),
        cmocka_unit_test(a_full_disk_refuses_writes_and_goes_on_reading_and_deleting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
