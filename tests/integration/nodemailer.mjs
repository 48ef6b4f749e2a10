// Sends twelve messages to one person: ten over a pool with implicit TLS,
// two with STARTTLS. Prints "ok" when all were accepted.
// Arguments: starttls-port tls-port user password ca-file recipient
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import nodemailer from 'nodemailer';

const [starttlsPort, tlsPort, user, password, ca, to] =
  process.argv.slice(2);

function transport(port, secure, extra) {
  return nodemailer.createTransport({
    host: 'localhost',
    port: Number(port),
    secure,
    requireTLS: !secure,
    auth: { user, pass: password },
    tls: { ca: readFileSync(ca) },
    ...extra,
  });
}

function message(number) {
  return {
    from: user,
    to,
    subject: `Bestellung ${number} für Zoë`,
    text: `Hello ${number}\n.\n..leading dots\n`,
    html: `<p>Hello <b>${number}</b></p>`,
    attachments: [{ filename: 'daten.bin', content: Buffer.alloc(20000, number) }],
    dsn: { id: `id-${number}`, return: 'headers', notify: ['failure'] },
  };
}

const pool = transport(tlsPort, true, { pool: true, maxConnections: 2 });
assert.equal(await pool.verify(), true);
const sent = await Promise.all(
  Array.from({ length: 10 }, (_, number) => pool.sendMail(message(number))),
);
for (const result of sent) {
  assert.match(result.response, /^250 /);
  assert.deepEqual(result.accepted, [to]);
}
pool.close();

const single = transport(starttlsPort, false, {});
for (const number of [10, 11]) {
  const result = await single.sendMail(message(number));
  assert.match(result.response, /^250 /);
}
await assert.rejects(
  transport(tlsPort, true, { auth: { user, pass: 'wrong' } }).verify(),
  { code: 'EAUTH' },
);
console.log('ok');
