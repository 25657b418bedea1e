// What an engineer would write first: Express and sqlite3, one table, each event inserted once.
// node express.js PORT FILE after|before   (the insert comes after the answer, or before it)
const express = require('express');
const sqlite3 = require('sqlite3');

const [port, file, order] = process.argv.slice(2);
const db = new sqlite3.Database(file);
db.serialize(() => {
  db.run('PRAGMA journal_mode = WAL');
  db.run('PRAGMA synchronous = FULL');
  db.run('CREATE TABLE events (uuid TEXT PRIMARY KEY, type TEXT, body TEXT)');
});
const insert = 'INSERT OR IGNORE INTO events VALUES (?, ?, ?)';

const app = express();
app.use(express.json({ limit: '16mb' }));
app.post('/okta/events', (request, response) => {
  if (request.headers.authorization !== process.env.HOOK_SECRET) return response.sendStatus(401);
  const events = request.body.data.events;
  if (order === 'after') response.status(200).end();
  let left = events.length;
  for (const event of events) {
    db.run(insert, [event.uuid, event.eventType, JSON.stringify(event)], (error) => {
      left -= 1;
      if (order === 'before' && left === 0) response.status(error ? 503 : 200).end();
    });
  }
});
app.listen(Number(port), '127.0.0.1');
