/* Answers for what is not built: neutral ones for reads, 501 for writes (parse_priv.h, struct not_made). */
#include "gateway/gateway_priv.h"

#define XSI "Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\""

static void answer_acl(struct gw_req *g)
{
    struct cat_version v;
    if (g->route.key.n > 0 && !gw_version_find(g, false, &v))
        return;
    struct xml_out x;
    xo_begin(&x, "AccessControlPolicy");
    xo_owner(&x, "Owner", g);
    xo_open(&x, "AccessControlList");
    xo_open(&x, "Grant");
    xo_owner(&x, XSI, g);
    xo_str(&x, "Permission", "FULL_CONTROL");
    xo_close(&x, "Grant");
    xo_close(&x, "AccessControlList");
    xo_reply(&x, g, 200, "AccessControlPolicy");
}

static void answer_document(struct gw_req *g, const char *root, const char *leaf, const char *value)
{
    struct xml_out x;
    xo_begin(&x, root);
    if (leaf != NULL)
        xo_str(&x, leaf, value);
    xo_reply(&x, g, 200, root);
}

void op_not_made_read(struct gw_req *g)
{
    const struct not_made *n = g->route.subresource;
    switch (n->neutral) {
    case NEUTRAL_ERROR:
        gw_fail_with(g, n->text, n->object ? "Bucket is missing Object Lock Configuration" : NULL);
        break;
    case NEUTRAL_ACL:
        answer_acl(g);
        break;
    case NEUTRAL_EMPTY:
        answer_document(g, n->text, NULL, NULL);
        break;
    case NEUTRAL_PAYER:
        answer_document(g, "RequestPaymentConfiguration", "Payer", "BucketOwner");
        break;
    case NEUTRAL_LIST:
        if (gw_arg(g, "id").n > 0)
            gw_fail(g, "NoSuchConfiguration");
        else
            answer_document(g, n->text, "IsTruncated", "false");
        break;
    case NEUTRAL_NOT_READ:
        gw_fail(g, "MethodNotAllowed");
        break;
    }
}

void op_not_made(struct gw_req *g)
{
    gw_fail_with(g, "NotImplemented", "This operation is not implemented here. Nothing was changed by the request.");
}

/* Browsers ask without credentials. */
void op_preflight(struct gw_req *g)
{
    gw_fail(g, "AccessForbidden");
}
