/* Holdfast: every failing call and every flipped byte of one disk: nothing acknowledged is lost, everything is healed.
 */
#include <inttypes.h>

#include "journal_help.h"

/* ---- failing calls ---- */

/* With a fault in one disk: it starts, takes every write, and reads everything. */
static void script_fault(struct rig *r, bool may_be_full)
{
    struct scrub_count c = {0};
    unsigned n = CHANGE_AT;
    enum rc rc = RC_OK;

    rig_must_open(r);
    for (; rc == RC_OK && n < CHANGE_SCRIPT; n += BATCH)
        rc = rig_commit(r, n, n + BATCH);
    if (rc != RC_OK && !(may_be_full && rc == RC_FULL))
        print_error("commit: %s: %s\n", rc_name(rc), r->err.text);
    assert_true(rc == RC_OK || (may_be_full && rc == RC_FULL));
    assert_in_range(rig_read_all(r), r->acked, CHANGE_SCRIPT);
    assert_int_equal(journal_scrub(r->j, NULL, &c, &r->err), RC_OK);
    assert_int_equal(c.unrepairable, 0);
    rig_close(r);
}

static void fail_nth(const struct os_fault_plan *like, unsigned disk)
{
    bool fired = true;

    for (uint64_t nth = 1; fired; nth++) {
        struct os_fault_plan plan = *like;
        struct os_fault *f;
        struct rig r;

        rig_init(&r, 2, nth);
        assert_int_equal(os_fault_new(r.os, &f), RC_OK);
        r.os = os_fault_os(f);
        rig_must_open(&r);
        for (unsigned n = 0; n < CHANGE_AT; n += BATCH)
            rig_must_commit(&r, n, n + BATCH);
        rig_close(&r);
        plan.path_prefix = rig_disks[disk];
        plan.nth = nth;
        os_fault_set(f, &plan);
        script_fault(&r, plan.rc == RC_FULL);
        fired = os_fault_fired(f) > 0;
        os_fault_set(f, NULL);
        check_whole(&r, r.acked, CHANGE_SCRIPT);
        os_fault_free(f);
        os_sim_free(r.sim);
    }
}

static void any_call_failing_once_on_one_disk_loses_nothing(void **state)
{
    (void)state;
    for (unsigned disk = 0; disk < 2; disk++)
        fail_nth(&(struct os_fault_plan){.rc = RC_IO}, disk);
}

static void any_call_failing_for_ever_on_one_disk_loses_nothing(void **state)
{
    (void)state;
    for (unsigned disk = 0; disk < 2; disk++)
        fail_nth(&(struct os_fault_plan){.rc = RC_IO, .for_ever = true}, disk);
}

static void writes_that_stop_half_way_or_find_no_space_lose_nothing(void **state)
{
    (void)state;
    fail_nth(&(struct os_fault_plan){.calls = 1u << OS_CALL_WRITE, .rc = RC_IO, .short_write = true}, 0);
    fail_nth(&(struct os_fault_plan){.calls = 1u << OS_CALL_WRITE, .rc = RC_FULL}, 0);
    fail_nth(&(struct os_fault_plan){.calls = 1u << OS_CALL_WRITE, .rc = RC_FULL, .for_ever = true}, 1);
    fail_nth(&(struct os_fault_plan){.calls = 1u << OS_CALL_RESERVE, .rc = RC_FULL, .for_ever = true}, 1);
}

static void a_store_that_could_not_be_made_is_made_by_the_next_start(void **state)
{
    bool fired = true;

    (void)state;
    for (uint64_t nth = 1; fired; nth++) {
        const struct os_fault_plan plan = {.nth = nth, .rc = RC_IO};
        struct os_fault *f;
        struct rig r;

        rig_init(&r, 2, nth);
        assert_int_equal(os_fault_new(r.os, &f), RC_OK);
        r.os = os_fault_os(f);
        os_fault_set(f, &plan);
        if (rig_open(&r) == RC_OK)
            rig_close(&r);
        fired = os_fault_fired(f) > 0;
        os_fault_set(f, NULL);
        check_whole(&r, 0, 0);
        os_fault_free(f);
        os_sim_free(r.sim);
    }
}

/* ---- flipped bytes ---- */

struct target {
    const char *top;
    uint64_t nth; /* of all bytes of all files below top */
    uint64_t seen;
    char path[OS_PATH_MAX];
    uint64_t off;
    bool found;
};

static void pick(void *ctx, const char *path, uint64_t size)
{
    struct target *t = ctx;

    if (strncmp(path, t->top, strlen(t->top)) != 0)
        return;
    if (!t->found && t->nth < t->seen + size) {
        t->found = true;
        t->off = t->nth - t->seen;
        snprintf(t->path, sizeof(t->path), "%s", path);
    }
    t->seen += size;
}

static uint64_t flip_nth(struct rig *r, const char *top, uint64_t nth)
{
    struct target t = {.top = top, .nth = nth};

    os_sim_each(r->sim, pick, &t);
    if (t.found)
        assert_int_equal(os_sim_flip(r->sim, t.path, t.off, (unsigned)(nth % 8)), RC_OK);
    return t.seen;
}

static void check_healed(struct rig *r, unsigned n)
{
    struct scrub_count c = {0};
    uint64_t corrupt = 0, repaired = 0;

    assert_int_equal(rig_read_all(r), n);
    assert_int_equal(diskset_scrub(r->set, &corrupt, &repaired, &r->err), RC_OK);
    assert_int_equal(corrupt, repaired);
    assert_int_equal(journal_scrub(r->j, NULL, &c, &r->err), RC_OK);
    assert_int_equal(c.unrepairable, 0);
    assert_int_equal(c.corrupt, c.repaired);
    rig_scrub_clean(r);
    assert_int_equal(r->set->disk[0].state, DISK_OK);
    assert_int_equal(r->set->disk[1].state, DISK_OK);
    assert_int_equal(journal_epoch(r->j), 1);
}

static void flip_at(struct rig *r, unsigned disk, uint64_t nth, bool running)
{
    if (!running)
        rig_close(r);
    (void)flip_nth(r, rig_disks[disk], nth);
    if (!running)
        rig_must_open(r);
    check_healed(r, SCRIPT);
}

static void fill(struct rig *r)
{
    rig_init(r, 2, 11);
    rig_must_open(r);
    for (unsigned n = 0; n < SCRIPT; n += BATCH)
        rig_must_commit(r, n, n + BATCH);
}

static void any_byte_flipped_on_one_disk_is_healed(void **state)
{
    struct rig r;
    uint64_t total;

    (void)state;
    fill(&r);
    total = flip_nth(&r, "/a", UINT64_MAX);
    for (uint64_t nth = 0; nth < total; nth += 1511)
        flip_at(&r, (unsigned)(nth & 1), nth, (nth / 2) & 1);
    rig_free(&r);
}

static void random_bytes_flipped_on_one_disk_are_healed(void **state)
{
    struct rig r;
    uint64_t total, seed;

    (void)state;
    fill(&r);
    total = flip_nth(&r, "/a", UINT64_MAX);
    os_random(os_real(), &seed, sizeof(seed));
    print_message("seed %" PRIu64 "\n", seed);
    for (unsigned i = 0; i < 150; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        flip_at(&r, (unsigned)(seed >> 40 & 1), (seed >> 16) % total, seed >> 41 & 1);
    }
    rig_free(&r);
}

/* The headers are small, so a stride would hardly meet them: every byte of the first batches and of the identity. */
static void every_byte_of_the_headers_flipped_is_healed(void **state)
{
    struct rig r;
    char path[64] = "/b/journal/seg-0000000000000001";

    (void)state;
    fill(&r);
    for (uint64_t off = 0; off < 9000; off += off % 4096 < 150 ? 3 : 97) {
        rig_close(&r);
        assert_int_equal(os_sim_flip(r.sim, path, off, (unsigned)(off % 8)), RC_OK);
        rig_must_open(&r);
        check_healed(&r, SCRIPT);
    }
    for (uint64_t off = 0; off < 1024; off += 7) {
        rig_close(&r);
        assert_int_equal(os_sim_flip(r.sim, "/b/identity", off, 0), RC_OK);
        rig_must_open(&r);
        check_healed(&r, SCRIPT);
    }
    rig_free(&r);
}

static void a_flip_and_a_power_cut_together_lose_nothing(void **state)
{
    (void)state;
    for (uint64_t step = 100; step < 216; step += 2) {
        struct rig r;

        rig_init(&r, 2, step);
        os_sim_crash_at(r.sim, step);
        script_plain(&r);
        os_sim_power_cut(r.sim, OS_SIM_LOSE_SOME);
        os_sim_crash_at(r.sim, 0);
        (void)flip_nth(&r, "/a", step * 733);
        rig_must_open(&r);
        assert_in_range(rig_read_all(&r), r.acked, SCRIPT);
        rig_free(&r);
    }
}

/* fault 6: a disk that says it synced and did not */
static void a_disk_that_lied_about_its_syncs_is_filled_from_the_other(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 3);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_SYNC_LIES);
    for (unsigned n = 3; n < SCRIPT; n += BATCH)
        rig_must_commit(&r, n, n + BATCH);
    os_sim_power_cut(r.sim, OS_SIM_LOSE_ALL);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_OK);
    rig_close(&r);
    check_whole(&r, SCRIPT, SCRIPT);
    os_sim_free(r.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_failing_once_on_one_disk_loses_nothing),
        cmocka_unit_test(any_call_failing_for_ever_on_one_disk_loses_nothing),
        cmocka_unit_test(writes_that_stop_half_way_or_find_no_space_lose_nothing),
        cmocka_unit_test(a_store_that_could_not_be_made_is_made_by_the_next_start),
        cmocka_unit_test(any_byte_flipped_on_one_disk_is_healed),
        cmocka_unit_test(random_bytes_flipped_on_one_disk_are_healed),
        cmocka_unit_test(every_byte_of_the_headers_flipped_is_healed),
        cmocka_unit_test(a_flip_and_a_power_cut_together_lose_nothing),
        cmocka_unit_test(a_disk_that_lied_about_its_syncs_is_filled_from_the_other),
    };

    return cmocka_run_group_tests_name("journal_fault", tests, NULL, NULL);
}
