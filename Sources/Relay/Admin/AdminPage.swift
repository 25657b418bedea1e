import Crypto
import Foundation
import HTTPTypes

/// The page at `/`: sinks, lag, recent events and dead letters for a person, read through the admin API.
///
/// It is one file without anything from elsewhere, holds no data of its own, and its policy lets the browser
/// run this one script and talk to this one listener. Values get into it as text only. The token stays in the
/// tab.
struct AdminPage: Sendable {
    let answer: HTTPAnswer

    init() {
        let html = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>okta-relay</title>
            <meta name="viewport" content="width=device-width">
            <style>\(Self.style)</style></head>
            <body><header><h1>okta-relay</h1><span id="state"></span></header>
            <form id="form"><label>Admin token <input id="token" type="password" autocomplete="off"></label>
            <button>Show</button> <button type="button" id="forget">Forget</button></form>
            <p id="problem" role="alert"></p><main id="main"></main>
            <script>\(Self.script)</script></body></html>
            """
        let policy = [
            "default-src 'none'", "style-src '\(Self.digest(Self.style))'",
            "script-src '\(Self.digest(Self.script))'", "connect-src 'self'", "base-uri 'none'",
            "form-action 'none'", "frame-ancestors 'none'",
        ]
        var fields: HTTPFields = [.contentType: "text/html; charset=utf-8"]
        fields[.contentSecurityPolicy] = policy.joined(separator: "; ")
        if let referrer = HTTPField.Name("Referrer-Policy") { fields[referrer] = "no-referrer" }
        answer = HTTPAnswer(.ok, fields: fields, body: Array(html.utf8))
    }

    /// A source expression of Content Security Policy Level 3, §2.3.1.
    private static func digest(_ text: String) -> String {
        "sha256-" + Data(SHA256.hash(data: Array(text.utf8))).base64EncodedString()
    }

    private static let style = """
        body{font:15px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
        color-scheme:light dark}
        header{display:flex;gap:1rem;align-items:baseline}
        table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}
        th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}
        td.number{text-align:right;font-variant-numeric:tabular-nums}
        td{overflow-wrap:anywhere}#problem{color:#c33}
        """

    private static let script = """
        'use strict';
        const byId = id => document.getElementById(id);
        const key = 'okta-relay-token';
        const element = (name, text) => {
          const made = document.createElement(name);
          if (text !== undefined) made.textContent = text === null ? '\\u2013' : String(text);
          return made;
        };
        const get = async path => {
          const authorization = 'Bearer ' + sessionStorage.getItem(key);
          const answer = await fetch(path, {headers: {Authorization: authorization}});
          const body = await answer.json();
          if (!answer.ok) throw new Error(body.error || answer.statusText);
          return body;
        };
        const table = (title, names, rows) => {
          const section = element('section');
          section.append(element('h2', title));
          const made = element('table'), head = element('tr');
          for (const name of names) head.append(element('th', name));
          made.append(head);
          for (const row of rows) {
            const line = element('tr');
            for (const value of row) {
              const cell = element('td', value);
              if (typeof value === 'number') cell.className = 'number';
              line.append(cell);
            }
            made.append(line);
          }
          section.append(rows.length ? made : element('p', 'none'));
          return section;
        };
        const seconds = value => value === null ? null : Math.round(value);
        const show = async () => {
          if (!sessionStorage.getItem(key)) return;
          try {
            const [status, events, letters] = await Promise.all(
              [get('/status'), get('/events?limit=50'), get('/dead-letters?limit=50')]);
            byId('state').textContent = status.ready ? 'ready' : status.reason;
            const counts = status.events;
            byId('main').replaceChildren(
              table('Events since the journal began', ['accepted', 'duplicates', 'unrouted', 'quarantined'],
                [[counts.accepted, counts.duplicates, counts.unrouted, counts.quarantined]]),
              table('Sinks', ['name', 'state', 'reason', 'waiting', 'oldest, s', 'delivered', 'superseded',
                'skipped', 'retried', 'parked', 'dead'],
                status.sinks.map(s => [s.name, s.state, s.reason, s.waiting, seconds(s.oldestWaitingSeconds),
                  s.delivered, s.superseded, s.skipped, s.retried, s.parked, s.dead])),
              table('Recent events', ['received', 'hook', 'type', 'id', 'route'],
                events.events.map(e => [e.receivedAt, e.hook, e.eventType, e.eventId,
                  e.route.map(r => r.sink + ' (' + r.rule + ')').join(', ') || 'unrouted'])),
              table('Dead letters', ['id', 'died', 'sink', 'type', 'event', 'reason'],
                letters.deadLetters.map(l => [l.id, l.diedAt, l.sink, l.eventType, l.eventId, l.reason])));
            byId('problem').textContent = '';
          } catch (error) {
            byId('problem').textContent = error.message;
          }
        };
        byId('form').addEventListener('submit', event => {
          event.preventDefault();
          sessionStorage.setItem(key, byId('token').value);
          byId('token').value = '';
          show();
        });
        byId('forget').addEventListener('click', () => {
          sessionStorage.removeItem(key);
          byId('main').replaceChildren();
        });
        show();
        setInterval(show, 5000);
        """
}
