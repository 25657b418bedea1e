import GRDB

/// The journal's tables, as numbered migrations; a migration that has shipped is never edited.
enum JournalSchema {
    /// The number of the newest migration; stored as the file's `user_version`.
    static let version = 1

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(sql: version1)
            try db.execute(sql: "PRAGMA user_version = 1")
        }
        return migrator
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
}
