import GRDB

/// The journal's tables, as numbered migrations; a migration that has shipped is never edited.
enum JournalSchema {
    /// The number of the newest migration; stored as the file's `user_version`.
    static let version = 4

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(sql: version1)
            try db.execute(sql: "PRAGMA user_version = 1")
        }
        migrator.registerMigration("2") { db in
            try db.execute(sql: version2)
            try db.execute(sql: "PRAGMA user_version = 2")
        }
        migrator.registerMigration("3") { db in
            try db.execute(sql: version3)
            try db.execute(sql: "PRAGMA user_version = 3")
        }
        migrator.registerMigration("4") { db in
            try db.execute(sql: version4)
            try db.execute(sql: "PRAGMA user_version = 4")
        }
        return migrator
    }

    /// A new journal, in memory.
    static func fresh() throws -> DatabaseQueue {
        let queue = try DatabaseQueue()
        try migrator.migrate(queue)
        return queue
    }

    private static let version1 = """
        -- Where events come from: a hook of an org.
        CREATE TABLE hooks (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            org TEXT NOT NULL,
            UNIQUE (name, org)
        );

        -- Each distinct route once: a JSON array of [sink, rule] pairs, and how many entries took it.
        CREATE TABLE routes (
            id INTEGER PRIMARY KEY,
            choices TEXT NOT NULL UNIQUE,
            entries INTEGER NOT NULL DEFAULT 0
        );

        -- The log. Narrow on purpose: a sink that looks for its entries reads this and no bodies.
        CREATE TABLE entries (
            "offset" INTEGER PRIMARY KEY,
            received_at INTEGER NOT NULL,
            hook_id INTEGER NOT NULL REFERENCES hooks (id),
            route_id INTEGER NOT NULL REFERENCES routes (id),
            event_id TEXT NOT NULL,
            event_type TEXT NOT NULL,
            envelope_id TEXT,
            replay TEXT
        );

        CREATE TABLE bodies (
            "offset" INTEGER PRIMARY KEY,
            body BLOB NOT NULL
        );

        -- What deduplication remembers of older entries: sorted runs of 16-byte digests, in pages.
        CREATE TABLE seen_runs (
            id INTEGER PRIMARY KEY,
            last_offset INTEGER NOT NULL,
            newest_received_at INTEGER NOT NULL,
            filter BLOB NOT NULL
        );
        CREATE TABLE seen_pages (
            run_id INTEGER NOT NULL REFERENCES seen_runs (id),
            first BLOB NOT NULL,
            digests BLOB NOT NULL,
            PRIMARY KEY (run_id, first)
        );

        -- A cursor per sink, what is settled above it, and counts. `base` is how many entries had been routed
        -- to the sink before it was known: they are not its business.
        CREATE TABLE sinks (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            epoch INTEGER NOT NULL DEFAULT 0,
            cursor INTEGER NOT NULL,
            settled_above TEXT NOT NULL DEFAULT '',
            base INTEGER NOT NULL,
            delivered INTEGER NOT NULL DEFAULT 0,
            superseded INTEGER NOT NULL DEFAULT 0,
            skipped INTEGER NOT NULL DEFAULT 0,
            retried INTEGER NOT NULL DEFAULT 0,
            dead INTEGER NOT NULL DEFAULT 0
        );

        CREATE TABLE parked (
            sink_id INTEGER NOT NULL REFERENCES sinks (id),
            "offset" INTEGER NOT NULL,
            org TEXT,
            user_id TEXT,
            not_before INTEGER NOT NULL,
            failures TEXT NOT NULL,
            give_up_at INTEGER,
            PRIMARY KEY (sink_id, "offset")
        ) WITHOUT ROWID;

        CREATE TABLE dead_letters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sink_id INTEGER NOT NULL REFERENCES sinks (id),
            "offset" INTEGER NOT NULL,
            died_at INTEGER NOT NULL,
            failures TEXT NOT NULL,
            UNIQUE (sink_id, "offset")
        );

        CREATE TABLE quarantine (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            received_at INTEGER NOT NULL,
            hook TEXT NOT NULL,
            reason TEXT NOT NULL,
            bytes BLOB NOT NULL
        );

        -- What HTTP sinks were told of each user (see FoldState).
        CREATE TABLE user_states (
            sink_id INTEGER NOT NULL REFERENCES sinks (id),
            org TEXT NOT NULL,
            user_id TEXT NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (sink_id, org, user_id)
        ) WITHOUT ROWID;

        CREATE TABLE counters (
            name TEXT PRIMARY KEY,
            value INTEGER NOT NULL
        ) WITHOUT ROWID;
        INSERT INTO counters VALUES ('accepted', 0), ('duplicates', 0), ('unrouted', 0), ('quarantined', 0);
        """

    private static let version2 = """
        -- A rename rewrites routes, and two of them may become the same.
        CREATE TABLE routes_2 (
            id INTEGER PRIMARY KEY,
            choices TEXT NOT NULL,
            entries INTEGER NOT NULL DEFAULT 0
        );
        INSERT INTO routes_2 SELECT id, choices, entries FROM routes;
        DROP TABLE routes;
        ALTER TABLE routes_2 RENAME TO routes;
        CREATE INDEX routes_by_choices ON routes (choices);

        -- `hold` is `paused` or `tripped`. `is_moved`: the place was changed since the lease. `exempt_to`:
        -- what a person let pass, whatever the limits. `detached`: entries that were given up.
        ALTER TABLE sinks ADD COLUMN hold TEXT;
        ALTER TABLE sinks ADD COLUMN hold_reason TEXT;
        ALTER TABLE sinks ADD COLUMN held_at INTEGER;
        ALTER TABLE sinks ADD COLUMN is_moved INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE sinks ADD COLUMN limit_counts TEXT NOT NULL DEFAULT '';
        ALTER TABLE sinks ADD COLUMN exempt_to INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE sinks ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;

        -- A dead letter keeps what it needs by itself, so that it pins no entry; its body goes when they are
        -- too many, and the rest stays.
        CREATE TABLE dead_letters_2 (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sink_id INTEGER NOT NULL REFERENCES sinks (id),
            "offset" INTEGER NOT NULL,
            died_at INTEGER NOT NULL,
            failures TEXT NOT NULL,
            rule TEXT NOT NULL,
            replay TEXT,
            hook TEXT NOT NULL,
            org TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            event_id TEXT NOT NULL,
            event_type TEXT NOT NULL,
            envelope_id TEXT,
            user_id TEXT,
            last_error TEXT NOT NULL,
            body BLOB,
            has_bytes INTEGER NOT NULL DEFAULT 1,
            UNIQUE (sink_id, "offset")
        );
        INSERT INTO dead_letters_2
            SELECT dead_letters.id, sink_id, dead_letters."offset", died_at, failures,
                coalesce((SELECT json_extract(value, '$[1]') FROM json_each(choices)
                          WHERE json_extract(value, '$[0]') = sinks.name LIMIT 1), ''),
                replay, hooks.name, hooks.org, received_at, event_id, event_type, envelope_id,
                (SELECT json_extract(value, '$.id') FROM json_each(CAST(body AS TEXT), '$.target')
                 WHERE json_extract(value, '$.type') = 'User' LIMIT 1),
                coalesce(json_extract(failures, '$[#-1].reason'), ''), body, body IS NOT NULL
            FROM dead_letters
                JOIN sinks ON sinks.id = sink_id
                JOIN entries ON entries."offset" = dead_letters."offset"
                JOIN hooks ON hooks.id = hook_id
                JOIN routes ON routes.id = route_id
                LEFT JOIN bodies ON bodies."offset" = dead_letters."offset";
        DROP TABLE dead_letters;
        ALTER TABLE dead_letters_2 RENAME TO dead_letters;
        ALTER TABLE quarantine ADD COLUMN has_bytes INTEGER NOT NULL DEFAULT 1;

        -- What dead letters and the quarantine take, each row's own columns by a flat rate. By triggers,
        -- because rows come and go in many places, and a sum over all of them would read every body.
        INSERT INTO counters VALUES
            ('dead_letter_bytes',
             (SELECT coalesce(sum(512 + coalesce(length(body), 0)), 0) FROM dead_letters)),
            ('quarantine_bytes', (SELECT coalesce(sum(128 + length(bytes)), 0) FROM quarantine));
        CREATE TRIGGER dead_letters_come AFTER INSERT ON dead_letters BEGIN
            UPDATE counters SET value = value + 512 + coalesce(length(new.body), 0)
            WHERE name = 'dead_letter_bytes';
        END;
        CREATE TRIGGER dead_letters_shrink AFTER UPDATE OF body ON dead_letters BEGIN
            UPDATE counters
            SET value = value + coalesce(length(new.body), 0) - coalesce(length(old.body), 0)
            WHERE name = 'dead_letter_bytes';
        END;
        CREATE TRIGGER dead_letters_go AFTER DELETE ON dead_letters BEGIN
            UPDATE counters SET value = value - 512 - coalesce(length(old.body), 0)
            WHERE name = 'dead_letter_bytes';
        END;
        CREATE TRIGGER quarantine_comes AFTER INSERT ON quarantine BEGIN
            UPDATE counters SET value = value + 128 + length(new.bytes) WHERE name = 'quarantine_bytes';
        END;
        CREATE TRIGGER quarantine_shrinks AFTER UPDATE OF bytes ON quarantine BEGIN
            UPDATE counters SET value = value + length(new.bytes) - length(old.bytes)
            WHERE name = 'quarantine_bytes';
        END;
        CREATE TRIGGER quarantine_goes AFTER DELETE ON quarantine BEGIN
            UPDATE counters SET value = value - 128 - length(old.bytes) WHERE name = 'quarantine_bytes';
        END;
        CREATE INDEX dead_letters_with_bytes ON dead_letters (id) WHERE has_bytes = 1;
        CREATE INDEX quarantine_with_bytes ON quarantine (id) WHERE has_bytes = 1;

        -- Deliveries that are about to be sent to a destination that must not get them twice.
        CREATE TABLE intents (
            sink_id INTEGER NOT NULL REFERENCES sinks (id),
            "offset" INTEGER NOT NULL,
            PRIMARY KEY (sink_id, "offset")
        ) WITHOUT ROWID;

        -- What outlives the bytes. One row per settle: what ended, and when. By the sink's name, because they
        -- outlive the sink, too.
        CREATE TABLE settlements (
            id INTEGER PRIMARY KEY,
            sink TEXT NOT NULL,
            settled_at INTEGER NOT NULL,
            first_offset INTEGER NOT NULL,
            last_offset INTEGER NOT NULL,
            delivered INTEGER NOT NULL,
            superseded INTEGER NOT NULL,
            skipped INTEGER NOT NULL,
            dead INTEGER NOT NULL
        );
        -- Single deliveries: what the destination answered, and whom a removal was about.
        CREATE TABLE receipts (
            id INTEGER PRIMARY KEY,
            sink TEXT NOT NULL,
            settled_at INTEGER NOT NULL,
            "offset" INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            detail TEXT,
            operation TEXT,
            org TEXT,
            user_id TEXT,
            event_id TEXT
        );
        CREATE INDEX receipts_of_users ON receipts (user_id) WHERE user_id IS NOT NULL;
        -- What operators did.
        CREATE TABLE operations (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            command TEXT NOT NULL,
            sink TEXT,
            detail TEXT NOT NULL,
            entries INTEGER NOT NULL
        );

        -- Entries that a sink will never get, because it stayed behind too long or a person said so.
        CREATE TABLE detached (
            id INTEGER PRIMARY KEY,
            sink TEXT NOT NULL,
            at INTEGER NOT NULL,
            reason TEXT NOT NULL,
            first_offset INTEGER NOT NULL,
            last_offset INTEGER NOT NULL,
            first_received_at INTEGER NOT NULL,
            last_received_at INTEGER NOT NULL,
            entries INTEGER NOT NULL
        );

        -- Replays under way and done: stored events from `after_offset` to `last_offset` become delivery
        -- entries for one sink. `filter` is a JSON object of what else an event must be.
        CREATE TABLE replays (
            id TEXT PRIMARY KEY,
            sink TEXT NOT NULL,
            filter TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            received_from INTEGER NOT NULL,
            received_until INTEGER NOT NULL,
            first_offset INTEGER NOT NULL,
            after_offset INTEGER NOT NULL,
            last_offset INTEGER NOT NULL,
            appended INTEGER NOT NULL DEFAULT 0,
            ended_at INTEGER
        );
        """

    private static let version3 = """
        -- For how long a sink was away or held, in nanoseconds: that does not count towards giving up what is
        -- parked, whose `give_up_at` is so much behind the wall clock.
        -- `away_since`: since when it has been away, of what is not in there.
        ALTER TABLE sinks ADD COLUMN stood_still INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE sinks ADD COLUMN away_since INTEGER;
        """

    private static let version4 = """
        -- Every attempt that failed: a parked row or a dead letter keeps the first and the newest alone.
        CREATE TABLE attempts (
            id INTEGER PRIMARY KEY,
            sink_id INTEGER NOT NULL REFERENCES sinks (id),
            "offset" INTEGER NOT NULL,
            number INTEGER NOT NULL,
            at INTEGER NOT NULL,
            reason TEXT NOT NULL,
            status INTEGER,
            took_ms INTEGER
        );
        CREATE INDEX attempts_of_deliveries ON attempts (sink_id, "offset");

        -- Whom deactivations and deletions were about, apart from the receipts of all deliveries, which may
        -- be so many that they go early.
        CREATE TABLE removals (
            id INTEGER PRIMARY KEY,
            sink TEXT NOT NULL,
            settled_at INTEGER NOT NULL,
            "offset" INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            detail TEXT,
            operation TEXT NOT NULL,
            org TEXT NOT NULL,
            user_id TEXT NOT NULL,
            event_id TEXT NOT NULL
        );
        INSERT INTO removals (sink, settled_at, "offset", outcome, detail, operation, org, user_id, event_id)
            SELECT sink, settled_at, "offset", outcome, detail, operation, org, user_id, event_id
            FROM receipts
            WHERE user_id IS NOT NULL AND org IS NOT NULL AND operation IS NOT NULL AND event_id IS NOT NULL
            ORDER BY id;
        CREATE INDEX removals_of_users ON removals (user_id);
        DROP INDEX receipts_of_users;
        -- Some had gone before that was counted where the first is not there any more.
        INSERT OR IGNORE INTO counters (name, value)
            SELECT 'receipts_gone', settled_at - 1 FROM receipts
            WHERE id = (SELECT min(id) FROM receipts) AND id > 1;

        -- What dead letters and the quarantine take besides the bytes of their events: a letter's attempts
        -- may be many times as long as the rest of its row.
        INSERT INTO counters (name, value) VALUES
            ('dead_letter_row_bytes', (SELECT coalesce(sum(512 + length(CAST(failures AS BLOB))), 0)
                FROM dead_letters)),
            ('quarantine_row_bytes', (SELECT 128 * count(*) FROM quarantine));
        UPDATE counters SET value = value + (SELECT coalesce(sum(length(CAST(failures AS BLOB))), 0)
            FROM dead_letters)
            WHERE name = 'dead_letter_bytes';
        DROP TRIGGER dead_letters_come;
        DROP TRIGGER dead_letters_go;
        DROP TRIGGER quarantine_comes;
        DROP TRIGGER quarantine_goes;
        CREATE TRIGGER dead_letters_come AFTER INSERT ON dead_letters BEGIN
            UPDATE counters SET value = value + 512 + length(CAST(new.failures AS BLOB))
                + coalesce(length(new.body), 0)
            WHERE name = 'dead_letter_bytes';
            UPDATE counters SET value = value + 512 + length(CAST(new.failures AS BLOB))
            WHERE name = 'dead_letter_row_bytes';
        END;
        CREATE TRIGGER dead_letters_go AFTER DELETE ON dead_letters BEGIN
            UPDATE counters SET value = value - 512 - length(CAST(old.failures AS BLOB))
                - coalesce(length(old.body), 0)
            WHERE name = 'dead_letter_bytes';
            UPDATE counters SET value = value - 512 - length(CAST(old.failures AS BLOB))
            WHERE name = 'dead_letter_row_bytes';
        END;
        CREATE TRIGGER quarantine_comes AFTER INSERT ON quarantine BEGIN
            UPDATE counters SET value = value + 128 + length(new.bytes) WHERE name = 'quarantine_bytes';
            UPDATE counters SET value = value + 128 WHERE name = 'quarantine_row_bytes';
        END;
        CREATE TRIGGER quarantine_goes AFTER DELETE ON quarantine BEGIN
            UPDATE counters SET value = value - 128 - length(old.bytes) WHERE name = 'quarantine_bytes';
            UPDATE counters SET value = value - 128 WHERE name = 'quarantine_row_bytes';
        END;
        """
}
