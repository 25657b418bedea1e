import Rules

/// `server`: the public side.
enum ServerKeys {
    static let listen = Field.defaulted(
        "listen", .text(.listenAddress), standardAddress, standard: "127.0.0.1:8080",
        "Address and port that Okta's requests come in at, directly or through a proxy.")
    static let tls = Field.optional(
        "tls", TLSKeys.shape, standard: "plain HTTP", "Serve HTTPS with this certificate.")
    static let trustedProxies = Field.defaulted(
        "trustedProxies", .list(of: .text(.address), "addresses"), [], standard: "none",
        "Proxies, as addresses or CIDR blocks, whose X-Forwarded-For is believed.")
    static let maxBody = Field.defaulted(
        "maxBody", .text(.size), Limits.bodyBytesDefault, standard: "16MiB",
        "A longer request body is refused with 413, which Okta never retries.")
    static let requestTimeout = Field.defaulted(
        "requestTimeout", .text(.duration), Limits.requestTimeoutDefault, standard: "10s",
        "How long a connection may take to send a request, and be idle between two.")
    static let maxConnections = Field.defaulted(
        "maxConnections", .integer(1...1_000_000), Limits.connectionsDefault, standard: "1000",
        "Connections over this are closed at once.")
    static let shutdownTimeout = Field.defaulted(
        "shutdownTimeout", .text(.duration), Limits.shutdownTimeoutDefault, standard: "10s",
        "How long a stop waits for what is in flight.")

    static let standardAddress = ListenAddress(host: "127.0.0.1", port: 8080)

    static let shape = Shape<ServerConfiguration>.object([
        listen.description, tls.description, trustedProxies.description, maxBody.description,
        requestTimeout.description, maxConnections.description, shutdownTimeout.description,
    ]) { reader in
        ServerConfiguration(
            listen: reader[listen],
            tls: reader[tls],
            trustedProxies: reader[trustedProxies],
            bodyBytesMax: reader[maxBody],
            requestTimeout: reader[requestTimeout],
            connectionsMax: reader[maxConnections],
            shutdownTimeout: reader[shutdownTimeout]
        )
    }
}

/// `tls`: PEM files.
enum TLSKeys {
    static let certificate = Field.required(
        "certificate", .text(.path), "PEM file with the certificate and those that vouch for it.")
    static let key = Field.required("key", .text(.path), "PEM file with the certificate's private key.")

    static let shape = Shape<TLSConfiguration>.object([certificate.description, key.description]) { reader in
        TLSConfiguration(certificatePath: reader[certificate], keyPath: reader[key])
    }
}

/// `admin`: the operator's side.
enum AdminKeys {
    static let listen = Field.defaulted(
        "listen", .text(.listenAddress), standardAddress, standard: "127.0.0.1:8081",
        "Address and port of the admin side; anything but loopback needs `tls`.")
    static let token = Field.required(
        "token", .text(.secret), "Bearer token for the admin side; `serve --init` creates a missing file.")
    static let tls = Field.optional(
        "tls", TLSKeys.shape, standard: "plain HTTP", "Serve HTTPS with this certificate.")

    static let standardAddress = ListenAddress(host: "127.0.0.1", port: 8081)

    static let shape = Shape<AdminConfiguration>.object([
        listen.description, token.description, tls.description,
    ]) { reader in
        AdminConfiguration(listen: reader[listen], token: reader[token], tls: reader[tls])
    }
}

/// `hooks[]`: one Okta event hook each.
enum HookKeys {
    static let name = Field.required(
        "name", .text(.name), "Its name in rules, metrics and pages; unique.")
    static let path = Field.required(
        "path", .text(.urlPath), "The path of the URL that is configured in Okta; unique.")
    static let header = Field.defaulted(
        "header", .text(.headerName), "Authorization", standard: "Authorization",
        "The authentication field that is configured in Okta.")
    static let secrets = Field.required(
        "secrets", .list(of: .text(.secret), "secrets", count: 1...),
        "Any of them is accepted, verbatim; `serve --init` creates missing files.")
    static let events = Field.optional(
        "events", .list(of: .text(.eventTypePattern), "event types", count: 1...),
        standard: "every well-formed name", "Event types that it accepts; others are quarantined.")
    static let org = Field.optional(
        "org", .text(.name), standard: "the hook's name",
        "The Okta org behind it; hooks of one org share it, for deduplication and order.")
    static let verification = Field.defaulted(
        "verification", .choice(HookConfiguration.Verification.authenticated, .open), .authenticated,
        standard: "authenticated", "Whether Okta's verification request must carry the secret too.")

    static let shape = Shape<HookConfiguration>.object(
        [
            name.description, path.description, header.description, secrets.description, events.description,
            org.description, verification.description,
        ],
        foreign: ["secret": "did you mean \"secrets\", a list?"]
    ) { reader in
        HookConfiguration(
            name: reader[name],
            path: reader[path],
            header: reader[header],
            secrets: reader[secrets],
            events: reader[events],
            org: reader[org],
            verification: reader[verification]
        )
    }
}

/// `journal`: where events are kept.
enum JournalKeys {
    static let path = Field.defaulted(
        "path", .text(.path), standardPath, standard: standardPath, "The journal's SQLite file.")
    static let retention = Field.defaulted(
        "retention", .text(.duration), Limits.retentionDefault, standard: "30d",
        "How long events are kept, and how far back a repeated one is recognised.")
    static let maxSize = Field.defaulted(
        "maxSize", .text(.size), Limits.journalSizeDefault, standard: "10GiB",
        "Bytes that the journal may take; near it old events go early, then those of sinks that are disabled"
            + " or furthest behind."
    )
    static let receipts = Field.defaulted(
        "receipts", .text(.duration), Limits.receiptsDefault, standard: "400d",
        "How long it is kept what became of each event, and what operators did.")
    static let maxDeadLetters = Field.optional(
        "maxDeadLetters", .text(.size), standard: "a tenth of maxSize",
        "Bytes that dead letters may take; above it the oldest lose their events and stay listed.")
    static let maxQuarantine = Field.optional(
        "maxQuarantine", .text(.size), standard: "a tenth of maxSize",
        "Bytes that the quarantine may take; above it the oldest inputs lose theirs and stay listed.")

    static let standardPath = "data/journal.sqlite"

    static let shape = Shape<JournalConfiguration>.object([
        path.description, retention.description, maxSize.description, receipts.description,
        maxDeadLetters.description, maxQuarantine.description,
    ]) { reader in
        let journal = JournalConfiguration(
            path: reader[path], retention: reader[retention], sizeMax: reader[maxSize],
            receipts: reader[receipts], deadLetterBytesMax: reader[maxDeadLetters],
            quarantineBytesMax: reader[maxQuarantine])
        check(journal, reader)
        return journal
    }

    private static func check(_ journal: JournalConfiguration, _ reader: ObjectReader) {
        if journal.sizeMax < Limits.journalSizeMin, reader.isSound("maxSize") {
            reader.error("the journal needs at least 64MiB; raise \"maxSize\"", at: "maxSize")
        }
        func areSound(_ keys: String...) -> Bool {
            keys.allSatisfy { reader.node($0) == nil || reader.isSound($0) }
        }
        if journal.receipts < journal.retention, areSound("receipts", "retention") {
            let key = reader.node("receipts") == nil ? "retention" : "receipts"
            reader.error(
                "\"receipts\" is shorter than \"retention\": it would forget what became of events that are"
                    + " still kept; raise it or lower the other", at: key)
        }
        if journal.deadLetterBytesMax + journal.quarantineBytesMax > journal.sizeMax / 2,
            areSound("maxDeadLetters", "maxQuarantine", "maxSize")
        {
            let key = reader.node("maxDeadLetters") == nil ? "maxQuarantine" : "maxDeadLetters"
            reader.error(
                "\"maxDeadLetters\" and \"maxQuarantine\" leave events less than half of \"maxSize\"; lower"
                    + " them or raise \"maxSize\"", at: key)
        }
    }
}
