/* Records on their way: handed to the sequencer, waited for without a thread, and what a refusal means in S3's words.
 */
#include "gateway/gateway_priv.h"

void gw_call_init(struct gw_req *g, struct gw_call *c, enum cat_op_kind kind)
{
    memset(c, 0, sizeof *c);
    c->g = g;
    c->op.kind = kind;
    c->op.account = g->auth.caller.account;
    c->op.bucket = g->route.bucket;
    c->op.key = g->route.key;
    c->op.actor = view_cstr(g->auth.caller.access_key);
    c->op.requests = 1;
    c->req.op = &c->op;
    c->req.check_stage = true;
    c->req.urgent = kind == CAT_DELETE || kind == CAT_ABORT || kind == CAT_BUCKET_DELETE;
}

/* In the sequencer's thread: wakes the connection with the last one. */
static void back(struct seq_req *r)
{
    struct gw_call *c = r->ctx;
    struct gw_req *g = c->g;
    if (r->rc == RC_OK && c->op.requests > 0 && !r->cat.nothing_to_do)
        atomic_store(&g->counted, true);
    if (atomic_fetch_sub(&g->pending, 1) == 1)
        gw_wake(g);
    gw_unref(g);
}

void gw_commit(struct gw_req *g, struct gw_call *calls, size_t n, void (*then)(struct gw_req *))
{
    HF_ASSERT(n > 0);
    atomic_store(&g->pending, (unsigned)n);
    gw_wait(g, then);
    for (size_t i = 0; i < n; i++) {
        calls[i].req.done = back;
        calls[i].req.ctx = &calls[i];
        gw_ref(g);
    }
    /* From the last one on the request may run on in its own thread: nothing of it is touched here any more. */
    struct seq *seq = g->gw->engine->seq;
    for (size_t i = 0; i < n; i++)
        seq_submit(seq, &calls[i].req);
}

static const char *why_code(enum cat_why why)
{
    switch (why) {
    case CAT_NO_SUCH_BUCKET:
        return "NoSuchBucket";
    case CAT_NOT_OWNER:
        return "AccessDenied";
    case CAT_BUCKET_EXISTS:
        return "BucketAlreadyExists";
    case CAT_BUCKET_OWNED_BY_YOU:
        return "BucketAlreadyOwnedByYou";
    case CAT_BUCKET_NOT_EMPTY:
        return "BucketNotEmpty";
    case CAT_NO_SUCH_KEY:
        return "NoSuchKey";
    case CAT_NO_SUCH_VERSION:
        return "NoSuchVersion";
    case CAT_NO_SUCH_UPLOAD:
        return "NoSuchUpload";
    case CAT_PRECONDITION_FAILED:
        return "PreconditionFailed";
    case CAT_INVALID_PART:
        return "InvalidPart";
    case CAT_INVALID_PART_ORDER:
        return "InvalidPartOrder";
    case CAT_PART_TOO_SMALL:
        return "EntityTooSmall";
    case CAT_BAD_CHECKSUM:
        return "BadDigest";
    case CAT_METHOD_NOT_ALLOWED:
        return "MethodNotAllowed";
    case CAT_QUOTA:
        return "QuotaExceeded";
    case CAT_WHY_NONE:
        break;
    }
    return NULL;
}

const char *gw_call_code(struct gw_req *g, const struct gw_call *c, const char **ret_message)
{
    *ret_message = NULL;
    if (c->req.rc == RC_OK)
        return NULL;
    if (c->req.rc == RC_DENIED && c->req.err.text[0] != 0)
        *ret_message = arena_cstr(&g->arena, view_cstr(c->req.err.text));
    const char *code = why_code(c->req.cat.why);
    if (code != NULL)
        return code;
    switch (c->req.rc) {
    case RC_DENIED:
        return "AccountProblem";
    case RC_FULL:
        return "InsufficientStorage";
    case RC_UNAVAILABLE:
    case RC_CANCELLED:
        return "ServiceUnavailable";
    default:
        return "InternalError";
    }
}

bool gw_call_ok(struct gw_req *g, struct gw_call *c)
{
    const char *message;
    const char *code = gw_call_code(g, c, &message);
    if (code == NULL)
        return true;
    if (c->req.cat.why == CAT_WHY_NONE && c->req.rc != RC_DENIED)
        gw_fail_rc(g, c->req.rc, &c->req.err, "the record was not made");
    else
        gw_fail_with(g, code, message);
    return false;
}
