/* Holdfast: YAML is read strictly and every complaint names its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/codec.h"

#define ARENA_MAX (4 << 20)

static enum rc parse(struct arena *a, struct view doc, struct yaml_node **ret, struct err *e)
{
    return yaml_parse(a, "f.yaml", doc, ret, e);
}

static void assert_refused(struct view doc, enum rc want, const char *message)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root = NULL;
    struct err e = {""};

    assert_int_equal(parse(&a, doc, &root, &e), want);
    assert_null(root);
    if (strncmp(e.text, message, strlen(message)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", e.text, message);
    arena_free(&a);
}

static void a_document_becomes_a_tree_with_places(void **state)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root;

    (void)state;
    assert_int_equal(parse(&a, VIEW("name: acme\nlist:\n  - 1\n  - \"2\"\n  - k: v\nempty:\n"), &root, NULL), RC_OK);
    assert_int_equal(root->kind, YAML_MAP);
    struct yaml_node *n = yaml_get(root, "name");
    assert_non_null(n);
    assert_int_equal(n->kind, YAML_SCALAR);
    assert_true(view_eqs(n->text, "acme"));
    assert_true(view_eqs(n->key, "name"));
    assert_int_equal(n->key_line, 1);
    assert_int_equal(n->key_column, 1);
    assert_int_equal(n->line, 1);
    assert_int_equal(n->column, 7);
    assert_false(n->quoted);

    n = yaml_get(root, "list");
    assert_int_equal(n->kind, YAML_LIST);
    assert_true(view_eqs(n->child->text, "1"));
    assert_false(n->child->quoted);
    assert_true(n->child->next->quoted);
    assert_int_equal(n->child->next->line, 4);
    assert_int_equal(n->child->next->column, 5);
    assert_true(view_eqs(yaml_get(n->child->next->next, "k")->text, "v"));
    assert_null(n->child->next->next->next);

    n = yaml_get(root, "empty");
    assert_int_equal(n->kind, YAML_SCALAR);
    assert_int_equal(n->text.n, 0);
    assert_false(n->quoted);
    arena_free(&a);
}

static void scalars_stay_text(void **state)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root;

    (void)state;
    assert_int_equal(parse(&a, VIEW("{a: 010, b: yes, c: ~, d: 1e5, e: \"\\u4e2d\\n\", f: 'it''s'}"), &root, NULL),
                     RC_OK);
    assert_true(view_eqs(yaml_get(root, "a")->text, "010"));
    assert_true(view_eqs(yaml_get(root, "b")->text, "yes"));
    assert_true(view_eqs(yaml_get(root, "c")->text, "~"));
    assert_true(view_eqs(yaml_get(root, "d")->text, "1e5"));
    assert_true(view_eqs(yaml_get(root, "e")->text, "\xe4\xb8\xad\n"));
    assert_true(view_eqs(yaml_get(root, "f")->text, "it's"));
    arena_free(&a);
}

static void block_scalars_count_as_quoted(void **state)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root;

    (void)state;
    assert_int_equal(parse(&a, VIEW("a: |\n  one\n  two\n"), &root, NULL), RC_OK);
    assert_true(view_eqs(yaml_get(root, "a")->text, "one\ntwo\n"));
    assert_true(yaml_get(root, "a")->quoted);
    arena_free(&a);
}

static void nothing_is_an_empty_map(void **state)
{
    static const char *const docs[] = {"", "\n", "# only a comment\n", "---\n", "--- \n# comment\n...\n", "{}"};

    (void)state;
    for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        struct arena a = ARENA(ARENA_MAX);
        struct yaml_node *root;

        assert_int_equal(parse(&a, view_cstr(docs[i]), &root, NULL), RC_OK);
        assert_int_equal(root->kind, YAML_MAP);
        assert_null(root->child);
        assert_int_equal(yaml_unused("f.yaml", root, NULL), RC_OK);
        arena_free(&a);
    }
}

static void what_surprises_operators_is_refused(void **state)
{
    (void)state;
    assert_refused(VIEW("a: &x 1\n"), RC_INVALID, "f.yaml:1:4: anchors and tags");
    assert_refused(VIEW("a: &x [1]\n"), RC_INVALID, "f.yaml:1:4: anchors and tags");
    assert_refused(VIEW("a: *x\n"), RC_INVALID, "f.yaml:1:4: aliases");
    assert_refused(VIEW("a: !!str 1\n"), RC_INVALID, "f.yaml:1:4: anchors and tags");
    assert_refused(VIEW("a: !x {b: c}\n"), RC_INVALID, "f.yaml:1:4: anchors and tags");
    assert_refused(VIEW("%TAG ! tag:x,2000:\n---\na: 1\n"), RC_INVALID, "f.yaml:1:1: tag directives");
    assert_refused(VIEW("a: 1\n---\nb: 2\n"), RC_INVALID, "f.yaml:2:1: only one document");
    assert_refused(VIEW("[a]: 1\n"), RC_INVALID, "f.yaml:1:1: a key must be a scalar");
    assert_refused(VIEW("? {a: b}\n: 1\n"), RC_INVALID, "f.yaml:1:3: a key must be a scalar");
    assert_refused(VIEW("a: \"x\\0y\"\n"), RC_INVALID, "f.yaml:1:4: a zero byte");
}

static void a_duplicate_key_is_refused_at_its_second_place(void **state)
{
    (void)state;
    assert_refused(VIEW("a: 1\nb: 2\n\"a\": 3\n"), RC_INVALID, "f.yaml:3:1: this key is there twice: a");
    assert_refused(VIEW("x:\n  - {k: 1, k: 2}\n"), RC_INVALID, "f.yaml:2:12: this key is there twice: k");
}

static void the_same_key_in_different_maps_is_fine(void **state)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root;

    (void)state;
    assert_int_equal(parse(&a, VIEW("a: {a: 1}\nb: {a: 2}\n"), &root, NULL), RC_OK);
    assert_true(view_eqs(yaml_get(yaml_get(root, "b"), "a")->text, "2"));
    arena_free(&a);
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    assert_refused(VIEW("a: 1\nb: [1,\n"), RC_INVALID, "f.yaml:3:1: ");
    assert_refused(VIEW("a: b: c\n"), RC_INVALID, "f.yaml:1:5: ");
    assert_refused(VIEW("a:\n\t- 1\n"), RC_INVALID, "f.yaml:2:1: ");
    assert_refused(VIEW("a: \"x\n"), RC_INVALID, "f.yaml:2:1: ");
    assert_refused(VIEW("a: \xff\n"), RC_INVALID, "f.yaml:1:");
    assert_refused(VIEW("\xff\xfe"
                        "a\0"),
                   RC_INVALID, "f.yaml:1:");
}

static enum rc nested(unsigned depth)
{
    struct arena a = ARENA(ARENA_MAX);
    struct buf doc = BUF(100000);
    struct yaml_node *root = NULL;

    for (unsigned i = 0; i < depth; i++)
        assert_int_equal(buf_puts(&doc, "["), RC_OK);
    for (unsigned i = 0; i < depth; i++)
        assert_int_equal(buf_puts(&doc, "]"), RC_OK);
    enum rc rc = parse(&a, buf_view(&doc), &root, NULL);
    if (rc == RC_OK)
        assert_int_equal(yaml_unused("f.yaml", root, NULL), RC_OK);
    arena_free(&a);
    buf_free(&doc);
    return rc;
}

static void depth_ends_at_16(void **state)
{
    (void)state;
    assert_int_equal(nested(16), RC_OK);
    assert_int_equal(nested(17), RC_LIMIT);
    assert_int_equal(nested(5000), RC_LIMIT);
}

static enum rc with_keys(unsigned n)
{
    struct arena a = ARENA(ARENA_MAX);
    struct buf doc = BUF(100000);
    struct yaml_node *root;

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buf_printf(&doc, "k%u: v\n", i), RC_OK);
    enum rc rc = parse(&a, buf_view(&doc), &root, NULL);
    arena_free(&a);
    buf_free(&doc);
    return rc;
}

static void a_map_ends_at_1024_keys(void **state)
{
    (void)state;
    assert_int_equal(with_keys(1024), RC_OK);
    assert_int_equal(with_keys(1025), RC_LIMIT);
}

static void size_and_memory_have_limits(void **state)
{
    struct arena small = ARENA(300);
    struct yaml_node *root = NULL;
    struct err e = {""};

    (void)state;
    assert_refused(view_of("", (1 << 20) + 1), RC_LIMIT, "f.yaml: more than 1 MiB");
    assert_int_equal(parse(&small, VIEW("a: [1, 2, 3, 4]\n"), &root, &e), RC_LIMIT);
    assert_null(root);
    arena_free(&small);
}

static void get_answers_null_for_what_is_not_there(void **state)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root;

    (void)state;
    assert_int_equal(parse(&a, VIEW("a: 1\nl: [x]\n"), &root, NULL), RC_OK);
    assert_null(yaml_get(root, "b"));
    assert_null(yaml_get(root, ""));
    assert_null(yaml_get(yaml_get(root, "a"), "b"));
    assert_null(yaml_get(yaml_get(root, "l"), "x"));
    assert_null(yaml_get(NULL, "x"));
    arena_free(&a);
}

static void a_key_that_nobody_asked_for_is_found_anywhere(void **state)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root;
    struct err e = {""};

    (void)state;
    assert_int_equal(parse(&a, VIEW("m:\n  x: {p: 1}\nl:\n  - 5\n  - {k: 1, typo: 2}\nlast: 1\n"), &root, NULL), RC_OK);
    assert_int_equal(yaml_unused("f.yaml", root, &e), RC_INVALID);
    assert_string_equal(e.text, "f.yaml:1:1: unknown key: m");

    struct yaml_node *x = yaml_get(yaml_get(root, "m"), "x");
    assert_int_equal(yaml_unused("f.yaml", root, &e), RC_INVALID);
    assert_string_equal(e.text, "f.yaml:2:7: unknown key: p");

    assert_non_null(yaml_get(x, "p"));
    struct yaml_node *item = yaml_get(root, "l")->child->next;
    assert_non_null(yaml_get(item, "k"));
    assert_int_equal(yaml_unused("f.yaml", root, &e), RC_INVALID);
    assert_string_equal(e.text, "f.yaml:5:12: unknown key: typo");

    assert_non_null(yaml_get(item, "typo"));
    assert_int_equal(yaml_unused("f.yaml", root, &e), RC_INVALID);
    assert_string_equal(e.text, "f.yaml:6:1: unknown key: last");

    assert_non_null(yaml_get(root, "last"));
    assert_int_equal(yaml_unused("f.yaml", root, &e), RC_OK);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_tree_with_places),
        cmocka_unit_test(scalars_stay_text),
        cmocka_unit_test(block_scalars_count_as_quoted),
        cmocka_unit_test(nothing_is_an_empty_map),
        cmocka_unit_test(what_surprises_operators_is_refused),
        cmocka_unit_test(a_duplicate_key_is_refused_at_its_second_place),
        cmocka_unit_test(the_same_key_in_different_maps_is_fine),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(depth_ends_at_16),
        cmocka_unit_test(a_map_ends_at_1024_keys),
        cmocka_unit_test(size_and_memory_have_limits),
        cmocka_unit_test(get_answers_null_for_what_is_not_there),
        cmocka_unit_test(a_key_that_nobody_asked_for_is_found_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
