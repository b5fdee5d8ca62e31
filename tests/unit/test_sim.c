/* Holdfast: promises of the file system in memory, on which every crash proof stands, and of the fault wrapper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fault.h"
#include "os/sim.h"

#define RW (OS_READ | OS_WRITE | OS_CREATE)
#define OK(expr) assert_int_equal((expr), RC_OK)
#define SECTOR 512

static struct os_sim *sim_new(uint64_t seed)
{
    struct os_sim *s;
    OK(os_sim_new(seed, &s));
    OK(os_mkdirs(os_sim_os(s), "/d", NULL));
    return s;
}

static struct os_file *open_rw(struct os_sim *s, const char *path)
{
    struct os_file *f = NULL;
    OK(os_open(os_sim_os(s), path, RW, &f, NULL));
    return f;
}

static void put(struct os_sim *s, struct os_file *f, const char *text, uint64_t off)
{
    OK(os_pwrite(os_sim_os(s), f, text, strlen(text), off, NULL));
}

static void put_file(struct os_sim *s, const char *path, const char *text)
{
    struct os_file *f = open_rw(s, path);
    put(s, f, text, 0);
    os_close(os_sim_os(s), f);
}

static void put_file_synced(struct os_sim *s, const char *path, const char *text)
{
    struct os_file *f = open_rw(s, path);
    put(s, f, text, 0);
    OK(os_datasync(os_sim_os(s), f, NULL));
    os_close(os_sim_os(s), f);
    OK(os_sync_dir(os_sim_os(s), "/d", NULL));
}

static bool present(struct os_sim *s, const char *path)
{
    struct os_stat st;
    enum rc rc = os_stat(os_sim_os(s), path, &st, NULL);
    assert_true(rc == RC_OK || rc == RC_NOT_FOUND);
    return rc == RC_OK;
}

static bool holds(struct os_sim *s, const char *path, const char *text)
{
    struct buf b = BUF(1u << 20);
    bool same = os_read_file(os_sim_os(s), path, &b, NULL) == RC_OK && view_eqs(buf_view(&b), text);
    buf_free(&b);
    return same;
}

/* M1 */
static void reads_before_a_cut_see_everything(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    struct os_file *f = open_rw(s, "/d/a");
    put(s, f, "hello", 10000);
    char got[8] = "zzzzzzz";
    OK(os_pread(os, f, got, 7, 9998, NULL));
    assert_memory_equal(got, "\0\0hello", 7);
    assert_int_equal(os_pread(os, f, got, 7, 10003, NULL), RC_END);
    OK(os_rename(os, "/d/a", "/d/b", NULL));
    assert_true(present(s, "/d/b"));
    assert_false(present(s, "/d/a"));
    OK(os_truncate(os, f, 10002, NULL));
    OK(os_truncate(os, f, 10004, NULL));
    OK(os_pread(os, f, got, 4, 10000, NULL));
    assert_memory_equal(got, "he\0\0", 4);
    os_close(os, f);
    os_sim_free(s);
}

/* M2 */
static void a_synced_file_without_a_synced_name_is_gone(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os_file *f = open_rw(s, "/d/a");
    put(s, f, "x", 0);
    OK(os_datasync(os_sim_os(s), f, NULL));
    os_close(os_sim_os(s), f);
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(present(s, "/d"));
    assert_false(present(s, "/d/a"));
    os_sim_free(s);
}

static void a_synced_name_without_synced_content_is_an_empty_file(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    put_file(s, "/d/a", "content");
    OK(os_sync_dir(os_sim_os(s), "/d", NULL));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(holds(s, "/d/a", ""));
    os_sim_free(s);
}

static void what_was_synced_in_full_is_there_whatever_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct os_sim *s = sim_new(seed);
        put_file_synced(s, "/d/a", "durable");
        put_file(s, "/d/other", "not");
        OK(os_rename(os_sim_os(s), "/d/other", "/d/third", NULL));
        os_sim_power_cut(s, seed % 3 == 0 ? OS_SIM_LOSE_ALL : seed % 3 == 1 ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_NONE);
        assert_true(holds(s, "/d/a", "durable"));
        os_sim_free(s);
    }
}

static void a_folder_whose_name_is_not_synced_takes_what_is_in_it_along(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    OK(os_mkdir(os_sim_os(s), "/d/sub", NULL));
    put_file(s, "/d/sub/a", "x");
    OK(os_sync_dir(os_sim_os(s), "/d/sub", NULL));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_false(present(s, "/d/sub"));
    OK(os_mkdirs(os_sim_os(s), "/d/sub/deep", NULL));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(present(s, "/d/sub/deep"));
    os_sim_free(s);
}

static void rename_and_unlink_need_the_folders_sync(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    put_file_synced(s, "/d/a", "A");
    put_file_synced(s, "/d/b", "B");
    OK(os_rename(os_sim_os(s), "/d/a", "/d/b", NULL));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(holds(s, "/d/a", "A"));
    assert_true(holds(s, "/d/b", "B"));
    OK(os_unlink(os_sim_os(s), "/d/b", NULL));
    assert_false(present(s, "/d/b"));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(holds(s, "/d/b", "B"));
    OK(os_rename(os_sim_os(s), "/d/a", "/d/b", NULL));
    OK(os_sync_dir(os_sim_os(s), "/d", NULL));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_false(present(s, "/d/a"));
    assert_true(holds(s, "/d/b", "A"));
    os_sim_free(s);
}

static void lose_none_is_a_kill_and_keeps_everything(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os_file *f = open_rw(s, "/d/a");
    put(s, f, "one", 0);
    OK(os_datasync(os_sim_os(s), f, NULL));
    put(s, f, "two and more", 0);
    OK(os_rename(os_sim_os(s), "/d/a", "/d/b", NULL));
    os_sim_power_cut(s, OS_SIM_LOSE_NONE);
    assert_true(holds(s, "/d/b", "two and more"));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL); /* what a kill left counts as durable */
    assert_true(holds(s, "/d/b", "two and more"));
    os_close(os_sim_os(s), f);
    os_sim_free(s);
}

/* M3 */
static void each_unsynced_sector_is_old_or_between_or_new_on_its_own(void **state)
{
    (void)state;
    enum { SECTORS = 24 };
    char block[SECTORS * SECTOR], versions[256] = {0}, mixed = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct os_sim *s = sim_new(seed);
        struct os *os = os_sim_os(s);
        put_file_synced(s, "/d/a", "");
        struct os_file *f = open_rw(s, "/d/a");
        for (const char *version = "123"; *version; version++) {
            memset(block, *version, sizeof block);
            OK(os_pwrite(os, f, block, sizeof block, 0, NULL));
            if (*version == '1')
                OK(os_datasync(os, f, NULL));
        }
        os_close(os, f);
        os_sim_power_cut(s, OS_SIM_LOSE_SOME);
        f = open_rw(s, "/d/a");
        OK(os_pread(os, f, block, sizeof block, 0, NULL));
        for (int i = 0; i < SECTORS; i++) {
            const char *sector = block + i * SECTOR;
            for (int k = 1; k < SECTOR; k++)
                assert_int_equal(sector[k], sector[0]);
            versions[(unsigned char)sector[0]] = 1;
            mixed |= sector[0] != block[0];
        }
        assert_int_equal(os_pread(os, f, block, 1, sizeof block, NULL), RC_END);
        os_close(os, f);
        os_sim_free(s);
    }
    assert_true(versions['1'] && versions['2'] && versions['3'] && mixed);
    int kinds = 0;
    for (int i = 0; i < 256; i++)
        kinds += versions[i];
    assert_int_equal(kinds, 3);
}

static void an_unsynced_append_comes_back_at_any_length(void **state)
{
    (void)state;
    bool old = false, full = false, between = false;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct os_sim *s = sim_new(seed);
        put_file_synced(s, "/d/a", "base");
        struct os_file *f = open_rw(s, "/d/a");
        char more[3000];
        memset(more, 'm', sizeof more);
        OK(os_pwrite(os_sim_os(s), f, more, sizeof more, 4, NULL));
        os_close(os_sim_os(s), f);
        os_sim_power_cut(s, OS_SIM_LOSE_SOME);
        struct buf b = BUF(4096);
        OK(os_read_file(os_sim_os(s), "/d/a", &b, NULL));
        old |= b.n == 4;
        full |= b.n == 3004;
        between |= b.n > 4 && b.n < 3004;
        assert_memory_equal(b.p, "base", 4);
        for (size_t i = 4; i < b.n; i++)
            assert_true(b.p[i] == 'm' || b.p[i] == 0);
        size_t kept = b.n;
        buf_free(&b);
        /* past a cut size there are zeros when it grows again */
        f = open_rw(s, "/d/a");
        OK(os_truncate(os_sim_os(s), f, 5000, NULL));
        char tail[5000];
        OK(os_pread(os_sim_os(s), f, tail, 5000 - kept, kept, NULL));
        for (size_t i = 0; i < 5000 - kept; i++)
            assert_int_equal(tail[i], 0);
        os_close(os_sim_os(s), f);
        os_sim_free(s);
    }
    assert_true(old && full && between);
}

static void what_an_unsynced_truncate_cut_off_is_whole_while_the_old_size_is(void **state)
{
    (void)state;
    char text[9001];
    memset(text, 't', 9000);
    text[9000] = 0;
    bool kept = false, cut = false;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct os_sim *s = sim_new(seed);
        put_file_synced(s, "/d/a", text);
        struct os_file *f = open_rw(s, "/d/a");
        OK(os_truncate(os_sim_os(s), f, 0, NULL));
        os_close(os_sim_os(s), f);
        os_sim_power_cut(s, OS_SIM_LOSE_SOME);
        bool whole = holds(s, "/d/a", text), empty = holds(s, "/d/a", "");
        assert_true(whole || empty);
        kept |= whole;
        cut |= empty;
        os_sim_free(s);
    }
    assert_true(kept && cut);
}

static void a_datasynced_truncate_and_punch_stay(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    char block[16384], got[16384];
    memset(block, 'x', sizeof block);
    put_file_synced(s, "/d/a", "");
    struct os_file *f = open_rw(s, "/d/a");
    OK(os_pwrite(os, f, block, sizeof block, 0, NULL));
    OK(os_datasync(os, f, NULL));
    OK(os_punch(os, f, 4000, 5000, NULL));
    struct os_stat st;
    OK(os_fstat(os, f, &st, NULL));
    assert_int_equal(st.size_bytes, 16384);
    assert_int_equal(st.allocated_bytes, 12288); /* one whole page went */
    OK(os_truncate(os, f, 16000, NULL));
    OK(os_datasync(os, f, NULL));
    os_close(os, f);
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    memset(block + 4000, 0, 5000);
    f = open_rw(s, "/d/a");
    OK(os_pread(os, f, got, 16000, 0, NULL));
    assert_memory_equal(got, block, 16000);
    assert_int_equal(os_pread(os, f, got, 1, 16000, NULL), RC_END);
    os_close(os, f);
    os_sim_free(s);
}

/* M4 */
static void names_are_lost_each_on_their_own_but_a_rename_is_whole(void **state)
{
    (void)state;
    bool later_without_earlier = false, renamed = false, not_renamed = false;
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct os_sim *s = sim_new(seed);
        struct os *os = os_sim_os(s);
        put_file_synced(s, "/d/from", "moved");
        put_file_synced(s, "/d/to", "replaced");
        put_file(s, "/d/first", "");
        put_file(s, "/d/second", "");
        OK(os_rename(os, "/d/from", "/d/to", NULL));
        os_sim_power_cut(s, OS_SIM_LOSE_SOME);
        later_without_earlier |= present(s, "/d/second") && !present(s, "/d/first");
        bool done = holds(s, "/d/to", "moved") && !present(s, "/d/from");
        bool undone = holds(s, "/d/to", "replaced") && holds(s, "/d/from", "moved");
        assert_true(done || undone);
        renamed |= done;
        not_renamed |= undone;
        os_sim_free(s);
    }
    assert_true(later_without_earlier && renamed && not_renamed);
}

static void a_rotated_file_is_never_lost(void **state)
{
    (void)state;
    bool rotated = false, fresh = false, neither = false;
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct os_sim *s = sim_new(seed);
        put_file_synced(s, "/d/log", "old");
        OK(os_rename(os_sim_os(s), "/d/log", "/d/log.1", NULL));
        struct os_file *f = open_rw(s, "/d/log");
        put(s, f, "new", 0);
        OK(os_datasync(os_sim_os(s), f, NULL));
        os_close(os_sim_os(s), f);
        os_sim_power_cut(s, OS_SIM_LOSE_SOME);
        assert_true(holds(s, "/d/log", "old") != holds(s, "/d/log.1", "old"));
        neither |= holds(s, "/d/log", "old");
        rotated |= holds(s, "/d/log.1", "old") && !present(s, "/d/log");
        fresh |= holds(s, "/d/log.1", "old") && holds(s, "/d/log", "new");
        os_sim_free(s);
    }
    assert_true(rotated && fresh && neither);
}

static void a_replaced_file_is_old_or_new_at_every_crash_point(void **state)
{
    (void)state;
    bool done = false;
    for (uint64_t step = 1; !done; step++) {
        for (uint64_t seed = 0; seed < 30; seed++) {
            struct os_sim *s = sim_new(seed * 100 + step);
            struct os *os = os_sim_os(s);
            OK(os_write_file(os, "/d/conf", VIEW("old"), NULL));
            os_sim_crash_at(s, step);
            enum rc rc = os_write_file(os, "/d/conf", VIEW("new one"), NULL);
            done = rc == RC_OK;
            os_sim_power_cut(s, (enum os_sim_loss)(seed % 3));
            bool is_old = holds(s, "/d/conf", "old"), is_new = holds(s, "/d/conf", "new one");
            assert_true(is_old || is_new);
            if (done)
                assert_true(is_new);
            assert_int_equal(os_sim_open_files(s), 0);
            os_sim_free(s);
        }
        assert_true(step < 50);
    }
}

/* M5 */
static void after_a_failed_sync_a_second_one_makes_nothing_durable(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    put_file_synced(s, "/d/a", "old");
    struct os_file *f = open_rw(s, "/d/a");
    put(s, f, "new", 0);
    os_sim_disk_set(s, "/d", OS_SIM_DISK_SYNC_FAILS);
    assert_int_equal(os_datasync(os, f, NULL), RC_IO);
    assert_int_equal(os_sync_dir(os, "/d", NULL), RC_IO);
    os_sim_disk_set(s, "/d", OS_SIM_DISK_OK);
    OK(os_datasync(os, f, NULL)); /* the kernel's lie */
    os_close(os, f);
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(holds(s, "/d/a", "old"));
    os_sim_free(s);
}

static void a_disk_that_lies_keeps_nothing(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    os_sim_disk_set(s, "/d", OS_SIM_DISK_SYNC_LIES);
    put_file_synced(s, "/d/a", "acknowledged");
    assert_true(holds(s, "/d/a", "acknowledged"));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_false(present(s, "/d/a"));
    os_sim_free(s);
}

/* M6, and room */
static void an_unlinked_file_lives_until_its_last_handle(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    struct os_space before, during, after;
    OK(os_space(os, "/d", &before, NULL));
    put_file_synced(s, "/d/a", "still here");
    struct os_file *f = open_rw(s, "/d/a");
    OK(os_unlink(os, "/d/a", NULL));
    OK(os_sync_dir(os, "/d", NULL));
    char got[10];
    OK(os_pread(os, f, got, 10, 0, NULL));
    assert_memory_equal(got, "still here", 10);
    OK(os_space(os, "/d", &during, NULL));
    os_close(os, f);
    OK(os_space(os, "/d", &after, NULL));
    assert_int_equal(before.free_bytes - during.free_bytes, 4096);
    assert_int_equal(after.free_bytes, before.free_bytes);
    os_sim_free(s);
}

static void a_full_disk_takes_only_what_it_has_room_for(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    char page[4096];
    memset(page, 'p', sizeof page);
    os_sim_capacity(s, "/d", 4 * 4096);
    struct os_file *f = open_rw(s, "/d/a"), *other = open_rw(s, "/d/b");
    OK(os_reserve(os, f, 3 * 4096, NULL));
    assert_int_equal(os_reserve(os, other, 2 * 4096, NULL), RC_FULL);
    OK(os_pwrite(os, other, page, 4096, 0, NULL));
    assert_int_equal(os_pwrite(os, other, page, 1, 4096, NULL), RC_FULL);
    OK(os_pwrite(os, other, page, 4096, 0, NULL));    /* over itself */
    OK(os_pwrite(os, f, page, 4096, 2 * 4096, NULL)); /* reserved */
    struct os_stat st;
    OK(os_fstat(os, f, &st, NULL));
    assert_int_equal(st.size_bytes, 3 * 4096);
    assert_int_equal(st.allocated_bytes, 3 * 4096);
    struct os_space space;
    OK(os_space(os, "/d", &space, NULL));
    assert_int_equal(space.total_bytes, 4 * 4096);
    assert_int_equal(space.free_bytes, 0);
    OK(os_punch(os, f, 0, 4096, NULL));
    OK(os_pwrite(os, other, page, 4096, 4096, NULL));
    os_sim_capacity(s, "/d", 1u << 20);
    os_sim_disk_set(s, "/d", OS_SIM_DISK_FULL);
    assert_int_equal(os_pwrite(os, other, page, 1, 8192, NULL), RC_FULL);
    struct os_file *none;
    assert_int_equal(os_open(os, "/d/c", RW, &none, NULL), RC_FULL);
    os_close(os, f);
    os_close(os, other);
    os_sim_free(s);
}

static void a_reservation_that_was_synced_survives(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    struct os_stat st;
    put_file_synced(s, "/d/a", "");
    struct os_file *f = open_rw(s, "/d/a");
    OK(os_reserve(os, f, 8192, NULL));
    OK(os_datasync(os, f, NULL));
    OK(os_reserve(os, f, 65536, NULL));
    os_close(os, f);
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    OK(os_stat(os, "/d/a", &st, NULL));
    assert_int_equal(st.allocated_bytes, 8192);
    assert_int_equal(st.size_bytes, 0);
    os_sim_free(s);
}

/* disks */
static void disks_fail_as_told_and_alone(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    struct os_stat st;
    struct os_file *none;
    OK(os_mkdirs(os, "/e", NULL));
    put_file_synced(s, "/d/a", "x");
    struct os_file *f = open_rw(s, "/d/a");
    char c;

    os_sim_disk_set(s, "/d", OS_SIM_DISK_DEAD);
    assert_int_equal(os_pread(os, f, &c, 1, 0, NULL), RC_IO);
    assert_int_equal(os_stat(os, "/d/a", &st, NULL), RC_IO);
    put_file(s, "/e/a", "other disks go on");

    os_sim_disk_set(s, "/d", OS_SIM_DISK_ABSENT);
    assert_int_equal(os_pread(os, f, &c, 1, 0, NULL), RC_IO);
    assert_int_equal(os_stat(os, "/d", &st, NULL), RC_NOT_FOUND);
    assert_int_equal(os_mkdir(os, "/d", NULL), RC_NOT_FOUND);

    os_sim_disk_set(s, "/d", OS_SIM_DISK_READ_ONLY);
    OK(os_pread(os, f, &c, 1, 0, NULL));
    OK(os_datasync(os, f, NULL));
    assert_int_equal(os_pwrite(os, f, "y", 1, 0, NULL), RC_UNAVAILABLE);
    assert_int_equal(os_open(os, "/d/new", RW, &none, NULL), RC_UNAVAILABLE);
    assert_int_equal(os_unlink(os, "/d/a", NULL), RC_UNAVAILABLE);

    os_sim_disk_set(s, "/d", OS_SIM_DISK_OK);
    put(s, f, "y", 0);
    os_close(os, f);
    os_sim_free(s);
}

/* crash points */
static void a_crash_ends_everything_until_the_cut(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os *os = os_sim_os(s);
    put_file_synced(s, "/d/a", "old");
    struct os_file *f = open_rw(s, "/d/a"), *again;
    os_sim_crash_at(s, 2);
    put(s, f, "1", 0);
    assert_int_equal(os_pwrite(os, f, "2", 1, 1, NULL), RC_IO);
    char c;
    assert_int_equal(os_pread(os, f, &c, 1, 0, NULL), RC_IO);
    assert_int_equal(os_datasync(os, f, NULL), RC_IO);
    assert_int_equal(os_open(os, "/d/a", OS_READ, &again, NULL), RC_IO);
    assert_int_equal(os_sim_steps(s), 2);
    os_sim_power_cut(s, OS_SIM_LOSE_NONE);
    assert_true(holds(s, "/d/a", "12d")); /* the call that was under way may have come through */
    assert_int_equal(os_pread(os, f, &c, 1, 0, NULL), RC_IO);
    assert_int_equal(os_datasync(os, f, NULL), RC_IO);
    assert_int_equal(os_sim_open_files(s), 1);
    os_close(os, f);
    assert_int_equal(os_sim_open_files(s), 0);
    os_sim_free(s);
}

static void the_same_seed_gives_the_same_remains(void **state)
{
    (void)state;
    char remains[2][20000];
    for (int run = 0; run < 2; run++) {
        struct os_sim *s = sim_new(77);
        char block[20000];
        memset(block, 'b', sizeof block);
        put_file_synced(s, "/d/a", "");
        struct os_file *f = open_rw(s, "/d/a");
        OK(os_pwrite(os_sim_os(s), f, block, sizeof block, 0, NULL));
        OK(os_datasync(os_sim_os(s), f, NULL));
        memset(block, 'c', sizeof block);
        OK(os_pwrite(os_sim_os(s), f, block, sizeof block, 0, NULL));
        os_close(os_sim_os(s), f);
        os_sim_power_cut(s, OS_SIM_LOSE_SOME);
        f = open_rw(s, "/d/a");
        OK(os_pread(os_sim_os(s), f, remains[run], sizeof block, 0, NULL));
        os_close(os_sim_os(s), f);
        os_sim_free(s);
    }
    assert_memory_equal(remains[0], remains[1], sizeof remains[0]);
}

/* A plain model beside it: two images of one file of 8 sectors; any order of writes, syncs, punches and cuts. */
static void random_histories_agree_with_a_plain_model(void **state)
{
    (void)state;
    enum { SIZE = 12288 };
    static char now[SIZE], disk[SIZE], got[SIZE];
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct os_sim *s = sim_new(seed);
        struct os *os = os_sim_os(s);
        put_file_synced(s, "/d/a", "");
        struct os_file *f = open_rw(s, "/d/a");
        memset(now, 0, SIZE);
        OK(os_pwrite(os, f, now, SIZE, 0, NULL));
        OK(os_datasync(os, f, NULL));
        memcpy(disk, now, SIZE);
        uint64_t x = seed * 2654435761u;
        for (int i = 0; i < 200; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            unsigned what = (unsigned)(x >> 60), at = (unsigned)(x >> 20) % SIZE, n = (unsigned)(x >> 40) % (SIZE - at);
            if (what < 8) {
                memset(now + at, (int)('a' + what), n);
                OK(os_pwrite(os, f, now + at, n, at, NULL));
            } else if (what < 11) {
                memset(now + at, 0, n);
                OK(os_punch(os, f, at, n, NULL));
            } else if (what < 14) {
                OK(os_datasync(os, f, NULL));
                memcpy(disk, now, SIZE);
            } else {
                os_close(os, f);
                os_sim_power_cut(s, what == 14 ? OS_SIM_LOSE_ALL : OS_SIM_LOSE_NONE);
                memcpy(what == 14 ? now : disk, what == 14 ? disk : now, SIZE);
                f = open_rw(s, "/d/a");
            }
            OK(os_pread(os, f, got, SIZE, 0, NULL));
            assert_memory_equal(got, now, SIZE);
        }
        os_close(os, f);
        os_sim_free(s);
    }
}

/* tools for tests */
static void collect(void *ctx, const char *path, uint64_t size)
{
    struct buf *b = ctx;
    OK(buf_printf(b, "%s %u;", path, (unsigned)size));
}

static void files_are_listed_in_order_and_bits_flip_for_good(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct buf b = BUF(1000);
    OK(os_mkdirs(os_sim_os(s), "/d/sub", NULL));
    put_file_synced(s, "/d/z", "zz");
    put_file_synced(s, "/d/sub/a", "a");
    OK(os_sync_dir(os_sim_os(s), "/d/sub", NULL));
    os_sim_each(s, collect, &b);
    assert_true(view_eqs(buf_view(&b), "/d/sub/a 1;/d/z 2;"));
    buf_free(&b);
    OK(os_sim_flip(s, "/d/z", 1, 0));
    assert_true(holds(s, "/d/z", "z{"));
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    assert_true(holds(s, "/d/z", "z{"));
    assert_int_equal(os_sim_flip(s, "/d/z", 2, 0), RC_END);
    assert_int_equal(os_sim_flip(s, "/d/none", 0, 0), RC_NOT_FOUND);
    os_sim_free(s);
}

static void its_clock_moves_only_when_told(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    const struct clock *c = os_sim_os(s)->clock;
    char text[TIME_TEXT_MAX];
    int64_t mono = clock_mono_ns(c);
    assert_string_equal(time_rfc3339(clock_real_ns(c), false, text), "2026-11-21T00:00:00Z");
    os_sim_clock_add(s, 3600 * NS_PER_S);
    assert_string_equal(time_rfc3339(clock_real_ns(c), false, text), "2026-11-21T01:00:00Z");
    assert_int_equal(clock_mono_ns(c) - mono, 3600 * NS_PER_S);
    os_sim_free(s);
}

static void *writer(void *ctx)
{
    struct os_sim *s = ctx;
    struct os *os = os_sim_os(s);
    char name[64], page[600];
    for (int i = 0; i < 200; i++) {
        unsigned char r[4];
        os_random(os, r, sizeof r);
        snprintf(name, sizeof name, "/d/%02x", r[0] % 16);
        struct os_file *f;
        if (os_open(os, name, RW, &f, NULL) != RC_OK)
            return ctx;
        memset(page, r[1], sizeof page);
        if (os_pwrite(os, f, page, sizeof page, r[2] * 37u, NULL) != RC_OK || os_datasync(os, f, NULL) != RC_OK)
            return ctx;
        os_close(os, f);
        enum rc rc = i % 5 ? os_sync_dir(os, "/d", NULL) : os_unlink(os, name, NULL);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return ctx;
    }
    return NULL;
}

static void many_threads_may_use_it(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(5);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        OK(os_thread(&t[i], "writer", writer, s));
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    os_sim_power_cut(s, OS_SIM_LOSE_SOME);
    OK(os_remove_tree(os_sim_os(s), "/d", NULL));
    os_sim_free(s);
}

/* the fault wrapper */
static void the_nth_call_fails_once_or_for_ever(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os_fault *x;
    OK(os_fault_new(os_sim_os(s), &x));
    struct os *os = os_fault_os(x);
    struct os_file *f;
    OK(os_open(os, "/d/a", RW, &f, NULL));
    os_fault_set(x, &(struct os_fault_plan){.calls = 1u << OS_CALL_WRITE, .nth = 2, .rc = RC_FULL});
    OK(os_pwrite(os, f, "1", 1, 0, NULL));
    OK(os_datasync(os, f, NULL));
    assert_int_equal(os_pwrite(os, f, "2", 1, 1, NULL), RC_FULL);
    OK(os_pwrite(os, f, "3", 1, 2, NULL));
    assert_int_equal(os_fault_seen(x), 3);
    assert_int_equal(os_fault_fired(x), 1);
    os_fault_set(x, &(struct os_fault_plan){.nth = 2, .for_ever = true, .rc = RC_IO, .path_prefix = "/d/a"});
    struct os_stat st;
    OK(os_stat(os, "/d", &st, NULL));
    OK(os_stat(os, "/d/a", &st, NULL));
    assert_int_equal(os_datasync(os, f, NULL), RC_IO);
    assert_int_equal(os_fstat(os, f, &st, NULL), RC_IO);
    OK(os_sync_dir(os, "/d", NULL));
    os_fault_set(x, NULL);
    OK(os_datasync(os, f, NULL));
    assert_int_equal(os_fault_fired(x), 0);
    os_close(os, f);
    assert_int_equal(os_sim_open_files(s), 0);
    os_fault_free(x);
    os_sim_free(s);
}

static void a_short_write_leaves_its_first_half(void **state)
{
    (void)state;
    struct os_sim *s = sim_new(1);
    struct os_fault *x;
    OK(os_fault_new(os_sim_os(s), &x));
    struct os *os = os_fault_os(x);
    struct os_file *f;
    OK(os_open(os, "/d/a", RW, &f, NULL));
    os_fault_set(x, &(struct os_fault_plan){.nth = 1, .rc = RC_IO, .short_write = true});
    struct iovec iov[2] = {{(void *)(uintptr_t) "abc", 3}, {(void *)(uintptr_t) "defgh", 5}};
    assert_int_equal(os_pwritev(os, f, iov, 2, 0, NULL), RC_IO);
    os_close(os, f);
    assert_true(holds(s, "/d/a", "abcd"));
    os_fault_free(x);
    os_sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_before_a_cut_see_everything),
        cmocka_unit_test(a_synced_file_without_a_synced_name_is_gone),
        cmocka_unit_test(a_synced_name_without_synced_content_is_an_empty_file),
        cmocka_unit_test(what_was_synced_in_full_is_there_whatever_is_lost),
        cmocka_unit_test(a_folder_whose_name_is_not_synced_takes_what_is_in_it_along),
        cmocka_unit_test(rename_and_unlink_need_the_folders_sync),
        cmocka_unit_test(lose_none_is_a_kill_and_keeps_everything),
        cmocka_unit_test(each_unsynced_sector_is_old_or_between_or_new_on_its_own),
        cmocka_unit_test(an_unsynced_append_comes_back_at_any_length),
        cmocka_unit_test(what_an_unsynced_truncate_cut_off_is_whole_while_the_old_size_is),
        cmocka_unit_test(a_datasynced_truncate_and_punch_stay),
        cmocka_unit_test(names_are_lost_each_on_their_own_but_a_rename_is_whole),
        cmocka_unit_test(a_rotated_file_is_never_lost),
        cmocka_unit_test(a_replaced_file_is_old_or_new_at_every_crash_point),
        cmocka_unit_test(after_a_failed_sync_a_second_one_makes_nothing_durable),
        cmocka_unit_test(a_disk_that_lies_keeps_nothing),
        cmocka_unit_test(an_unlinked_file_lives_until_its_last_handle),
        cmocka_unit_test(a_full_disk_takes_only_what_it_has_room_for),
        cmocka_unit_test(a_reservation_that_was_synced_survives),
        cmocka_unit_test(disks_fail_as_told_and_alone),
        cmocka_unit_test(a_crash_ends_everything_until_the_cut),
        cmocka_unit_test(the_same_seed_gives_the_same_remains),
        cmocka_unit_test(random_histories_agree_with_a_plain_model),
        cmocka_unit_test(files_are_listed_in_order_and_bits_flip_for_good),
        cmocka_unit_test(its_clock_moves_only_when_told),
        cmocka_unit_test(many_threads_may_use_it),
        cmocka_unit_test(the_nth_call_fails_once_or_for_ever),
        cmocka_unit_test(a_short_write_leaves_its_first_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
