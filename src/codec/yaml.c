/* Holdfast: strict YAML for configuration and data files, as a tree in an arena (libyaml's events). What YAML could
 * surprise an operator with is refused: anchors, aliases, tags, several documents, keys that are not scalars or come
 * twice. */
#include "codec/codec.h"

#include <yaml.h>

#define DEPTH_MAX 16
#define KEYS_MAX 1024      /* of one map: looking for duplicates compares each with all */
#define DOC_MAX (1u << 20) /* configuration is written by hand */
#define SHOWN_MAX 64       /* bytes of a key shown in a message */

/* A list or map that is not closed yet. */
struct level {
    struct yaml_node *node;
    struct yaml_node *last; /* child */
    struct view key;        /* in a map, when has_key: waits for its value */
    yaml_mark_t key_at;
    bool has_key;
    unsigned keys;
};

struct build {
    struct arena *arena;
    const char *file;
    struct err *e;
    struct level open[DEPTH_MAX];
    unsigned depth; /* of open */
    unsigned documents;
    struct yaml_node *root;
};

static unsigned line_of(yaml_mark_t at)
{
    return (unsigned)at.line + 1;
}

static unsigned column_of(yaml_mark_t at)
{
    return (unsigned)at.column + 1;
}

static enum rc refuse(const struct build *b, yaml_mark_t at, enum rc rc, const char *why)
{
    return err_set(b->e, rc, "%s:%u:%u: %s", b->file, line_of(at), column_of(at), why);
}

static enum rc refuse_key(const struct build *b, yaml_mark_t at, const char *why, struct view key)
{
    int n = (int)(key.n < SHOWN_MAX ? key.n : SHOWN_MAX);

    return err_set(b->e, RC_INVALID, "%s:%u:%u: %s: %.*s", b->file, line_of(at), column_of(at), why, n, key.p);
}

static struct level *innermost(struct build *b)
{
    return b->depth > 0 ? &b->open[b->depth - 1] : NULL;
}

static enum rc new_node(struct build *b, enum yaml_kind kind, yaml_mark_t at, struct yaml_node **ret)
{
    struct yaml_node *n = arena_zalloc(b->arena, sizeof(*n));

    if (!n)
        return refuse(b, at, RC_LIMIT, "the document needs too much memory");
    n->kind = kind;
    n->line = line_of(at);
    n->column = column_of(at);
    *ret = n;
    return RC_OK;
}

/* Hangs a finished scalar or a list or map that opens into what is open around it. */
static enum rc attach(struct build *b, struct yaml_node *n, yaml_mark_t at)
{
    struct level *in = innermost(b);

    if (!in) {
        b->root = n;
        return RC_OK;
    }
    if (in->node->kind == YAML_MAP) {
        if (!in->has_key)
            return refuse(b, at, RC_INVALID, "a key must be a scalar");
        n->key = in->key;
        n->key_line = line_of(in->key_at);
        n->key_column = column_of(in->key_at);
        in->has_key = false;
    }
    if (in->last)
        in->last->next = n;
    else
        in->node->child = n;
    in->last = n;
    return RC_OK;
}

static enum rc take_key(struct build *b, struct level *map, struct view key, yaml_mark_t at)
{
    if (++map->keys > KEYS_MAX)
        return refuse(b, at, RC_LIMIT, "a map has more than 1024 keys");
    for (const struct yaml_node *c = map->node->child; c; c = c->next) {
        if (view_eq(c->key, key))
            return refuse_key(b, at, "this key is there twice", key);
    }
    map->key = key;
    map->key_at = at;
    map->has_key = true;
    return RC_OK;
}

static enum rc on_scalar(struct build *b, const yaml_event_t *event)
{
    struct level *in = innermost(b);
    yaml_mark_t at = event->start_mark;
    struct view seen = view_of(event->data.scalar.value, event->data.scalar.length);
    struct yaml_node *n = NULL;

    if (event->data.scalar.anchor || event->data.scalar.tag)
        return refuse(b, at, RC_INVALID, "anchors and tags are not allowed");
    if (view_find(seen, 0, 0) != SIZE_MAX)
        return refuse(b, at, RC_INVALID, "a zero byte in text");
    struct view text = arena_dup(b->arena, seen);
    if (!text.p)
        return refuse(b, at, RC_LIMIT, "the document needs too much memory");
    if (in && in->node->kind == YAML_MAP && !in->has_key)
        return take_key(b, in, text, at);
    HF_TRY(new_node(b, YAML_SCALAR, at, &n));
    n->text = text;
    n->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return attach(b, n, at);
}

static enum rc on_open(struct build *b, enum yaml_kind kind, bool decorated, yaml_mark_t at)
{
    struct yaml_node *n = NULL;

    if (decorated)
        return refuse(b, at, RC_INVALID, "anchors and tags are not allowed");
    if (b->depth == DEPTH_MAX)
        return refuse(b, at, RC_LIMIT, "lists and maps are nested more than 16 deep");
    HF_TRY(new_node(b, kind, at, &n));
    HF_TRY(attach(b, n, at));
    b->open[b->depth++] = (struct level){.node = n};
    return RC_OK;
}

static enum rc on_document(struct build *b, const yaml_event_t *event)
{
    if (++b->documents > 1)
        return refuse(b, event->start_mark, RC_INVALID, "only one document is allowed");
    if (event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        return refuse(b, event->start_mark, RC_INVALID, "tag directives are not allowed");
    return RC_OK;
}

static enum rc on_event(struct build *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_ALIAS_EVENT:
        return refuse(b, event->start_mark, RC_INVALID, "aliases are not allowed");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, YAML_LIST, event->data.sequence_start.anchor || event->data.sequence_start.tag,
                       event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, YAML_MAP, event->data.mapping_start.anchor || event->data.mapping_start.tag,
                       event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return RC_OK;
    default:
        return RC_OK;
    }
}

/* What libyaml itself found wrong. A byte that it could not read has no problem_mark. */
static enum rc syntax_error(const struct build *b, const yaml_parser_t *p)
{
    yaml_mark_t at = p->error == YAML_READER_ERROR ? p->mark : p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR)
        return err_set(b->e, RC_NOMEM, "%s: out of memory", b->file);
    return refuse(b, at, RC_INVALID, p->problem ? p->problem : "this is not YAML");
}

static enum rc run(struct build *b, yaml_parser_t *p)
{
    bool end = false;

    while (!end) {
        yaml_event_t event;

        if (!yaml_parser_parse(p, &event))
            return syntax_error(b, p);
        end = event.type == YAML_STREAM_END_EVENT;
        enum rc rc = on_event(b, &event);
        yaml_event_delete(&event);
        HF_TRY(rc);
    }
    return RC_OK;
}

/* A document without content is a map without keys, so that an empty configuration means all defaults. */
static enum rc finish(struct build *b, struct yaml_node **ret)
{
    if (!b->root)
        HF_TRY(new_node(b, YAML_MAP, (yaml_mark_t){0}, &b->root));
    if (b->root->kind == YAML_SCALAR && !b->root->quoted && b->root->text.n == 0)
        b->root->kind = YAML_MAP;
    *ret = b->root;
    return RC_OK;
}

enum rc yaml_parse(struct arena *a, const char *file, struct view doc, struct yaml_node **ret, struct err *e)
{
    struct build b = {.arena = a, .file = file, .e = e};
    yaml_parser_t p;

    if (doc.n > DOC_MAX)
        return err_set(e, RC_LIMIT, "%s: more than 1 MiB", file);
    if (!yaml_parser_initialize(&p))
        return err_set(e, RC_NOMEM, "%s: out of memory", file);
    yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p, (const unsigned char *)doc.p, doc.n);
    enum rc rc = run(&b, &p);
    yaml_parser_delete(&p);
    return rc == RC_OK ? finish(&b, ret) : rc;
}

struct yaml_node *yaml_get(struct yaml_node *n, const char *key)
{
    if (!n || n->kind != YAML_MAP)
        return NULL;
    for (struct yaml_node *c = n->child; c; c = c->next) {
        if (view_eqs(c->key, key)) {
            c->used = true;
            return c;
        }
    }
    return NULL;
}

enum rc yaml_unused(const char *file, const struct yaml_node *n, struct err *e)
{
    const struct yaml_node *resume[DEPTH_MAX]; /* per level: what comes after the list or map that was entered */
    unsigned depth = 0;
    const struct yaml_node *at = n->child;

    while (at || depth > 0) {
        if (!at) {
            at = resume[--depth];
            continue;
        }
        if (at->key.p && !at->used)
            return err_set(e, RC_INVALID, "%s:%u:%u: unknown key: %.*s", file, at->key_line, at->key_column,
                           (int)(at->key.n < SHOWN_MAX ? at->key.n : SHOWN_MAX), at->key.p);
        if (at->child) {
            HF_ASSERT(depth < DEPTH_MAX);
            resume[depth++] = at->next;
            at = at->child;
        } else {
            at = at->next;
        }
    }
    return RC_OK;
}
