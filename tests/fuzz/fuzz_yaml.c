/* Holdfast: a tree that was read keeps its invariants and, written out in full, reads as the same tree. */
#include "codec/codec.h"
#include "codec/codec_priv.h"

#define OUT_MAX ((size_t)64 << 20)
#define ARENA_MAX ((size_t)64 << 20)
#define DEPTH_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct buf *b, const char *s)
{
    HF_ASSERT(buf_puts(b, s) == RC_OK);
}

/* In double quotes, with everything escaped that is not a letter or digit. */
static void put_quoted(struct buf *b, struct view v)
{
    uint32_t cp;

    HF_ASSERT(utf8_valid(v));
    put(b, "\"");
    for (size_t i = 0; i < v.n; i += utf8_next(v.p + i, v.n - i, &cp)) {
        HF_ASSERT(utf8_next(v.p + i, v.n - i, &cp) > 0);
        if ((cp >= 'a' && cp <= 'z') || (cp >= '0' && cp <= '9'))
            HF_ASSERT(buf_put(b, v.p + i, 1) == RC_OK);
        else
            HF_ASSERT(buf_printf(b, "\\U%08x", cp) == RC_OK);
    }
    put(b, "\"");
}

static void check_node(const struct yaml_node *n, const struct yaml_node *parent)
{
    HF_ASSERT(n->line >= 1 && n->column >= 1);
    HF_ASSERT((parent && parent->kind == YAML_MAP) == (n->key.p != NULL));
    HF_ASSERT(n->kind != YAML_SCALAR || !n->child);
    HF_ASSERT(n->key.p == NULL || (n->key_line >= 1 && n->key_column >= 1));
}

/* Writes n up to where its children begin, and asks its parent for it by key. */
static void begin(struct buf *b, struct yaml_node *n, struct yaml_node *parent)
{
    check_node(n, parent);
    if (n->key.p) {
        char key[4096];

        put(b, "? ");
        put_quoted(b, n->key);
        put(b, " : ");
        if (view_copy(n->key, key, sizeof(key)))
            HF_ASSERT(yaml_get(parent, key) == n && n->used);
        n->used = true;
    }
    if (n->kind == YAML_SCALAR)
        put_quoted(b, n->text);
    else
        put(b, n->kind == YAML_MAP ? "{" : "[");
}

static void end(struct buf *b, const struct yaml_node *n)
{
    if (n->kind != YAML_SCALAR)
        put(b, n->kind == YAML_MAP ? "}" : "]");
}

/* The whole tree in flow style, without recursion: path holds the nodes that are open. */
static void write_tree(struct buf *b, struct yaml_node *root)
{
    struct yaml_node *path[DEPTH_MAX + 1];
    unsigned depth = 0;

    begin(b, root, NULL);
    path[depth++] = root;
    struct yaml_node *at = root->child;
    while (depth > 0) {
        if (at) {
            HF_ASSERT(depth <= DEPTH_MAX);
            begin(b, at, path[depth - 1]);
            path[depth++] = at;
            at = at->child;
            continue;
        }
        struct yaml_node *done = path[--depth];
        end(b, done);
        if (depth > 0)
            put(b, ",");
        at = done->next;
    }
}

static enum rc read_and_write(struct view doc, struct buf *out)
{
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root = NULL;
    struct err e = {""};

    enum rc rc = yaml_parse(&a, "fuzz", doc, &root, &e);
    HF_ASSERT(rc == RC_OK || e.text[0] != 0);
    if (rc == RC_OK) {
        write_tree(out, root);
        HF_ASSERT(yaml_unused("fuzz", root, &e) == RC_OK);
    }
    arena_free(&a);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once = BUF(OUT_MAX), twice = BUF(OUT_MAX);

    if (read_and_write(view_of(data, size), &once) == RC_OK) {
        enum rc rc = read_and_write(buf_view(&once), &twice);

        /* Escapes may push a large document past the parser's limit; nothing else may go wrong. */
        HF_ASSERT(rc == RC_OK || rc == RC_LIMIT);
        HF_ASSERT(rc != RC_OK || view_eq(buf_view(&once), buf_view(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
