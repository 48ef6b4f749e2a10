// Reads every message of the inbox. Arguments: port user password ca-file.
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const [port, user, pass, ca] = process.argv.slice(2);
const client = new ImapFlow({
  host: 'localhost',
  port: Number(port),
  secure: true,
  auth: { user, pass },
  tls: { ca: readFileSync(ca) },
  logger: false,
});
await client.connect();
await client.mailboxOpen('INBOX');
for await (const message of client.fetch('1:*', { source: true })) {
  console.log(message.uid, message.source.length);
}
await client.logout();
