/* Holdfast: power cuts at every step: nothing acknowledged is lost, and there is never a second history. */
#include "journal_help.h"

/* ---- power cuts ---- */

static void cut_plain(enum os_sim_loss loss, uint64_t seed, unsigned n_disks, uint64_t from, uint64_t stride)
{
    bool crashed = true;

    for (uint64_t step = from; crashed; step += stride) {
        struct rig r;

        rig_init(&r, n_disks, seed + step);
        os_sim_crash_at(r.sim, step);
        script_plain(&r);
        crashed = os_sim_steps(r.sim) >= step;
        os_sim_power_cut(r.sim, loss);
        os_sim_crash_at(r.sim, 0);
        check_whole(&r, r.acked, SCRIPT);
        os_sim_free(r.sim);
    }
}

static void power_cut_at_every_step_that_loses_all_unsynced(void **state)
{
    (void)state;
    cut_plain(OS_SIM_LOSE_ALL, 0, 2, 1, 1);
}

static void power_cut_at_every_step_that_loses_some_unsynced(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        cut_plain(OS_SIM_LOSE_SOME, seed * 1000, 2, 1, 1);
}

static void power_cut_with_three_members_and_with_one(void **state)
{
    (void)state;
    cut_plain(OS_SIM_LOSE_SOME, 77, 3, 1, 2);
    cut_plain(OS_SIM_LOSE_SOME, 78, 1, 1, 2);
}

static void a_killed_process_loses_nothing_either(void **state)
{
    (void)state;
    cut_plain(OS_SIM_LOSE_NONE, 5, 2, 1, 2);
}

/* A cut in the recovery from a cut. */
static void power_cut_during_recovery(void **state)
{
    (void)state;
    for (uint64_t first = 40; first < 217; first += 12) {
        bool crashed = true;

        for (uint64_t step = 1; crashed; step++) {
            struct rig r;

            rig_init(&r, 2, first * 100 + step);
            os_sim_crash_at(r.sim, first);
            script_plain(&r);
            os_sim_power_cut(r.sim, OS_SIM_LOSE_SOME);
            os_sim_crash_at(r.sim, step);
            if (rig_open(&r) == RC_OK)
                rig_close(&r);
            crashed = os_sim_steps(r.sim) >= step;
            os_sim_power_cut(r.sim, OS_SIM_LOSE_SOME);
            os_sim_crash_at(r.sim, 0);
            check_whole(&r, r.acked, SCRIPT);
            os_sim_free(r.sim);
        }
    }
}

/* ---- epochs ---- */

/* A disk fails in the middle, the survivor goes on. The crash counts from the failure. */
static void script_change(struct rig *r, unsigned bad, uint64_t step)
{
    rig_must_open(r);
    for (unsigned n = 0; n < CHANGE_AT; n += BATCH)
        rig_must_commit(r, n, n + BATCH);
    os_sim_disk_set(r->sim, rig_disks[bad], OS_SIM_DISK_SYNC_FAILS);
    os_sim_crash_at(r->sim, step);
    for (unsigned n = CHANGE_AT; n < CHANGE_SCRIPT; n += BATCH)
        if (rig_commit(r, n, n + BATCH) != RC_OK)
            break;
    rig_close(r);
}

/* Starts with one disk only. If it starts, it has all that was acknowledged, and writes. */
static bool start_alone(struct rig *r, unsigned disk, unsigned *acked)
{
    bool started;

    os_sim_disk_set(r->sim, rig_disks[1 - disk], OS_SIM_DISK_ABSENT);
    started = rig_open(r) == RC_OK;
    if (started) {
        unsigned n = rig_read_all(r);

        assert_in_range(n, *acked, CHANGE_SCRIPT + BATCH);
        rig_must_commit(r, n, n + 2 * BATCH); /* more than the other can have beyond what was acknowledged */
        *acked = n + 2 * BATCH;
        rig_close(r);
    } else {
        assert_non_null(strstr(r->err.text, rig_disks[1 - disk]));
    }
    os_sim_disk_set(r->sim, rig_disks[1 - disk], OS_SIM_DISK_OK);
    return started;
}

static void a_crash_at_any_step_of_an_epoch_never_makes_two_histories(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 16; variant++) {
        unsigned bad = variant & 1, first = variant >> 1 & 1;
        enum os_sim_loss loss = variant & 4 ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL;
        bool crashed = true;

        for (uint64_t step = 1; crashed; step += variant & 8 ? 2 : 1) {
            bool one, other;
            unsigned acked;
            struct rig r;

            rig_init(&r, 2, variant * 1000 + step);
            script_change(&r, bad, step);
            crashed = os_sim_steps(r.sim) >= step;
            os_sim_power_cut(r.sim, loss);
            os_sim_crash_at(r.sim, 0);
            os_sim_disk_set(r.sim, rig_disks[bad], OS_SIM_DISK_OK);
            acked = r.acked;
            one = start_alone(&r, first, &acked);
            other = start_alone(&r, 1 - first, &acked);
            assert_false(one && other); /* never both */
            assert_true(one || other);  /* the one that holds everything may */
            if (variant & 8)            /* and the disks know it by themselves */
                assert_int_equal(os_unlink(r.os, "/data/witness", NULL), RC_OK);
            check_whole(&r, acked, acked);
            os_sim_free(r.sim);
        }
    }
}

/* ---- an old copy of a disk ---- */

struct copied {
    char path[OS_PATH_MAX];
    struct buf bytes;
};
struct backup {
    struct rig *r;
    struct copied *file;
    size_t n;
};
enum { BACKUP_FILES_MAX = 64, BACKUP_FILE_MAX = 8 << 20 };

static void copy_out(void *ctx, const char *path, uint64_t size)
{
    struct backup *b = ctx;
    struct copied *c = &b->file[b->n];

    (void)size;
    if (strncmp(path, "/b/", 3) != 0)
        return;
    assert_in_range(b->n, 0, BACKUP_FILES_MAX - 1);
    assert_true(snprintf(c->path, sizeof(c->path), "%s", path) < (int)sizeof(c->path));
    c->bytes = BUF(BACKUP_FILE_MAX);
    b->n++;
}

static void backup_take(struct backup *b)
{
    b->file = calloc(BACKUP_FILES_MAX, sizeof(*b->file));
    assert_non_null(b->file);
    os_sim_each(b->r->sim, copy_out, b);
    for (size_t i = 0; i < b->n; i++)
        assert_int_equal(os_read_file(b->r->os, b->file[i].path, &b->file[i].bytes, NULL), RC_OK);
}

static void forget_file(void *ctx, const char *path, uint64_t size)
{
    struct backup *b = ctx;

    (void)size;
    if (strncmp(path, "/b/", 3) == 0)
        assert_true(snprintf(b->file[BACKUP_FILES_MAX - 1].path, OS_PATH_MAX, "%s", path) < OS_PATH_MAX);
}

static void backup_put_back(struct backup *b)
{
    for (;;) { /* one at a time: the list may not change while it is walked */
        char *last = b->file[BACKUP_FILES_MAX - 1].path;
        last[0] = '\0';
        os_sim_each(b->r->sim, forget_file, b);
        if (!last[0])
            break;
        assert_int_equal(os_unlink(b->r->os, last, NULL), RC_OK);
    }
    for (size_t i = 0; i < b->n; i++) {
        assert_int_equal(os_write_file(b->r->os, b->file[i].path, buf_view(&b->file[i].bytes), NULL), RC_OK);
        buf_free(&b->file[i].bytes);
    }
    free(b->file);
}

static void an_old_copy_of_one_disk_is_not_believed_alone_after_a_crash(void **state)
{
    struct rig r;
    struct backup b = {.r = &r};

    (void)state;
    rig_init(&r, 2, 77);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 20);
    rig_close(&r);
    backup_take(&b);
    rig_must_open(&r);
    rig_must_commit(&r, 20, 60);
    journal_mark(r.j);
    os_sim_crash_at(r.sim, 1); /* no clean end: nothing more is written */
    rig_close(&r);
    os_sim_power_cut(r.sim, OS_SIM_LOSE_ALL);
    os_sim_crash_at(r.sim, 0);
    backup_put_back(&b);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_ABSENT);
    assert_int_not_equal(rig_open(&r), RC_OK);
    assert_non_null(strstr(r.err.text, "attach a disk that holds them"));
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_OK);
    check_whole(&r, 60, 60);
    os_sim_free(r.sim);
}

static void script_replace(struct rig *r, uint64_t step)
{
    unsigned slot;

    rig_must_open(r);
    for (unsigned n = 0; n < CHANGE_AT; n += BATCH)
        rig_must_commit(r, n, n + BATCH);
    os_sim_crash_at(r->sim, step);
    if (diskset_replace(r->set, "/a", "/c", &slot, &r->err) == RC_OK && journal_join(r->j, slot, &r->err) == RC_OK)
        for (unsigned n = CHANGE_AT; n < CHANGE_SCRIPT; n += BATCH) {
            if (rig_commit(r, n, n + BATCH) != RC_OK)
                break;
            if (journal_heal_step(r->j, &r->err) == RC_END)
                continue;
        }
    rig_close(r);
}

static void a_crash_at_any_step_of_a_replace_loses_nothing(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 2; variant++) {
        bool crashed = true;

        for (uint64_t step = 1; crashed; step++) {
            struct rig r;
            unsigned slot;
            enum rc rc;

            rig_init(&r, 2, variant * 1000 + step);
            script_replace(&r, step);
            crashed = os_sim_steps(r.sim) >= step;
            os_sim_power_cut(r.sim, variant ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL);
            os_sim_crash_at(r.sim, 0);
            r.n_disks = 0;
            check_whole(&r, r.acked, CHANGE_SCRIPT);
            rig_must_open(&r); /* asked for again, it goes through or was done */
            rc = diskset_replace(r.set, "/a", "/c", &slot, &r.err);
            if (rc == RC_OK)
                assert_int_equal(journal_join(r.j, slot, &r.err), RC_OK);
            else
                assert_int_equal(rc, RC_NOT_FOUND);
            rig_heal(&r);
            rig_scrub_clean(&r);
            rig_close(&r);
            os_sim_free(r.sim);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_every_step_that_loses_all_unsynced),
        cmocka_unit_test(power_cut_at_every_step_that_loses_some_unsynced),
        cmocka_unit_test(power_cut_with_three_members_and_with_one),
        cmocka_unit_test(a_killed_process_loses_nothing_either),
        cmocka_unit_test(power_cut_during_recovery),
        cmocka_unit_test(an_old_copy_of_one_disk_is_not_believed_alone_after_a_crash),
        cmocka_unit_test(a_crash_at_any_step_of_an_epoch_never_makes_two_histories),
        cmocka_unit_test(a_crash_at_any_step_of_a_replace_loses_nothing),
    };

    return cmocka_run_group_tests_name("journal_crash", tests, NULL, NULL);
}
