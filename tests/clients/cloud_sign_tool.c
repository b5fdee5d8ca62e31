/* Holdfast: prints what src/cloud signs: one JSON request a line on stdin, one line with Authorization and URL out. */
#include <jansson.h>

#include "cloud/sign.h"

#define PAIRS_MAX 64
#define LINE_MAX_BYTES (1u << 20)

static struct view text_of(const json_t *o, const char *name)
{
    const json_t *s = json_object_get(o, name);

    return s ? view_of(json_string_value(s), json_string_length(s)) : VIEW("");
}

/* [[name, value or null], …] */
static size_t pairs(const json_t *list, struct cloud_header *ret)
{
    size_t i;
    json_t *one;

    HF_ASSERT(json_array_size(list) <= PAIRS_MAX);
    json_array_foreach(list, i, one)
    {
        const json_t *name = json_array_get(one, 0), *value = json_array_get(one, 1);
        ret[i].name = view_of(json_string_value(name), json_string_length(name));
        ret[i].value =
            json_is_null(value) ? (struct view){NULL, 0} : view_of(json_string_value(value), json_string_length(value));
    }
    return json_array_size(list);
}

static enum cloud_dialect dialect_of(struct view name)
{
    static const char *const names[] = {"s3", "cos", "oss", "obs"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (view_eqs(name, names[i]))
            return (enum cloud_dialect)i;
    HF_BUG("no such dialect");
}

static void answer(const json_t *o)
{
    struct cloud_header query[PAIRS_MAX], headers[PAIRS_MAX];
    struct cloud_keys k = {{0}, {0}, {0}};
    struct buf authorization = BUF(LINE_MAX_BYTES), url = BUF(LINE_MAX_BYTES);
    struct cloud_sign s = {.dialect = dialect_of(text_of(o, "dialect")),
                           .method = json_string_value(json_object_get(o, "method")),
                           .path = text_of(o, "path"),
                           .query = query,
                           .n_query = pairs(json_object_get(o, "query"), query),
                           .headers = headers,
                           .n_headers = pairs(json_object_get(o, "headers"), headers),
                           .bucket = text_of(o, "bucket"),
                           .region = text_of(o, "region"),
                           .payload_sha256 = text_of(o, "payload"),
                           .time_ns = json_integer_value(json_object_get(o, "time")) * NS_PER_S};

    HF_ASSERT(view_copy(text_of(o, "access_key"), k.access_key, sizeof(k.access_key)));
    HF_ASSERT(view_copy(text_of(o, "secret_key"), k.secret_key, sizeof(k.secret_key)));
    HF_ASSERT(cloud_sign_header(&s, &k, &authorization) == RC_OK);
    HF_ASSERT(cloud_sign_url(&s, &url) == RC_OK);
    printf("%.*s\t%.*s\n", (int)authorization.n, authorization.p, (int)url.n, url.p);
    buf_free(&authorization);
    buf_free(&url);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0) {
        json_error_t why;
        json_t *o = json_loads(line, 0, &why);
        HF_ASSERT(o);
        answer(o);
        json_decref(o);
    }
    free(line);
    return 0;
}
