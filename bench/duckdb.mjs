// The rows of bench_meter.c in DuckDB: made there from the same formula, then summed by bucket. Prints one line of JSON.
import { DuckDBInstance } from '@duckdb/node-api';

const [file, events] = process.argv.slice(2);
const instance = await DuckDBInstance.create(file, { threads: '1' });
const connection = await instance.connect();

async function seconds(sql) {
  const start = process.hrtime.bigint();
  await connection.runAndReadAll(sql);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const insert_s = await seconds(`CREATE TABLE t AS SELECT 10 + i % 100 AS bucket, i // 100 % 10 AS access_key, 200 AS status,
  1 AS requests, i * 7919 % 65536 AS egress FROM range(${BigInt(events)}) r(i)`);
await seconds('CHECKPOINT');
const sums = [];
for (let i = 0; i < 5; i++)
  sums.push(await seconds('SELECT bucket, SUM(requests), SUM(egress) FROM t GROUP BY bucket ORDER BY bucket'));
sums.sort((a, b) => a - b);
const version = (await connection.runAndReadAll('SELECT version()')).getRows()[0][0];
console.log(JSON.stringify({ version, insert_s, sum_s: sums[2] }));
