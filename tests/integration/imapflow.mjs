// Everything imapflow does against one mailbox; prints "ok" at the end.
// Arguments: port user password ca-file. The mailbox holds 30 messages.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const [port, user, password, ca] = process.argv.slice(2);

function connection() {
  return new ImapFlow({
    host: 'localhost',
    port: Number(port),
    secure: true,
    auth: { user, pass: password },
    tls: { ca: readFileSync(ca) },
    clientInfo: { name: 'rig' },
    logger: false,
  });
}

async function readsEverything(client) {
  const lock = await client.getMailboxLock('INBOX');
  try {
    assert.equal(client.mailbox.exists, 30);
    let seen = 0;
    const query = {
      uid: true, flags: true, envelope: true, bodyStructure: true,
      internalDate: true, size: true, source: true, headers: ['subject'],
    };
    for await (const message of client.fetch('1:*', query)) {
      assert.equal(message.source.length, message.size);
      assert.match(message.envelope.from[0].address, /@partner\.example$/);
      seen += 1;
    }
    assert.equal(seen, 30);
    const part = await client.download('1', '1');
    let length = 0;
    for await (const piece of part.content) {
      length += piece.length;
    }
    assert.ok(length > 0);
  } finally {
    lock.release();
  }
}

async function filesAndFinds(client) {
  const box = await client.mailboxCreate(['Projekte', 'Größe 日本']);
  assert.equal(box.created, true);
  const source = 'From: a@b.example\r\nSubject: filed\r\n\r\nhello\r\n';
  const added = await client.append(box.path, source, ['\\Seen', 'work']);
  assert.ok(added.uid > 0);
  const lock = await client.getMailboxLock(box.path);
  try {
    assert.deepEqual(await client.search({ subject: 'filed' }), [1]);
    await client.messageFlagsAdd('1', ['\\Flagged']);
    assert.deepEqual(await client.search({ flagged: true }), [1]);
    const one = await client.fetchOne('1', { source: true });
    assert.equal(one.source.toString(), source);
    const moved = await client.messageMove('1', 'Archive');
    assert.equal(moved.uidMap.size, 1);
  } finally {
    lock.release();
  }
  const status = await client.status('Archive', { messages: true });
  assert.equal(status.messages, 1);
  const listed = await client.list();
  assert.ok(listed.some((entry) => entry.path === box.path));
  assert.ok(listed.some((entry) => entry.specialUse === '\\Sent'));
  await client.mailboxDelete(box.path);
}

async function isPushedWhileIdle(client) {
  await client.mailboxOpen('INBOX');
  const pushed = new Promise((resolve) => {
    client.once('exists', resolve);
  });
  const idling = client.idle();
  const other = connection();
  await other.connect();
  await other.append('INBOX', 'Subject: pushed\r\n\r\nnew\r\n');
  const event = await pushed;
  assert.equal(event.count, 31);
  await other.logout();
  await client.noop();
  await idling;
}

const client = connection();
await client.connect();
await readsEverything(client);
await filesAndFinds(client);
await isPushedWhileIdle(client);
await client.logout();
console.log('ok');
