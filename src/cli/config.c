/* The configuration file: one YAML map, every key optional, unknown keys are errors. */
#include "cli/cli_priv.h"

#include "api/api.h"
#include "codec/codec.h"

#define CONFIG_SIZE_MAX (1u << 20)
#define DEFAULT_DATA "./data"
#define DEFAULT_S3 "127.0.0.1:9000"
#define DEFAULT_API "127.0.0.1:9001"

static enum rc wrong(const char *file, const struct yaml_node *n, const char *what, struct err *e)
{
    return err_set(e, RC_INVALID, "%s:%u:%u: %.*s %s", file, n->line, n->column, (int)n->key.n, n->key.p, what);
}

static enum rc text(const char *file, struct yaml_node *root, const char *key, struct arena *a, const char **ret,
                    struct err *e)
{
    struct yaml_node *n = yaml_get(root, key);

    if (!n)
        return RC_OK;
    if (n->kind != YAML_SCALAR || n->text.n == 0)
        return wrong(file, n, "must be a text", e);
    *ret = arena_cstr(a, n->text);
    return *ret ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

static enum rc list(const char *file, struct yaml_node *root, const char *key, struct arena *a, const char **ret,
                    unsigned max, unsigned *ret_n, struct err *e)
{
    struct yaml_node *n = yaml_get(root, key);

    if (!n)
        return RC_OK;
    if (n->kind != YAML_LIST)
        return wrong(file, n, "must be a list", e);
    for (struct yaml_node *c = n->child; c; c = c->next) {
        if (c->kind != YAML_SCALAR || c->text.n == 0)
            return wrong(file, n, "must be a list of texts", e);
        if (*ret_n == max)
            return wrong(file, n, "has too many entries", e);
        c->used = true;
        ret[*ret_n] = arena_cstr(a, c->text);
        if (!ret[(*ret_n)++])
            return err_set(e, RC_NOMEM, "out of memory");
    }
    return RC_OK;
}

static bool copies_parse(struct view v, unsigned *ret)
{
    uint64_t n = 0;

    if (!view_u64(v, &n) || n < 1 || n > 3)
        return false;
    *ret = (unsigned)n;
    return true;
}

static enum rc numbers(const char *file, struct yaml_node *root, struct config *c, struct err *e)
{
    struct yaml_node *n = yaml_get(root, "copies");

    if (n && (n->kind != YAML_SCALAR || !copies_parse(n->text, &c->copies)))
        return wrong(file, n, "must be 1, 2 or 3", e);
    n = yaml_get(root, "scrub_rate");
    if (n && (n->kind != YAML_SCALAR || !api_size_parse(n->text, &c->scrub_bytes_per_s) || c->scrub_bytes_per_s == 0))
        return wrong(file, n, "must be bytes per second above zero, such as 8MiB; the scrub cannot be switched off", e);
    n = yaml_get(root, "log");
    if (n && (n->kind != YAML_SCALAR || (!view_eqs(n->text, "text") && !view_eqs(n->text, "json"))))
        return wrong(file, n, "must be text or json", e);
    c->log_json = n && view_eqs(n->text, "json");
    return RC_OK;
}

static enum rc ranges(const char *file, struct yaml_node *in, const char *key, struct arena *a, struct ranges *ret,
                      struct err *e)
{
    return list(file, in, key, a, ret->cidr, CLI_RANGES_MAX, &ret->n, e);
}

static enum rc egress(const char *file, struct yaml_node *root, struct arena *a, struct config *c, struct err *e)
{
    struct yaml_node *n = yaml_get(root, "egress");

    HF_TRY(ranges(file, root, "internal_ranges", a, &c->internal, e));
    if (!n)
        return RC_OK;
    if (n->kind != YAML_MAP)
        return wrong(file, n, "must be a map of internal, cdn and cross-region, each a list of networks", e);
    HF_TRY(ranges(file, n, "internal", a, &c->internal, e));
    HF_TRY(ranges(file, n, "cdn", a, &c->cdn, e));
    return ranges(file, n, "cross-region", a, &c->cross_region, e);
}

static enum rc read_map(const char *file, struct yaml_node *root, struct arena *a, struct config *c, struct err *e)
{
    if (root->kind != YAML_MAP)
        return err_set(e, RC_INVALID, "%s:%u:%u: must be a map of settings", file, root->line, root->column);
    HF_TRY(text(file, root, "data", a, &c->data_dir, e));
    HF_TRY(text(file, root, "s3", a, &c->s3, e));
    HF_TRY(text(file, root, "api", a, &c->api, e));
    HF_TRY(text(file, root, "domain", a, &c->domain, e));
    HF_TRY(text(file, root, "region", a, &c->region, e));
    HF_TRY(list(file, root, "disks", a, c->disk, CLI_DISKS_MAX, &c->n_disks, e));
    HF_TRY(egress(file, root, a, c, e));
    HF_TRY(numbers(file, root, c, e));
    return yaml_unused(file, root, e);
}

enum rc config_load(const char *path, struct arena *a, struct config *ret, struct err *e)
{
    struct config c = {.data_dir = DEFAULT_DATA, .s3 = DEFAULT_S3, .api = DEFAULT_API};
    struct buf b = BUF(CONFIG_SIZE_MAX);
    struct yaml_node *root = NULL;
    enum rc rc = RC_OK;

    if (path) {
        rc = os_read_file(os_real(), path, &b, e);
        if (rc == RC_OK)
            rc = yaml_parse(a, path, b.n ? buf_view(&b) : VIEW(""), &root, e);
        if (rc == RC_OK)
            rc = read_map(path, root, a, &c, e);
    }
    buf_free(&b);
    if (rc == RC_OK)
        *ret = c;
    return rc;
}

static void override(const struct cli_args *args, const char *option, const char **setting)
{
    const char *given = cli_text(args, option);

    if (given)
        *setting = given;
}

static enum rc override_disks(struct config *c, const struct cli_args *args, struct err *e)
{
    unsigned n = 0;

    for (unsigned i = 0; i < args->n_options; i++) {
        if (!view_eqs(args->option[i].name, "disk"))
            continue;
        if (n == CLI_DISKS_MAX)
            return err_set(e, RC_LIMIT, "at most %d disks", CLI_DISKS_MAX);
        c->disk[n++] = args->option[i].value;
    }
    if (n > 0)
        c->n_disks = n;
    return RC_OK;
}

enum rc config_apply(struct config *c, const struct cli_args *args, struct err *e)
{
    const char *copies = cli_text(args, "copies");

    override(args, "data", &c->data_dir);
    override(args, "s3", &c->s3);
    override(args, "api", &c->api);
    override(args, "domain", &c->domain);
    if (copies && !copies_parse(view_cstr(copies), &c->copies))
        return err_set(e, RC_INVALID, "--copies %s: must be 1, 2 or 3", copies);
    return override_disks(c, args, e);
}

/* Recorded paths have to hold wherever the next start is made from. */
static enum rc absolute(struct arena *a, const char **path, struct err *e)
{
    char dst[OS_PATH_MAX];

    if (!os_absolute(*path, dst))
        return err_set(e, RC_LIMIT, "%s: the path is too long", *path);
    *path = arena_cstr(a, view_cstr(dst));
    return *path ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

enum rc config_disks(struct config *c, struct arena *a, struct err *e)
{
    HF_TRY(absolute(a, &c->data_dir, e));
    for (unsigned i = 0; i < c->n_disks; i++)
        HF_TRY(absolute(a, &c->disk[i], e));
    return RC_OK;
}

static json_t *texts(const char *const *p, unsigned n)
{
    json_t *list_json = json_array();

    for (unsigned i = 0; list_json && i < n; i++)
        json_array_append_new(list_json, json_string(p[i]));
    return list_json;
}

json_t *config_json(const struct config *c)
{
    return json_pack("{s:s,s:s,s:s,s:s*,s:s*,s:o,s:i,s:I,s:{s:o,s:o,s:o}}", "data", c->data_dir, "s3", c->s3, "api",
                     c->api, "domain", c->domain, "region", c->region, "disks", texts(c->disk, c->n_disks), "copies",
                     (int)(c->copies ? c->copies : 2), "scrub_rate", (json_int_t)c->scrub_bytes_per_s, "egress",
                     "internal", texts(c->internal.cidr, c->internal.n), "cdn", texts(c->cdn.cidr, c->cdn.n),
                     "cross-region", texts(c->cross_region.cidr, c->cross_region.n));
}
