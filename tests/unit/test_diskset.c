/* Holdfast: the set of disks: rules D1 to D3 of diskset.h, and what survives a flip or a cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/journal.h"
#include "os/sim.h"

struct rig {
    struct os_sim *sim;
    struct os *os;
    struct diskset *d;
    struct err e;
};

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    assert_int_equal(os_sim_new(7, &r->sim), RC_OK);
    r->os = os_sim_os(r->sim);
}

static enum rc open_with(struct rig *r, unsigned n, const char *const *paths, unsigned copies)
{
    const struct diskset_cfg cfg = {.data_dir = "/data", .paths = paths, .n_paths = n, .copies = copies};

    diskset_free(r->d);
    r->d = NULL;
    r->e.text[0] = '\0';
    return diskset_open(r->os, &cfg, &r->d, &r->e);
}

/* A set as it is in use: with a journal, so that states are recorded. */
static void run_once(struct rig *r)
{
    const struct journal_cfg cfg = {.single_thread = true, .segment_min_bytes = 1 << 16, .segment_max_bytes = 1 << 16};
    struct journal *j;

    assert_int_equal(journal_open(r->os, r->d, &cfg, &j, NULL, &r->e), RC_OK);
    while (journal_heal_step(j, &r->e) == RC_OK)
        continue;
    journal_close(j);
}

static void rig_free(struct rig *r)
{
    diskset_free(r->d);
    os_sim_free(r->sim);
}

static void a_new_store_has_two_disks_below_its_folder(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 0, NULL, 0), RC_OK);
    assert_true(r.d->fresh);
    assert_int_equal(r.d->n, 2);
    assert_int_equal(r.d->copies, 2);
    assert_string_equal(r.d->disk[0].path, "/data/disk1");
    assert_string_equal(r.d->disk[1].path, "/data/disk2");
    assert_int_equal(open_with(&r, 0, NULL, 0), RC_OK);
    assert_false(r.d->fresh);
    assert_string_equal(r.d->disk[1].path, "/data/disk2");
    rig_free(&r);
}

static void one_disk_must_be_said_aloud(void **state)
{
    const char *const one[] = {"/a"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 1, one, 0), RC_INVALID);
    assert_non_null(strstr(r.e.text, "--copies 1"));
    assert_int_equal(open_with(&r, 1, one, 2), RC_INVALID);
    assert_int_equal(open_with(&r, 1, one, 1), RC_OK);
    rig_free(&r);
}

static void the_recorded_set_rules(void **state)
{
    const char *const two[] = {"/a", "/b"}, *const slash[] = {"/b/", "/a/"}, *const other[] = {"/a", "/c"},
                      *const twice[] = {"/a", "/a"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 2, twice, 0), RC_INVALID);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    assert_int_equal(open_with(&r, 2, slash, 0), RC_OK);
    assert_string_equal(r.d->disk[0].path, "/a");
    assert_int_equal(open_with(&r, 0, NULL, 0), RC_OK);
    assert_int_equal(open_with(&r, 2, two, 1), RC_INVALID);
    /* D3: what is no member does not become one by being named */
    assert_int_equal(open_with(&r, 2, other, 0), RC_INVALID);
    assert_non_null(strstr(r.e.text, "disk replace"));
    rig_free(&r);
}

static void a_bare_mount_point_is_missing_and_stays_bare(void **state)
{
    const char *const two[] = {"/a", "/b"};
    struct os_stat st;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    run_once(&r);
    assert_int_equal(os_remove_tree(r.os, "/b", &r.e), RC_OK);
    assert_int_equal(os_mkdir(r.os, "/b", &r.e), RC_OK);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    assert_int_equal(r.d->disk[1].state, DISK_MISSING);
    run_once(&r);
    assert_int_equal(os_stat(r.os, "/b/identity", &st, &r.e), RC_NOT_FOUND);
    assert_int_equal(os_stat(r.os, "/b/journal", &st, &r.e), RC_NOT_FOUND);
    rig_free(&r);
}

static void a_disk_without_journal_that_was_away_is_known_as_such(void **state)
{
    const char *const four[] = {"/a", "/b", "/c", "/d"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 4, four, 0), RC_OK);
    run_once(&r);
    os_sim_disk_set(r.sim, "/d", OS_SIM_DISK_ABSENT);
    assert_int_equal(open_with(&r, 4, four, 0), RC_OK);
    assert_int_equal(r.d->disk[3].state, DISK_MISSING);
    os_sim_disk_set(r.sim, "/d", OS_SIM_DISK_OK);
    assert_int_equal(open_with(&r, 4, four, 0), RC_OK);
    assert_int_equal(r.d->disk[3].state, DISK_REBUILDING);
    rig_free(&r);
}

static void another_stores_disk_is_refused(void **state)
{
    const char *const two[] = {"/m/a", "/m/b"}, *const others[] = {"/m/c", "/m/d"}, *const mixed[] = {"/m/e", "/m/d"};
    struct diskset_cfg cfg = {.data_dir = "/other", .paths = others, .n_paths = 2};
    struct diskset *d;
    struct journal *j;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    run_once(&r);
    assert_int_equal(diskset_open(r.os, &cfg, &d, &r.e), RC_OK);
    diskset_free(d);
    assert_int_equal(os_rename(r.os, "/m/b", "/m/x", &r.e), RC_OK);
    assert_int_equal(os_rename(r.os, "/m/d", "/m/b", &r.e), RC_OK);
    assert_int_equal(open_with(&r, 2, two, 0), RC_INVALID);
    assert_non_null(strstr(r.e.text, "/m/b"));
    /* A new folder with a used disk looks like a lost witness: without all the disks it does not start. */
    assert_int_equal(os_rename(r.os, "/m/x", "/m/d", &r.e), RC_OK);
    cfg.data_dir = "/new";
    cfg.paths = mixed;
    assert_int_equal(diskset_open(r.os, &cfg, &d, &r.e), RC_OK);
    assert_int_equal(journal_open(r.os, d, NULL, &j, NULL, &r.e), RC_UNAVAILABLE);
    diskset_free(d);
    rig_free(&r);
}

static void swapped_mounts_are_known_by_their_identity(void **state)
{
    const char *const two[] = {"/m/a", "/m/b"};
    uint8_t first[16];
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(os_mkdirs(r.os, "/m", &r.e), RC_OK);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    memcpy(first, r.d->disk[0].uuid, 16);
    assert_int_equal(os_rename(r.os, "/m/a", "/m/x", &r.e), RC_OK);
    assert_int_equal(os_rename(r.os, "/m/b", "/m/a", &r.e), RC_OK);
    assert_int_equal(os_rename(r.os, "/m/x", "/m/b", &r.e), RC_OK);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    assert_memory_equal(r.d->disk[0].uuid, first, 16);
    assert_string_equal(r.d->disk[0].path, "/m/b");
    assert_string_equal(r.d->disk[1].path, "/m/a");
    rig_free(&r);
}

static void a_disk_found_elsewhere_is_taken_there(void **state)
{
    const char *const two[] = {"/m/a", "/m/b"}, *const moved[] = {"/m/a", "/m/c"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(os_mkdirs(r.os, "/m", &r.e), RC_OK);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    assert_int_equal(os_rename(r.os, "/m/b", "/m/c", &r.e), RC_OK);
    assert_int_equal(open_with(&r, 2, moved, 0), RC_OK);
    assert_string_equal(r.d->disk[1].path, "/m/c");
    assert_int_equal(r.d->disk[1].state, DISK_OK);
    rig_free(&r);
}

static void any_flip_in_an_identity_is_healed(void **state)
{
    const char *const two[] = {"/a", "/b"};
    uint64_t corrupt = 0, repaired = 0;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    for (uint64_t off = 0; os_sim_flip(r.sim, "/a/identity", off, off % 8) == RC_OK; off++) {
        if (off % 2) {
            assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
            assert_int_equal(r.d->disk[0].state, DISK_OK);
        } else {
            assert_int_equal(diskset_scrub(r.d, &corrupt, &repaired, &r.e), RC_OK);
        }
    }
    assert_true(corrupt > 0);
    assert_int_equal(corrupt, repaired);
    corrupt = 0;
    assert_int_equal(diskset_scrub(r.d, &corrupt, &repaired, &r.e), RC_OK);
    assert_int_equal(corrupt, 0);
    rig_free(&r);
}

static void a_flip_in_the_witness_makes_it_a_lost_one(void **state)
{
    const char *const two[] = {"/a", "/b"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    run_once(&r);
    for (uint64_t off = 0; off < 60; off += 3) {
        assert_int_equal(os_sim_flip(r.sim, "/data/witness", off, 2), RC_OK);
        assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
        assert_false(r.d->witness_found);
        run_once(&r); /* both disks agree, and a new one is written */
        assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
        assert_true(r.d->witness_found);
    }
    rig_free(&r);
}

static void a_crash_while_the_store_is_made_is_finished_by_the_next_open(void **state)
{
    const char *const two[] = {"/a", "/b"};

    (void)state;
    for (uint64_t step = 1; step < 40; step++)
        for (int loss = OS_SIM_LOSE_ALL; loss <= OS_SIM_LOSE_SOME; loss++) {
            struct rig r;

            rig_init(&r);
            os_sim_crash_at(r.sim, step);
            if (open_with(&r, 2, two, 0) != RC_OK)
                assert_true(os_sim_steps(r.sim) >= step);
            os_sim_power_cut(r.sim, (enum os_sim_loss)loss);
            os_sim_crash_at(r.sim, 0);
            assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
            assert_int_equal(r.d->n, 2);
            run_once(&r);
            rig_free(&r);
        }
}

static void a_folder_that_was_virtual_never_serves_in_real_time(void **state)
{
    const char *const two[] = {"/a", "/b"};
    struct diskset_cfg cfg = {.data_dir = "/data", .paths = two, .n_paths = 2, .virtual_clock = true};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(diskset_open(r.os, &cfg, &r.d, &r.e), RC_OK);
    assert_true(r.d->was_virtual);
    assert_int_equal(open_with(&r, 2, two, 0), RC_UNAVAILABLE);
    cfg.n_paths = 0;
    assert_int_equal(diskset_open(r.os, &cfg, &r.d, &r.e), RC_OK);
    rig_free(&r);
}

static void the_folder_may_be_moved_with_the_disks_in_it(void **state)
{
    const struct diskset_cfg before = {.data_dir = "/x/data"}, after = {.data_dir = "/x/moved"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(diskset_open(r.os, &before, &r.d, &r.e), RC_OK);
    diskset_free(r.d);
    assert_int_equal(os_rename(r.os, "/x/data", "/x/moved", &r.e), RC_OK);
    assert_int_equal(diskset_open(r.os, &after, &r.d, &r.e), RC_OK);
    assert_string_equal(r.d->disk[0].path, "/x/moved/disk1");
    assert_int_equal(r.d->disk[0].state, DISK_OK);
    rig_free(&r);
}

static void replace_refuses_what_it_must(void **state)
{
    const char *const two[] = {"/a", "/b"};
    unsigned slot;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    run_once(&r);
    assert_int_equal(open_with(&r, 2, two, 0), RC_OK);
    assert_int_equal(diskset_replace(r.d, "/z", "/c", &slot, &r.e), RC_NOT_FOUND);
    assert_int_equal(diskset_replace(r.d, "/a", "/b", &slot, &r.e), RC_CONFLICT);
    assert_int_equal(diskset_replace(r.d, "/a", "/c", &slot, &r.e), RC_OK);
    assert_int_equal(r.d->disk[0].state, DISK_REBUILDING);
    /* now /b alone has everything */
    assert_int_equal(diskset_replace(r.d, "/b", "/d", &slot, &r.e), RC_CONFLICT);
    /* the old disk still has its identity */
    assert_int_equal(diskset_replace(r.d, "/c", "/a", &slot, &r.e), RC_EXISTS);
    rig_free(&r);
}

static void a_working_disk_is_not_replaced_while_another_lacks_something(void **state)
{
    const char *const three[] = {"/a", "/b", "/c"};
    unsigned slot;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 3, three, 2), RC_OK);
    run_once(&r);
    assert_int_equal(open_with(&r, 3, three, 2), RC_OK);
    r.d->disk[2].state = DISK_MISSING;
    assert_int_equal(diskset_replace(r.d, "/a", "/d", &slot, &r.e), RC_CONFLICT);
    r.d->disk[2].state = DISK_REBUILDING;
    assert_int_equal(diskset_replace(r.d, "/a", "/d", &slot, &r.e), RC_CONFLICT);
    /* the one that lacks something may go, and one that is dead anyway */
    assert_int_equal(diskset_replace(r.d, "/c", "/e", &slot, &r.e), RC_OK);
    r.d->disk[0].state = DISK_QUARANTINED;
    assert_int_equal(diskset_replace(r.d, "/a", "/d", &slot, &r.e), RC_OK);
    rig_free(&r);
}

static void with_the_data_folder_lost_the_identities_tell_slots_and_copies(void **state)
{
    const char *const three[] = {"/a", "/b", "/c"};
    const char *const again[] = {"/c", "/a", "/b"};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 3, three, 3), RC_OK);
    run_once(&r);
    diskset_free(r.d);
    r.d = NULL;
    assert_int_equal(os_unlink(r.os, "/data/witness", &r.e), RC_OK);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_ABSENT);
    assert_int_equal(open_with(&r, 3, again, 2), RC_INVALID);
    assert_int_equal(open_with(&r, 3, again, 0), RC_OK);
    assert_int_equal(r.d->copies, 3);
    assert_string_equal(r.d->disk[2].path, "/c");
    assert_int_equal(r.d->disk[1].state, DISK_MISSING);
    assert_int_equal(diskset_witness(r.d, &r.e), RC_OK);
    /* The one that was away is known by its slot, and compared before it is believed. */
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_OK);
    assert_int_equal(open_with(&r, 3, again, 0), RC_OK);
    assert_string_equal(r.d->disk[1].path, "/b");
    assert_int_equal(r.d->disk[1].state, DISK_REBUILDING);
    rig_free(&r);
}

static void the_only_copy_is_not_replaced(void **state)
{
    const char *const one[] = {"/a"};
    unsigned slot;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(open_with(&r, 1, one, 1), RC_OK);
    run_once(&r);
    assert_int_equal(open_with(&r, 1, one, 1), RC_OK);
    assert_int_equal(diskset_replace(r.d, "/a", "/c", &slot, &r.e), RC_CONFLICT);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_store_has_two_disks_below_its_folder),
        cmocka_unit_test(one_disk_must_be_said_aloud),
        cmocka_unit_test(the_recorded_set_rules),
        cmocka_unit_test(a_bare_mount_point_is_missing_and_stays_bare),
        cmocka_unit_test(a_disk_without_journal_that_was_away_is_known_as_such),
        cmocka_unit_test(another_stores_disk_is_refused),
        cmocka_unit_test(swapped_mounts_are_known_by_their_identity),
        cmocka_unit_test(a_disk_found_elsewhere_is_taken_there),
        cmocka_unit_test(any_flip_in_an_identity_is_healed),
        cmocka_unit_test(a_flip_in_the_witness_makes_it_a_lost_one),
        cmocka_unit_test(a_crash_while_the_store_is_made_is_finished_by_the_next_open),
        cmocka_unit_test(a_folder_that_was_virtual_never_serves_in_real_time),
        cmocka_unit_test(the_folder_may_be_moved_with_the_disks_in_it),
        cmocka_unit_test(replace_refuses_what_it_must),
        cmocka_unit_test(a_working_disk_is_not_replaced_while_another_lacks_something),
        cmocka_unit_test(with_the_data_folder_lost_the_identities_tell_slots_and_copies),
        cmocka_unit_test(the_only_copy_is_not_replaced),
    };

    return cmocka_run_group_tests_name("diskset", tests, NULL, NULL);
}
