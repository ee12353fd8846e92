'use strict';

// What worker_test.go is in Go: orders come in as lines of JSON, outcomes go out.

const readline = require('readline');
const API = require('co-wechat-api');

const api = new API('wx0123456789abcdef', '0123456789abcdef0123456789abcdef');
api.prefix = process.env.PEERS_WECHAT + '/cgi-bin/';

async function carryOut({ call, n, wide }) {
  const all = { ok: 0, tokens: [], errors: [] };
  const one = async () => {
    try {
      if (call) await api.getIp();
      else all.tokens.push((await api.ensureAccessToken()).accessToken);
      all.ok++;
    } catch (err) {
      if (all.errors.length < 3) all.errors.push(String(err));
    }
  };
  let left = n;
  const lane = async () => { while (left-- > 0) await one(); };
  await Promise.all(Array.from({ length: wide }, lane));
  return all;
}

const say = (outcome) => process.stdout.write(JSON.stringify(outcome) + '\n');

say({ ok: 0 });
(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) say(await carryOut(JSON.parse(line)));
})();
