import JSON

/// Writes one LogEvent in the shape of Okta's hook payloads since 2021: unknown members are explicit nulls,
/// the IP chain stands under `client`, and only id, type, login and display name are said of the user.
struct LogEventText {
    var id: String
    var type: LifecycleEventType
    var user: SimulatedUser
    /// Nanoseconds since 1970.
    var published: Int64
    /// 3 to 9.
    var fractionDigits: Int
    var transaction: String
    var adminID: String
    var hookID: String
    /// Whether Okta itself did it and no person: then there is no client.
    var isFromJob: Bool
    /// Whether another target stands before the user.
    var putsUserLast: Bool

    var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.object { event in
            event.member("uuid", id)
            event.member("published", Timestamp.text(published, fractionDigits: fractionDigits))
            event.member("eventType", type.rawValue)
            event.member("version", "0")
            event.member("displayMessage", type.displayMessage)
            event.member("severity", "INFO")
            event.name("client")
            event.object { isFromJob ? writeNoClient(to: &$0) : writeClient(to: &$0) }
            event.null("device")
            event.name("actor")
            event.object { writeActor(to: &$0) }
            event.name("outcome")
            event.object { outcome in
                outcome.member("result", "SUCCESS")
                outcome.null("reason")
            }
            event.name("target")
            event.array { writeTargets(to: &$0) }
            writeCircumstances(to: &event)
            event.null("insertionTimestamp")
        }
        return writer.bytes
    }

    private func writeClient(to client: inout JSONWriter) {
        client.name("userAgent")
        client.object { agent in
            agent.member(
                "rawUserAgent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "Chrome/126.0.0.0 Safari/537.36"
            )
            agent.member("os", "Linux")
            agent.member("browser", "CHROME")
        }
        // Okta writes the word, not JSON's null.
        client.member("zone", "null")
        client.member("device", "Computer")
        client.null("id")
        client.member("ipAddress", "192.0.2.17")
        client.name("geographicalContext")
        client.object { writePlace(to: &$0) }
        client.name("ipChain")
        client.array { chain in
            chain.object { hop in
                hop.member("ip", "192.0.2.17")
                hop.name("geographicalContext")
                hop.object { writePlace(to: &$0) }
                hop.member("version", "V4")
                hop.null("source")
            }
        }
    }

    private func writeNoClient(to client: inout JSONWriter) {
        for name in ["userAgent", "zone", "device", "id", "ipAddress", "geographicalContext"] {
            client.null(name)
        }
        client.name("ipChain")
        client.array { _ in }
    }

    private func writePlace(to place: inout JSONWriter) {
        place.member("city", "Lisbon")
        place.member("state", "Lisbon")
        place.member("country", "Portugal")
        place.member("postalCode", "1100-148")
        place.name("geolocation")
        place.object { point in
            point.member("lat", 38.7139)
            point.member("lon", -9.1394)
        }
    }

    private func writeActor(to actor: inout JSONWriter) {
        actor.member("id", isFromJob ? "spr\(adminID.dropFirst(3))" : adminID)
        actor.member("type", isFromJob ? "SystemPrincipal" : "User")
        actor.member("alternateId", isFromJob ? "system@okta.com" : "admin@example.com")
        actor.member("displayName", isFromJob ? "Okta System" : "Olivia Admin")
        actor.null("detailEntry")
    }

    private func writeTargets(to targets: inout JSONWriter) {
        let userTarget = (user.id, "User", user.login, user.displayName)
        let appTarget = ("0oa\(adminID.dropFirst(3))", "AppInstance", "HR directory", "HR directory")
        for (id, type, login, name) in putsUserLast ? [appTarget, userTarget] : [userTarget] {
            targets.object { target in
                target.member("id", id)
                target.member("type", type)
                target.member("alternateId", login)
                target.member("displayName", name)
                target.null("detailEntry")
            }
        }
    }

    private func writeCircumstances(to event: inout JSONWriter) {
        event.name("transaction")
        event.object { transaction in
            transaction.member("type", isFromJob ? "JOB" : "WEB")
            transaction.member("id", self.transaction)
            transaction.name("detail")
            transaction.object { _ in }
        }
        event.name("debugContext")
        event.object { context in
            context.name("debugData")
            context.object { data in
                data.member("requestId", transaction)
                data.member("requestUri", "/api/v1/users/\(user.id)")
                if type == .updateProfile {
                    let isDeletion = user.phase == .deleted
                    data.member("changedAttributes", isDeletion ? "login" : "firstName,lastName,displayName")
                }
                data.member("targetEventHookIds", hookID)
                data.member("url", "/api/v1/users/\(user.id)?")
            }
        }
        event.member("legacyEventType", type.legacyName)
        event.name("authenticationContext")
        event.object { context in
            for name in ["authenticationProvider", "credentialProvider", "credentialType", "issuer"] {
                context.null(name)
            }
            context.member("authenticationStep", 0)
            context.member("externalSessionId", isFromJob ? "trs\(transaction)" : "102\(transaction)")
            context.null("interface")
        }
        event.name("securityContext")
        event.object { context in
            if isFromJob { return }
            context.member("asNumber", 64_500)
            context.member("asOrg", "example networks")
            context.member("isp", "example internet services")
            context.member("domain", "example.net")
            context.member("isProxy", false)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func null(_ name: String) {
        self.name(name)
        null()
    }
}
