/* The keystore on simulated disks: acknowledged secrets survive damage, dead disks and power cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "account/account.h"
#include "os/sim.h"

#define SECRET "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"

struct world {
    struct os_sim *sim;
    struct os *os;
    struct diskset disks;
};

static void world_disk(struct world *w, unsigned i, const char *path)
{
    struct disk *d = &w->disks.disk[i];
    assert_true(view_copy(view_cstr(path), d->path, sizeof(d->path)));
    d->slot = i;
    d->state = DISK_OK;
    assert_int_equal(os_mkdirs(w->os, path, NULL), RC_OK);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_int_equal(os_sim_new(7, &w->sim), RC_OK);
    w->os = os_sim_os(w->sim);
    w->disks.os = w->os;
    w->disks.copies = w->disks.n = 2;
    w->disks.epoch = 1;
    world_disk(w, 0, "/disk1");
    world_disk(w, 1, "/disk2");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    os_sim_free(w->sim);
    free(w);
    return 0;
}

static struct keystore *opened(struct world *w)
{
    struct keystore *k;
    struct err e = {.text = ""};
    if (keystore_open(w->os, &w->disks, &k, &e) != RC_OK)
        fail_msg("%s", e.text);
    return k;
}

static void assert_secret(struct keystore *k, const char *key, const char *secret)
{
    char got[SECRET_KEY_MAX + 1];
    if (!secret) {
        assert_int_equal(keystore_get(k, key, got), RC_NOT_FOUND);
        return;
    }
    assert_int_equal(keystore_get(k, key, got), RC_OK);
    assert_string_equal(got, secret);
}

static void a_put_secret_is_there_after_a_restart(void **state)
{
    struct world *w = *state;
    struct keystore *k = opened(w);
    assert_secret(k, "HFA", NULL);
    assert_int_equal(keystore_put(k, "HFB", SECRET "b", NULL), RC_OK);
    assert_int_equal(keystore_put(k, "HFA", SECRET "a", NULL), RC_OK);
    assert_int_equal(keystore_put(k, "HFC", SECRET "c", NULL), RC_OK);
    assert_int_equal(keystore_delete(k, "HFB", NULL), RC_OK);
    assert_int_equal(keystore_delete(k, "HFB", NULL), RC_NOT_FOUND);
    keystore_close(k);
    os_sim_power_cut(w->sim, OS_SIM_LOSE_ALL);
    k = opened(w);
    assert_secret(k, "HFA", SECRET "a");
    assert_secret(k, "HFB", NULL);
    assert_secret(k, "HFC", SECRET "c");
    keystore_close(k);
}

static void either_disk_alone_has_every_secret(void **state)
{
    struct world *w = *state;
    struct keystore *k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", SECRET, NULL), RC_OK);
    keystore_close(k);
    for (unsigned gone = 0; gone < 2; gone++) {
        w->disks.disk[gone].state = DISK_MISSING;
        k = opened(w);
        assert_secret(k, "HFA", SECRET);
        keystore_close(k);
        w->disks.disk[gone].state = DISK_OK;
    }
}

static void any_flipped_byte_on_one_disk_is_survived_and_healed(void **state)
{
    struct world *w = *state;
    struct os_stat st;
    struct keystore *k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", SECRET "a", NULL), RC_OK);
    assert_int_equal(keystore_put(k, "HFB", SECRET "b", NULL), RC_OK);
    keystore_close(k);
    assert_int_equal(w->os->ops->stat(w->os, "/disk1/keystore", &st, NULL), RC_OK);
    for (uint64_t off = 0; off < st.size_bytes; off++) {
        uint64_t blocks = 0, corrupt = 0, repaired = 0;
        assert_int_equal(os_sim_flip(w->sim, off % 2 ? "/disk1/keystore" : "/disk2/keystore", off, off % 8), RC_OK);
        if (off % 3 == 0) { /* while it runs */
            k = opened(w);
            assert_int_equal(os_sim_flip(w->sim, "/disk1/keystore", off, 1), RC_OK);
            assert_int_equal(keystore_scrub(k, &blocks, &corrupt, &repaired, NULL), RC_OK);
            assert_int_equal(blocks, 2);
            assert_int_equal(corrupt, 1);
            assert_int_equal(repaired, 1);
        } else { /* while it is down: opening heals */
            k = opened(w);
            assert_int_equal(keystore_scrub(k, &blocks, &corrupt, &repaired, NULL), RC_OK);
            assert_int_equal(corrupt, 0);
        }
        assert_secret(k, "HFA", SECRET "a");
        assert_secret(k, "HFB", SECRET "b");
        keystore_close(k);
    }
}

static void one_disk_alone_survives_any_flipped_byte(void **state)
{
    struct world *w = *state;
    struct os_stat st;
    w->disks.n = w->disks.copies = 1;
    struct keystore *k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", SECRET, NULL), RC_OK);
    keystore_close(k);
    assert_int_equal(w->os->ops->stat(w->os, "/disk1/keystore", &st, NULL), RC_OK);
    for (uint64_t off = 0; off < st.size_bytes; off++) {
        assert_int_equal(os_sim_flip(w->sim, "/disk1/keystore", off, off % 8), RC_OK);
        k = opened(w);
        assert_secret(k, "HFA", SECRET);
        keystore_close(k);
    }
}

static void when_every_copy_is_bad_it_refuses_to_open_and_overwrites_nothing(void **state)
{
    struct world *w = *state;
    struct keystore *k = opened(w);
    struct err e = {.text = ""};
    assert_int_equal(keystore_put(k, "HFA", SECRET, NULL), RC_OK);
    keystore_close(k);
    struct os_stat st;
    assert_int_equal(w->os->ops->stat(w->os, "/disk1/keystore", &st, NULL), RC_OK);
    for (unsigned half = 0; half < 2; half++) {
        assert_int_equal(os_sim_flip(w->sim, "/disk1/keystore", half * st.size_bytes / 2 + 40, 0), RC_OK);
        assert_int_equal(os_sim_flip(w->sim, "/disk2/keystore", half * st.size_bytes / 2 + 41, 0), RC_OK);
    }
    assert_int_equal(keystore_open(w->os, &w->disks, &k, &e), RC_CORRUPT);
    assert_non_null(strstr(e.text, "keystore"));
    assert_null(strstr(e.text, SECRET));
    /* Nothing was overwritten: undoing one flip brings the secret back. */
    assert_int_equal(os_sim_flip(w->sim, "/disk2/keystore", 41, 0), RC_OK);
    k = opened(w);
    assert_secret(k, "HFA", SECRET);
    keystore_close(k);
}

static void a_new_disk_gets_a_copy_from_the_scrub(void **state)
{
    struct world *w = *state;
    uint64_t blocks = 0, corrupt = 0, repaired = 0;
    struct keystore *k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", SECRET, NULL), RC_OK);
    world_disk(w, 1, "/disk3");
    assert_int_equal(keystore_scrub(k, &blocks, &corrupt, &repaired, NULL), RC_OK);
    assert_int_equal(repaired, 1);
    keystore_close(k);
    w->disks.disk[0].state = DISK_MISSING;
    k = opened(w);
    assert_secret(k, "HFA", SECRET);
    keystore_close(k);
}

static void a_disk_that_was_away_does_not_bring_old_secrets_back(void **state)
{
    struct world *w = *state;
    struct keystore *k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", "old-old-old", NULL), RC_OK);
    keystore_close(k);
    w->disks.disk[1].state = DISK_MISSING;
    w->disks.epoch = 2;
    k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", "new-new-new", NULL), RC_OK);
    keystore_close(k);
    w->disks.disk[1].state = DISK_OK;
    k = opened(w);
    assert_secret(k, "HFA", "new-new-new");
    keystore_close(k);
    w->disks.disk[0].state = DISK_MISSING; /* the other one was healed at the opening */
    k = opened(w);
    assert_secret(k, "HFA", "new-new-new");
    keystore_close(k);
}

static void a_failed_put_changes_nothing_in_memory(void **state)
{
    struct world *w = *state;
    struct err e = {.text = ""};
    struct keystore *k = opened(w);
    assert_int_equal(keystore_put(k, "HFA", SECRET, NULL), RC_OK);
    os_sim_disk_set(w->sim, "/disk2", OS_SIM_DISK_FULL);
    assert_int_equal(keystore_put(k, "HFB", "unlucky-secret", &e), RC_FULL);
    assert_null(strstr(e.text, "unlucky-secret"));
    assert_secret(k, "HFB", NULL);
    assert_secret(k, "HFA", SECRET);
    os_sim_disk_set(w->sim, "/disk2", OS_SIM_DISK_OK);
    assert_int_equal(keystore_put(k, "HFC", "lucky-secret", &e), RC_OK);
    keystore_close(k);
    k = opened(w);
    assert_secret(k, "HFC", "lucky-secret");
    assert_secret(k, "HFB", NULL);
    keystore_close(k);
}

static void bad_keys_and_secrets_are_refused_without_being_shown(void **state)
{
    struct world *w = *state;
    char long_key[ACCESS_KEY_MAX + 2], long_secret[SECRET_KEY_MAX + 2];
    struct err e;
    struct keystore *k = opened(w);
    memset(long_key, 'K', sizeof(long_key));
    memset(long_secret, 'S', sizeof(long_secret));
    long_key[sizeof(long_key) - 1] = long_secret[sizeof(long_secret) - 1] = 0;
    assert_int_equal(keystore_put(k, "", SECRET, &e), RC_INVALID);
    assert_int_equal(keystore_put(k, "a b", SECRET, &e), RC_INVALID);
    assert_int_equal(keystore_put(k, long_key, SECRET, &e), RC_INVALID);
    assert_int_equal(keystore_put(k, "HFA", "", &e), RC_INVALID);
    assert_int_equal(keystore_put(k, "HFA", "se\ncret", &e), RC_INVALID);
    assert_null(strstr(e.text, "cret\n"));
    assert_int_equal(keystore_put(k, "HFA", long_secret, &e), RC_INVALID);
    assert_null(strstr(e.text, "SSSS"));
    long_key[ACCESS_KEY_MAX] = long_secret[SECRET_KEY_MAX] = 0;
    assert_int_equal(keystore_put(k, long_key, long_secret, &e), RC_OK);
    assert_secret(k, long_key, long_secret);
    keystore_close(k);
}

static void put_acknowledged_survives_power_cut_at_every_step(void **state)
{
    (void)state;
    bool more = true;
    for (uint64_t step = 1; more; step++) {
        struct world *w;
        void *fresh = NULL;
        bool acked = false;
        assert_int_equal(setup(&fresh), 0);
        w = fresh;
        struct keystore *k = opened(w);
        assert_int_equal(keystore_put(k, "HFA", SECRET "1", NULL), RC_OK);
        os_sim_crash_at(w->sim, step);
        acked = keystore_put(k, "HFA", SECRET "2", NULL) == RC_OK;
        more = !acked;
        keystore_close(k);
        os_sim_power_cut(w->sim, step % 2 ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL);
        k = opened(w);
        char got[SECRET_KEY_MAX + 1];
        assert_int_equal(keystore_get(k, "HFA", got), RC_OK);
        if (acked)
            assert_string_equal(got, SECRET "2");
        else
            assert_true(strcmp(got, SECRET "1") == 0 || strcmp(got, SECRET "2") == 0);
        keystore_close(k);
        assert_int_equal(teardown(&fresh), 0);
    }
}

static void made_keys_have_their_alphabet_and_differ(void **state)
{
    struct world *w = *state;
    char a[ACCESS_KEY_MAX + 1], b[ACCESS_KEY_MAX + 1], s[SECRET_KEY_MAX + 1], t[SECRET_KEY_MAX + 1];
    key_make(w->os, a, s);
    key_make(w->os, b, t);
    assert_int_equal(strlen(a), 20);
    assert_int_equal(strlen(s), 40);
    assert_int_equal(strncmp(a, "HF", 2), 0);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 20);
    assert_string_not_equal(a, b);
    assert_string_not_equal(s, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_put_secret_is_there_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(either_disk_alone_has_every_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(any_flipped_byte_on_one_disk_is_survived_and_healed, setup, teardown),
        cmocka_unit_test_setup_teardown(one_disk_alone_survives_any_flipped_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(when_every_copy_is_bad_it_refuses_to_open_and_overwrites_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_disk_gets_a_copy_from_the_scrub, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_was_away_does_not_bring_old_secrets_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_put_changes_nothing_in_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_keys_and_secrets_are_refused_without_being_shown, setup, teardown),
        cmocka_unit_test(put_acknowledged_survives_power_cut_at_every_step),
        cmocka_unit_test_setup_teardown(made_keys_have_their_alphabet_and_differ, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
