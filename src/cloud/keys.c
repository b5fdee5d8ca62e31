/* Holdfast: the keys of a target, from a file that only its owner may read. */
#include "cloud/cloud_priv.h"

#include <sys/stat.h>

#include "codec/codec.h"

#define KEY_FILE_MAX 16384
#define KEY_ARENA_MAX (64u << 10)

void cloud_keys_wipe(struct cloud_keys *k)
{
    explicit_bzero(k, sizeof(*k));
}

/* Bytes that would break a header or a log line. */
static bool is_plain(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((uint8_t)v.p[i] <= ' ' || (uint8_t)v.p[i] > '~')
            return false;
    return true;
}

/* The message names place and field, never the value. */
static enum rc take(const char *path, struct yaml_node *root, const char *name, bool needed, char *dst, size_t size,
                    struct err *e)
{
    struct yaml_node *n = yaml_get(root, name);

    if (!n && !needed)
        return RC_OK;
    if (!n)
        return err_set(e, RC_INVALID, "%s:%u:%u: %s is missing", path, root->line, root->column, name);
    if (n->kind != YAML_SCALAR || n->text.n == 0 || !is_plain(n->text) || !view_copy(n->text, dst, size))
        return err_set(e, RC_INVALID, "%s:%u:%u: %s must be a text of 1 to %zu visible characters", path, n->line,
                       n->column, name, size - 1);
    explicit_bzero((char *)n->text.p, n->text.n); /* the arena's copy */
    return RC_OK;
}

static enum rc parse(const char *path, struct view doc, struct arena *a, struct cloud_keys *k, struct err *e)
{
    struct yaml_node *root = NULL;
    struct err why = {{0}};

    /* A parser's message may quote what it met. Only the place of it is passed on. */
    enum rc rc = yaml_parse(a, path, doc, &root, &why);
    if (rc == RC_NOMEM)
        return err_set(e, rc, "%s: out of memory", path);
    if (rc != RC_OK || root->kind != YAML_MAP)
        return err_set(e, RC_INVALID, "%s: this is no YAML map with access_key and secret_key", path);
    HF_TRY(take(path, root, "access_key", true, k->access_key, sizeof(k->access_key), e));
    HF_TRY(take(path, root, "secret_key", true, k->secret_key, sizeof(k->secret_key), e));
    HF_TRY(take(path, root, "session_token", false, k->token, sizeof(k->token), e));
    return yaml_unused(path, root, e);
}

enum rc cloud_keys_read(struct os *os, const char *path, struct cloud_keys *ret, struct err *e)
{
    struct buf b = BUF(KEY_FILE_MAX);
    struct arena a = ARENA(KEY_ARENA_MAX);
    struct cloud_keys k = {{0}, {0}, {0}};
    struct stat st;

    /* The mode is a property of the kernel's file; the seam has none. */
    if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(e, RC_DENIED, "%s: others may read it (mode %03o): run chmod 600 %s", path,
                       (unsigned)(st.st_mode & 0777), path);
    enum rc rc = os_read_file(os, path, &b, e);
    if (rc == RC_OK)
        rc = parse(path, buf_view(&b), &a, &k, e);
    if (b.p)
        explicit_bzero(b.p, b.cap);
    buf_free(&b);
    arena_free(&a);
    if (rc == RC_OK)
        *ret = k;
    cloud_keys_wipe(&k);
    return rc;
}
