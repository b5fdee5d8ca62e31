// @aws-sdk/client-s3 with its default settings: CRC trailers, flexible checksums, virtual or path style as given. Arguments: endpoint.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteObjectsCommand, GetObjectCommand,
  HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client, UploadPartCommand,
} from "@aws-sdk/client-s3";

const endpoint = process.argv[2];
const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 });
const Bucket = "newest";
const read = async (Key, more = {}) => Buffer.from(await (await client.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body.transformToByteArray());

await client.send(new CreateBucketCommand({ Bucket }));

// Default: CRC32 of a known body goes into a header; of a stream, into an aws-chunked trailer.
for (const size of [0, 1, 70_000, 131_072, 300_000, 3_000_000]) {
  const data = randomBytes(size);
  const put = await client.send(new PutObjectCommand({ Bucket, Key: `d${size}`, Body: data }));
  assert.equal(put.ETag, `"${createHash("md5").update(data).digest("hex")}"`);
  assert.ok(put.ChecksumCRC32, "the checksum is echoed");
  assert.deepEqual(await read(`d${size}`), data); // the client verifies the checksum it is given
  const streamed = await client.send(new PutObjectCommand({ Bucket, Key: `s${size}`, Body: Readable.from(size ? [data] : []), ContentLength: size }));
  assert.ok(streamed.ChecksumCRC32);
  assert.deepEqual(await read(`s${size}`), data);
}
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const data = randomBytes(200_001);
  let put;
  try {
    put = await client.send(new PutObjectCommand({ Bucket, Key: ChecksumAlgorithm, Body: Readable.from([data]), ContentLength: data.length, ChecksumAlgorithm }));
  } catch (e) {
    if (ChecksumAlgorithm === "CRC64NVME" && /crc64/i.test(e.message) && !e.$metadata?.httpStatusCode) continue; // needs an optional native package
    throw e;
  }
  assert.ok(put[`Checksum${ChecksumAlgorithm}`]);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: ChecksumAlgorithm, ChecksumMode: "ENABLED" }));
  assert.equal(head[`Checksum${ChecksumAlgorithm}`], put[`Checksum${ChecksumAlgorithm}`]);
  assert.deepEqual(await read(ChecksumAlgorithm), data);
}
await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key: "bad", Body: "x", ChecksumCRC32: "AAAAAA==" })), (e) => e.$metadata.httpStatusCode === 400);
await assert.rejects(read("bad"), (e) => e.name === "NoSuchKey");

// Conditional writes as the SDK now knows them.
await client.send(new PutObjectCommand({ Bucket, Key: "once", Body: "1", IfNoneMatch: "*" }));
await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key: "once", Body: "2", IfNoneMatch: "*" })), (e) => e.$metadata.httpStatusCode === 412);

// Multipart with the default checksum.
const { UploadId, ChecksumAlgorithm } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "multi", ChecksumAlgorithm: "CRC32" }));
assert.equal(ChecksumAlgorithm, "CRC32");
const bodies = [randomBytes(5 << 20), randomBytes(123)];
const Parts = [];
for (const [i, Body] of bodies.entries()) {
  const part = await client.send(new UploadPartCommand({ Bucket, Key: "multi", UploadId, PartNumber: i + 1, Body, ChecksumAlgorithm: "CRC32" }));
  Parts.push({ PartNumber: i + 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
}
const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: "multi", UploadId, MultipartUpload: { Parts } }));
assert.match(done.ChecksumCRC32, /-2$/);
assert.deepEqual(await read("multi"), Buffer.concat(bodies));
await client.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/multi` }));
assert.deepEqual(await read("copy"), Buffer.concat(bodies));
assert.deepEqual(await read("copy", { Range: "bytes=5-9" }), bodies[0].subarray(5, 10));

// Bulk delete with a CRC instead of Content-MD5.
const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
const gone = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }));
assert.equal(gone.Deleted.length, Contents.length);
assert.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
console.log("ok");
