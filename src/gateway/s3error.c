/* S3's error codes: status, sentence, and the XML of an answer.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
#include "gateway/parse_priv.h"

static const struct s3_error errors[] = {
    {"InternalError", 500, "We encountered an internal error. Please try again."},
    {"AccessDenied", 403, "Access Denied"},
    {"AccessForbidden", 403, "CORSResponse: CORS is not enabled for this bucket."},
    {"AccountProblem", 403, "There is a problem with your account that prevents the operation from completing."},
    {"AuthorizationHeaderMalformed", 400, "The authorization header you provided is invalid."},
    {"AuthorizationQueryParametersError", 400, "The authorization query parameters that you provided are not valid."},
    {"BadDigest", 400, "The Content-MD5 or checksum value that you specified did not match what the server received."},
    {"BadRequest", 400, "Bad Request"},
    {"BucketAlreadyExists", 409,
     "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a "
     "different name and try again."},
    {"BucketAlreadyOwnedByYou", 409,
     "Your previous request to create the named bucket succeeded and you already own it."},
    {"BucketNotEmpty", 409, "The bucket you tried to delete is not empty."},
    {"EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."},
    {"EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed object size."},
    {"ExpiredToken", 400, "The provided token has expired."},
    {"IllegalVersioningConfigurationException", 400,
     "The versioning configuration specified in the request is invalid."},
    {"IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header."},
    {"InsufficientStorage", 507, "There is not enough space on the disks to keep this. Nothing was stored."},
    {"InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."},
    {"InvalidArgument", 400, "Invalid Argument"},
    {"InvalidBucketName", 400, "The specified bucket is not valid."},
    {"InvalidDigest", 400, "The Content-MD5 or checksum value that you specified is not valid."},
    {"InvalidPart", 400,
     "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
     "entity tag may not match the part's entity tag."},
    {"InvalidPartNumber", 416, "The requested partnumber is not satisfiable"},
    {"InvalidPartOrder", 400,
     "The list of parts was not in ascending order. The parts list must be specified in order by part number."},
    {"InvalidRange", 416, "The requested range is not satisfiable"},
    {"InvalidRequest", 400, "Invalid Request"},
    {"InvalidStorageClass", 400, "The storage class you specified is not valid."},
    {"InvalidTag", 400, "The tag provided was not a valid tag."},
    {"InvalidURI", 400, "Couldn't parse the specified URI."},
    {"KeyTooLongError", 400, "Your key is too long."},
    {"MalformedTrailerError", 400,
     "The request contained trailing data that was not well-formed or did not conform to "
     "our published schema."},
    {"MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema"},
    {"MaxMessageLengthExceeded", 400, "Your request was too big."},
    {"MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size."},
    {"MethodNotAllowed", 405, "The specified method is not allowed against this resource."},
    {"MissingContentLength", 411, "You must provide the Content-Length HTTP header."},
    {"MissingRequestBodyError", 400, "Request Body is empty"},
    {"NoSuchBucket", 404, "The specified bucket does not exist"},
    {"NoSuchBucketPolicy", 404, "The bucket policy does not exist"},
    {"NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"},
    {"NoSuchConfiguration", 404, "The specified configuration does not exist."},
    {"NoSuchKey", 404, "The specified key does not exist."},
    {"NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist"},
    {"NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found"},
    {"NoSuchTagSet", 404, "The TagSet does not exist"},
    {"NoSuchUpload", 404,
     "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
     "completed."},
    {"NoSuchVersion", 404, "The specified version does not exist."},
    {"NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration"},
    {"NotImplemented", 501, "A header or operation you asked for is not implemented."},
    {"ObjectLockConfigurationNotFoundError", 404, "Object Lock configuration does not exist for this bucket"},
    {"OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found"},
    {"PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"},
    {"QuotaExceeded", 403, "A quota of the account or the bucket is reached."},
    {"ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found"},
    {"RequestTimeTooSkewed", 403, "The difference between the request time and the server's time is too large."},
    {"RequestTimeout", 400,
     "Your socket connection to the server was not read from or written to within the timeout "
     "period."},
    {"ServerSideEncryptionConfigurationNotFoundError", 404, "The server side encryption configuration was not found"},
    {"ServiceUnavailable", 503, "Service is unable to handle request."},
    {"SignatureDoesNotMatch", 403,
     "The request signature we calculated does not match the signature you provided. Check your key and signing "
     "method."},
    {"SlowDown", 503, "Please reduce your request rate."},
    {"XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
};

const struct s3_error *gw_s3_error(const char *code)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].code, code) == 0)
            return &errors[i];
    return &errors[0];
}

static enum rc leaf_if(struct buf *out, const char *name, struct view v)
{
    return v.n > 0 && utf8_valid(v) ? xml_leaf(out, name, v) : RC_OK;
}

enum rc gw_s3_error_xml(const struct s3_error *x, const char *message, const struct s3_error_place *at, struct buf *out)
{
    HF_TRY(xml_head(out));
    HF_TRY(xml_open(out, "Error"));
    HF_TRY(xml_leaf(out, "Code", view_cstr(x->code)));
    HF_TRY(xml_leaf(out, "Message", view_cstr(message != NULL ? message : x->message)));
    HF_TRY(leaf_if(out, "BucketName", at->bucket));
    HF_TRY(leaf_if(out, "Key", at->key));
    HF_TRY(leaf_if(out, "Resource", at->resource));
    HF_TRY(xml_leaf(out, "RequestId", view_cstr(at->request_id)));
    HF_TRY(xml_leaf(out, "HostId", view_cstr(at->host_id)));
    return xml_close(out, "Error");
}
