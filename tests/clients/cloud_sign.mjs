// The vendors' own SDKs sign requests given as JSON lines on stdin; one Authorization a line.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "@aws-crypto/sha256-js";

const require = createRequire(import.meta.url);
const cos = require("cos-nodejs-sdk-v5");
const oss = require("ali-oss/lib/common/signUtils.js");
const Obs = require("esdk-obs-nodejs/lib/utils.js");

const strict = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
const encodedPath = (p) => p.split("/").map(strict).join("/");

async function s3(r) {
  const signer = new SignatureV4({
    service: "s3", region: r.region, sha256: Sha256, uriEscapePath: false, applyChecksum: false,
    credentials: { accessKeyId: r.access_key, secretAccessKey: r.secret_key },
  });
  const query = Object.fromEntries(r.query.map(([k, v]) => [k, v ?? ""]));
  const signed = await signer.sign(
    { method: r.method, protocol: "https:", hostname: "h", path: encodedPath(r.path), query, headers: Object.fromEntries(r.headers) },
    { signingDate: new Date(r.time * 1000), signableHeaders: new Set(r.headers.map(([k]) => k)) });
  return signed.headers.authorization;
}

const signers = {
  s3,
  cos: (r) => cos.getAuthorization({
    SecretId: r.access_key, SecretKey: r.secret_key, KeyTime: `${r.time};${r.time + 900}`, Method: r.method, Pathname: r.path,
    UseRawKey: true, Query: Object.fromEntries(r.query), Headers: Object.fromEntries(r.headers) }),
  oss: (r) => oss.authorizationV4(r.access_key, r.secret_key, r.region, r.method,
    { headers: Object.fromEntries(r.headers), queries: Object.fromEntries(r.query) }, r.bucket, r.path.slice(1), ["host"]),
  obs: (r) => {
    const headers = Object.fromEntries(r.headers.map(([k, v]) => [{ "content-md5": "Content-MD5", "content-type": "Content-Type" }[k] ?? k, v]));
    const query = r.query.map(([k, v]) => strict(k) + (v ? "=" + strict(v) : "")).join("&");
    const opt = { method: r.method, headers, uri: `/${r.bucket}${encodedPath(r.path)}`, urlPath: query ? "?" + query : "" };
    Obs.prototype.doAuth.call({ ak: r.access_key, sk: r.secret_key, log: { isLevelEnabled: () => false } }, opt, "test",
      { authPrefix: "OBS", headerPrefix: "x-obs-", headerMetaPrefix: "x-obs-meta-", stsToken: "x-obs-security-token" });
    return opt.headers.Authorization;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(await signers[request.dialect](request));
}
