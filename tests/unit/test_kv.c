/* Promises of ordered keys: order, overlay, snapshots, a consistent prefix after a crash, damage that is noticed. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "db/kv_priv.h"

static const char *const families[] = {"a", "b", "c"};
enum { FAM_A, FAM_B, FAM_C };

static struct kv *open_at(const char *dir)
{
    struct kv_cfg cfg = {.families = families, .n_families = 3, .in_memory = dir == NULL, .cache_bytes = 1 << 20};
    struct kv *kv = NULL;
    struct err e = {""};
    if (kv_open(dir, &cfg, &kv, &e) != RC_OK)
        fail_msg("%s", e.text);
    return kv;
}

static void put(struct kv_txn *t, unsigned f, const char *k, const char *v)
{
    assert_int_equal(kv_txn_put(t, f, view_cstr(k), view_cstr(v)), RC_OK);
}

static void del(struct kv_txn *t, unsigned f, const char *k)
{
    assert_int_equal(kv_txn_delete(t, f, view_cstr(k)), RC_OK);
}

static void expect(struct kv *kv, struct kv_snap *s, unsigned f, const char *k, const char *want)
{
    struct buf b = BUF(1 << 20);
    enum rc rc = kv_get(kv, s, f, view_cstr(k), &b);
    assert_int_equal(rc, want ? RC_OK : RC_NOT_FOUND);
    if (want)
        assert_true(view_eqs(buf_view(&b), want));
    buf_free(&b);
}

static void expect_txn(struct kv_txn *t, unsigned f, const char *k, const char *want)
{
    struct buf b = BUF(1 << 20);
    enum rc rc = kv_txn_get(t, f, view_cstr(k), &b);
    assert_int_equal(rc, want ? RC_OK : RC_NOT_FOUND);
    if (want)
        assert_true(view_eqs(buf_view(&b), want));
    buf_free(&b);
}

/* "k=v k=v " of all that the iterator gives. */
static void expect_walk(struct kv_iter *it, const char *want)
{
    struct buf b = BUF(1 << 20);
    struct view k, v;
    enum rc rc;
    while ((rc = kv_iter_next(it, &k, &v)) == RC_OK)
        assert_int_equal(buf_printf(&b, "%.*s=%.*s ", (int)k.n, k.p, (int)v.n, v.p), RC_OK);
    assert_int_equal(rc, RC_END);
    assert_int_equal(kv_iter_next(it, &k, &v), RC_END);
    assert_int_equal(buf_put(&b, "", 1), RC_OK);
    assert_string_equal(b.p, want);
    buf_free(&b);
    kv_iter_free(it);
}

static void a_batch_is_seen_whole_and_only_after_its_write(void **state)
{
    (void)state;
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    put(t, FAM_A, "k", "1");
    put(t, FAM_B, "k", "2");
    put(t, FAM_A, "k", "3");
    expect_txn(t, FAM_A, "k", "3");
    expect(kv, NULL, FAM_A, "k", NULL);
    assert_int_equal(kv_txn_count(t), 2);
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    assert_int_equal(kv_txn_count(t), 0);
    expect(kv, NULL, FAM_A, "k", "3");
    expect(kv, NULL, FAM_B, "k", "2");
    expect(kv, NULL, FAM_C, "k", NULL);
    del(t, FAM_A, "k");
    expect_txn(t, FAM_A, "k", NULL);
    kv_txn_reset(t);
    expect_txn(t, FAM_A, "k", "3");
    kv_txn_free(t);
    kv_close(kv);
}

static void an_iterator_merges_overlay_and_database_in_byte_order(void **state)
{
    (void)state;
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    struct kv_iter *it;
    struct view k, v;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    put(t, FAM_B, "p1", "db");
    put(t, FAM_B, "p3", "db");
    put(t, FAM_B, "p5", "db");
    put(t, FAM_B, "q", "db");
    put(t, FAM_A, "p0", "other");
    put(t, FAM_C, "p9", "other");
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    put(t, FAM_B, "p2", "new");
    put(t, FAM_B, "p3", "over");
    del(t, FAM_B, "p5");
    put(t, FAM_B, "p6", "new");
    del(t, FAM_B, "p7");
    put(t, FAM_B, "o", "before");
    assert_int_equal(kv_txn_iter(t, FAM_B, VIEW("p"), &it), RC_OK);
    expect_walk(it, "p1=db p2=new p3=over p6=new ");
    assert_int_equal(kv_txn_iter(t, FAM_B, VIEW(""), &it), RC_OK);
    expect_walk(it, "o=before p1=db p2=new p3=over p6=new q=db ");
    assert_int_equal(kv_txn_iter(t, FAM_B, VIEW("p"), &it), RC_OK);
    assert_int_equal(kv_iter_seek(it, VIEW("p21"), &k, &v), RC_OK);
    assert_true(view_eqs(k, "p3") && view_eqs(v, "over"));
    assert_int_equal(kv_iter_next(it, &k, &v), RC_OK);
    assert_true(view_eqs(k, "p6"));
    assert_int_equal(kv_iter_seek(it, VIEW("a"), &k, &v), RC_OK);
    assert_true(view_eqs(k, "p1"));
    assert_int_equal(kv_iter_seek(it, VIEW("p7"), &k, &v), RC_END);
    kv_iter_free(it);
    assert_int_equal(kv_iter_new(kv, NULL, FAM_B, VIEW("p"), &it), RC_OK);
    expect_walk(it, "p1=db p3=db p5=db ");
    kv_txn_free(t);
    kv_close(kv);
}

static void a_prefix_of_all_ones_has_an_end(void **state)
{
    (void)state;
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    struct kv_iter *it;
    struct view k, v;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    put(t, FAM_A,
        "\xff\xff"
        "x",
        "in");
    put(t, FAM_A, "\xff", "out");
    put(t, FAM_B, "\x01", "out");
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    assert_int_equal(kv_iter_new(kv, NULL, FAM_A, VIEW("\xff\xff"), &it), RC_OK);
    assert_int_equal(kv_iter_next(it, &k, &v), RC_OK);
    assert_true(view_eqs(v, "in"));
    assert_int_equal(kv_iter_next(it, &k, &v), RC_END);
    kv_iter_free(it);
    kv_txn_free(t);
    kv_close(kv);
}

static void a_snapshot_does_not_move(void **state)
{
    (void)state;
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    struct kv_snap *s;
    struct kv_iter *it;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    put(t, FAM_A, "k1", "old");
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    assert_int_equal(kv_snap_new(kv, &s), RC_OK);
    put(t, FAM_A, "k1", "new");
    put(t, FAM_A, "k2", "new");
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    expect(kv, s, FAM_A, "k1", "old");
    expect(kv, s, FAM_A, "k2", NULL);
    expect(kv, NULL, FAM_A, "k1", "new");
    assert_int_equal(kv_iter_new(kv, s, FAM_A, VIEW(""), &it), RC_OK);
    expect_walk(it, "k1=old ");
    kv_snap_free(kv, s);
    kv_txn_free(t);
    kv_close(kv);
}

static void keys_values_past_their_maximum_are_refused(void **state)
{
    (void)state;
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    char *big = calloc(1, KV_VALUE_MAX + 1);
    assert_non_null(big);
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    assert_int_equal(kv_txn_put(t, FAM_A, view_of(big, KV_KEY_MAX + 1), VIEW("v")), RC_LIMIT);
    assert_int_equal(kv_txn_put(t, FAM_A, view_of(big, KV_KEY_MAX), VIEW("v")), RC_OK);
    assert_int_equal(kv_txn_put(t, FAM_A, VIEW("k"), view_of(big, KV_VALUE_MAX + 1)), RC_LIMIT);
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    free(big);
    kv_txn_free(t);
    kv_close(kv);
}

/* Many random puts and deletes agree with a plain array, before and after the write. */
static void the_overlay_agrees_with_a_model(void **state)
{
    (void)state;
    enum { KEYS = 300, ROUNDS = 4000 };
    static int model[KEYS];
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    uint64_t rng = 88172645463325252ull;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    memset(model, 0xff, sizeof(model));
    for (int i = 0; i < ROUNDS; i++) {
        rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
        int at = (int)(rng % KEYS);
        char k[16], v[16];
        snprintf(k, sizeof(k), "%d", at);
        snprintf(v, sizeof(v), "%d", i);
        model[at] = rng & 0x10000 ? i : -1;
        if (model[at] >= 0)
            put(t, FAM_B, k, v);
        else
            del(t, FAM_B, k);
        if (i % 701 == 700)
            assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    }
    int present = 0;
    for (int i = 0; i < KEYS; i++) {
        char k[16], v[16];
        snprintf(k, sizeof(k), "%d", i);
        snprintf(v, sizeof(v), "%d", model[i]);
        expect_txn(t, FAM_B, k, model[i] >= 0 ? v : NULL);
        present += model[i] >= 0;
    }
    struct kv_iter *it;
    struct view key, value;
    assert_int_equal(kv_txn_iter(t, FAM_B, VIEW(""), &it), RC_OK);
    while (kv_iter_next(it, &key, &value) == RC_OK)
        present--;
    assert_int_equal(present, 0);
    kv_iter_free(it);
    kv_txn_free(t);
    kv_close(kv);
}

static uint64_t deletes_in_memtable(struct kv *kv)
{
    uint64_t n = UINT64_MAX;
    char *text = rocksdb_property_value(kv->db, "rocksdb.num-deletes-active-mem-table");
    assert_non_null(text);
    assert_true(view_u64(view_cstr(text), &n));
    rocksdb_free(text);
    return n;
}

/* So that listing is as fast after mass deletes as before: what is flushed is compacted away. */
static void deletions_leave_the_memtable_when_somebody_iterates(void **state)
{
    (void)state;
    struct kv *kv = open_at(NULL);
    struct kv_txn *t;
    struct kv_iter *it;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    for (int i = 0; i < 10000; i++) {
        char k[16];
        snprintf(k, sizeof(k), "%d", i);
        del(t, FAM_A, k);
    }
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    assert_int_equal(deletes_in_memtable(kv), 10000);
    assert_int_equal(kv_iter_new(kv, NULL, FAM_A, VIEW(""), &it), RC_OK);
    assert_int_equal(deletes_in_memtable(kv), 0);
    kv_iter_free(it);
    kv_txn_free(t);
    kv_close(kv);
}

/* ---- on disk ---- */

struct folder {
    char top[64], db[80];
};

static int folder_make(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->top, sizeof(f->top), "/tmp/hf-test-kv-XXXXXX");
    assert_non_null(mkdtemp(f->top));
    snprintf(f->db, sizeof(f->db), "%s/db", f->top);
    *state = f;
    return 0;
}

static int folder_remove(void **state)
{
    struct folder *f = *state;
    DIR *d = opendir(f->db);
    for (struct dirent *x; d && (x = readdir(d));) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", f->db, x->d_name);
        if (x->d_name[0] != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(f->db);
    rmdir(f->top);
    free(f);
    return 0;
}

static void a_clean_close_keeps_everything(void **state)
{
    struct folder *f = *state;
    struct kv *kv = open_at(f->db);
    struct kv_txn *t;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    put(t, FAM_A, "k", "v");
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    kv_txn_free(t);
    kv_close(kv);
    kv = open_at(f->db);
    expect(kv, NULL, FAM_A, "k", "v");
    kv_close(kv);
    assert_int_equal(kv_destroy(f->db, NULL), RC_OK);
    assert_int_equal(kv_destroy(f->db, NULL), RC_OK);
    kv = open_at(f->db);
    expect(kv, NULL, FAM_A, "k", NULL);
    kv_close(kv);
}

/* Large overlays (written as files) and small ones in turn, over the same keys; also after the next open. */
static void a_bulk_fill_agrees_with_a_model(void **state)
{
    enum { KEYS = 20000, ROUNDS = 12, LARGE = 9000, SMALL = 50 };
    struct folder *f = *state;
    int *model = calloc(KEYS, sizeof(*model));
    struct kv *kv = open_at(f->db);
    struct kv_txn *t;
    uint64_t rng = 88172645463325252ull;
    char k[16], v[16];

    assert_non_null(model);
    assert_int_equal(kv_bulk_begin(kv), RC_OK);
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < (round % 3 ? LARGE : SMALL); i++) {
            rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
            int at = (int)(rng % KEYS);
            snprintf(k, sizeof(k), "%d", at);
            snprintf(v, sizeof(v), "%d", round);
            expect_txn(t, FAM_B, k, model[at] ? (snprintf(v, sizeof(v), "%d", model[at]), v) : NULL);
            snprintf(v, sizeof(v), "%d", round);
            model[at] = rng & 0x30000 ? round : 0;
            if (model[at])
                put(t, FAM_B, k, v);
            else
                del(t, FAM_B, k);
        }
        assert_true(kv_txn_bytes(t) > 0);
        assert_int_equal(kv_txn_write(t, NULL), RC_OK);
        assert_int_equal(kv_txn_count(t), 0);
    }
    kv_bulk_end(kv);
    kv_txn_free(t);
    kv_close(kv);
    kv = open_at(f->db);
    for (int i = 0; i < KEYS; i++) {
        snprintf(k, sizeof(k), "%d", i);
        snprintf(v, sizeof(v), "%d", model[i]);
        expect(kv, NULL, FAM_B, k, model[i] ? v : NULL);
    }
    kv_close(kv);
    free(model);
}

/* Writes cursor i beside value i in another family, flushing at some, until it is killed in the middle. */
static void write_and_die(const char *dir)
{
    struct kv_cfg cfg = {.families = families, .n_families = 3, .memtable_bytes = 1 << 20};
    struct kv *kv;
    struct kv_txn *t;
    if (kv_open(dir, &cfg, &kv, NULL) != RC_OK || kv_txn_new(kv, &t) != RC_OK)
        _exit(1);
    for (uint64_t i = 1; i <= 30000; i++) {
        uint8_t n[8], filler[100] = {0};
        be64_put(n, i);
        if (kv_txn_put(t, FAM_A, VIEW("cursor"), view_of(n, 8)) != RC_OK ||
            kv_txn_put(t, FAM_B, view_of(n, 8), view_of(filler, sizeof(filler))) != RC_OK ||
            kv_txn_write(t, NULL) != RC_OK || (i == 1000 && kv_flush(kv, NULL) != RC_OK))
            _exit(1);
    }
    _exit(0); /* without closing: what was not flushed is lost */
}

static void a_crash_leaves_a_prefix_with_its_cursor(void **state)
{
    struct folder *f = *state;
    int status;
    /* A program of its own: RocksDB's threads do not come along in a fork. */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "test_kv", f->db, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct kv *kv = open_at(f->db);
    struct buf b = BUF(8);
    assert_int_equal(kv_get(kv, NULL, FAM_A, VIEW("cursor"), &b), RC_OK);
    uint64_t cursor = be64_get((const uint8_t *)b.p), n = 0;
    assert_true(cursor >= 1000);
    struct kv_iter *it;
    struct view k, v;
    assert_int_equal(kv_iter_new(kv, NULL, FAM_B, VIEW(""), &it), RC_OK);
    while (kv_iter_next(it, &k, &v) == RC_OK)
        assert_int_equal(be64_get((const uint8_t *)k.p), ++n);
    assert_int_equal(n, cursor);
    kv_iter_free(it);
    buf_free(&b);
    kv_close(kv);
}

static void fill(const char *dir)
{
    struct kv *kv = open_at(dir);
    struct kv_txn *t;
    assert_int_equal(kv_txn_new(kv, &t), RC_OK);
    for (int i = 0; i < 2000; i++) {
        char k[32];
        snprintf(k, sizeof(k), "key-%06d", i);
        put(t, FAM_A, k, "value value value value value");
    }
    assert_int_equal(kv_txn_write(t, NULL), RC_OK);
    kv_txn_free(t);
    kv_close(kv);
}

/* Calls fn on each file whose name ends or begins so. */
static int each_file(const char *dir, const char *part, int (*fn)(const char *path))
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *x; (x = readdir(d));) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", dir, x->d_name);
        if (strstr(x->d_name, part))
            n += fn(path);
    }
    closedir(d);
    return n;
}

static int flip_middle(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(fseek(f, st.st_size / 2, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, st.st_size / 2, SEEK_SET), 0);
    fputc(c ^ 0x40, f);
    fclose(f);
    return 1;
}

static int remove_file(const char *path)
{
    return unlink(path) == 0;
}

static int cut_half(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return truncate(path, st.st_size / 2) == 0;
}

static void expect_corrupt_open(const char *dir)
{
    struct kv_cfg cfg = {.families = families, .n_families = 3};
    struct kv *kv = NULL;
    struct err e = {""};
    enum rc rc = kv_open(dir, &cfg, &kv, &e);
    if (rc != RC_CORRUPT)
        fail_msg("%s: %s", rc_name(rc), e.text);
    assert_true(e.text[0] != 0);
    assert_int_equal(kv_destroy(dir, &e), RC_OK);
}

static void damaged_files_are_noticed_at_the_open(void **state)
{
    struct folder *f = *state;
    static const struct {
        const char *part;
        int (*harm)(const char *path);
    } harms[] = {{".sst", remove_file},
                 {".sst", cut_half},
                 {"MANIFEST", flip_middle},
                 {"CURRENT", cut_half},
                 {"MANIFEST", remove_file}};
    for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
        fill(f->db);
        assert_true(each_file(f->db, harms[i].part, harms[i].harm) > 0);
        expect_corrupt_open(f->db);
    }
}

static void a_flipped_bit_in_a_small_database_is_noticed_at_the_open(void **state)
{
    struct folder *f = *state;
    fill(f->db);
    assert_true(each_file(f->db, ".sst", flip_middle) > 0);
    expect_corrupt_open(f->db);
}

static void a_flipped_bit_is_never_read_and_the_database_goes(void **state)
{
    struct folder *f = *state;
    fill(f->db);
    assert_true(each_file(f->db, ".sst", flip_middle) > 0);
    struct kv_cfg cfg = {.families = families, .n_families = 3};
    struct kv *kv = NULL;
    enum rc rc = kv_open(f->db, &cfg, &kv, NULL);
    if (rc == RC_OK) {
        struct kv_iter *it;
        struct view k, v;
        assert_int_equal(kv_iter_new(kv, NULL, FAM_A, VIEW(""), &it), RC_OK);
        while ((rc = kv_iter_next(it, &k, &v)) == RC_OK)
            assert_true(view_eqs(v, "value value value value value"));
        kv_iter_free(it);
        assert_int_equal(rc, RC_CORRUPT);
        kv_close(kv);
        kv = open_at(f->db); /* starts empty, to be replayed */
        expect(kv, NULL, FAM_A, "key-000000", NULL);
        kv_close(kv);
    } else {
        assert_int_equal(rc, RC_CORRUPT);
    }
}

static void other_families_are_another_database(void **state)
{
    struct folder *f = *state;
    static const char *const others[] = {"a", "b"};
    fill(f->db);
    struct kv_cfg cfg = {.families = others, .n_families = 2};
    struct kv *kv = NULL;
    assert_int_equal(kv_open(f->db, &cfg, &kv, NULL), RC_CORRUPT);
}

static void a_database_in_use_is_not_opened_twice(void **state)
{
    struct folder *f = *state;
    struct kv *kv = open_at(f->db), *again = NULL;
    struct kv_cfg cfg = {.families = families, .n_families = 3};
    assert_int_equal(kv_open(f->db, &cfg, &again, NULL), RC_UNAVAILABLE);
    kv_close(kv);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        write_and_die(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_seen_whole_and_only_after_its_write),
        cmocka_unit_test(an_iterator_merges_overlay_and_database_in_byte_order),
        cmocka_unit_test(a_prefix_of_all_ones_has_an_end),
        cmocka_unit_test(a_snapshot_does_not_move),
        cmocka_unit_test(keys_values_past_their_maximum_are_refused),
        cmocka_unit_test(the_overlay_agrees_with_a_model),
        cmocka_unit_test(deletions_leave_the_memtable_when_somebody_iterates),
        cmocka_unit_test_setup_teardown(a_clean_close_keeps_everything, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_bulk_fill_agrees_with_a_model, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_crash_leaves_a_prefix_with_its_cursor, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(damaged_files_are_noticed_at_the_open, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_flipped_bit_in_a_small_database_is_noticed_at_the_open, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_never_read_and_the_database_goes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(other_families_are_another_database, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_database_in_use_is_not_opened_twice, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
